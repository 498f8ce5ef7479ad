"""Numbers of layers over depth and epochs: gradient flow, statistics of activations and the like."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.ticker import MaxNLocator

from mlp.errors import ConfigurationError
from mlp.plotting.basics import figure_of
from mlp.plotting.style import BLUE, GREY, new_figure, plain
from mlp.training.layer_table import LayerTable
from mlp.typing import Array

AXIS_LABELS = {
    "mean_abs": "mean |gradient|",
    "l2": "L2 norm of the gradient",
    "max_abs": "largest |gradient|",
    "zeros": "fraction of zero gradients",
    "mean": "mean of the outputs",
    "std": "standard deviation of the outputs",
    "dead": "fraction of dead units",
    "update_ratio": "|change| / |weights|",
    "batch_mean": "mean of the inputs",
    "batch_var": "variance of the inputs",
}
DEPTH = "from the input to the output"
LABEL_INCHES = 0.13  # that a label of 7 points needs across
FRACTIONS = ("zeros", "dead")  # their axes begin at 0
SMALLEST_TOP = 0.1  # of an axis of fractions
ON_LINEAR_AXES = ("zeros", "mean", "dead", "batch_mean", "gamma", "loss", "accuracy")  # fractions, what can be negative


def gradient_flow(
    table: LayerTable,
    title: str | None = None,
    scale: str = "log",
    statistic: str = "mean_abs",
    axes: Axes | None = None,
    color: str = BLUE,
) -> Figure:
    """Gradient statistics over depth, a line for each epoch: pale for the first epochs, dark for the last.

    Args:
        table: a gradient-flow LayerTable, `history.gradient_flow`.
        scale: "log"; "linear" is the form of the reports' figures, in which 38 layers of vanishing gradients look flat.
        statistic: mean_abs, l2, max_abs or zeros, averaged over the epoch; with "last_" before it, of the last batch.
        axes: where to draw; None for a new figure. color: of the lines.

    Raises:
        ConfigurationError: `table` is None, because no gradient flow was recorded, or something else than a table.
    """
    require_table(table)
    if axes is None:
        axes = new_figure((max(5, 0.16 * len(table.names) + 3), 5)).subplots()
    values = table[statistic]  # (epochs, layers)
    draw_lines(axes, table.names, values, scale, color=color)
    axes.set(ylabel=axis_label(statistic), title=title or "")
    return figure_of(axes)


def require_table(table: object) -> LayerTable:
    """Return `table`; if it is no LayerTable, a ConfigurationError says what to give."""
    if table is None:
        raise ConfigurationError(
            "no gradient flow was recorded: give the trainer hooks=[mlp.diagnostics.GradientFlow()], and fit again"
        )
    if not isinstance(table, LayerTable):
        raise ConfigurationError(f"a table of layers is drawn, got {type(table).__name__}: give history.gradient_flow")
    return table


def gradient_flow_map(table: LayerTable, title: str | None = None) -> Figure:
    """Mean |gradient| as a map: depth from left to right, epochs from top to bottom, its logarithm as colour."""
    require_table(table)
    figure = new_figure((max(5, 0.16 * len(table.names) + 4), 4.5))
    axes = figure.subplots()
    figure.colorbar(draw_map(axes, table.names, table["mean_abs"], "log"), label=axis_label("mean_abs"))
    axes.set(title=title or "")
    return figure


def layer_statistics(table: LayerTable, *statistics: str, title: str | None = None) -> Figure:
    """Statistics of layers over depth and epochs: on the left a line for each epoch, on the right a map.

    Args:
        table: any LayerTable, for example one of `mlp.diagnostics.statistics`.
        statistics: names of its statistics, a row of the figure for each; by default all.
    """
    statistics = statistics or tuple(require_table(table).values)
    figure = new_figure((2 * max(5, 0.16 * len(table.names) + 3), 3.5 * len(statistics)))
    for (lines, image), statistic in zip(figure.subplots(len(statistics), 2, squeeze=False), statistics, strict=True):
        scale = "linear" if statistic.removeprefix("last_") in ON_LINEAR_AXES else "log"
        names, values = measured(table, statistic)
        draw_lines(lines, names, values, scale)
        lines.set(ylabel=axis_label(statistic))
        shown = draw_map(image, names, values, scale)
        if statistic.removeprefix("last_") in FRACTIONS:
            top = max(SMALLEST_TOP, np.max(values, initial=0.0, where=np.isfinite(values)))
            lines.set_ylim(0.0, 1.05 * top)
            shown.set_clim(0.0, top)
        figure.colorbar(shown, ax=image, label=axis_label(statistic))
    if title:
        figure.suptitle(title)
    return figure


def measured(table: LayerTable, statistic: str) -> tuple[list[str], Array]:
    """Return names and values (epochs, layers) of the layers that have this statistic; of all if no layer has it."""
    values = table[statistic]
    columns = np.flatnonzero(~np.isnan(values).all(axis=0))
    if not len(columns):
        return table.names, values
    return [table.names[i] for i in columns], values[:, columns]


def layer_label(name: str) -> str:
    """Return what stands below an axis for a weight: the name of its layer, "stage_0.block_1.conv_0"."""
    return name.removesuffix(".weight").removesuffix(".gamma")


def draw_lines(
    axes: Axes,
    names: Sequence[str],
    values: Array,
    scale: str,
    *,
    shades: Sequence[float] | Array | None = None,
    label: Callable[[str], str] = layer_label,
    color: str = BLUE,
) -> None:
    """Draw `values` (epochs, layers) over the depth, a line for each epoch.

    Args:
        shades: how dark each line is, 0 .. 1; by default later lines are darker, and the label of the axis says so.
        label: makes the text below the axis from a name; the reports have their own, `mlp.models.report_label`.
        color: of all lines.
    """
    if scale == "log":
        values = np.where(values > 0, values, np.nan)  # zeros have no place on a log axis
    depths = np.arange(values.shape[1])
    darker = shades is None and len(values) > 1
    if shades is None:
        shades = np.linspace(0.25, 1.0, len(values)) if darker else [1.0]
    for row, shade in zip(values, shades, strict=True):
        axes.plot(depths, row, color=color, alpha=shade, linewidth=1, marker="." if len(names) == 1 else None)
    axes.set_yscale(scale if np.isfinite(values).any() else "linear")
    axes.set(xlabel=depth_text(len(values) if darker else 1))
    label_depths(axes, list(map(label, names)))
    name_parts(axes, names)
    axes.grid(alpha=0.3)


def depth_text(epochs: int) -> str:
    """Return the label of an axis of depths; for several epochs it explains the shades of their lines."""
    return DEPTH + (f"\npale: epoch 1, dark: epoch {epochs}" if epochs > 1 else "")


def draw_map(axes: Axes, names: Sequence[str], values: Array, scale: str) -> AxesImage:
    """Draw `values` (epochs, layers) as colours, with the epochs from top to bottom; return the image."""
    positive = values[np.isfinite(values) & (values > 0)]
    logarithmic = scale == "log" and len(positive)
    norm = LogNorm(positive.min(), max(positive.max(), positive.min() * 10)) if logarithmic else None
    values = np.where(np.isfinite(values), values, np.nan)
    extent = (-0.5, values.shape[1] - 0.5, len(values) + 0.5, 0.5)
    image = axes.imshow(values, aspect="auto", norm=norm, extent=extent, interpolation="nearest")
    axes.set(xlabel=DEPTH, ylabel="epoch")
    axes.yaxis.set_major_locator(MaxNLocator("auto", integer=True))
    label_depths(axes, list(map(layer_label, names)))
    name_parts(axes, names, color="white")
    return image


def axis_label(statistic: str) -> str:
    """Return the axis label of a statistic."""
    name = statistic.removeprefix("last_").removesuffix("_spread")
    spread = ", std over channels" if statistic.endswith("_spread") else ""
    return AXIS_LABELS.get(name, name) + spread + (", last batch of the epoch" if statistic.startswith("last_") else "")


def label_depths(axes: Axes, labels: Sequence[str]) -> None:
    """Write labels of layers below axes; if there is no room for all, only some, and the label of the axis says so."""
    inches = figure_of(axes).get_figwidth() * axes.get_position().width
    step = max(1, math.ceil(len(labels) * LABEL_INCHES / inches))
    axes.set_xticks(np.arange(0, len(labels), step), list(map(plain, labels[::step])))
    axes.tick_params("x", labelsize=7, labelrotation=90)
    if step > 1:
        axes.set_xlabel(f"{axes.get_xlabel()}\n(1 in {step} is named)")


def name_parts(axes: Axes, names: Sequence[str], color: str = GREY) -> None:
    """Write the names of a model's parts ("stage 0") above the axes, and draw a line where a part ends.

    On a printed page the labels of 75 layers are too small, but these names stay readable. Parts of a single layer, and
    those too narrow for a name (input and head of a deep `vgg`), get no name.
    """
    parts = [name.split(".")[0] for name in names]
    borders = [0, *(i for i in range(1, len(parts)) if parts[i] != parts[i - 1]), len(parts)]
    centres = {
        (start + end - 1) / 2: parts[start].replace("_", " ")
        for start, end in pairwise(borders)
        if end - start >= max(2, len(parts) / 8)
    }
    if len(centres) < 2:
        return
    for border in borders[1:-1]:
        axes.axvline(border - 0.5, color=color, linewidth=0.8)
    above = axes.secondary_xaxis("top")
    above.set_ticks(list(centres), list(map(plain, centres.values())), fontsize="small")
    above.tick_params(length=0)
