"""Many runs side by side on this machine, each a process of its own on cores of its own.

With --jobs 2 on four cores each run gets two cores and two threads; where the system cannot pin processes, only two
threads. With --devices cuda:0 cuda:1 each job has a GPU of its own, one run at a time.

A run that fails does not stop the others. Ctrl-C stops all of them, and each loses at most the epoch in progress. The
signal USR2 lets each run finish its epoch. If another process still works on a run (left over from an earlier call that
was killed), the queue waits for it.
"""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mlp.engine.cpu.blas import THREAD_LIMITS
from mlp.errors import FolderInUseError, StopRequestedError, as_sentence
from mlp.experiments.run_folder import RunFolder
from mlp.progress import announced_bar, write_line
from mlp.reproduction.index import PlannedRun, RunIndex, epochs_done, is_finished
from mlp.reproduction.places import Place, pinned
from mlp.reproduction.work import (
    LOG,
    Outcome,
    describe_outcome,
    divide,
    last_line_of_log,
    train_command,
    words_of,
    write_planned,
)
from mlp.training.hooks import StopOnSignal
from mlp.typing import PathLike

POLL = 0.1  # seconds between two looks at the processes
PATIENCE = 10.0  # seconds that a process gets to end when it is asked to
FIRST_WAIT, LONGEST_WAIT = 2.0, 60.0  # seconds before a folder that is in use is tried again, doubled each time


@dataclass
class _Child:
    """A process that does a run."""

    outcome: Outcome
    process: subprocess.Popen[bytes]
    place: Place
    started: float
    asked_to_stop: bool = False


@dataclass
class _Queue:
    """The runs that wait, those at work and those that have ended; and the places that are free."""

    waiting: list[Outcome]
    free: list[Place]
    children: list[_Child] = field(default_factory=list)
    ended: list[Outcome] = field(default_factory=list)
    waits: dict[Path, tuple[float, float]] = field(default_factory=dict)  # folder in use: (not before, seconds)

    def next(self) -> Outcome | None:
        """Take the first run that may start now; None if all must wait."""
        now = time.monotonic()
        for outcome in self.waiting:
            if self.waits.get(outcome.folder, (0.0, 0.0))[0] <= now:
                self.waiting.remove(outcome)
                return outcome
        return None

    def put_back(self, outcome: Outcome) -> None:
        """Put a run back whose folder is in use: it waits, each time twice as long."""
        seconds = min(2 * self.waits.get(outcome.folder, (0.0, FIRST_WAIT / 2))[1], LONGEST_WAIT)
        self.waits[outcome.folder] = time.monotonic() + seconds, seconds
        self.waiting.append(outcome)


def run_all(
    planned: Sequence[PlannedRun],
    root: PathLike,
    places: Sequence[Place],
    data_dir: PathLike | None = None,
    command: Sequence[str] | None = None,
    tell: Callable[[str], None] = write_line,
) -> list[Outcome]:
    """Run what is not finished yet.

    Args:
        planned: the runs. root: the folder that gets a folder for each; finished and interrupted ones are found there.
        places: see `share_machine`; each has one run at a time.
        data_dir: for `mlp train`, None for its default.
        command: the words that start `mlp train`; None for that of this installation.
        tell: gets a line for each run that ended.

    Returns:
        An Outcome for each run: first those that were finished before, then the others in the order of their ends.

    Raises:
        KeyboardInterrupt: after Ctrl-C, once all processes have ended.
    """
    done, waiting = divide(planned, RunIndex(root))
    write_planned(Path(root), [*done, *waiting])
    queue, stop = _Queue(waiting, list(places)), StopOnSignal()
    command = command or train_command()
    told = 0
    with announced_bar(total=len(waiting), desc="runs", unit="run") as bar, stop.listening():
        try:
            while queue.waiting or queue.children:
                if stop.requested:
                    let_epochs_end(queue)
                start_some(queue, command, data_dir)
                collect_ended(queue, tell)
                for outcome in queue.ended[told:]:
                    told += 1
                    bar.update()
                    tell(describe_outcome(outcome, told, bar.total))
                bar.set_postfix_str(", ".join(map(progress_text, queue.children)), refresh=False)
                bar.update(0)
                time.sleep(POLL)
        finally:
            end_all(queue.children)
    return [*done, *queue.ended]


def start_some(queue: _Queue, command: Sequence[str], data_dir: PathLike | None) -> None:
    """Start runs as long as a place is free."""
    while queue.free and (outcome := queue.next()) is not None:
        try:
            queue.children.append(start(outcome, command, queue.free[0], data_dir))
            queue.free.pop(0)
        except OSError as error:  # no folder, no log, no memory for a process
            queue.ended.append(replace(outcome, status="failed", message=as_sentence(error)))


def start(outcome: Outcome, command: Sequence[str], place: Place, data_dir: PathLike | None) -> _Child:
    """Start the process of a run on its cores and its GPU; the process sees that GPU alone, as cuda:0."""
    outcome.folder.mkdir(parents=True, exist_ok=True)
    threads = len(place.cores)
    words = words_of(outcome, command, threads, data_dir)
    environment = {**os.environ, **dict.fromkeys(THREAD_LIMITS, str(threads))}
    environment["PYTHONUNBUFFERED"] = "1"  # output and errors come in their order
    if place.gpu:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        names = visible.split(",") if visible else []
        environment["CUDA_VISIBLE_DEVICES"] = names[int(place.gpu)] if int(place.gpu) < len(names) else place.gpu
    with open(outcome.folder / LOG, "ab") as log, pinned(place.cores):
        log.write(f"$ {shlex.join(words)}\n".encode())
        log.flush()
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    return _Child(outcome, process, place, time.monotonic())


def collect_ended(queue: _Queue, tell: Callable[[str], None]) -> None:
    """Take the processes that have ended out of the queue."""
    for child in [child for child in queue.children if child.process.poll() is not None]:
        queue.children.remove(child)
        queue.free.append(child.place)
        if child.process.returncode == FolderInUseError.exit_status:
            if child.outcome.folder not in queue.waits:
                tell(f"waiting for {child.outcome.run.name}: {last_line_of_log(child.outcome.folder)}")
            queue.put_back(child.outcome)
        else:
            queue.ended.append(outcome_of(child))


def outcome_of(child: _Child) -> Outcome:
    """Return the Outcome of a process that has ended."""
    status, folder = child.process.returncode, child.outcome.folder
    outcome = replace(child.outcome, seconds=time.monotonic() - child.started)
    if status == 0 and is_finished(RunFolder(folder)):
        return replace(outcome, status="finished")
    # A process that has not set its handler yet is ended by the signal itself.
    stopped = status == StopRequestedError.exit_status or (child.asked_to_stop and status < 0)
    word = "stopped" if stopped else "failed"
    return replace(outcome, status=word, message=f"exit status {status}: {last_line_of_log(folder)}")


def progress_text(child: _Child) -> str:
    """Return how far a run is: "s0-1_seed-0 epoch 3/8"."""
    return f"{child.outcome.run.name} epoch {epochs_done(RunFolder(child.outcome.folder))}/{child.outcome.run.epochs}"


def let_epochs_end(queue: _Queue) -> None:
    """Start nothing more, and ask each process to end after its epoch."""
    message = "not started: the signal USR2 came"
    queue.ended += [replace(outcome, status="stopped", message=message) for outcome in queue.waiting]
    queue.waiting.clear()
    for child in queue.children:
        if not child.asked_to_stop:
            child.process.send_signal(signal.SIGUSR2)
            child.asked_to_stop = True


def end_all(children: Sequence[_Child]) -> None:
    """End processes that are still there, and wait for them."""
    for child in children:
        child.process.terminate()
    for child in children:
        try:
            child.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()
