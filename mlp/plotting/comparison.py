"""Several runs beside each other, on shared scales."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from mlp.errors import ConfigurationError
from mlp.plotting.layers import axis_label, draw_lines, require_table
from mlp.plotting.panels import curve_panels
from mlp.plotting.style import COLORS, panel_grid, plain
from mlp.training.history import METRICS, History
from mlp.training.layer_table import LayerTable


def compare_curves(runs: Mapping[str, Sequence[History]]) -> Figure:
    """Loss and accuracy of several runs, training on the left, validation on the right, rows on a shared scale.

    Args:
        runs: {label: list of Histories}, see `curve_panels`.

    Raises:
        ConfigurationError: something else than a dict of lists of Histories.
    """
    lists = list(runs.values()) if isinstance(runs, Mapping) else [None]
    if not all(isinstance(one, list | tuple) and all(isinstance(h, History) for h in one) for one in lists):
        raise ConfigurationError("runs are a dict with a list of histories for each label: {'BN': [history], ...}")
    return curve_panels(runs, METRICS)


def compare_gradient_flow(runs: Mapping[str, Sequence[LayerTable]], columns: int = 4) -> Figure:
    """Gradient flow of several runs in panels beside each other, all on one logarithmic scale.

    Args:
        runs: {label: list of gradient-flow LayerTables}; for several (other seeds) the lines show the mean of each
            epoch, and a band reaches from the lowest to the highest value of the last epoch that all have.
        columns: panels in a row.
    """
    figure, panels = panel_grid(len(runs), columns, lambda wide, high: (4 * wide + 1, 4.5 * high), sharey=True)
    for i, (axes, (label, tables)) in enumerate(zip(panels, runs.items(), strict=True)):
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
    for axes in panels[::columns]:
        axes.set_ylabel(axis_label("mean_abs"))
    return figure
