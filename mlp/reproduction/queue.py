"""Many runs side by side, each a process of its own on cores of its own.

A process is scripts/train.py with the run's flags and --resume, so that it starts, or goes on, by itself; what it
prints goes to log.txt in the folder of the run, behind the command that can be repeated by hand. With --jobs 2 on four
cores each gets two cores, and as many threads; where the system cannot pin processes, only as many threads.

A run that fails does not stop the others. Ctrl-C stops all: at most the epoch in progress of each is lost.
"""

import contextlib
import os
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from mlp.engine.cpu.threads import usable_cores
from mlp.errors import CheckpointError, ConfigurationError
from mlp.experiments.comparison import read_run
from mlp.experiments.config import flag_of
from mlp.experiments.run_folder import RunFolder
from mlp.progress import progress_bar, write_line
from mlp.reproduction.plan import PlannedRun, RunIndex, epochs_done, is_finished
from mlp.typing import PathLike

LOG = "log.txt"
POLL = 0.1  # seconds between two looks at the processes
PATIENCE = 10.0  # seconds that a process gets to end when it is asked to
# Libraries for matrix products start a thread for each core of the machine unless one of these is set.
THREAD_LIMITS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


@dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Attributes:
        run: the PlannedRun. folder: where it is. status: "finished", "skipped" (it was finished before) or "failed".
        seconds: of this call. message: why it failed.
    """

    run: PlannedRun
    folder: Path
    status: str
    seconds: float = 0.0
    message: str = ""


@dataclass
class _Child:
    """A process at work."""

    outcome: Outcome
    process: subprocess.Popen
    log: IO[bytes]
    cores: list[int]
    started: float


def run_all(
    planned: Sequence[PlannedRun],
    root: PathLike,
    command: Sequence[str],
    jobs: int = 1,
    data_dir: PathLike | None = None,
    tell: Callable[[str], None] = write_line,
) -> list[Outcome]:
    """Run what is not finished yet.

    Args:
        planned: the runs. root: the folder that gets a folder for each; finished and interrupted ones are found there.
        command: what starts scripts/train.py: [python, path].
        jobs: how many at once.
        data_dir: for train.py, None for its default.
        tell: gets a line for each run that ended.

    Returns:
        An Outcome for each run: those that were done before, then the others in the order in which they ended.

    Raises:
        ConfigurationError: jobs below 1. KeyboardInterrupt: Ctrl-C, when all processes have ended.
    """
    if jobs < 1:
        raise ConfigurationError(f"--jobs must be at least 1, got {jobs}")
    outcomes, waiting = divide(planned, RunIndex(root))
    done_before = len(outcomes)
    free = share_cores(jobs)
    children: list[_Child] = []
    try:
        with progress_bar(total=len(waiting), desc="runs", unit="run") as bar:
            while waiting or children:
                ended = []
                while waiting and free:
                    outcome = waiting.pop(0)
                    try:
                        children.append(start(outcome, command, free[0], data_dir))
                        free.pop(0)
                    except OSError as error:  # no folder, no log, no memory for a process
                        ended.append(replace(outcome, status="failed", message=str(error)))
                for child in [child for child in children if child.process.poll() is not None]:
                    children.remove(child)
                    free.append(child.cores)
                    ended.append(end(child))
                for outcome in ended:
                    outcomes.append(outcome)
                    bar.update()
                    tell(describe(outcome, len(outcomes) - done_before, bar.total))
                bar.set_postfix_str(", ".join(map(progress_text, children)), refresh=False)
                time.sleep(POLL)
    finally:
        stop(children)
    return outcomes


def divide(planned: Sequence[PlannedRun], index: RunIndex) -> tuple[list[Outcome], list[Outcome]]:
    """Return (done, to be run): Outcomes with the folder in which each run is, or will be; damaged ones have failed."""
    done: list[Outcome] = []
    waiting: list[Outcome] = []
    for run in planned:
        folder = index.find(run.settings)
        outcome = Outcome(run, folder.path if folder else index.root / run.name, "waiting")
        if folder is None or not is_finished(folder):
            waiting.append(outcome)
            continue
        try:
            read_run(folder.path)
            done.append(replace(outcome, status="skipped"))
        except CheckpointError as error:
            done.append(replace(outcome, status="failed", message=f"{error}; delete the folder to run it again"))
    return done, waiting


def share_cores(jobs: int) -> list[list[int]]:
    """Return for each job the cores it gets, as equal as possible; with more jobs than cores some share one.

    Where the system does not tell which cores there are, they are just counted.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(usable_cores()))
    if jobs >= len(cores):
        return [[cores[job % len(cores)]] for job in range(jobs)]
    each, more = divmod(len(cores), jobs)
    starts = [job * each + min(job, more) for job in range(jobs + 1)]
    return [cores[begin:end] for begin, end in zip(starts, starts[1:], strict=False)]


def start(outcome: Outcome, command: Sequence[str], cores: list[int], data_dir: PathLike | None) -> _Child:
    """Start the process of a run on its cores."""
    outcome.folder.mkdir(parents=True, exist_ok=True)
    paths = ["--out", str(outcome.folder), "--resume", "--threads", str(len(cores))]
    paths += [] if data_dir is None else ["--data-dir", str(data_dir)]
    whole = [*command, *flags(outcome.run), *paths]
    log = open(outcome.folder / LOG, "ab")  # noqa: SIM115  closed when the process has ended
    log.write(f"$ {shlex.join(whole)}\n".encode())
    log.flush()
    environment = {**os.environ, **dict.fromkeys(THREAD_LIMITS, str(len(cores)))}
    environment["PYTHONUNBUFFERED"] = "1"  # the last line of a log is the last that was printed, an error mostly
    with pinned(cores):
        process = subprocess.Popen(whole, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    return _Child(outcome, process, log, cores, time.monotonic())


@contextlib.contextmanager
def pinned(cores: Sequence[int]) -> Iterator[None]:
    """Keep this thread on some cores, and the processes that it starts meanwhile for good: they inherit it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    try:
        with contextlib.suppress(OSError):  # some systems do not allow it
            os.sched_setaffinity(0, cores)
        yield
    finally:
        os.sched_setaffinity(0, before)


def flags(run: PlannedRun) -> list[str]:
    """Return the command line of a run's settings."""
    words = []
    for name, value in run.settings.items():
        words += [flag_of(name) if value else flag_of(f"no_{name}")] if isinstance(value, bool) else []
        words += [] if isinstance(value, bool) else [flag_of(name), str(value)]
    return words


def end(child: _Child) -> Outcome:
    """Return the Outcome of a process that has ended."""
    child.log.close()
    seconds, status = time.monotonic() - child.started, child.process.returncode
    if status == 0 and is_finished(RunFolder(child.outcome.folder)):
        return replace(child.outcome, status="finished", seconds=seconds)
    last = (child.outcome.folder / LOG).read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    return replace(child.outcome, status="failed", seconds=seconds, message=f"exit status {status}: {last}")


def describe(outcome: Outcome, number: int, total: int) -> str:
    """Return a line about a run that ended."""
    end_of_line = outcome.message if outcome.status == "failed" else ""
    return f"{number}/{total} {outcome.status} {outcome.run.name} ({outcome.seconds:.0f} s) {end_of_line}".rstrip()


def summarize(outcomes: Sequence[Outcome]) -> str:
    """Return a line about all runs of a call."""
    count = Counter(outcome.status for outcome in outcomes)
    return f"{count['finished']} finished, {count['skipped']} were finished before, {count['failed']} failed"


def progress_text(child: _Child) -> str:
    """Return how far a run is: "epoch 3/8"."""
    return f"epoch {epochs_done(RunFolder(child.outcome.folder))}/{child.outcome.run.epochs}"


def stop(children: Sequence[_Child]) -> None:
    """End processes that are still there, and wait for them."""
    for child in children:
        child.process.terminate()
    for child in children:
        try:
            child.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
        child.log.close()


def train_command() -> list[str]:
    """Return what starts `mlp train` with this Python."""
    return [sys.executable, "-m", "mlp", "train"]
