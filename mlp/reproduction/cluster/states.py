"""What became of each run of a folder: read from its files, and from one call of squeue if Slurm ever had one.

finished    test.json is there
running     at work, in epoch k of n
waiting     queued, with the reason; "forever" if it can never start like this
held        queued until somebody releases it: the command is printed
stopped     ended after a whole epoch, as it was asked to, and not queued: the command that started it continues it
lost        started, but no file says how it ended: cancelled, killed, or its node died; the same command continues it
failed      ended with an error: the last line of its log
new         none of these
"""

import os
import shutil
import socket
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlp.errors import ConfigurationError, MlpError
from mlp.experiments.config import RunConfig
from mlp.experiments.run_folder import RunFolder
from mlp.reproduction.cluster.slurm import Task, cancel_tasks, queued_tasks
from mlp.reproduction.cluster.submit import FOLDER, read_tasks, tasks_by_folder
from mlp.reproduction.index import RunIndex, epochs_done, is_finished
from mlp.reproduction.work import PLANNED, last_line_of_log, read_planned
from mlp.training.attempts import Event, read_attempts
from mlp.typing import PathLike

WORDS = ("finished", "running", "waiting", "held", "stopped", "lost", "failed", "new")
ASKED_TO_END = ("0", "73", "75", "76", "130", "140")  # exit statuses: --stop-after, in use, USR2, no epoch fits, Ctrl-C
FOREVER = {
    "PartitionTimeLimit": "--time is above the limit of the partition",
    "PartitionNodeLimit": "the partition has no such nodes",
    "AssocMaxWallDurationPerJobLimit": "--time is above the limit of the account",
    "BadConstraints": "no node has what --sbatch=--constraint asks for",
    "DependencyNeverSatisfied": "the job that it waits for has failed",
}


@dataclass(frozen=True)
class RunState:
    """The folder of a run, its state (one of WORDS), and a sentence about it."""

    folder: Path
    word: str
    text: str = ""


def states_of(root: Path) -> tuple[list[RunState], list[str]]:
    """Return (a RunState for each run below a folder, warnings).

    Raises:
        ConfigurationError: there is no such folder, or no run in it.
    """
    root = root.absolute()
    if not root.is_dir():
        raise ConfigurationError(f"there is no folder {root}")
    runs, submitted, damaged = known_runs(root)
    if not runs:
        raise ConfigurationError(f"{root} holds no runs")
    tasks: dict[Path, Task] | None = {}
    warnings = []
    begun = (event.job for folder in runs for event in read_attempts(folder))  # the job of Slurm, "" for none
    if shutil.which("squeue") and (submitted or any(begun)):
        try:
            tasks = tasks_by_folder(queued_tasks(), root)
        except MlpError as error:
            tasks = None
            warnings.append(f"{error}; what is said here comes from the folders alone")
    states = [state_of(RunFolder(folder), epochs, tasks, submitted) for folder, epochs in runs.items()]
    return states, [*warnings, *damaged]


def known_runs(root: Path) -> tuple[dict[Path, int], dict[Path, Path], list[str]]:
    """Return ({folder of a run: its epochs}, {folder of a run: folder of its array}, messages about damaged runs)."""
    runs: dict[Path, int] = {}
    for path in sorted(root.rglob(PLANNED)):
        runs |= {folder: epochs_in(words) for folder, words in read_planned(path.parent).items()}
    submitted: dict[Path, Path] = {}
    for path in sorted(root.rglob(f"{FOLDER}/*/tasks.txt")):
        for folder in read_tasks(path.parent)[1]:
            if root.resolve() in folder.resolve().parents:  # else the runs were moved since
                submitted[root / folder.resolve().relative_to(root.resolve())] = path.parent
    for folder in submitted:
        runs.setdefault(folder, RunConfig.epochs)
    index = RunIndex(root)
    for run in index.folders:
        runs[run.path] = run.load()[0].epochs
    return runs, submitted, index.damaged


def epochs_in(words: list[str]) -> int:
    """Return the epochs that flags of train.py ask for."""
    given = dict(zip(words, words[1:], strict=False)).get("--epochs", "")
    return int(given) if given.isdigit() else RunConfig.epochs


def state_of(
    run: RunFolder, epochs: int, tasks: Mapping[Path, Task] | None, submitted: Mapping[Path, Path]
) -> RunState:
    """Return the RunState of a run.

    Args:
        epochs: how many it should have. tasks: {folder of a run: its task in the queue}; None if Slurm does not answer.
        submitted: {folder of a run: folder of its array}.
    """
    if is_finished(run):
        return RunState(run.path, "finished")
    events = [event for event in read_attempts(run.path) if event.event in ("start", "end")]
    last = events[-1] if events else None
    progress = f"epoch {min(epochs_done(run) + 1, epochs)} of {epochs}"
    task = None if tasks is None else tasks.get(run.path.resolve())
    if task is not None:
        return state_of_task(run.path, task, last, progress)
    if last is None:
        array = submitted.get(run.path)
        if array is None:
            return RunState(run.path, "new")
        return RunState(run.path, "lost", f"no job has it, and none began with it; Slurm's log: {array / 'log'}")
    if last.event == "start":
        word, text = state_of_start(last, unknown=tasks is None)
        return RunState(run.path, word, f"{progress}, {text}")
    if last.status in ASKED_TO_END:
        return RunState(run.path, "stopped", f"after epoch {epochs_done(run)} of {epochs}: {why_stopped(last)}")
    reason = last_line_of_log(run.path) if last.process == "script" else last.note
    return RunState(run.path, "failed", f"exit status {last.status}: {reason}")


def state_of_task(folder: Path, task: Task, last: Event | None, progress: str) -> RunState:
    """Return the RunState of a run whose task is in the queue."""
    began = last is not None and last.event == "start" and last.job == task.id
    if task.held:
        return RunState(folder, "held", f"{task.reason}: scontrol release {task.id} lets it run")
    if task.state == "PENDING":
        if task.reason in FOREVER:
            text = f"forever, {FOREVER[task.reason]} ({task.reason}): scancel {task.id}, and submit it otherwise"
        elif task.reason == "BeginTime":
            text = f"requeued, it starts again in a moment (job {task.id})"
        elif any(word in task.reason for word in ("DOWN", "DRAIN", "Not available", "NotAvail", "NodeDown")):
            text = f"its nodes are down or drained ({task.reason}, job {task.id})"
        else:
            text = f"{task.reason} (job {task.id})"
        return RunState(folder, "waiting", text)
    if began and last is not None:
        return RunState(folder, "running", f"{progress}, job {task.id} on {last.host} since {last.time}")
    return RunState(folder, "waiting", f"in job {task.id}, which is {task.state.lower()} and has not begun it")


def state_of_start(start: Event, *, unknown: bool) -> tuple[str, str]:
    """Return (word, sentence) for a run whose last event is a start, and whose task is not in the queue.

    Args:
        unknown: whether Slurm did not answer, so that the task may still be there.
    """
    if start.job:
        return (
            ("running", f"or lost: job {start.job}") if unknown else ("lost", f"job {start.job} is gone, {start.who}")
        )
    if start.host == socket.gethostname():
        return ("running" if is_alive(start.process) else "lost"), start.who
    return "running", f"or lost: {start.who}"


def is_alive(process: str) -> bool:
    """Whether this machine has a process with this number."""
    try:
        os.kill(int(process), 0)
    except PermissionError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return True


def why_stopped(end: Event) -> str:
    """Return why a run ended whose exit status is in ASKED_TO_END."""
    signalled = "asked by a signal"
    texts = {"73": "another process had its folder", "75": signalled, "130": "interrupted", "140": signalled}
    return texts.get(end.status) or end.note or f"exit status {end.status}"


def text_of(states: Iterable[RunState], warnings: Iterable[str], root: Path) -> str:
    """Return a line for each run, the counts, and what to do next."""
    states, root = list(states), root.absolute()
    width = max(len(str(state.folder.relative_to(root))) for state in states)
    lines = [
        f"{state.word:8}  {str(state.folder.relative_to(root)):{width}}  {state.text}".rstrip() for state in states
    ]
    counts = Counter(state.word for state in states)
    lines += ["", f"{len(states)} runs: " + ", ".join(f"{counts[word]} {word}" for word in WORDS if counts[word])]
    if any(counts[word] for word in ("stopped", "lost", "failed", "new")):
        lines.append("repeat the command that began them: it does the runs that are neither finished nor queued")
    return "\n".join([*lines, *(f"warning: {warning}" for warning in warnings)])


def cancel(folder: PathLike) -> str:
    """Cancel the tasks of a folder's runs; return a sentence about it.

    Raises:
        ConfigurationError: there is no such folder, or no Slurm. MlpError: a command of Slurm failed.
    """
    root = Path(folder).absolute()
    if not root.is_dir():
        raise ConfigurationError(f"there is no folder {root}")
    found = tasks_by_folder(queued_tasks(), root).values()
    tasks = list({task.id: task for task in found if task.state != "COMPLETING"}.values())
    cancel_tasks(tasks)
    if not tasks:
        return f"nothing of {root} is queued"
    return f"{len(tasks)} tasks cancelled; what they did is kept, and the command that submitted them continues it"
