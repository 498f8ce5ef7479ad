"""What is to be done for a list of runs, the command that does one of them, and what came of it.

The queue on this machine (`queue`) and the jobs of a cluster (`cluster`) share it: both skip what is finished, continue
what was interrupted, and start `mlp train` with the run's flags and --resume. What a run prints goes to
log.txt in its folder, after the command that can be repeated by hand. The runs that were asked for are written down in
planned.tsv of the root, a line each: the folder, a tab, the flags. So runs that have not begun are known, too.
"""

import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlp.errors import CheckpointError
from mlp.experiments.record import read_run
from mlp.experiments.settings.fields import flag_of
from mlp.files import write_text
from mlp.files.stored import read_end, read_text
from mlp.files.tables import tsv_line, tsv_texts
from mlp.reproduction.index import PlannedRun, RunIndex, is_finished, with_advice
from mlp.typing import PathLike

LOG = "log.txt"
PLANNED = "planned.tsv"
LONGEST_LINE = 10_000  # bytes


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        run: the PlannedRun. folder: where it is.
        status: "waiting", and at the end "finished", "skipped" (it was finished before), "stopped" (it was asked to end
            and can continue) or "failed".
        seconds: how long it took in this call. message: why it failed or stopped.
    """

    run: PlannedRun
    folder: Path
    status: str
    seconds: float = 0.0
    message: str = ""


def divide(planned: Sequence[PlannedRun], index: RunIndex) -> tuple[list[Outcome], list[Outcome]]:
    """Return (done, to be run): Outcomes with the folder in which each run is, or will be; damaged ones have failed."""
    done: list[Outcome] = []
    waiting: list[Outcome] = []
    for run in planned:
        folder = index.place(run)
        outcome = Outcome(run, folder.path, "waiting")
        if not is_finished(folder):
            waiting.append(outcome)
            continue
        try:
            read_run(folder.path)
            done.append(replace(outcome, status="skipped"))
        except CheckpointError as error:
            done.append(replace(outcome, status="failed", message=with_advice(error)))
    return done, waiting


def train_command() -> list[str]:
    """Return what starts `mlp train` with this Python."""
    return [sys.executable, "-m", "mlp", "train"]


def words_of(outcome: Outcome, command: Sequence[str], threads: int, data_dir: PathLike | None) -> list[str]:
    """Return the command of a run, word by word: it starts the run, or continues it.

    Args:
        command: what starts `mlp train`. threads: for --threads. data_dir: None for the default of `mlp train`.
    """
    paths = ["--out", str(outcome.folder), "--resume", "--threads", str(threads)]
    paths += [] if data_dir is None else ["--data-dir", str(data_dir)]
    return [*command, *flags(outcome.run.settings), *outcome.run.more, *paths]


def flags(settings: Mapping[str, Any]) -> list[str]:
    """Return the flags of train.py for settings; None is always a default, so it needs no flag."""
    words: list[str] = []
    for name, value in settings.items():
        if isinstance(value, bool):
            words.append(flag_of(name) if value else flag_of(f"no_{name}"))
        elif value is not None:
            words += [flag_of(name), str(value)]
    return words


def last_line_of_log(folder: Path) -> str:
    """Return the last line of a run's log; "" without one."""
    try:
        return read_end(folder / LOG, LONGEST_LINE).strip().rpartition("\n")[2]
    except (FileNotFoundError, CheckpointError):
        return ""


def write_planned(root: Path, outcomes: Sequence[Outcome]) -> None:
    """Add runs to planned.tsv of a root."""
    lines = {folder: shlex.join(words) for folder, words in read_planned(root).items()}
    before = len(lines)
    for outcome in outcomes:
        lines.setdefault(outcome.folder, shlex.join(flags(outcome.run.settings)))
    if len(lines) > before:
        root.mkdir(parents=True, exist_ok=True)
        rows = (tsv_line([folder.relative_to(root).as_posix(), words]) for folder, words in lines.items())
        write_text(root / PLANNED, "".join(rows))


def read_planned(root: Path) -> dict[Path, list[str]]:
    """Return the planned runs of a root, {folder: flags}; {} without the file.

    Raises:
        CheckpointError: the file is damaged.
    """
    try:
        parts = (tsv_texts(line) for line in read_text(root / PLANNED).splitlines())
        return {root / name: shlex.split(words) for name, words in parts}
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise CheckpointError(f"{root / PLANNED} is damaged ({error}): delete it and repeat the command") from None


def describe_outcome(outcome: Outcome, number: int, total: int) -> str:
    """Return a line about a run that ended."""
    return f"{number}/{total} {outcome.status} {outcome.run.name} ({outcome.seconds:.0f} s) {outcome.message}".rstrip()


def summarize(outcomes: Sequence[Outcome]) -> str:
    """Return a line about all runs of a call."""
    count = Counter(outcome.status for outcome in outcomes)
    stopped = f", {count['stopped']} stopped (repeat the command to continue)" if count["stopped"] else ""
    return f"{count['finished']} finished, {count['skipped']} were finished before, {count['failed']} failed{stopped}"


def exit_status_of(outcomes: Sequence[Outcome]) -> int:
    """Return 1 if a run failed, else 75 (see `mlp.errors`) if one was stopped, else 0."""
    statuses = {outcome.status for outcome in outcomes}
    return 1 if "failed" in statuses else 75 if "stopped" in statuses else 0
