"""Running what students wrote: each file in a process of its own, with limits of time and memory.

Endless loops are killed with everything they started, sys.exit and crashes end only their own process, printed text
goes nowhere, and large allocations fail. Ctrl-C ends all processes at once. It is not a sandbox: a process can read and
write whatever its user can, even its own result. So run code that you do not trust in a container.
"""

import json
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mlp.diagnostics.class_report.worker import READY
from mlp.diagnostics.class_report.workers import Workers
from mlp.errors import ConfigurationError


@dataclass(frozen=True)
class Task:
    """What is checked in every file, and how much each may use.

    Attributes:
        name: of the class or function to check. args: of its constructor, as text. input_shape: None for the usual one.
        seed: of the random inputs. seconds, megabytes: limits for each file.
    """

    name: str
    args: str = ""
    input_shape: tuple[int, ...] | None = None
    seed: int = 0
    seconds: float = 60.0
    megabytes: int = 3000


@dataclass(frozen=True)
class Outcome:
    """What happened with one file.

    Attributes:
        student: a name for the file, the same in all tables. error: why it could not be checked, or "".
        parts: {part of the solution: whether it is right}. mistake, sentence: of the first diagnosis.
    """

    student: str
    path: Path
    passed: bool = False
    parts: dict[str, bool] = field(default_factory=dict)
    mistake: str = ""
    sentence: str = ""
    error: str = ""
    seconds: float = 0.0


def run_all(
    paths: Sequence[Path], task: Task, jobs: int, tell: Callable[[Outcome], Any] = lambda outcome: None
) -> list[Outcome]:
    """Return the outcome of each file, in the order of the files.

    Args:
        paths: the files. task: what is checked. jobs: how many run at a time.
        tell: is called with each outcome as soon as it is known.

    Raises:
        ConfigurationError: one of the files is missing, or no process can be started with these limits.
        KeyboardInterrupt: after Ctrl-C, once all processes have ended.
    """
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise ConfigurationError(f"there is no file {missing[0]}")

    workers = Workers()

    def one(path: Path, student: str) -> Outcome:
        outcome = run_one(path, student, task, workers)
        tell(outcome)
        return outcome

    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        try:
            return list(pool.map(one, paths, names_of(paths)))
        finally:  # nothing is left to end, unless there was an error or Ctrl-C
            workers.end_all()


def names_of(paths: Sequence[Path]) -> list[str]:
    """Return a name for each file: its own, or if two files have the same name, that of its folder."""
    stems = [path.stem for path in paths]
    if len(set(stems)) == len(stems):
        return stems
    folders = [path.resolve().parent.name for path in paths]
    return folders if len(set(folders)) == len(folders) else [str(path.with_suffix("")) for path in paths]


def run_one(path: Path, student: str, task: Task, workers: Workers) -> Outcome:
    """Check one file in a process of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        out = Path(folder) / "found.json"
        settings = {**asdict(task), "path": str(path.resolve()), "out": str(out)}
        command = [sys.executable, "-m", f"{__package__}.worker", json.dumps(settings)]
        ended = workers.run(command, folder, task.seconds)
        if READY not in ended.said:  # the student's code was not run yet
            last = ended.said.strip().rpartition("\n")[2] or f"exit status {ended.status}"
            raise ConfigurationError(f"files cannot be checked with {task.megabytes} MB of memory for each: {last}")
        try:
            found = of_worker(json.loads(out.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, LookupError):
            found = {"error": why_no_result(ended.status, task.seconds), "mistake": "could not be checked"}
        return Outcome(student, path, **found, seconds=ended.seconds)


def of_worker(found: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of an outcome from what the worker wrote, which a student's code may have changed."""
    if "error" in found:
        return {"error": str(found["error"]), "mistake": "could not be checked"}
    parts = {str(name): value is True for name, value in dict(found["parts"]).items()}
    return {
        "passed": found["passed"] is True,
        "parts": parts,
        "mistake": str(found["mistake"]),
        "sentence": str(found["sentence"]),
    }


def why_no_result(status: int | None, seconds: float) -> str:
    """Return why a process that was ready has left no result; its status is None if its time was over."""
    if status is None or -status == getattr(signal, "SIGALRM", None):
        return f"it ran for more than {seconds:g} seconds: an endless loop?"
    if status < 0:
        with suppress(ValueError):
            return f"its process was ended by {signal.Signals(-status).name}"
    return "it ended the program (sys.exit, os._exit), or asked for too much memory"
