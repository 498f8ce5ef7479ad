"""Numbers of layers over the epochs, a picture an epoch: a slider chooses which, and a few lines of script draw it.

A page carries all numbers of such a chart, so they are kept short. With a logarithmic axis a number v becomes the
integer 100 log10(v), which is exact to 1.2 %, with an even one 1000 v. Positions on the axis are linear in them both
ways, so the script needs no logarithm. What has no place on the axis is None.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp.pages.pictures import LETTER, Axis, svg
from mlp.typing import Array

if TYPE_CHECKING:
    from markupsafe import Markup

SIZE = (860, 330)
LEFT, RIGHT, TOP, BOTTOM = 64, 848, 12, 276  # of the plot, in pixels
MOST_EPOCHS = 100  # in a chart; of more, so many evenly spread ones are shown
MOST_GROUPS = 12  # of layers that are named below the axis
LOG, EVEN = 100, 1000  # what a power of ten, and what 1, becomes


@dataclass(frozen=True)
class Statistic:
    """What a chart can show: its name for people, its numbers (epochs, layers), and whether its axis is logarithmic."""

    label: str
    values: Array
    log: bool = True

    @cached_property
    def scaled(self) -> Array:
        """The numbers as whole ones on the axis, (epochs, layers); NaN for those that have no place there."""
        values = np.asarray(self.values, dtype=np.float64)
        with np.errstate(all="ignore"):
            scaled = LOG * np.log10(values) if self.log else EVEN * values
        return np.where(np.isfinite(scaled), np.round(np.clip(scaled, -1e9, 1e9)), np.nan)

    @property
    def short(self) -> list[list[int | None]]:
        """The numbers as they stand in a page, a row an epoch."""
        gaps = np.isnan(self.scaled)
        rows: list[list[int | None]] = np.where(gaps, 0.0, self.scaled).astype(np.int64).tolist()
        for epoch, layer in np.argwhere(gaps).tolist():
            rows[epoch][layer] = None
        return rows

    @cached_property
    def axis(self) -> Axis:
        """The axis for all epochs: its ends are numbers of the statistic."""
        known = self.scaled[~np.isnan(self.scaled)]
        low, high = (int(known.min()), int(known.max())) if known.size else (0, 0)
        margin = max(1, (high - low) // 20)
        ends = (low - margin, high + margin)
        low_end, high_end = (10.0 ** (end / LOG) if self.log else end / EVEN for end in ends)
        return Axis(low_end, high_end, BOTTOM, TOP, self.log)


@dataclass(frozen=True)
class LayerChart:
    """A chart of a table.

    Attributes:
        title: above it. what: the columns are, for the axis: "weight tensors". names: of the columns, in forward order.
        epochs: numbers of the epochs that are shown. statistics: what can be chosen.
    """

    title: str
    what: str
    names: list[str]
    epochs: list[int]
    statistics: list[Statistic]

    @staticmethod
    def of(title: str, what: str, names: Sequence[str], statistics: Sequence[Statistic]) -> "LayerChart":
        """Return the chart of some statistics over all epochs; of very many, some are left out."""
        count = len(statistics[0].values)
        kept = np.unique(np.linspace(0, count - 1, min(count, MOST_EPOCHS)).round().astype(int))
        chosen = [Statistic(one.label, np.asarray(one.values)[kept], one.log) for one in statistics]
        return LayerChart(title, what, list(names), (kept + 1).tolist(), chosen)

    @cached_property
    def places(self) -> list[float]:
        """Where the columns stand, in pixels."""
        width = (RIGHT - LEFT) / len(self.names)
        return [round(LEFT + (i + 0.5) * width, 1) for i in range(len(self.names))]

    @property
    def groups(self) -> list[tuple[float, str, bool]]:
        """Parts of the network, by what names begin with; [] for none, or too many.

        Each is (pixel where it begins, name, whether the name has room above that of the next one).
        """
        heads = [name.partition(".")[0] for name in self.names]
        starts = [i for i, head in enumerate(heads) if i == 0 or head != heads[i - 1]]
        width = (RIGHT - LEFT) / len(self.names)
        ends = [*starts[1:], len(heads)]
        rooms = [(end - i) * width > 8 + LETTER * len(heads[i]) for i, end in zip(starts, ends, strict=True)]
        found = [(round(LEFT + i * width, 1), heads[i], room) for i, room in zip(starts, rooms, strict=True)]
        return found if 1 < len(found) <= MOST_GROUPS else []

    def data(self) -> dict[str, Any]:
        """Return what the script needs."""
        shown = []
        for one in self.statistics:
            axis = one.axis
            scale, ends = (LOG, map(math.log10, (axis.low, axis.high))) if one.log else (EVEN, (axis.low, axis.high))
            low, high = (round(scale * end, 3) for end in ends)
            shown.append({"label": one.label, "log": one.log, "low": low, "high": high, "rows": one.short})
        return {"names": self.names, "epochs": self.epochs, "x": self.places, "statistics": shown}

    def picture(self) -> "Markup":
        """Return the chart as it stands before the script, and on paper: the last epoch, and the first in grey."""
        axes = [one.axis for one in self.statistics]
        values = np.asarray(self.statistics[0].values, dtype=np.float64)
        lines = {name: points(self.places, row, axes[0]) for name, row in (("first", values[0]), ("last", values[-1]))}
        return svg(
            "layer_chart.svg",
            SIZE,
            chart=self,
            axes=axes,
            first=path(lines["first"]),
            last=path(lines["last"]),
            dots=lines["last"],
            column=round((RIGHT - LEFT) / len(self.names), 1),
            plot={"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
        )

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return header and rows of the first statistic, as texts: the first, the middle and the last epoch."""
        chosen = list(dict.fromkeys((0, (len(self.epochs) - 1) // 2, len(self.epochs) - 1)))
        header = ["layer", *(f"epoch {self.epochs[i]}" for i in chosen)]
        values = self.statistics[0].values
        return header, [[name, *(f"{values[i][k]:.2e}" for i in chosen)] for k, name in enumerate(self.names)]


def points(places: Sequence[float], row: Sequence[float] | Array, axis: Axis) -> list[tuple[float, float] | None]:
    """Return where numbers stand, as (x, y) in pixels; None for those without a place on the axis."""
    shown = (math.isfinite(value) and (value > 0 or not axis.log) for value in row)
    found = zip(places, row, shown, strict=True)
    return [(x, axis.pixel(float(value))) if ok else None for x, value, ok in found]


def path(found: Sequence[tuple[float, float] | None]) -> str:
    """Return a line through points, with gaps."""
    text, pen = [], "M"
    for point in found:
        if point is not None:
            text.append(f"{pen}{point[0]:g},{point[1]:g}")
        pen = "M" if point is None else "L"
    return "".join(text)
