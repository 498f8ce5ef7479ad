"""The loss around networks: contours, surfaces and lines, on levels that all panels of a figure share."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import BoundaryNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from mlp.plotting.basics import figure_of, own_axes
from mlp.plotting.style import BLACK, VERMILLION, legend_below, line_style, panel_grid, plain, set_title
from mlp.typing import Array

Surface = tuple[Array, Array, Array]  # x (columns,), y (rows,), loss (rows, columns)
LEVELS = np.arange(0.1, 10.11, 0.5)  # nats, the levels of Li et al.; higher losses stay white
COLORMAP = "cividis"  # looks even to colour-blind readers and in grey
LABEL_ROOM = 0.06  # of a panel's width, that half a label needs
DECADES = 2  # a line whose losses span more is drawn on a logarithmic axis


def contour_panels(
    surfaces: Mapping[str, Surface],
    title: str = "",
    paths: Mapping[str, Array] | None = None,
    axis_labels: Sequence[str] = ("step along direction x", "step along direction y"),
) -> Figure:
    """Contours of the loss over a plane, a panel for each network.

    The title of a panel has the loss at (0, 0) and the largest loss. Losses above the top level are left white, because
    the walls around networks with batch norm are a hundred times as high as the part that is of interest. If all losses
    of a panel lie between two levels, the panel says so.

    Args:
        surfaces: {label: (x, y, loss)}; the grids may differ.
        paths: {label: points (T, 2)}, drawn on top, from a ring to a star.
    """
    columns = len(surfaces) if len(surfaces) <= 3 else -(-len(surfaces) // 2) if len(surfaces) <= 6 else 3
    more = 0.4 + 0.25 * title.count("\n")
    figure, panels = panel_grid(len(surfaces), columns, lambda wide, high: (4.0 * wide + 1.2, 3.9 * high + more))
    used = levels_used(surfaces)
    norm = BoundaryNorm(used, 256)
    for axes, (label, surface) in zip(panels, surfaces.items(), strict=True):
        draw_contours(axes, surface, norm)
        axes.set_title(f"{label}\n{panel_summary(surface)}", fontsize="medium")
        axes.set(xlabel=axis_labels[0], ylabel=axis_labels[1])
        if paths and label in paths:
            draw_path(axes, paths[label])
    bar = figure.colorbar(ScalarMappable(norm, COLORMAP), ax=panels, shrink=0.8)
    marked = used[:: 1 + len(used) // 12]
    bar.set_ticks(marked, labels=[f"{LEVELS[number]:.1f}" for number in marked])
    above = f", white above {LEVELS[-1]:.3g}" if used[-1] == len(LEVELS) - 1 else ""
    bar.set_label(f"cross-entropy loss (nats){above}")
    set_title(figure, title)
    return figure


def levels_used(surfaces: Mapping[str, Surface]) -> list[int]:
    """Return the numbers of the levels from the one below all losses to the one above them: two at least."""
    finite = np.concatenate([loss[np.isfinite(loss)] for _, _, loss in surfaces.values()])
    everything = finite if len(finite) else LEVELS
    top = len(LEVELS) - 1
    first = int(np.clip(np.floor(level_numbers(everything).min()), 0, top - 1))
    last = int(np.clip(np.ceil(level_numbers(everything).max()), first + 1, top))
    return list(range(first, last + 1))


def draw_contours(axes: Axes, surface: Surface, norm: BoundaryNorm) -> None:
    """Draw filled contours, lines between them with the level written on some, and a cross at (0, 0).

    Between two points of the grid the logarithm of the loss is interpolated. The loss itself would put all levels of a
    wall from 1 to 3,000 close to its foot.
    """
    x, y, loss = surface
    shown = np.where(np.isfinite(loss), loss, LEVELS[-1] * 1e3)  # a loss that is infinite lies above all levels
    crossed = np.flatnonzero((shown.min() < LEVELS) & (shown.max() > LEVELS))
    height = level_numbers(shown)
    if len(crossed) and min(shown.shape) > 1:
        filled = [min(height.min(), 0.0) - 1e-9, *range(1, len(LEVELS))]
        axes.contourf(x, y, height, filled, cmap=COLORMAP, norm=norm, alpha=0.85)
        lines = axes.contour(x, y, height, crossed, colors=BLACK, linewidths=0.6)
        labelled = crossed[:: max(1, len(crossed) // 4)]
        form = {number: f"{LEVELS[number]:.1f}" for number in labelled}
        for written in axes.clabel(lines, labelled, fontsize=7, fmt=form, inline=False):
            if near_frame(written.get_position(), surface):
                written.remove()  # the frame would cut it
            written.set_path_effects([withStroke(linewidth=2, foreground="white")])
    elif min(shown.shape) > 1:
        axes.pcolormesh(x, y, height, cmap=COLORMAP, norm=norm, alpha=0.85, shading="nearest")
        text = f"no contour: all losses lie\nbetween {shown.min():.4f} and {shown.max():.4f}"
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85}
        axes.text(0.5, 0.75, text, transform=axes.transAxes, ha="center", va="center", fontsize=8, bbox=box)
    axes.locator_params(nbins=5)
    axes.plot(0, 0, "+", color=VERMILLION, markersize=10, markeredgewidth=1.8)
    if len(x) > 1:
        axes.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()))


def near_frame(place: tuple[float, float], surface: Surface) -> bool:
    """Return whether a place in the plane is so near to the frame that a label does not fit there."""
    parts = [(at - axis.min()) / (axis.max() - axis.min()) for at, axis in zip(place, surface[:2], strict=True)]
    return min(*parts, *(1.0 - part for part in parts)) < LABEL_ROOM


def level_numbers(loss: Array) -> Array:
    """Return where losses lie among the levels: 0 for the first, 1 for the second, logarithmic in between."""
    logs, marks = np.log(np.maximum(loss, 1e-12)), np.log(LEVELS)
    inside = np.interp(logs, marks, np.arange(len(LEVELS)))
    below, above = (logs - marks[0]) / (marks[1] - marks[0]), (logs - marks[-1]) / (marks[-1] - marks[-2])
    return inside + np.minimum(below, 0.0) + np.maximum(above, 0.0)


def draw_path(axes: Axes, path: Array) -> None:
    """Draw a training path, from a ring to a star."""
    axes.plot(*path.T, color=VERMILLION, linewidth=1.2, marker=".", markersize=4)
    axes.plot(*path[0], "o", color=VERMILLION, markersize=8, mfc="white", mew=1.5)
    axes.plot(*path[-1], "*", color=VERMILLION, markersize=11, mec=BLACK, mew=0.5)


def panel_summary(surface: Surface) -> str:
    """Return "centre 1.32, largest 23.1" for a panel; without (0, 0) on the grid, the smallest loss for the centre."""
    x, y, loss = surface
    centre = loss[np.ix_(y == 0.0, x == 0.0)]
    largest = f"largest {np.max(loss):.4g}" if np.isfinite(loss).all() else "largest not finite"
    return f"centre {centre[0, 0]:.4g}, {largest}" if centre.size else f"smallest {np.nanmin(loss):.4g}, {largest}"


def surface_panels(surfaces: Mapping[str, Surface], title: str = "") -> Figure:
    """The loss over a plane as a landscape in three dimensions, a panel for each network, on one scale.

    Losses above the highest of `LEVELS` are cut off there.
    """
    top = float(LEVELS[-1])
    solid = {"projection": "3d"}
    figure, panels = panel_grid(len(surfaces), 3, lambda wide, high: (4.4 * wide, 4.0 * high + 0.4), subplot_kw=solid)
    lowest = min(float(np.nanmin(loss)) for _, _, loss in surfaces.values())
    highest = max(float(np.nanmin([top, np.nanmax(loss)])) for _, _, loss in surfaces.values())
    for axes, (label, (x, y, loss)) in zip(panels, surfaces.items(), strict=True):
        capped = np.minimum(np.where(np.isfinite(loss), loss, top), top)
        axes.plot_surface(
            *np.meshgrid(x, y), capped, cmap=COLORMAP, vmin=lowest, vmax=highest, linewidth=0.3, edgecolor="#555555"
        )
        axes.set_box_aspect((1, 1, 0.75), zoom=0.85)
        axes.set_zlim(lowest, max(highest, lowest + 0.1))
        axes.set(xlabel="step along x", ylabel="step along y", zlabel="loss (nats)")
        axes.tick_params(labelsize=7)
        cut = f", cut at {top:.3g}" if np.max(np.where(np.isfinite(loss), loss, np.inf)) > top else ""
        axes.set_title(f"{label}\n{panel_summary((x, y, loss))}{cut}", fontsize="medium")
    set_title(figure, title)
    return figure


def loss_lines(
    lines: Mapping[str, tuple[Array, Array, Array]],
    title: str = "",
    xlabel: str = "step along a filter-normalized direction",
    marks: Mapping[float, str] | None = None,
) -> Figure:
    """Loss (left axis, dark) and accuracy (right axis, pale) along a line, one style for each network.

    The left axis is logarithmic if the losses span more than two decades.

    Args:
        lines: {label: (x, loss, accuracy)}, each (points,).
        marks: {x: text}, drawn as dotted vertical lines with the text above.
    """
    axes = own_axes()
    right = axes.twinx()
    finite = np.concatenate([loss[np.isfinite(loss)] for _, loss, _ in lines.values()])
    for i, (label, (x, loss, accuracy)) in enumerate(lines.items()):
        style = line_style(i, len(x))
        axes.plot(x, np.where(np.isfinite(loss), loss, np.nan), label=plain(label), **style)
        right.plot(x, 100 * accuracy, **{**style, "alpha": 0.45, "linewidth": 1.0, "marker": ""})
    positive = finite[finite > 0]
    logarithmic = len(positive) > 0 and positive.max() > 10**DECADES * positive.min()
    axes.set(xlabel=xlabel, ylabel="cross-entropy loss (nats), with markers", yscale="log" if logarithmic else "linear")
    right.set(ylabel="accuracy (%), thin", ylim=(0, None))
    for at, text in (marks or {}).items():
        axes.axvline(at, color=BLACK, linestyle=":", linewidth=0.9)
        axes.annotate(text, (at, 1.0), xycoords=("data", "axes fraction"), fontsize=8, ha="center", va="bottom")
    axes.grid(alpha=0.3)
    figure = figure_of(axes)
    legend_below(figure, axes)
    set_title(figure, title)
    return figure
