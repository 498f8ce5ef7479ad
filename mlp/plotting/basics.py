"""Plain figures for notebooks: lines, bars, histograms."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import BASE_COLORS
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mlp.plotting.style import BLUE, COLORS, legend_below, line_style, new_figure
from mlp.typing import Array

Curves = Mapping[str, tuple[Any, Any]]  # {label: (x, y)}


def lines(
    curves: Curves,
    xlabel: str = "",
    ylabel: str = "",
    title: str = "",
    *,
    xscale: str = "linear",
    yscale: str = "linear",
    styles: Mapping[str, str] | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Curves in one picture, told apart by colour, dashes and markers; a single one is a solid line.

    Args:
        curves: {label: (x, y)}; a label that begins with "_" stays out of the legend.
        xscale, yscale: "linear" or "log".
        styles: {label: Matplotlib's format}, such as "--" for a dashed line or "o" for points.
        axes: where to draw, with the legend inside; None for a figure with the legend below.
    """
    drawn = own_axes() if axes is None else axes
    for i, (label, (x, y)) in enumerate(curves.items()):
        form = (styles or {}).get(label, "-" if len(curves) == 1 else "")
        look: dict[str, Any] = {} if set(form) & set(BASE_COLORS) else {"color": COLORS[i % len(COLORS)]}
        if form:
            drawn.plot(x, y, form, label=label, **look)
        else:
            drawn.plot(x, y, label=label, **line_style(i, len(x)))
    drawn.set(xlabel=xlabel, ylabel=ylabel, title=title, xscale=xscale, yscale=yscale)
    drawn.grid(alpha=0.3)
    if xscale == "linear" and all(np.asarray(x).dtype.kind == "i" for x, _ in curves.values()):
        drawn.xaxis.set_major_locator(MaxNLocator("auto", integer=True))  # epochs, steps, layers
    if any(not label.startswith("_") for label in curves):
        if axes is None:
            legend_below(figure_of(drawn), drawn)
        else:
            axes.legend(fontsize="small")
    return figure_of(drawn)


def bars(
    values: Mapping[str, float], xlabel: str = "", title: str = "", form: str = "{:.3g}", xscale: str = "linear"
) -> Figure:
    """A horizontal bar for each number, with the number beside it: {label: value}, the first on top."""
    figure = new_figure((6.5, 0.3 * len(values) + 0.9))
    axes = figure.subplots()
    drawn = axes.barh(list(values), list(values.values()), color=BLUE)
    axes.bar_label(drawn, [form.format(value) for value in values.values()], padding=4, fontsize="small")
    axes.invert_yaxis()
    axes.margins(x=0.15 if xscale == "linear" else 0.3)  # room for the numbers
    axes.set(xlabel=xlabel, title=title, xscale=xscale)
    return figure


def histograms(
    panels: Mapping[str, Array | Mapping[str, Array]], xlabel: str = "", bins: int | Sequence[float] = 60
) -> Figure:
    """How values are distributed, in panels side by side on one scale.

    Args:
        panels: {title: values of any shape}; for several in one panel, {title: {label: values}}.
        bins: their number or their edges, as for `numpy.histogram`; all panels have the same.
    """
    figure = new_figure((3.6 * len(panels) + 0.4, 3.2))
    row = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
    everything = {title: values if isinstance(values, Mapping) else {"_": values} for title, values in panels.items()}
    together = np.concatenate([np.ravel(v) for values in everything.values() for v in values.values()])
    edges = np.histogram_bin_edges(together, bins)
    for axes, (title, values) in zip(row, everything.items(), strict=True):
        for i, (label, numbers) in enumerate(values.items()):
            look = {"color": COLORS[i % len(COLORS)], "hatch": "/" * 4 * (i % 2), "edgecolor": "white"}
            axes.hist(np.ravel(numbers), edges, density=True, alpha=0.7, label=label, linewidth=0, **look)
        axes.set(xlabel=xlabel, title=title)
        if any(not label.startswith("_") for label in values):
            axes.legend(fontsize="small")
    row[0].set_ylabel("density")
    return figure


def own_axes() -> Axes:
    """Return the axes of a new figure."""
    return new_figure((6.5, 3.8)).subplots()


def figure_of(axes: Axes) -> Figure:
    """Return the figure that axes are part of."""
    figure: Any = axes.figure
    return figure
