"""Processes that take turns, each training one network in one way; `benchmark.py` reads what they measure."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from mlp.errors import MlpError
from mlp.progress import progress_bar

WORKER = Path(__file__).resolve().with_name("benchmark_worker.py")
WARM_UP = 2  # turns that are not counted: memory is allocated in them
PAUSE = 0.05  # seconds before each turn: the threads of the process before spin that long after their work
BLAS_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
LOCK_SECONDS = 4  # how long the holder of Python's lock is watched
LOCK_RATE = 250  # looks a second


def py_spy():
    """Return the path of py-spy, which may lie beside this Python; None if it is not installed."""
    beside = Path(sys.executable).parent
    return shutil.which("py-spy", path=os.pathsep.join([str(beside), os.environ.get("PATH", "")]))


class Worker:
    """A process that takes a turn of one variant whenever it is told to."""

    def __init__(self, variant, net, batch, threads, options):
        self.variant, self.threads = variant, threads
        command = [sys.executable, str(WORKER), variant, net, str(batch), str(threads), options.engine, options.measure]
        environment = dict(os.environ)
        if not options.keep_blas_environment:
            for name in BLAS_VARIABLES:
                environment.pop(name, None)
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in stop
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        self.process = subprocess.Popen(command, **pipes, text=True, env=environment)

    def start(self):
        """Wait until it is ready, and let it warm up."""
        self.about = self.reply()
        for _ in range(WARM_UP):
            self.turn()

    def turn(self):
        """Return the seconds of one step, the mean of a turn."""
        time.sleep(PAUSE)
        self.ask("turn")
        reply = self.reply()
        self.peak_mb = reply["peak_mb"]
        return reply["seconds"]

    def ask(self, line):
        with suppress(BrokenPipeError):  # it ended; reply says why
            print(line, file=self.process.stdin, flush=True)

    def reply(self):
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise MlpError(f"the process of {self.variant} ended:\n{self.errors.read()[-1500:]}")
        reply = json.loads(line)
        if "error" in reply:
            raise MlpError(reply["error"])
        return reply

    def lock_share(self):
        """Return which part of the time a thread of this process holds Python's lock, as py-spy sees it.

        Raises:
            MlpError: py-spy may not look into the process.
        """
        self.ask(f"turn {LOCK_SECONDS + 2}")  # it works for longer than it is watched
        with tempfile.TemporaryDirectory() as folder:
            found = Path(folder) / "stacks.txt"
            watch = [py_spy(), "record", "--gil", "--format", "raw", "--rate", str(LOCK_RATE), "--output", str(found)]
            watch += ["--duration", str(LOCK_SECONDS), "--pid", str(self.process.pid)]
            result = subprocess.run(watch, capture_output=True, text=True)
            self.reply()
            if result.returncode:
                raise MlpError(f"py-spy cannot look into the process: {result.stderr.strip()[-300:]}")
            looks = sum(int(line.rsplit(" ", 1)[1]) for line in found.read_text().splitlines())
        return looks / (LOCK_RATE * LOCK_SECONDS * self.threads)

    def stop(self):
        """End the process."""
        self.process.communicate()  # closes its stdin, which ends its loop
        self.errors.close()


def take_turns(kinds, net, batch, options, afterwards=None):
    """Return the seconds of every round for each worker, and the workers, which have ended.

    Args:
        kinds: [(variant, threads), ...].
        afterwards: a function that is called with the workers while they are still there.
    """
    with ExitStack() as stack:
        workers = []
        for variant, threads in kinds:
            workers.append(Worker(variant, net, batch, threads, options))
            stack.callback(workers[-1].stop)
        for worker in workers:
            worker.start()
        times = [[] for _ in workers]
        for _ in progress_bar(range(options.rounds), desc=f"{net}, batch {batch}", unit="round", leave=False):
            for worker, seconds in zip(workers, times, strict=True):
                seconds.append(worker.turn())
        if afterwards:
            afterwards(workers)
    return times, workers
