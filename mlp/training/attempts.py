"""attempts.tsv: which process worked on a run, when, where, with what, and how that ended. Lines are only added.

    time                  event  status  host  process  job   epochs  note                 processor ...
    2026-03-01T10:00:00Z  start          n1    4711     17_4  0                            AMD EPYC 9654 ...
    2026-03-01T11:58:12Z  end    75      n1    4711     17_4  12      stopped after ...

Each attempt writes a line when it starts and one when it ends, so an attempt that was killed has a start and no end. On
a cluster, the script of the job also writes lines (its process is "script"): it can report a Python process that was
killed or never started. A run also locks this file, see `mlp.files.locks`: its last start says who has the folder.
"""

import dataclasses
import os
import platform
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from mlp.backend import device_of, parse_device
from mlp.engine.cpu.blas import blas_kernels, blas_threads
from mlp.errors import CheckpointError, text_of
from mlp.files.locks import Lock, only_writer
from mlp.files.stored import read_end
from mlp.files.tables import tsv_line, tsv_texts
from mlp.machine.processor import cpu_model
from mlp.training.state import TrainingState
from mlp.version import __version__

ATTEMPTS = "attempts.tsv"
DECIDES_BITS = ("processor", "blas", "versions")  # if one of these changes, the last digits of results may change
LONGEST = 1_000_000  # bytes: of a longer file only the end is read


@dataclass(frozen=True)
class Event:
    """A line of attempts.tsv. All fields are strings, "" for what is not known.

    Attributes:
        time: in UTC. event: "start", "end", or what else a job's script saw ("signal", ...). status: the exit status.
        host, process: where; process is a number, or "script". job: its id on the cluster. epochs: finished so far.
        note: a sentence. processor, threads, blas, versions: what did the computing.
    """

    time: str = ""
    event: str = ""
    status: str = ""
    host: str = ""
    process: str = ""
    job: str = ""
    epochs: str = ""
    note: str = ""
    processor: str = ""
    threads: str = ""
    blas: str = ""
    versions: str = ""

    def line(self) -> str:
        """Return the line, with its end."""
        return tsv_line(" ".join(value.split())[:300] for value in dataclasses.astuple(self))

    @property
    def who(self) -> str:
        """The attempt, for people: "process 12 on n1, job 17_4, since 2026-03-01T10:00:00Z"."""
        process = "a job's script" if self.process == "script" else f"process {self.process}"
        return f"{process} on {self.host}{self.job and f', job {self.job}'}, since {self.time}"


COLUMNS = tuple(column.name for column in dataclasses.fields(Event))


def read_attempts(folder: Path) -> list[Event]:
    """Return the complete lines of a folder's attempts.tsv, oldest first; [] without the file."""
    try:
        lines = read_end(folder / ATTEMPTS, LONGEST).splitlines()
    except (FileNotFoundError, CheckpointError):
        return []
    rows = [tsv_texts(line) for line in lines]
    return [
        Event(*row[: len(COLUMNS)]) for row in rows if len(row) > 1 and all(row[:2]) and row[:2] != ["time", "event"]
    ]


def last_start(events: list[Event]) -> Event | None:
    """Return the newest start of a process (not of a job's script); None without any."""
    return next((e for e in reversed(events) if e.event == "start" and e.process != "script"), None)


@contextmanager
def attempt(folder: Path) -> Iterator["Attempt"]:
    """Lock a run's folder for an attempt, and note how it ends.

    Raises:
        FolderInUseError: another process writes there.
    """

    def holder() -> str:
        start = last_start(read_attempts(folder))
        return start.who if start else ""

    with only_writer(folder / ATTEMPTS, holder) as lock:
        this = Attempt(lock, read_attempts(folder))
        try:
            yield this
        except BaseException as error:
            status = getattr(error, "exit_status", 130 if isinstance(error, KeyboardInterrupt) else 2)
            this.end(status, f"{type(error).__name__}: {text_of(error)}")
            raise
        this.end(0, this.outcome)


def put_away(folder: Path) -> None:
    """Move a run's folder, if there is one with files in it, to the first free name of FOLDER-old-1, -2, ...

    Raises:
        FolderInUseError: another process writes there.
    """
    if not folder.exists() or not any(folder.iterdir()):
        return
    with attempt(folder):  # nobody else is at work there
        pass
    names = (folder.with_name(f"{folder.name}-old-{number}") for number in count(1))
    place = next(path for path in names if not os.path.lexists(path))
    os.rename(folder, place)  # a process that starts to write there at this moment notices it and stops writing
    print(f"the run that was in {folder} is in {place} now")


class Attempt:
    """An attempt at a run, while it has the folder.

    Attributes:
        earlier: the Events of earlier attempts. outcome: a sentence about how this one ended.
    """

    def __init__(self, lock: Lock, earlier: list[Event]) -> None:
        self.lock, self.earlier = lock, earlier
        self.outcome = ""
        self.trainer: Any = None

    def start(self, trainer: TrainingState) -> None:
        """Write the line of the start; on a resume, say what has changed since the last attempt."""
        self.trainer = trainer
        versions = f"mlp {__version__}, Python {platform.python_version()}, NumPy {np.__version__}"
        facts = {**machine_facts(trainer), "versions": versions}
        changes = what_changed(self.earlier, facts)
        if trainer.epoch and changes:
            print(f"note: {changes}")
        if os.fstat(self.lock.descriptor).st_size == 0:
            self.lock.append("\t".join(COLUMNS) + "\n")
        self.write("start", **facts)

    def end(self, status: int, note: str) -> None:
        """Write the line of the end, if there was a start; a full disk does not hide how the attempt ended."""
        if self.trainer is not None:
            with suppress(OSError):
                self.write("end", status=str(status), note=note)

    def write(self, event: str, **values: str) -> None:
        """Add a line about this attempt.

        Args:
            event: "start" or "end". values: other fields of `Event`.
        """
        host = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        where = {"host": host, "process": str(os.getpid()), "job": job_of(os.environ)}
        time = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        line = Event(time=time, event=event, epochs=str(self.trainer.epoch), **where, **values).line()
        self.lock.append(line)


def job_of(environment: Mapping[str, str]) -> str:
    """Return the id of the Slurm job that a process is part of, "17_4" for a task of an array; "" outside of jobs."""
    array, task = environment.get("SLURM_ARRAY_JOB_ID"), environment.get("SLURM_ARRAY_TASK_ID")
    return f"{array}_{task}" if array and task else environment.get("SLURM_JOB_ID", "")


def machine_facts(trainer: TrainingState) -> dict[str, str]:
    """Return what computes the numbers of a Trainer: {"processor": ..., "threads": ..., "blas": ...}."""
    index = parse_device(device_of(trainer.model.parameters()[0].data))
    if index is not None:
        import cupy

        name = cupy.cuda.runtime.getDeviceProperties(index)["name"]
        return {"processor": name.decode() if isinstance(name, bytes) else str(name), "threads": "", "blas": ""}
    threads = getattr(trainer.engine, "threads", None)
    if threads is not None:  # the cpu engine adds in the same order at any number of threads, see `mlp.engine.cpu`
        return {"processor": cpu_model(), "threads": str(threads), "blas": blas_kernels()}
    # In the textbook engine, BLAS splits each product among its own threads, so their number decides how sums round.
    threads = blas_threads()
    return {"processor": cpu_model(), "threads": str(threads), "blas": f"{blas_kernels()} with {threads} threads"}


def what_changed(earlier: list[Event], facts: Mapping[str, str]) -> str:
    """Return what has changed since the newest of the earlier attempts, and what that means; "" for nothing."""
    last = last_start(earlier) or Event()
    before = {name: getattr(last, name) for name in DECIDES_BITS}
    other = [name for name in DECIDES_BITS if before[name] and before[name] != facts[name]]
    if not other:
        return ""
    texts = "; ".join(f"{name} {before[name]} before, {facts[name] or 'none'} now" for name in other)
    return f"{texts}. The run continues correctly, but not with the same bits as without the interruption"
