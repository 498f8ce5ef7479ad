"""Several runs beside each other, on shared scales."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlp.errors import ConfigurationError
from mlp.plotting.layers import axis_label, draw_lines, require_table
from mlp.plotting.style import COLORS, UNITS, legend_below, line_style, new_figure, open_up, plain
from mlp.training.history import History
from mlp.training.layer_table import LayerTable
from mlp.typing import Array


def compare_curves(runs: Mapping[str, Sequence[History]]) -> Figure:
    """Loss and accuracy of several runs, training on the left, validation on the right, rows on a shared scale.

    Args:
        runs: {label: list of Histories}; for several (other seeds) the mean is drawn, in a band of one standard
            deviation (n - 1). They may differ in length: the mean of an epoch is over the runs that reached it.

    Raises:
        ConfigurationError: something else than a dict of lists of Histories.
    """
    lists = list(runs.values()) if isinstance(runs, Mapping) else [None]
    if not all(isinstance(one, list | tuple) and all(isinstance(h, History) for h in one) for one in lists):
        raise ConfigurationError("runs are a dict with a list of histories for each label: {'BN': [history], ...}")
    figure = new_figure((11, 8))
    panels = figure.subplots(2, 2, sharex=True, sharey="row")
    for i, (label, histories) in enumerate(runs.items()):
        for row, metric in enumerate(("loss", "acc")):
            for axes, part in zip(panels[row], ("train", "val"), strict=True):
                values = stack_rows([history.shown(f"{part}_{metric}") for history in histories])  # (runs, epochs)
                style = line_style(i, values.shape[1])
                draw_mean_and_band(axes, 1 + np.arange(values.shape[1]), values, label=plain(label), **style)
    open_up(panels[0])
    for axes, title in zip(panels[0], ("training", "validation"), strict=True):
        axes.set_title(title)
    for axes, metric in zip(panels[:, 0], ("loss", "acc"), strict=True):
        axes.set_ylabel(UNITS[metric])
    for axes in panels.flat:
        axes.grid(alpha=0.3)
    for axes in panels[1]:
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
    legend_below(figure, panels[0, 0])
    return figure


def stack_rows(rows: Sequence[Array]) -> Array:
    """Return 1-d arrays of different lengths as the rows of one array, filled up with NaN."""
    stacked = np.full((len(rows), max(map(len, rows), default=0)), np.nan)
    for target, row in zip(stacked, rows, strict=True):
        target[: len(row)] = row
    return stacked


def draw_mean_and_band(axes: Axes, x: Array, values: Array, color: str, label: str, **style: Any) -> None:
    """Draw the mean of `values` (runs, points) over the runs and a band of one standard deviation; NaN is left out.

    The standard deviation divides by n - 1, for n runs.

    Args:
        style: further arguments for `axes.plot`, such as dashes.
    """
    count = np.isfinite(values).sum(axis=0)  # (points,)
    kept = count > 0
    x, values, count = x[kept], values[:, kept], count[kept]
    mean = np.nansum(values, axis=0) / count
    axes.plot(x, mean, color=color, label=label, **style)
    if len(values) > 1:
        spread = np.sqrt(np.nansum((values - mean) ** 2, axis=0) / np.maximum(count - 1, 1))  # 0 where one run is left
        axes.fill_between(x, mean - spread, mean + spread, color=color, alpha=0.2, linewidth=0)


def compare_gradient_flow(runs: Mapping[str, Sequence[LayerTable]], columns: int = 4) -> Figure:
    """Gradient flow of several runs in panels beside each other, all on one logarithmic scale.

    Args:
        runs: {label: list of gradient-flow LayerTables}; for several (other seeds) the lines show the mean of each
            epoch, and a band reaches from the lowest to the highest value of the last epoch that all have.
        columns: panels in a row.
    """
    columns = min(columns, len(runs))
    rows = -(-len(runs) // columns)
    figure = new_figure((4 * columns + 1, 4.5 * rows))
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for i, (axes, (label, tables)) in enumerate(zip(panels.flat, runs.items(), strict=False)):
        color = COLORS[i % len(COLORS)]  # that of the run's curves
        epochs = min(len(require_table(table)) for table in tables)
        values = np.array([table["mean_abs"][:epochs] for table in tables])  # (runs, epochs, layers)
        draw_lines(axes, tables[0].names, values.mean(axis=0), "log", color=color)
        if len(tables) > 1:
            last = np.where(values[:, -1] > 0, values[:, -1], np.nan)
            depths = np.arange(last.shape[1])
            axes.fill_between(depths, last.min(axis=0), last.max(axis=0), color=color, alpha=0.2, linewidth=0)
        mean = f", mean of {len(tables)}" if len(tables) > 1 else ""
        axes.set_title(plain(label) + mean, fontsize="medium")
    for axes in panels.flat[len(runs) :]:
        axes.remove()
    for axes in panels[:, 0]:
        axes.set_ylabel(axis_label("mean_abs"))
    return figure
