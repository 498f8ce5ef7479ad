"""The figures of the reports: curves of several runs, gradient flows, and the spread over seeds, as panels.

Each function takes numbers by label and returns a Figure whose legend stands below the panels, where it covers no line.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from mlp.losses import chance_loss
from mlp.models import report_label
from mlp.plotting.layers import axis_label, draw_lines, require_table
from mlp.plotting.style import (
    BLACK,
    BLUE,
    GREY,
    MARKERS,
    UNITS,
    VERMILLION,
    emphasized,
    legend_below,
    line_style,
    new_figure,
    open_up,
    panel_grid,
    plain,
    set_title,
    share_limits,
)
from mlp.training.history import History
from mlp.training.layer_table import LayerTable
from mlp.typing import Array

PARTS = {"train": "training", "val": "validation", "test": "test"}
ERROR_BAR: dict[str, Any] = {"capsize": 4, "markersize": 6, "linewidth": 1.5, "mfc": "white"}


def curve_panels(
    runs: Mapping[str, Sequence[History]],
    metrics: Sequence[str],
    title: str | None = None,
    worst: str | None = None,
    classes: int | None = None,
    *,
    together: bool = False,
) -> Figure:
    """Metrics against the epoch: a panel for each metric, with a line for each run.

    Panels of the same sort (loss, accuracy) share their scale.

    Args:
        runs: {label: list of Histories}; for several (other seeds) the mean is drawn, in a band of one standard
            deviation (n - 1). They may differ in length: the mean of an epoch is over the runs that reached it.
        metrics: train_loss, train_acc, val_loss, val_acc or learning_rate.
        worst: the label of the run that is drawn in red.
        classes: K; guessing, with a loss of ln K and an accuracy of 1/K, is drawn as a dotted line.
        together: whether training and validation share a panel; for a single run.
    """
    groups = panels_of(metrics, together=together)
    columns = 2 if len(groups) in (2, 4) else len(groups)
    figure, panels = panel_grid(
        len(groups), columns, lambda wide, high: (1.5 + 4.5 * wide, 1.2 + 3.3 * high), sharex=True
    )
    by_sort: dict[str, list[Axes]] = {}
    for axes, group in zip(panels, groups, strict=True):
        sort = sort_of(group[0])
        by_sort.setdefault(sort, []).append(axes)
        lines = [(label, metric) for label in runs for metric in group]
        for i, (label, metric) in enumerate(lines):
            values = stack_rows([history.shown(metric) for history in runs[label]])  # (runs, epochs)
            style = line_style(i, values.shape[1])
            name = part_of(metric) if together else label
            style = emphasized(style) if label == worst else style
            draw_mean_and_band(axes, 1 + np.arange(values.shape[1]), values, label=plain(name), **style)
        if classes and sort in ("loss", "acc"):
            chance = chance_loss(classes) if sort == "loss" else 100.0 / classes
            label = f"chance ({classes} classes)"
            axes.axhline(chance, color=GREY, linestyle=":", linewidth=1.2, label=label, zorder=1)
        axes.set(ylabel=UNITS[sort], title="" if together else part_of(group[0]))
        axes.set_yscale("log" if sort == "learning_rate" else "linear")
        axes.grid(alpha=0.3)
    open_up(by_sort.get("loss", []))
    for same in by_sort.values():
        share_limits(same)
    for axes in panels[-columns:]:
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))
    legend_below(figure, panels[0])
    set_title(figure, title)
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


def panels_of(metrics: Sequence[str], *, together: bool) -> list[list[str]]:
    """Return the metrics of each panel: all of a sort, or one."""
    sorts = dict.fromkeys(sort_of(metric) for metric in metrics)
    by_sort = [[metric for metric in metrics if sort_of(metric) == sort] for sort in sorts]
    return by_sort if together else [[metric] for group in by_sort for metric in group]


def sort_of(metric: str) -> str:
    """Return what a metric measures: "loss", "acc" or "learning_rate"."""
    return metric if metric == "learning_rate" else metric.rpartition("_")[2]


def part_of(metric: str) -> str:
    """Return what a metric is measured on: "training", "validation", "test"; "" for the learning rate."""
    return PARTS.get(metric.partition("_")[0], "")


def flow_panels(tables: Mapping[str, LayerTable], title: str | None = None, *, log: bool = False) -> Figure:
    """Gradient flow in the form of the reports: mean |gradient| of the last batch of every epoch, a panel for each run.

    There is a pale line for each epoch, and a black one for the last. Panels share a logarithmic axis, so that they can
    be compared. A linear axis is not shared, because a network with vanishing gradients would be a line at 0.

    Args:
        tables: {label: gradient-flow LayerTable}.
        log: whether the axis is logarithmic. Zeros have no place there: they become gaps.
    """
    columns = 1 if max(len(require_table(table).names) for table in tables.values()) > 45 else min(2, len(tables))
    same_layers = columns == 1 and len({tuple(table.names) for table in tables.values()}) == 1

    def size(wide: int, high: int) -> tuple[float, float]:
        return 10.5 if wide == 1 else 13.5, 0.6 + 3.9 * high - (1.0 * (high - 1) if same_layers else 0.0)

    figure, panels = panel_grid(len(tables), columns, size, sharex=same_layers, sharey=log)
    for axes, (label, table) in zip(panels, tables.items(), strict=True):
        values = table["last_mean_abs"]  # (epochs, layers)
        scale = "log" if log else "linear"
        shades = [0.3 if len(values) <= 20 else 0.12] * len(values)
        draw_lines(axes, table.names, values, scale, shades=shades, label=report_label)
        last = np.where(values[-1] > 0, values[-1], np.nan) if log else values[-1]
        axes.plot(last, color=BLACK, linewidth=1.1, marker=".", markersize=3)
        first = axes in panels[::columns]
        axes.set(
            ylabel=axis_label("mean_abs") if first or not log else "",
            xlabel=axes.get_xlabel() if axes in panels[-columns:] else "",
        )
        axes.set_title(f"{label} ({epochs_drawn(table)})", fontsize="medium")
        if not log:
            axes.ticklabel_format(axis="y", style="sci", scilimits=(-3, 3), useMathText=True)
            axes.set_ylim(bottom=0.0)
    set_title(figure, title)
    return figure


def epochs_drawn(table: LayerTable) -> str:
    """Say which epochs the lines of a gradient flow are."""
    return "epoch 1" if len(table) == 1 else f"epochs 1 to {len(table)}, the last one black"


def seed_panels(
    values: Mapping[str, Mapping[int, float]],
    published: Mapping[str, tuple[float, float | None]] | None = None,
    title: str | None = None,
) -> Figure:
    """How much runs with different seeds differ: a marker for each seed, and mean and standard deviation beside them.

    The standard deviation divides by the number of seeds, as that of the report does.

    Args:
        values: {metric: {seed: value}}; losses are in one panel, accuracies (given as fractions) in the other.
        published: {metric: (mean, standard deviation or None)}, drawn beside ours.
    """
    sorts = list(dict.fromkeys(sort_of(metric) for metric in values))
    seeds = list(dict.fromkeys(seed for numbers in values.values() for seed in numbers))
    figure = new_figure((1.5 + 4.5 * len(sorts), 4.6))
    for axes, sort in zip(figure.subplots(1, len(sorts), squeeze=False).ravel(), sorts, strict=True):
        metrics = [metric for metric in values if sort_of(metric) == sort]
        scale = 100.0 if sort == "acc" else 1.0
        for x, metric in enumerate(metrics):
            draw_seeds(axes, x, {seed: scale * value for seed, value in values[metric].items()}, seeds)
            mean, spread = (published or {}).get(metric, (None, None))
            if mean is not None:
                error = None if spread is None else scale * spread
                axes.errorbar(x + 0.32, scale * mean, error, color=VERMILLION, label="published", **ERROR_BAR, fmt="s")
        axes.set_xticks(range(len(metrics)), [part_of(metric) for metric in metrics])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set(ylabel=UNITS[sort], xlim=(-0.5, len(metrics) - 0.5))
        axes.grid(alpha=0.3, axis="y")
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=min(len(handles), 6), fontsize="small"
    )
    set_title(figure, title)
    return figure


def draw_seeds(axes: Axes, x: float, values: Mapping[int, float], seeds: Sequence[int]) -> None:
    """Draw a marker for each seed around x, and to their right their mean and standard deviation (divided by n)."""
    offsets = np.linspace(-0.3, 0.06, len(seeds)) if len(seeds) > 1 else [-0.12]
    for seed, value in values.items():
        i = seeds.index(seed)
        axes.plot(x + offsets[i], value, MARKERS[i % len(MARKERS)], color=GREY, label=f"seed {seed}", linestyle="none")
    numbers = np.array(list(values.values()))
    if len(numbers) > 1:
        spread = numbers.std()
        axes.errorbar(
            x + 0.2, numbers.mean(), spread, color=BLUE, label="mean and standard deviation", **ERROR_BAR, fmt="o"
        )
