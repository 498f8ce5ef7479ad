"""From the rows of the reports to runs in folders, and back: which are needed, which are there, what they say.

A run is identified by its settings, seed and scale, not by the row that asks for it: rows that need the same run share
it. Each is a folder as scripts/train.py makes it, named by what differs from the defaults:

    runs/reproduce/full/vgg38_norm-batch_learning_rate-0.01_seed-256
    runs/reproduce/quick/vgg38_norm-batch_learning_rate-0.01_seed-256        the same at the quick scale

Names are for people. A run is found by what its config.json says, in any folder below the root, so kept results can be
looked at in the same way. Device and engine do not count: they decide how numbers are computed, not which.

    planned = plan_runs(select(["s0"]), QUICK, dataset="cifar100")       what is to be run, each once
    index = RunIndex("runs/reproduce")                                    what is there
    results = collect(rows_of("s0-tab1"), index, QUICK)                   what it says: tables and figures start here
"""

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlp.errors import CheckpointError
from mlp.experiments.comparison import RunRecord, read_run
from mlp.experiments.config import RunConfig
from mlp.experiments.run_folder import RunFolder
from mlp.reproduction.reports import NamedRun, Row, runs_of
from mlp.reproduction.scale import FULL, QUICK, Scale
from mlp.typing import PathLike

RUNS = "runs/reproduce"
DATASETS = ("cifar100", "synthetic")  # where runs are looked for, the first that has one counts
NOT_IDENTITY = ("device", "engine")


def settings_of(run: NamedRun, seed: int, scale: Scale, dataset: str = "cifar100") -> dict[str, Any]:
    """Return the settings of a run, for `mlp.experiments.run`: those that differ from RunConfig's defaults, a dict."""
    return NamedRun("", {**scale.apply(run.differences), "seed": seed, "dataset": dataset}).differences


def folder_name(run: NamedRun, seed: int, dataset: str = "cifar100") -> str:
    """Return the name of a run's folder, made of the settings it would have at full scale."""
    parts = [run.settings.get("model", RunConfig.model)]
    for name, value in {**run.differences, "dataset": dataset}.items():
        if name == "model" or value == getattr(RunConfig, name):
            continue
        parts.append(name if value is True else f"{name}-{value}")
    return "_".join([*parts, f"seed-{seed}"])


def identity(settings: Mapping[str, Any]) -> tuple:
    """Return what two runs have in common if they are the same: all settings but where and how they are computed."""
    config = RunConfig(**settings).as_dict()
    return tuple((name, value) for name, value in config.items() if name not in NOT_IDENTITY)


@dataclass
class PlannedRun:
    """A run that rows need.

    Attributes:
        name: of its folder. settings: for `mlp.experiments.run`. rows: ids of the rows that need it.
    """

    name: str
    settings: dict[str, Any]
    rows: list[str] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        """How many epochs it has."""
        return RunConfig(**self.settings).epochs


def plan_runs(
    rows: Iterable[Row],
    scale: Scale,
    seeds: Sequence[int] | None = None,
    dataset: str = "cifar100",
    device: str = "cpu",
) -> list[PlannedRun]:
    """Return the runs that rows need, each once, in the rows' order; rows that cannot be run need none.

    Args:
        seeds: None takes those of the rows, as far as the scale does.
    """
    planned: dict[tuple, PlannedRun] = {}
    for row in rows:
        for run in row.runs if row.can_run else ():
            for seed in scale.seeds(row.seeds) if seeds is None else seeds:
                settings = settings_of(run, seed, scale, dataset)
                new = PlannedRun(folder_name(run, seed, dataset), settings)
                known = planned.setdefault(identity(settings), new)
                if row.id not in known.rows:
                    known.rows.append(row.id)
                if device != RunConfig.device:
                    settings["device"] = device
    return list(planned.values())


class RunIndex:
    """The runs below a folder, found by their settings. It is a snapshot: make a new one to see what came later.

    Attributes:
        root: the folder. damaged: a message for each run whose config.json cannot be read.
    """

    def __init__(self, root: PathLike) -> None:
        self.root = Path(root)
        self.damaged: list[str] = []
        self._folders: dict[tuple, RunFolder] = {}
        self._records: dict[Path, RunRecord | None] = {}
        for path in sorted(self.root.rglob("config.json")):
            folder = RunFolder(path.parent)
            try:
                key = identity(folder.load()[0].as_dict())
            except CheckpointError as error:
                self.damaged.append(str(error))
                continue
            if key not in self._folders or progress_of(folder) > progress_of(self._folders[key]):
                self._folders[key] = folder

    def find(self, settings: Mapping[str, Any]) -> RunFolder | None:
        """Return the folder of a run with these settings, of several the one that went furthest; None without any."""
        return self._folders.get(identity(settings))

    def record(self, settings: Mapping[str, Any]) -> RunRecord | None:
        """Return what a run says; None where there is none, or none with an epoch to its end, or a damaged one."""
        folder = self.find(settings)
        if folder is None:
            return None
        if folder.path not in self._records:
            try:
                record = read_run(folder.path)
                self._records[folder.path] = record if record.history.rows else None
            except CheckpointError as error:
                self.damaged.append(str(error))
                self._records[folder.path] = None
        return self._records[folder.path]


def is_finished(folder: RunFolder) -> bool:
    """Whether a run went to its end: test.json is what comes last."""
    return (folder / "test.json").exists()


def epochs_done(folder: RunFolder) -> int:
    """Return how many epochs a run has finished: the lines of metrics.csv below the header."""
    try:
        return max(0, (folder / "metrics.csv").read_bytes().count(b"\n") - 1)
    except OSError:  # none yet
        return 0


def progress_of(folder: RunFolder) -> tuple[bool, int]:
    """Return (whether a run is finished, how many epochs it has): the larger, the further it went."""
    return is_finished(folder), epochs_done(folder)


def command_for(name: str, scale: Scale, root: PathLike = RUNS) -> str:
    """Return the command that makes the runs of a row, table or figure below the folder `root`."""
    place = "" if Path(root) == Path(RUNS) else f" --out {shlex.quote(str(root))}"
    return f"python scripts/reproduce.py run {name}" + ("" if scale is FULL else f" --scale {scale.name}") + place


@dataclass(frozen=True)
class Result:
    """A run of a row with what our runs say: the line of a table, the line of a figure.

    Attributes:
        row, run: what was published, and how it was measured there.
        scale: that of our runs.
        config: the RunConfig of our runs, or what it would be (with the first of the seeds).
        seeds: those that were asked for.
        records: a RunRecord for each seed that has an epoch or more, in the order of the seeds.
    """

    row: Row
    run: NamedRun
    scale: Scale
    config: RunConfig
    seeds: tuple[int, ...]
    records: list[RunRecord]

    @property
    def epochs(self) -> int:
        """How many epochs the shortest of our runs has; 0 without any."""
        return min((len(record.history.rows) for record in self.records), default=0)

    @property
    def finished(self) -> bool:
        """Whether there are runs, and all of them have all their epochs."""
        return self.epochs == self.config.epochs

    @property
    def why_not_comparable(self) -> str:
        """Why our numbers must not be compared with the published ones; "" if they can be."""
        reasons = []
        if self.scale is not FULL:
            reasons.append(f"{self.scale.name} scale")
        if self.config.dataset != "cifar100":
            reasons.append(f"{self.config.dataset} images")
        if not self.finished:
            reasons.append(f"{self.epochs} of {self.config.epochs} epochs")
        elif self.run.published.test_acc is not None and not all(record.test for record in self.records):
            reasons.append("no test pass yet")
        return ", ".join(reasons)


def collect(
    rows: Sequence[Row], index: RunIndex, scale: Scale | None = None, seeds: Sequence[int] | None = None
) -> list[Result]:
    """Return a Result for each different run of some rows, also for those that were not run (they have no records).

    Args:
        rows: `rows_of` an exhibit, or single ones.
        scale: None takes the full one if any of the runs is there at full scale, else the quick one if there is any
            at that; so all results have the same scale.
        seeds: None takes those of the rows.
    """
    if scale is None:
        results = collect(rows, index, FULL, seeds)
        if not any(result.records for result in results):
            quick = collect(rows, index, QUICK, seeds)
            if any(result.records for result in quick):
                return quick
        return results
    return [collect_run(row, run, index, scale, seeds) for row, run in runs_of(rows)]


def collect_run(row: Row, run: NamedRun, index: RunIndex, scale: Scale, seeds: Sequence[int] | None) -> Result:
    """Return the Result of a run: with CIFAR-100 if any seed has it, else with the synthetic images."""
    wanted = scale.seeds(row.seeds) if seeds is None else tuple(dict.fromkeys(seeds))
    for dataset in DATASETS:
        found = [index.record(settings_of(run, seed, scale, dataset)) for seed in wanted]
        records = [record for record in found if record is not None]
        if records:
            break
    else:
        dataset = DATASETS[0]
    config = RunConfig(**settings_of(run, wanted[0], scale, dataset))
    return Result(row, run, scale, config, wanted, records)
