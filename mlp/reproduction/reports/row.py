"""What a row of a report is: an experiment with its settings, the published numbers and where they were shown.

    Row        one experiment, "s0-7": named runs, seeds, published numbers, and the tables and figures it is part of
    NamedRun   a network that is trained: its name in tables and legends, and its settings
    Published  the numbers that a report printed for a run; all accuracies are fractions, as in metrics.csv
    Exhibit    a table or figure of a report, "s0-tab1"; rows say which exhibits they belong to

Everything here is data. `mlp.reproduction.plan` makes runs of it, and `mlp.reproduction.tables` compares it with our
numbers.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlp.experiments.config import RunConfig

METRICS = ("train_loss", "train_acc", "val_loss", "val_acc", "test_loss", "test_acc")
STATES = {
    "runnable": "one command runs it",
    "tested": "a property that a test shows; rows with runs can be run too",
    "reviewed": "only discussed in the report: there is nothing to run",
}
TAKEN = {
    "final": "the last epoch",
    "last5": "mean and standard deviation of the last five epochs",
    "seeds": "mean and standard deviation over the seeds, each at its last epoch",
}
PROBES = {  # what is measured around networks, see `mlp.reproduction.probes`
    "landscape": "the loss around the network of each run",
    "smoothness": "how well the gradient predicts what is near, while each run trains",
    "gradient_correlation": "how alike the gradients of images are, at initial weights: needs no run",
}


@dataclass(frozen=True)
class Number:
    """A published number, with its spread (a standard deviation) where one was published.

    `Row.taken` says what the spread is taken over: seeds or epochs.
    """

    value: float
    spread: float | None = None


@dataclass(frozen=True)
class Published:
    """What a report printed for a run; None is "not published".

    Attributes:
        train_loss ... test_acc: losses in nats, accuracies as fractions.
        parameters: as printed, rounded to thousands: 339_000 for "339K".
    """

    train_loss: Number | None = None
    train_acc: Number | None = None
    val_loss: Number | None = None
    val_acc: Number | None = None
    test_loss: Number | None = None
    test_acc: Number | None = None
    parameters: int | None = None

    def numbers(self) -> dict[str, Number]:
        """Return {metric: Number} for those of METRICS that were published."""
        known = {name: getattr(self, name) for name in METRICS}
        return {name: number for name, number in known.items() if number is not None}


@dataclass(frozen=True)
class NamedRun:
    """A network that is trained.

    Attributes:
        label: its name in tables and legends, "VGG38 BN".
        settings: a dict, for the full scale and without the seed; all others have RunConfig's defaults.
        published: what the report printed for it.
    """

    label: str
    settings: Mapping[str, Any]
    published: Published = Published()

    @property
    def differences(self) -> dict[str, Any]:
        """The settings without those that equal RunConfig's default, in RunConfig's order: what identifies a run."""
        fields = dataclasses.fields(RunConfig)
        return {f.name: self.settings[f.name] for f in fields if self.settings.get(f.name, f.default) != f.default}


@dataclass(frozen=True)
class Row:
    """An experiment of a report.

    Attributes:
        id: "s0-7": the report and the number of the experiment in it.
        title: what it is, in a few words.
        runs: the NamedRuns it needs: one for a row of a table, all that are drawn for a figure.
        seeds: those of the report; each run is repeated with each of them.
        exhibits: ids of the tables and figures it belongs to.
        taken: one of TAKEN, how the report took its values from its runs.
        finding: what the report saw, where that is not a number.
        note: what a reader must know: choices of ours, contradictions.
        probes: which of PROBES it needs of its runs.
        test: for tested rows, the arguments of pytest that show it: "tests/x/test_y.py -k s0_14".
    """

    id: str
    title: str
    runs: tuple[NamedRun, ...] = ()
    seeds: tuple[int, ...] = (0,)
    exhibits: tuple[str, ...] = ()
    taken: str = "final"
    finding: str = ""
    note: str = ""
    test: str = ""
    probes: tuple[str, ...] = ()

    @property
    def can_run(self) -> bool:
        """Whether it has runs or probes."""
        return bool(self.runs or self.probes)

    @property
    def state(self) -> str:
        """One of STATES."""
        return "tested" if self.test else "runnable" if self.can_run else "reviewed"

    def as_dict(self) -> dict[str, Any]:
        """Return the row as a dict that JSON can hold."""
        return {"id": self.id, "title": self.title, "state": self.state, **dataclasses.asdict(self)}


@dataclass(frozen=True)
class Exhibit:
    """A table or figure: a report's own ("s0-tab1", "s4-fig7"), or ours for a row without one ("s0-18-tab").

    The rows say which exhibits they belong to, see `rows_of`.

    Attributes:
        title: what it shows.
        kind: "table", or how a figure is drawn: one of `DRAWERS` and `PROBE_KINDS` in `mlp.reproduction.figures`.
        metrics: the columns of a table, or what curves show: each metric of the same sort (loss, acc) shares a panel.
            Beside METRICS there are "gap_acc" (train - val) and "gap_loss" (val - train), which measure overfitting;
            for tables "seconds" (of an epoch, mean over all) and "peak_memory_mb" (see `mlp.machine.processor`); and
            for curves "learning_rate".
        log: whether the axis of a gradient flow was logarithmic in the report.
        only: shows only runs whose labels end with this.
    """

    id: str
    title: str
    kind: str
    metrics: tuple[str, ...] = METRICS[:4]
    log: bool = False
    only: str = ""

    @property
    def is_table(self) -> bool:
        """Whether it is a table, not a figure."""
        return self.kind == "table"


def percent(value: float, spread: float | None = None) -> Number:
    """Return an accuracy that was printed in percent as a Number, a fraction."""
    return Number(round(value / 100.0, 6), None if spread is None else round(spread / 100.0, 6))
