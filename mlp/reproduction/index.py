"""Runs by their settings: what they are called, which folder holds which, and how far each went.

A run is identified by its settings, not by who asks for it: rows of reports and sweeps share runs. Each is a folder as
scripts/train.py makes it. Names are for people; a run is found by what its config.json says, in any folder below the
root. Device and engine do not count: they decide how the numbers are computed, not what is computed.

    run = PlannedRun("vgg38_seed-0", {"model": "vgg38", "seed": 0})       what is to be run
    index = RunIndex("runs/sweep")                                        what is there
    index.place(run)                                                      the folder that holds it, or will
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlp.errors import CheckpointError, DamagedError
from mlp.experiments.config import RunConfig
from mlp.experiments.record import RunRecord, read_run
from mlp.experiments.run_folder import RunFolder
from mlp.experiments.settings.naming import NOT_IDENTITY, digest_of
from mlp.typing import PathLike


def identity(settings: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what identifies a run: all its settings, without those that say where and how it is computed."""
    config = RunConfig(**settings).as_dict()
    return tuple((name, value) for name, value in config.items() if name not in NOT_IDENTITY)


@dataclass
class PlannedRun:
    """A run that somebody wants.

    Attributes:
        name: of its folder. settings: for `mlp.experiments.run`; those left out have RunConfig's defaults.
        wanted_by: who wants it, for example ids of rows.
        more: flags of train.py that are no settings: what is measured while it trains.
    """

    name: str
    settings: dict[str, Any]
    wanted_by: list[str] = field(default_factory=list)
    more: tuple[str, ...] = ()

    @property
    def epochs(self) -> int:
        """How many epochs it has."""
        return self.settings.get("epochs", RunConfig.epochs)


class RunIndex:
    """The runs below a folder, found by their settings. It is a snapshot: make a new one to see what came later.

    Attributes:
        root: the folder. folders: of all runs that are not damaged, by path.
        damaged: a message for each run that cannot be read, as far as runs have been looked at.
    """

    def __init__(self, root: PathLike) -> None:
        self.root = Path(root)
        self.damaged: list[str] = []
        self._folders: dict[tuple[Any, ...], RunFolder] = {}
        self._records: dict[Path, RunRecord | None] = {}
        self.folders: list[RunFolder] = []
        for path in sorted(self.root.rglob("config.json")):
            folder = RunFolder(path.parent)
            try:
                key = identity(folder.load()[0].as_dict())
            except CheckpointError as error:
                self.damaged.append(with_advice(error))
                continue
            self.folders.append(folder)
            if key not in self._folders or progress_of(folder) > progress_of(self._folders[key]):
                self._folders[key] = folder

    def find(self, settings: Mapping[str, Any]) -> RunFolder | None:
        """Return the folder of a run with these settings, of several the one with most epochs; None without any."""
        return self._folders.get(identity(settings))

    def place(self, run: PlannedRun) -> RunFolder:
        """Return the folder of a run: where it is, or else where it belongs by its name.

        If a run with other settings has that folder already, the name gets a few digits of a digest of its own.
        """
        found = self.find(run.settings)
        if found is not None:
            return found
        path = self.root / run.name
        if any(folder.path == path and folder.has_epochs for folder in self.folders):
            path = self.root / f"{run.name}_{digest_of(identity(run.settings))}"
        return RunFolder(path)

    def record(self, settings: Mapping[str, Any]) -> RunRecord | None:
        """Return the record of a run; None if there is none, it has no finished epoch, or it is damaged."""
        folder = self.find(settings)
        if folder is None:
            return None
        if folder.path not in self._records:
            try:
                record = read_run(folder.path)
                self._records[folder.path] = record if record.history.rows else None
            except CheckpointError as error:
                self.damaged.append(with_advice(error))
                self._records[folder.path] = None
        return self._records[folder.path]


def each_once(runs: Iterable[PlannedRun]) -> list[PlannedRun]:
    """Return the runs with different settings, the first of each; it takes over who wants the others, and for what."""
    known: dict[tuple[Any, ...], PlannedRun] = {}
    for run in runs:
        first = known.setdefault(identity(run.settings), run)
        first.wanted_by += [who for who in run.wanted_by if who not in first.wanted_by]
        first.more = first.more or run.more
    return list(known.values())


def is_finished(folder: RunFolder) -> bool:
    """Whether a run went to its end: test.json is what comes last."""
    return (folder / "test.json").exists()


def epochs_done(folder: RunFolder) -> int:
    """Return how many epochs a run has finished; 0 if its metrics.csv cannot be read."""
    try:
        return folder.rows_written
    except CheckpointError:
        return 0


def progress_of(folder: RunFolder) -> tuple[bool, int]:
    """Return (whether a run is finished, how many epochs it has): the larger, the further it went."""
    return is_finished(folder), epochs_done(folder)


def with_advice(error: CheckpointError) -> str:
    """Return the message of an error. If files were read and found damaged, it adds what to do: delete the folder."""
    return f"{error}; delete the folder to run it again" if isinstance(error, DamagedError) else str(error)
