"""The processes that check files: each in a session of its own, and all of them can be ended at once."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlp.diagnostics.class_report.worker import READY


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        status: its exit status; None if its time was over. said: what it printed, up to READY.
        seconds: how long it took from there on.
    """

    status: int | None
    said: str
    seconds: float


class Workers:
    """The processes at work, one for each file. Another thread can end them all, and then no more are started."""

    def __init__(self) -> None:
        self.running: list[subprocess.Popen[str]] = []
        self.ended, self.lock = False, threading.Lock()

    def run(self, command: Sequence[str], folder: str, seconds: float) -> Ended:
        """Run a command until it ends, or its time, which begins when it prints READY, is over.

        Raises:
            CancelledError: `end_all` was called.
        """
        with self.lock:
            if self.ended:
                raise CancelledError
            process = start(command, folder)
            self.running.append(process)
        status, said = None, ""
        with process:
            try:
                while process.stdout and READY not in said and (line := process.stdout.readline()):
                    said += line
                begin = time.perf_counter()
                with suppress(subprocess.TimeoutExpired):
                    status = process.wait(timeout=seconds)
            finally:
                with self.lock:
                    self.running.remove(process)
                    end(process)
        if self.ended:
            raise CancelledError
        return Ended(status, said, time.perf_counter() - begin)

    def end_all(self) -> None:
        """End all processes."""
        with self.lock:
            self.ended = True
            for process in self.running:
                end(process)


def start(command: Sequence[str], folder: str) -> subprocess.Popen[str]:
    """Start a command in a folder. It can read from its standard input that this process lives."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    package = str(Path(__file__).resolve().parents[3])  # the folder that mlp is imported from
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (package, environment.get("PYTHONPATH"))))
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
        errors="replace",
    )


def end(process: subprocess.Popen[str]) -> None:
    """End a process and all that it started."""
    with suppress(OSError, AttributeError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
