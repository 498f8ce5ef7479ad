"""Plain figures for notebooks: lines, bars, histograms. Several panels stand side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlp.typing import Array

Curves = Mapping[str, tuple[Any, Any]]  # {label: (x, y)}
MOST_INSIDE = 5  # lines of a legend that find a place among the curves; a longer one stands beside them


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
    """Curves in one picture.

    Args:
        curves: {label: (x, y)}, each drawn in the next colour; a label that begins with "_" stays out of the legend.
        xscale, yscale: "linear" or "log".
        styles: {label: Matplotlib's format}, such as "--" for a dashed line or "o" for points.
        axes: where to draw; None for a figure of its own.
    """
    axes = own_axes() if axes is None else axes
    for label, (x, y) in curves.items():
        axes.plot(x, y, (styles or {}).get(label, "-"), label=label)
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title, xscale=xscale, yscale=yscale)
    axes.grid(alpha=0.3)
    named = sum(not label.startswith("_") for label in curves)
    if named > MOST_INSIDE:
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))
    elif named:
        axes.legend(fontsize="small")
    return figure_of(axes)


def bars(
    values: Mapping[str, float], xlabel: str = "", title: str = "", form: str = "{:.3g}", xscale: str = "linear"
) -> Figure:
    """A horizontal bar for each number, with the number beside it: {label: value}, the first on top."""
    figure = Figure(figsize=(6.5, 0.3 * len(values) + 0.9), layout="constrained")
    axes = figure.subplots()
    drawn = axes.barh(list(values), list(values.values()))
    axes.bar_label(drawn, [form.format(value) for value in values.values()], padding=4, fontsize="small")
    axes.invert_yaxis()
    axes.margins(x=0.15 if xscale == "linear" else 0.3)  # room for the numbers
    axes.set(xlabel=xlabel, title=title, xscale=xscale)
    return figure


def histograms(
    panels: Mapping[str, Array | Mapping[str, Array]], xlabel: str = "", bins: int | Sequence[float] = 60
) -> Figure:
    """How values are distributed, panels on one scale.

    Args:
        panels: {title: values of any shape}; for several in one panel, {title: {label: values}}.
        bins: as for `numpy.histogram`.
    """
    figure = Figure(figsize=(3.6 * len(panels) + 0.4, 3.2), layout="constrained")
    row = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
    everything = {title: values if isinstance(values, Mapping) else {"_": values} for title, values in panels.items()}
    together = np.concatenate([np.ravel(v) for values in everything.values() for v in values.values()])
    edges = np.histogram_bin_edges(together, bins)
    for axes, (title, values) in zip(row, everything.items(), strict=True):
        for label, numbers in values.items():
            axes.hist(np.ravel(numbers), edges, density=True, alpha=0.6, label=label)
        axes.set(xlabel=xlabel, title=title)
        if any(not label.startswith("_") for label in values):
            axes.legend(fontsize="small")
    row[0].set_ylabel("density")
    return figure


def own_axes() -> Axes:
    """Return the axes of a new figure."""
    return Figure(figsize=(6.5, 3.8), layout="constrained").subplots()


def figure_of(axes: Axes) -> Figure:
    """Return the figure that axes are part of."""
    figure: Any = axes.figure
    return figure
