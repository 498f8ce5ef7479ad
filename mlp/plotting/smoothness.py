"""How well a gradient predicts the loss nearby, while networks train; and how alike the gradients of images are."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlp.plotting.layers import layer_label
from mlp.plotting.style import GREY, legend_below, line_style, new_figure, plain, set_title
from mlp.typing import Array

Columns = Mapping[str, Array]  # name of a column -> values, (measured steps,)
SHOWN = (  # title, axis label, scale, columns: the two ends of a band, or a line
    ("loss at the points", "loss (nats)", "linear", ("loss_min", "loss_max")),
    ("change of the gradient", "|new gradient - g|", "log", ("change_min", "change_max")),
    ("effective beta-smoothness", "largest change / distance", "log", ("beta",)),
    ("relative change", "largest |new gradient - g| / |g|", "log", ("relative",)),
    ("worst agreement", "smallest cosine with g", "linear", ("cosine_min",)),
    ("size of the gradient", "|g|", "log", ("grad_norm",)),
)


def smoothness_panels(runs: Mapping[str, Columns], title: str = "") -> Figure:
    """Smoothness against the training step: a band for numbers that depend on the step size, a line for the others.

    g is the gradient at the weights; the new gradients are those at points nearby along the step, see
    `mlp.diagnostics.smoothness.nearby`.

    Args:
        runs: {label: columns step, loss_min, ..., as in smoothness.csv}.
    """
    figure = new_figure((13.0, 7.4 + 0.3 * title.count("\n")))
    panels = figure.subplots(2, 3, sharex=True).ravel()
    for axes, (name, ylabel, scale, columns) in zip(panels, SHOWN, strict=True):
        for i, (label, values) in enumerate(runs.items()):
            relative = values["change_max"] / np.where(values["grad_norm"], values["grad_norm"], np.nan)
            full = {**values, "relative": relative}
            style = line_style(i, len(values["step"]))
            low, high = full[columns[0]], full[columns[-1]]
            if len(columns) == 2:
                axes.fill_between(values["step"], low, high, color=style["color"], alpha=0.22, linewidth=0)
                axes.plot(values["step"], low, **{**style, "linewidth": 0.7, "marker": ""})
            axes.plot(values["step"], high, label=plain(label), **style)
        axes.set_title(name, fontsize="medium")
        axes.set(ylabel=ylabel, yscale=scale)
        axes.grid(alpha=0.3)
    for axes in panels[3:]:
        axes.set_xlabel("training step")
    legend_below(figure, panels[0])
    set_title(figure, title)
    return figure


def shift_panels(runs: Mapping[str, tuple[Sequence[str], Array, Array]], title: str = "") -> Figure:
    """Internal covariate shift of each layer: the median over the measured steps, in a band from quartile to quartile.

    G is the gradient of a layer before a step, G' the one after the layers below it were updated, see
    `mlp.diagnostics.smoothness.covariate_shift`.

    Args:
        runs: {label: (names of layers, cosines (steps, layers), shifts |G - G'| / |G| (steps, layers))}.
    """
    figure = new_figure((12.0, 5.2 + 0.3 * title.count("\n")))
    left, right = figure.subplots(1, 2)
    for i, (label, (names, cosines, shifts)) in enumerate(runs.items()):
        style = line_style(i, len(names))
        for axes, values in ((left, cosines), (right, shifts)):
            depth = np.linspace(0, 1, len(names))
            low, middle, high = np.nanquantile(values, (0.25, 0.5, 0.75), axis=0)
            axes.fill_between(depth, low, high, color=style["color"], alpha=0.18, linewidth=0)
            axes.plot(depth, middle, label=plain(label), **{**style, "markevery": 1})
    left.set(ylabel="cosine of G and G'")
    right.set(ylabel="|G - G'| / |G|")
    right.set_yscale("symlog", linthresh=1e-3)
    right.set_ylim(bottom=0.0)
    for axes in (left, right):
        axes.set(xlabel="depth of the layer, from input (0) to head (1)")
        axes.grid(alpha=0.3)
    if len({tuple(names) for names, *_ in runs.values()}) == 1:
        label_layers(left, next(iter(runs.values()))[0])
    legend_below(figure, left)
    set_title(figure, title)
    return figure


def label_layers(axes: Axes, names: Sequence[str]) -> None:
    """Write the names of layers above an axis of depths from 0 to 1."""
    above = axes.secondary_xaxis("top")
    above.set_ticks(list(np.linspace(0, 1, len(names))), [plain(layer_label(name)) for name in names])
    above.tick_params(labelsize=6, labelrotation=60)


def correlation_profiles(profiles: Mapping[str, tuple[Sequence[str], Array, Array, float]], title: str = "") -> Figure:
    """How alike the gradients of images are at each unit of a network, and how large they are.

    Args:
        profiles: {label: (names of units, cosines, mean |g_n|, floor)}; a cosine below the floor cannot be told from 0.
            Networks of different depths are drawn over the same width.
    """
    figure = new_figure((13.0, 5.6 + 0.3 * title.count("\n")))
    left, right = figure.subplots(1, 2)
    longest = max((names for names, *_ in profiles.values()), key=len)
    for i, (label, (names, cosines, sizes, _)) in enumerate(profiles.items()):
        at = np.linspace(0, len(longest) - 1, len(names))
        style = line_style(i, len(names))
        left.plot(at, cosines, label=plain(label), **style)
        right.plot(at, sizes, label=plain(label), **style)
    floor = max(floor for *_, floor in profiles.values())
    left.axhspan(-floor, floor, color=GREY, alpha=0.35, label="not distinguishable from 0")
    left.set(ylabel="cosine of the gradients of two images, mean", ylim=(-0.05, 1.05))
    right.set(ylabel="mean size of an image's gradient", yscale="log")
    short = [plain(name.replace("stage_", "s").replace("block_", "b")) for name in longest]
    for axes in (left, right):
        axes.set_xticks(range(len(short)), short)
        axes.tick_params(axis="x", labelsize=7, labelrotation=90)
        axes.set_xlabel("unit, from the image to the head")
        axes.grid(alpha=0.3)
    legend_below(figure, left)
    set_title(figure, title)
    return figure


def laws_and_measurements(
    measured: Mapping[str, tuple[Array, Array, Array]],
    laws: Mapping[str, tuple[Array, Array]],
    xlabel: str,
    title: str = "",
) -> Figure:
    """Measurements as markers with two standard errors, and laws as lines.

    Args:
        measured: {label: (x, mean, standard error)}.
        laws: {label: (x, y)}; a law gets the colour of the measurements with the same label.
    """
    figure = new_figure((7.5, 5.0))
    axes = figure.subplots()
    styles = {label: line_style(i, 1) for i, label in enumerate(measured)}
    for label, (x, mean, error) in measured.items():
        style = {**styles[label], "linestyle": "none", "markevery": 1}
        axes.errorbar(x, mean, 2 * error, label=plain(label), capsize=3, **style)
    for i, (label, (x, y)) in enumerate(laws.items()):
        style = {**styles.get(label, line_style(len(measured) + i, 1)), "marker": ""}
        axes.plot(x, y, label="_" if label in styles else plain(label), **style)
    axes.set(xlabel=xlabel, ylabel="correlation of gradients")
    axes.axhline(0.0, color=GREY, linewidth=0.8)
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", handlelength=3.5)
    set_title(figure, title)
    return figure
