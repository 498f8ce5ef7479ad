"""Small pictures as inline SVG: a few hundred bytes each, sharp at every size, and drawn without Matplotlib.

Rows (x, y) in, markup out. A number that is not finite makes a gap in its line.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlp.pages.rendering import render

if TYPE_CHECKING:
    from markupsafe import Markup

LETTER = 6  # width of a letter in pixels, about
DASHES = ("none", "7 3", "2 3", "9 3 2 3", "5 5", "1 3")  # and in black and white
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito's: for the colour-blind
Rows = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """Maps numbers to pixels, evenly or by their logarithms.

    Attributes:
        low, high: the ends of the axis. start, end: their pixels. log: whether it is logarithmic.
        whole: whether it counts something (epochs, say): then only whole numbers are written beside it.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    whole: bool = False

    def pixel(self, value: float) -> float:
        """Return where a number lies, rounded to a tenth of a pixel."""
        low, high, value = (math.log10(number) if self.log else number for number in (self.low, self.high, value))
        return round(self.start + (value - low) / ((high - low) or 1.0) * (self.end - self.start), 1)

    def ticks(self) -> list[tuple[float, str]]:
        """Return (pixel, label) at round numbers: powers of ten, or multiples of 1, 2 or 5 times one."""
        if self.log:
            powers = range(math.ceil(math.log10(self.low)), math.floor(math.log10(self.high)) + 1)
            if len(powers) > 3:
                shown = powers[:: math.ceil(len(powers) / 5)]
                return [(self.pixel(10.0**power), f"1e{power}") for power in shown]
            rounded = (factor * 10.0**power for power in range(powers.start - 1, powers.stop) for factor in (1, 2, 5))
            inside = [value for value in rounded if self.low <= value <= self.high]
            if len(inside) > 1:
                return [(self.pixel(value), f"{value:g}") for value in inside]
        rough = ((self.high - self.low) or 1.0) / 4
        rough = max(rough, 1.0) if self.whole else rough
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
        count = range(math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9) + 1)
        return [(self.pixel(i * step), f"{i * step:.6g}") for i in count]


def line_chart(
    lines: Mapping[str, Rows],
    x_label: str = "",
    y_label: str = "",
    size: tuple[int, int] = (420, 240),
    *,
    log: bool = False,
) -> "Markup":
    """Return lines in one picture, with axes and a legend.

    Args:
        lines: {label: rows of (x, y)}. x_label, y_label: of the axes.
        log: whether the y axis is logarithmic; numbers that are not positive are then left out.
        size: (width, height) in pixels.
    """
    width, height = size
    kept = {label: [(x, y) for x, y in rows if is_shown(y, log=log)] for label, rows in lines.items()}
    points = [point for rows in kept.values() for point in rows] or [(0.0, 1.0)]
    xs, ys = zip(*points, strict=True)
    y_axis = Axis(min(ys), max(ys), height - 40, 30, log)
    longest = max((len(label) for _, label in y_axis.ticks()), default=0)
    whole = all(x == round(x) for x in xs)
    x_axis = Axis(min(xs), max(xs), max(56, 28 + LETTER * longest), width - 12, whole=whole)
    paths = {label: path_of(rows, x_axis, y_axis) for label, rows in lines.items()}
    names = {"x_label": x_label, "y_label": y_label, "text": in_words(kept, x_label, y_label)}
    return svg("line_chart.svg", size, lines=paths, x=x_axis, y=y_axis, **names)


def in_words(lines: Mapping[str, Rows], x_label: str, y_label: str) -> str:
    """Return what a picture shows, for readers who cannot see it: "loss over epoch: training from 4.6 to 0.12"."""
    ends = (f"{label} from {rows[0][1]:.3g} to {rows[-1][1]:.3g}" if rows else label for label, rows in lines.items())
    return f"{y_label} over {x_label}: {', '.join(ends)}"


def sparkline(rows: Rows, title: str, ends: tuple[float, float]) -> "Markup":
    """Return a line without axes, as high as a line of text.

    Args:
        title: what it shows; the browser shows it when the mouse is over the line.
        ends: of the y axis; the same for lines that are to be compared.
    """
    xs = [x for x, _ in rows] or [0.0]
    width, height = 90, 22
    x_axis, y_axis = Axis(min(xs), max(xs), 2, width - 2), Axis(*ends, height - 2, 2)
    return svg("sparkline.svg", (width, height), path=path_of(rows, x_axis, y_axis), title=title)


def is_shown(value: float, *, log: bool = False) -> bool:
    """Whether a number has a place on an axis."""
    return math.isfinite(value) and (value > 0 or not log)


def path_of(rows: Rows, x_axis: Axis, y_axis: Axis) -> str:
    """Return the path of a line through rows, see `path_through`."""
    return path_through(points([x_axis.pixel(x) for x, _ in rows], [y for _, y in rows], y_axis))


def points(places: Sequence[float], values: Iterable[float], axis: Axis) -> list[tuple[float, float] | None]:
    """Return where values stand, as (x, y) in pixels; None for those without a place on the axis.

    Args:
        places: x of each value, in pixels. axis: of y.
    """
    pairs = zip(places, values, strict=True)
    return [(x, axis.pixel(value)) if is_shown(value, log=axis.log) else None for x, value in pairs]


def path_through(found: Sequence[tuple[float, float] | None]) -> str:
    """Return the path of a line through points, with gaps: M begins a piece, L continues it."""
    text, pen = [], "M"
    for point in found:
        if point is not None:
            text.append(f"{pen}{point[0]:g},{point[1]:g}")
        pen = "M" if point is None else "L"
    return "".join(text)


def svg(template: str, size: tuple[int, int], **values: object) -> "Markup":
    """Return a picture's template filled with values. The template escapes them, so the result is markup."""
    from markupsafe import Markup

    return Markup(render(template, width=size[0], height=size[1], colours=COLOURS, dashes=DASHES, **values).strip())  # noqa: S704
