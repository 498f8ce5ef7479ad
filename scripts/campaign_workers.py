"""Run many small cases in forked workers. A case that hangs, takes all memory or dies is counted; the others still run.

A worker does its cases in order. It writes a line of JSON when it begins a case, and one with the outcome. The parent
reads them; if a worker is silent for too long or has died, a new one gets the rest of its cases.
"""

import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mlp.progress import progress_bar

MEMORY = 2**31  # bytes that a worker may take, in addition to those at its start
Case = tuple[str, int]  # kind and number: all that is drawn for a case follows from these and the seed
Outcomes = dict[Case, str]


@dataclass
class Worker:
    """A forked process and what is left for it to do."""

    cases: list[Case]
    process: int
    pipe: int
    silent_since: float = field(default_factory=time.monotonic)
    text: str = ""


def run_cases(
    cases: Sequence[Case], do: Callable[[Case, Path], str], place: Path, *, jobs: int, patience: float, title: str
) -> Outcomes:
    """Return {case: outcome} for all cases.

    Args:
        do: called with a case and a folder of the worker's own; returns the outcome in a few words.
        jobs: how many workers at once. patience: seconds after which a case counts as hanging. title: of the bar.
    """
    outcomes: Outcomes = {}
    shares = [list(cases[first::jobs]) for first in range(jobs)]
    workers = [start_worker(share, do, place / f"{title}-{n}") for n, share in enumerate(shares) if share]
    bar = progress_bar(total=len(cases), desc=title, unit="case")
    try:
        while workers:
            ready, _, _ = select.select([worker.pipe for worker in workers], [], [], 1.0)
            for worker in list(workers):
                ended = worker.pipe in ready and not take_lines(worker, outcomes)
                hangs = time.monotonic() - worker.silent_since > patience
                if ended or hangs:
                    workers.remove(worker)
                    left = end_worker(worker, outcomes, hangs=hangs)
                    if left:
                        workers.append(start_worker(left, do, place / f"{title}-{time.monotonic_ns()}"))
            bar.update(len(outcomes) - bar.n)
    finally:
        bar.close()
        for worker in workers:  # after Ctrl-C
            os.killpg(worker.process, signal.SIGKILL)
    return outcomes


def start_worker(cases: list[Case], do: Callable[[Case, Path], str], place: Path) -> Worker:
    """Fork a worker."""
    sys.stdout.flush(), sys.stderr.flush()
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        return Worker(list(cases), process, reading)
    status = 1
    try:
        os.close(reading)
        os.setpgid(0, 0)  # so that its own children can be ended with it
        place.mkdir()
        limit_memory()
        nowhere = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nowhere, descriptor)
        for case in cases:
            os.write(writing, f"{json.dumps([case, None])}\n".encode())
            outcome = do(case, place)
            os.write(writing, f"{json.dumps([case, outcome])}\n".encode())
        status = 0
    finally:
        os._exit(status)


def limit_memory() -> None:
    """Let this process take `MEMORY` more than it has: asking for more raises a MemoryError."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else 0
    if pages:
        now = pages * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))


def take_lines(worker: Worker, outcomes: Outcomes) -> bool:
    """Read what a worker has written; return False at its end."""
    content = os.read(worker.pipe, 2**16)
    worker.text += content.decode()
    *lines, worker.text = worker.text.split("\n")
    for line in lines:
        case, outcome = json.loads(line)
        worker.silent_since = time.monotonic()
        if outcome is not None:
            outcomes[tuple(case)] = outcome
    return bool(content)


def end_worker(worker: Worker, outcomes: Outcomes, *, hangs: bool) -> list[Case]:
    """Wait for a worker that is done or has died, or kill one that hangs; return the cases that are left."""
    if hangs:
        os.killpg(worker.process, signal.SIGKILL)
    os.close(worker.pipe)
    _, status = os.waitpid(worker.process, 0)
    left = [case for case in worker.cases if case not in outcomes]
    if left:  # the first one is the case in progress
        outcomes[left[0]] = "WRONG: hangs" if hangs else f"WRONG: the process ended with {status}"
    return left[1:]
