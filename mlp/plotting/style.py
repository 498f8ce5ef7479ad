"""What all figures share: notebooks show them, and their lines can be told apart.

Lines differ in colour, dashes and marker, for colour-blind readers and grey prints. The colours are Okabe and Ito's,
chosen for all common forms of colour blindness, without yellow, which is too pale on white.
"""

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mlp.files import literal
from mlp.training.history import FAR, spreads_widely
from mlp.typing import Array

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PINK, SKY, BLACK = "#CC79A7", "#56B4E9", "#000000"
COLORS = (BLUE, ORANGE, GREEN, PINK, SKY, BLACK)  # without vermillion, which is for emphasis
DASHES = ("solid", (0, (6, 2)), (0, (6, 2, 1, 2)), (0, (1.5, 1.5)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*", "p", "h")
GREY = "#777777"
UNITS = {  # labels of axes, for each sort of metric
    "loss": "cross-entropy loss (nats)",
    "acc": "accuracy (%)",
    "learning_rate": "learning rate at the end of the epoch",
}


class NotebookFigure(Figure):
    """A figure that a notebook shows as a picture.

    A plain Matplotlib figure is shown as a line of text until pyplot is loaded or `%matplotlib inline` is written.
    """

    def _repr_png_(self) -> bytes:
        written = BytesIO()
        self.savefig(written, format="png")
        return written.getvalue()


def new_figure(size: tuple[float, float]) -> Figure:
    """Return an empty figure of (width, height) inches."""
    return NotebookFigure(figsize=size, layout="constrained")


def panel_grid(
    count: int, columns: int, size: Callable[[int, int], tuple[float, float]], **how: Any
) -> tuple[Figure, list[Any]]:
    """Return a figure and its `count` panels, row by row.

    Args:
        columns: panels in a row, if there are so many. size: (columns, rows) -> inches. how: arguments of `subplots`.
    """
    columns = min(columns, count)
    rows = -(-count // columns)
    figure = new_figure(size(columns, rows))
    panels = list(figure.subplots(rows, columns, squeeze=False, **how).flat)
    for axes in panels[count:]:
        axes.remove()
    return figure, panels[:count]


def plain(text: str) -> str:
    """Return a name that a user gave as text for a figure, where it is shown exactly as it is.

    Matplotlib would read dollar signs as formulas, and would leave out of legends what is empty or begins with an
    underscore.
    """
    escaped = literal(text)
    return f" {escaped}" if escaped.startswith("_") or not escaped else escaped


def line_style(i: int, points: int) -> dict[str, Any]:
    """Return how line number `i` of a figure looks, as arguments of `axes.plot`.

    Args:
        points: how many points the line has; about eight of them get a marker.
    """
    every = max(1, points // 8)
    return {
        "color": COLORS[i % len(COLORS)],
        "linestyle": DASHES[i % len(DASHES)],
        "marker": MARKERS[i % len(MARKERS)],
        "markersize": 4.5,
        "markevery": (i * every // 4 % every, every),  # at other epochs than those of the next lines
        "linewidth": 1.5,
    }


def legend_below(figure: Figure, axes: Axes) -> None:
    """Write the legend of a panel below all panels, where it covers no line.

    It is the figure's legend, so the layout leaves room for it. The panel gets a copy at the same place which is not
    drawn, so that `axes.get_legend()` finds it, too.
    """
    handles, labels = axes.get_legend_handles_labels()
    longest = max(map(len, labels), default=0)
    per_row = max(1, min(len(labels), int(figure.get_figwidth() * 13 / (longest + 8))))
    rows = -(-len(labels) // per_row)
    figure.set_figheight(figure.get_figheight() + 0.2 * max(0, rows - 1))  # the panels keep their size
    look: dict[str, Any] = {"ncols": per_row, "fontsize": "small", "handlelength": 3.5}
    figure.legend(handles, labels, loc="outside lower center", **look)
    place: dict[str, Any] = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.0), "bbox_transform": figure.transFigure}
    axes.legend(handles, labels, **place, **look).set_visible(False)


def set_title(figure: Figure, title: str | None) -> None:
    """Write a title above all panels, in lines that fit the figure's width."""
    if title:
        figure.suptitle(title, fontsize="medium", wrap=True)


def emphasized(style: dict[str, Any]) -> dict[str, Any]:
    """Return a line's style in the red that is for the line a reader should see first."""
    return {**style, "color": VERMILLION, "linewidth": 2.2}


def share_limits(panels: Sequence[Axes]) -> None:
    """Give all panels the same vertical limits, the lowest and the highest of theirs."""
    limits = [axes.get_ylim() for axes in panels]
    for axes in panels:
        axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def open_up(panels: Sequence[Axes]) -> None:
    """Show panels of losses so that one loss far above the others does not make them a flat line at 0.

    If most lines have no such loss, the axis ends above them, and a text says which lines leave it. Otherwise the axes
    are logarithmic.
    """
    values = {line: finite_part(line.get_ydata()) for axes in panels for line in axes.get_lines()}
    everything = np.concatenate([*values.values(), []])
    if not spreads_widely(everything):
        return
    usual = FAR * np.median(everything)
    tops = [float(numbers.max(initial=0.0)) for numbers in values.values()]
    calm = [top for top in tops if top <= usual]
    if 2 * len(calm) <= len(tops):
        for axes in panels:
            axes.set_yscale("log")
        return
    ends = [float(numbers[-1]) for numbers in values.values() if len(numbers) and numbers[-1] <= usual]
    low, high = everything.min(), max(*calm, *ends)
    for axes in panels:
        axes.set_ylim(low - 0.05 * (high - low), high + 0.12 * (high - low))  # room for the text
        above = [line for line in axes.get_lines() if values[line].max(initial=0.0) > high]
        text = "\n".join(f"{line.get_label()}: up to {values[line].max():.3g}, above the axis" for line in above)
        place: dict[str, Any] = {"transform": axes.transAxes, "ha": "right", "va": "top"}
        box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        axes.text(0.98, 0.97, text, fontsize="small", bbox=box if text else None, **place)


def finite_part(values: Any) -> Array:
    """Return the numbers that are neither infinite nor NaN, as an array of floats."""
    numbers = np.asarray(values, dtype=float)
    return numbers[np.isfinite(numbers)]
