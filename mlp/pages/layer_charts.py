"""Numbers of layers over the epochs: a slider chooses the epoch, and a few lines of script draw its picture.

A page carries all numbers of such a chart, so they are kept short: on a logarithmic axis a number v becomes the integer
100 log10(v), which is exact to 1.2 %; on an even axis it becomes 1000 v. Either way the position on the axis is linear
in the integer, so the script needs no logarithm. A number that has no place on the axis becomes None.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp.pages.pictures import LETTER, Axis, path_through, points, svg
from mlp.typing import Array

if TYPE_CHECKING:
    from markupsafe import Markup

SIZE = (860, 330)
LEFT, RIGHT, TOP, BOTTOM = 64, 848, 12, 276  # of the plot, in pixels
MOST_EPOCHS = 100  # in a chart; if there are more, this many are shown, evenly spread
MOST_GROUPS = 12  # of layers that are named below the axis
LOG, EVEN = 100, 1000  # what a factor of ten becomes on a logarithmic axis, what 1 becomes on an even one


@dataclass(frozen=True)
class Statistic:
    """One of the things that a chart can show.

    Attributes:
        label: its name for people. values: (epochs, layers). log: whether its axis is logarithmic.
    """

    label: str
    values: Array
    log: bool = True

    @cached_property
    def scaled(self) -> Array:
        """The values as whole numbers on the axis, (epochs, layers); NaN for those that have no place there."""
        values = np.asarray(self.values, dtype=np.float64)
        with np.errstate(all="ignore"):
            scaled = LOG * np.log10(values) if self.log else EVEN * values
        return np.where(np.isfinite(scaled), np.round(np.clip(scaled, -1e9, 1e9)), np.nan)

    @property
    def short(self) -> list[list[int | None]]:
        """The numbers as a page carries them: a row for each epoch."""
        gaps = np.isnan(self.scaled)
        rows: list[list[int | None]] = np.where(gaps, 0.0, self.scaled).astype(np.int64).tolist()
        for epoch, layer in np.argwhere(gaps).tolist():
            rows[epoch][layer] = None
        return rows

    @cached_property
    def ends(self) -> tuple[int, int]:
        """The ends of the axis as whole numbers, the same for all epochs."""
        known = self.scaled[~np.isnan(self.scaled)]
        low, high = (int(known.min()), int(known.max())) if known.size else (0, 0)
        margin = max(1, (high - low) // 20)
        return low - margin, high + margin

    @property
    def axis(self) -> Axis:
        """The axis for the values themselves."""
        low, high = (10.0 ** (end / LOG) if self.log else end / EVEN for end in self.ends)
        return Axis(low, high, BOTTOM, TOP, self.log)


@dataclass(frozen=True)
class LayerChart:
    """A chart of a table.

    Attributes:
        title: above it. what: what the columns are, for the axis, such as "weight tensors".
        names: of the columns, in forward order. epochs: the numbers of the epochs that are shown.
        statistics: what can be chosen.
    """

    title: str
    what: str
    names: list[str]
    epochs: list[int]
    statistics: list[Statistic]

    @staticmethod
    def of(title: str, what: str, names: Sequence[str], statistics: Sequence[Statistic]) -> "LayerChart":
        """Return the chart of some statistics over all epochs, or over `MOST_EPOCHS` of them."""
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
        """Parts of the network, found by the first words of names; [] if there is only one, or too many.

        Each is (pixel where it begins, name, whether the name is short enough for the width of the part).
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
        shown = [
            {"label": one.label, "log": one.log, "low": one.ends[0], "high": one.ends[1], "rows": one.short}
            for one in self.statistics
        ]
        return {"names": self.names, "epochs": self.epochs, "x": self.places, "statistics": shown}

    def picture(self) -> "Markup":
        """Return the chart as it looks before the script runs, and on paper: the last epoch, and the first in grey."""
        axes = [one.axis for one in self.statistics]
        values = np.asarray(self.statistics[0].values, dtype=np.float64)
        first, last = (points(self.places, row.tolist(), axes[0]) for row in (values[0], values[-1]))
        return svg(
            "layer_chart.svg",
            SIZE,
            chart=self,
            axes=axes,
            first=path_through(first),
            last=path_through(last),
            dots=last,
            column=round((RIGHT - LEFT) / len(self.names), 1),
            plot={"left": LEFT, "right": RIGHT, "top": TOP, "bottom": BOTTOM},
        )

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Return header and rows of a table of the first statistic in the first, the middle and the last epoch."""
        chosen = list(dict.fromkeys((0, (len(self.epochs) - 1) // 2, len(self.epochs) - 1)))
        header = ["layer", *(f"epoch {self.epochs[i]}" for i in chosen)]
        values = self.statistics[0].values
        return header, [[name, *(f"{values[i][k]:.2e}" for i in chosen)] for k, name in enumerate(self.names)]
