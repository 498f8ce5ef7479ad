"""A function of two weights as a map of contour lines, and the paths of learning rules on it."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure

from mlp.plotting.style import BLUE, GREY, ORANGE, panel_grid
from mlp.typing import Array


def valley(
    function: Callable[[Array, Array], Array],
    paths: Mapping[str, Array],
    across: tuple[float, float],
    up: tuple[float, float],
    columns: int = 3,
    title: str = "",
) -> Figure:
    """Contours of a function of two weights, with a path on it, in a panel for each path.

    Args:
        function: (w1, w2), two arrays of one shape, -> its values, of that shape; positive except at the minimum.
        paths: {label: weights (steps + 1, 2), from the start on}; what leaves the map is cut off.
        across, up: the part of the plane that is drawn, (lowest, highest) w1 and w2. Both have the same scale, so that
            a step against the gradient crosses the contours at a right angle.
        columns: panels in a row.
    """
    height = 3.5 * (up[1] - up[0]) / (across[1] - across[0])  # of a panel 3.5 inches wide
    above = 0.5 * bool(title)
    figure, panels = panel_grid(
        len(paths), columns, lambda wide, high: (3.9 * wide, (height + 0.55) * high + above), sharex=True, sharey=True
    )
    w1, w2 = np.meshgrid(np.linspace(*across, 121), np.linspace(*up, 121))
    values = function(w1, w2)  # (121, 121)
    levels = values.max() * np.geomspace(1e-4, 1.0, 13)
    for axes, (label, path) in zip(panels, paths.items(), strict=True):
        axes.contour(w1, w2, values, levels, colors=GREY, linewidths=0.6, alpha=0.6)
        axes.plot(*np.transpose(path), color=BLUE, marker=".", markersize=4, linewidth=1)
        axes.plot(*path[0], "s", color=ORANGE, markersize=7)
        axes.set(xlim=across, ylim=up, aspect="equal")
        axes.set_title(label, fontsize="medium")
    figure.supxlabel("w\u2081", fontsize="medium")
    figure.supylabel("w\u2082", fontsize="medium")
    if title:
        figure.suptitle(title)
    return figure
