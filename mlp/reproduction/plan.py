"""From the rows of the reports to runs in folders, and back: which runs are needed, which exist, what they show.

A run is identified by its settings, seed and scale, not by the row that asks for it, see `mlp.reproduction.index`: rows
that need the same run share it. Its folder is named by what differs from the defaults:

    runs/reproduce/full/vgg38_norm-batch_learning_rate-0.01_seed-256
    runs/reproduce/quick/vgg38_norm-batch_learning_rate-0.01_seed-256        the same at the quick scale

    planned = plan_runs(select(["s0"]), QUICK, dataset="cifar100")       the runs that are needed, each once
    index = RunIndex("runs/reproduce")                                    the runs that exist
    results = collect(rows_of("s0-tab1"), index, QUICK)                   what they show: tables and figures start here
"""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlp.experiments.config import RunConfig
from mlp.experiments.record import RunRecord
from mlp.experiments.settings.naming import name_of
from mlp.reproduction.index import PlannedRun, RunIndex, each_once
from mlp.reproduction.reports import runs_of
from mlp.reproduction.reports.row import NamedRun, Row
from mlp.reproduction.scale import FULL, QUICK, Scale
from mlp.typing import PathLike

RUNS = "runs/reproduce"
DATASETS = ("cifar100", "synthetic")  # in this order runs are looked for; the first data set with a run counts


def settings_of(run: NamedRun, seed: int, scale: Scale, dataset: str = "cifar100") -> dict[str, Any]:
    """Return the settings of a run for `mlp.experiments.run`: a dict of those that differ from RunConfig's defaults.

    Args:
        dataset: for runs that name none themselves.
    """
    return NamedRun("", {"dataset": dataset, **scale.apply(run.differences), "seed": seed}).differences


def folder_name(run: NamedRun, seed: int, dataset: str = "cifar100") -> str:
    """Return the name of a run's folder, made of the settings it would have at full scale."""
    settings = run.differences
    model = settings.pop("model", RunConfig.model)
    images = {} if dataset == RunConfig.dataset else {"dataset": dataset}
    return name_of({**images, **settings, "seed": seed}, first=model)


def plan_runs(
    rows: Iterable[Row],
    scale: Scale,
    seeds: Sequence[int] | None = None,
    dataset: str = "cifar100",
    device: str = "cpu",
) -> list[PlannedRun]:
    """Return the runs that rows need, each once, in the rows' order; rows that cannot be run need none.

    Args:
        seeds: None takes those of the rows that the scale runs.
    """
    where = {} if device == RunConfig.device else {"device": device}
    return each_once(
        PlannedRun(
            folder_name(run, seed, dataset),
            {**settings_of(run, seed, scale, dataset), **where},
            [row.id],
            scale.smoothness_flags if "smoothness" in row.probes else (),
        )
        for row in rows
        for run in (row.runs if row.can_run else ())
        for seed in (scale.seeds(row.seeds) if seeds is None else seeds)
    )


def command_for(name: str, scale: Scale, root: PathLike = RUNS) -> str:
    """Return the command that makes the runs of a row, table or figure below the folder `root`."""
    place = "" if Path(root) == Path(RUNS) else f" --out {shlex.quote(str(root))}"
    return f"python scripts/reproduce.py run {name}" + ("" if scale is FULL else f" --scale {scale.name}") + place


@dataclass(frozen=True)
class Result:
    """A run of a row with what our runs of it gave: a line of a table or of a figure.

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
        if self.config.dataset != self.run.settings.get("dataset", DATASETS[0]):
            reasons.append(f"{self.config.dataset} images")
        if not self.finished:
            reasons.append(f"{self.epochs} of {self.config.epochs} epochs")
        elif self.run.published.test_acc is not None and not all(record.test for record in self.records):
            reasons.append("no test pass yet")
        return ", ".join(reasons)


def collect(
    rows: Sequence[Row], index: RunIndex, scale: Scale | None = None, seeds: Sequence[int] | None = None
) -> list[Result]:
    """Return a Result for each different run of some rows; one that was not run has no records.

    Args:
        rows: `rows_of` an exhibit, or single ones.
        scale: None takes the full one if any of the runs exists at full scale, else the quick one if any exists at
            that scale. All results have the same scale.
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
