"""Processes that take turns, each training networks in its own way; the benchmarks read their times."""

import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from benchmark_shared import Process

from mlp.errors import MlpError
from mlp.progress import progress_bar

WORKER = Path(__file__).resolve().with_name("benchmark_worker.py")
WARM_UP = 2  # turns that are not counted: in them memory is allocated
PAUSE = 0.05  # seconds before each turn: threads of the previous process keep spinning for that long
BLAS_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
LOCK_SECONDS = 4  # how long the holder of Python's lock is watched
LOCK_RATE = 250  # looks a second


def py_spy():
    """Return the path of py-spy, beside this Python or on PATH; None if it is not installed."""
    beside = Path(sys.executable).parent
    return shutil.which("py-spy", path=os.pathsep.join([str(beside), os.environ.get("PATH", "")]))


class Worker(Process):
    """A process that runs one variant for a turn whenever it is told to."""

    def __init__(self, variant, net, batch, threads, options):
        self.variant, self.threads = variant, threads
        environment = dict(os.environ)
        if not options.keep_blas_environment:
            for name in BLAS_VARIABLES:
                environment.pop(name, None)
        super().__init__(WORKER, [variant, net, batch, threads, options.engine, options.measure], environment)

    def start(self):
        """Wait until the process is ready, and let it warm up."""
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

    def reply(self):
        line = self.process.stdout.readline()
        if not line:
            raise MlpError(f"the process of {self.variant} ended:\n{self.last_words()[-1500:]}")
        reply = json.loads(line)
        if "error" in reply:
            raise MlpError(reply["error"])
        return reply

    def lock_share(self):
        """Return for what part of the time a thread of this process holds Python's lock, as py-spy sees it.

        Raises:
            MlpError: py-spy may not look into the process.
        """
        self.ask(f"turn {LOCK_SECONDS + 2}")  # longer than it is watched
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


class PunctualWorker(Process):
    """A process that measures one variant at one precision for all nets; we wait for its answers until a deadline.

    Attributes:
        problems: {net: why it cannot be measured, or None}. seconds: {net: {round: seconds of a step}}, of the rounds
            that count.
    """

    def __init__(self, program, variant, precision, options):
        self.variant, self.precision, self.nets = variant, precision, options.nets
        self.problems, self.seconds = dict.fromkeys(options.nets), {net: {} for net in options.nets}
        super().__init__(program, [variant, precision, options.batch_size, options.torch_device, *options.nets])
        self.replies = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.replies.put(json.loads(line))
        self.replies.put(None)  # it ended

    def get_ready(self, deadline):
        """Wait until its networks are built."""
        reply = self.reply(deadline, "it was not ready in time.")
        self.problems = reply.get("ready") or dict.fromkeys(self.nets, reply["problem"])

    def turn(self, net, deadline, round_):
        """Let the process take its turn; turns count from round 0 on."""
        if self.problems[net]:
            return
        self.ask(net)
        reply = self.reply(deadline, "the time was up.")
        if "problem" in reply:
            self.problems[net] = reply["problem"]
        elif round_ >= 0:
            self.seconds[net][round_] = reply["seconds"]

    def reply(self, deadline, late):
        """Return its next answer, or {"problem": why there is none}."""
        try:
            reply = self.replies.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            self.process.kill()  # a late answer could be taken for that of the next turn
            self.problems = {net: problem or late for net, problem in self.problems.items()}
            return {"problem": late}
        if reply is None:
            last = [line for line in self.last_words().splitlines() if line.strip()][-1:]
            return {"problem": f"its process ended: {' '.join(last)[:300]}"}
        return reply


def take_turns(kinds, net, batch, options, afterwards=None):
    """Return (a list of the seconds of each round for each worker, the workers, which have ended).

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
