"""Points of a landscape, shared by several processes.

Each process makes its own copy of network and images, then takes one point after the other. Processes are started
afresh, not forked: a fork of a process with threads can hang.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Generator
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any

from mlp.diagnostics.landscape import Landscape, refining_order
from mlp.engine.cpu.blas import THREAD_LIMITS
from mlp.engine.cpu.threads import usable_cores
from mlp.errors import MlpError, as_sentence

Server = Callable[[Any, tuple[Any, ...], int], None]


def points_from_workers(
    found: Landscape, arguments: tuple[Any, ...], jobs: int, threads: int | None, *, target: Server
) -> Generator[tuple[int, int], None, None]:
    """Visit the points that are left with several processes; yield each when its loss is known.

    Args:
        arguments: for `target`; they must be picklable. threads: of each; None for its share of the cores.
        target: called in each process as target(connection, arguments, threads).

    Raises:
        MlpError: a process ended with an error.
    """
    waiting = [p for p in refining_order(len(found.y), len(found.x)) if not found.visited[p]][::-1]
    share = max(1, usable_cores() // jobs) if threads is None else threads
    busy: dict[Connection, tuple[int, int]] = {}
    workers = start_workers(min(jobs, len(waiting)), arguments, share, target)
    try:
        for connection in list(workers):
            send_next(connection, waiting, found, busy)
        while busy:
            ready = wait(list(busy))
            for connection in [one for one in busy if one in ready]:
                try:
                    answer = connection.recv()
                except EOFError:
                    raise MlpError("a process that computes points was killed: memory may be short") from None
                if isinstance(answer, MlpError):
                    raise answer
                j, i = busy.pop(connection)
                found.loss[j, i], found.accuracy[j, i] = answer
                found.visited[j, i] = True
                send_next(connection, waiting, found, busy)
                yield j, i
    finally:
        stop_workers(workers)


def start_workers(
    jobs: int, arguments: tuple[Any, ...], threads: int, target: Server
) -> dict[Connection, multiprocessing.process.BaseProcess]:
    """Start processes with this many threads each; return {our end of the connection: process}."""
    context = multiprocessing.get_context("spawn")
    workers: dict[Connection, multiprocessing.process.BaseProcess] = {}
    before = {name: os.environ.get(name) for name in THREAD_LIMITS}
    os.environ.update(dict.fromkeys(THREAD_LIMITS, str(threads)))  # read when a process loads NumPy
    try:
        for _ in range(jobs):
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(target, theirs, arguments, threads), daemon=True)
            process.start()
            theirs.close()
            workers[ours] = process
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return workers


def serve(target: Server, connection: Connection, arguments: tuple[Any, ...], threads: int) -> None:
    """Run `target` in a worker that ignores Ctrl-C: the process that started it ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, BrokenPipeError):  # the other end is gone
        try:
            target(connection, arguments, threads)
        except Exception as error:
            connection.send(MlpError(as_sentence(error)))


def send_next(
    connection: Connection, waiting: list[tuple[int, int]], found: Landscape, busy: dict[Connection, tuple[int, int]]
) -> None:
    """Give a worker its next point, or None if there are no more."""
    if not waiting:
        connection.send(None)
        return
    j, i = busy[connection] = waiting.pop()
    connection.send((float(found.x[i]), float(found.y[j])))


def stop_workers(workers: dict[Connection, multiprocessing.process.BaseProcess]) -> None:
    """End all workers, even those that are at work."""
    for connection, process in workers.items():
        connection.close()
        process.terminate()
    for process in workers.values():
        process.join()
