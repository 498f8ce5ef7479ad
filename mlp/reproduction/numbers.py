"""Our numbers as the reports took theirs, what they may differ by, and the verdict on them.

They are taken at the last epoch, as mean and standard deviation of the last five, or as mean and standard deviation
over the seeds: `Row.taken` says which. Standard deviations divide by n, as s1 says of its own. Test numbers are those
of the weights with the highest validation accuracy, one pass at the end.

    inside          every published accuracy is met: within its spread over seeds where one was published (at least half
                    a point, because 2,500 images at chance scatter by 0.2), else within 2 points
    outside         one is not; the verdict says which, and by how much
    not comparable  the quick scale, other images, epochs that are missing: the numbers are shown, not judged
    not run         there is no run yet

Nets with BN but without shortcuts get 4 points: the same code with the same seed may end several points apart.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.experiments.config import RunConfig
from mlp.experiments.record import RunRecord
from mlp.reproduction.plan import Result
from mlp.reproduction.reports.row import METRICS, Number, Row

POINTS = 0.02  # of accuracy
POINTS_BN_ONLY = 0.04
LEAST_SPREAD = 0.005
LAST = 5  # epochs
# what a run costs, from the numbers of its epochs
COSTS: dict[str, Callable[..., Any]] = {"seconds": np.mean, "peak_memory_mb": np.max}
TITLES = {"seconds": "training seconds an epoch", "peak_memory_mb": "peak memory, MB"}
GAPS = {"gap_acc": ("train_acc", "val_acc"), "gap_loss": ("val_loss", "train_loss")}  # the first minus the second


@dataclass(frozen=True)
class Verdict:
    """One of "inside", "outside", "not comparable", "not run" and "-" (nothing published), and why."""

    word: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.word}: {self.why}" if self.why else self.word


def measure(records: Sequence[RunRecord], taken: str) -> dict[str, Number]:
    """Return our numbers, {metric: Number}, taken in one of the ways of TAKEN; several seeds are always averaged.

    The spread of a single number is None.
    """
    values: defaultdict[str, list[float]] = defaultdict(list)
    for record in records:
        for row in record.history.rows[-LAST if taken == "last5" else -1 :]:
            for name in METRICS[:4]:
                values[name].append(row[name])
            for gap, (first, second) in GAPS.items():
                values[gap].append(row[first] - row[second])
        for name, over_epochs in COSTS.items():
            known = record.history.column(name)
            known = known[np.isfinite(known)]
            values[name] += [float(over_epochs(known))] if len(known) else []
        for name in METRICS[4:]:
            values[name] += [record.test[name]] if name in record.test else []
    return {
        name: Number(float(np.mean(numbers)), float(np.std(numbers)) if len(numbers) > 1 else None)
        for name, numbers in values.items()
        if numbers
    }


def with_gaps(numbers: dict[str, Number]) -> dict[str, Number]:
    """Return published numbers with the gaps that follow from them."""
    gaps = {
        gap: Number(round(numbers[first].value - numbers[second].value, 6))
        for gap, (first, second) in GAPS.items()
        if first in numbers and second in numbers
    }
    return numbers | gaps


def judge(result: Result, ours: dict[str, Number]) -> Verdict:
    """Return the Verdict on our numbers."""
    if not result.records:
        return Verdict("not run")
    if result.why_not_comparable:
        return Verdict("not comparable", result.why_not_comparable)
    accuracies = {name: n for name, n in result.run.published.numbers().items() if name.endswith("acc")}
    compared = {name: published for name, published in accuracies.items() if name in ours}
    if not compared:
        return Verdict("-")
    off = []
    for name, published in compared.items():
        difference = ours[name].value - published.value
        allowed = tolerance(published, result.row, result.config)
        if not abs(difference) <= allowed + 1e-9:  # both have been rounded; NaN is not within anything
            off.append(f"{column_title(name)} {100 * difference:+.1f} points, {100 * allowed:.1f} allowed")
    word = "outside" if off else "inside"
    if result.row.taken == "seeds" and len(result.records) < len(result.row.seeds):
        off.append(f"{len(result.records)} of {len(result.row.seeds)} seeds")
    return Verdict(word, "; ".join(off))


def tolerance(published: Number, row: Row, config: RunConfig) -> float:
    """Return by how much an accuracy may differ from the published one."""
    if config.norm == "batch" and not config.residual:
        return POINTS_BN_ONLY
    if published.spread is not None and row.taken == "seeds":
        return max(published.spread, LEAST_SPREAD)
    return POINTS


def column_title(metric: str) -> str:
    """Return a metric's name for people: "train acc"."""
    return TITLES.get(metric, metric.replace("_", " "))


def format_number(metric: str, number: Number | None) -> str:
    """Return a number as a cell: accuracies in percent, losses as they are; "-" for None."""
    if number is None:
        return "-"
    scale, digits, unit = (100.0, 2, " %") if metric.endswith("acc") else (1.0, 1 if metric in COSTS else 3, "")
    text = f"{scale * number.value:.{digits}f}"
    if number.spread is not None:
        text += f" ± {scale * number.spread:.{digits}f}"
    return text + unit
