"""Kill runs at every file event and at random moments; the next command must continue them.

A file event is a call that changes a folder: a file is made, written through to the disk, renamed or removed. A run
sends itself a signal before or after one of them, or gets one from outside after a random time. Then it is read, as
compare.py does, and continued; in the end it must have the numbers of a run that was never killed.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from campaign_workers import Case

from mlp.commands.command_line import run_command
from mlp.errors import MlpError
from mlp.experiments import run
from mlp.experiments.hooks import SaveFigures
from mlp.experiments.record import read_run
from mlp.files.stored import read_arrays

SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
EVENTS = ("open", "fsync", "replace", "unlink", "mkdir", "write")
EPOCHS = 3


def write_images(path: Path) -> None:
    """Write a small data set of your own images."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = (rng.integers(0, 100, (60, 8, 8, 3)) + 60 * labels[:, None, None, None]).astype(np.uint8)
    test = {"test_images": images[:9], "test_labels": labels[:9]}
    np.savez(path, images=images, labels=labels, class_names=list("abc"), **test)


def settings(data: Path) -> dict[str, Any]:
    """Return the settings of a very short run."""
    return {"dataset": f"npz:{data}", "filters": 2, "batch_size": 10, "epochs": EPOCHS, "learning_rate": 0.01}


def make_run(folder: Path, data: Path, **options: Any) -> None:
    """Train, or continue."""
    run(folder, settings(data), resume=True, threads=1, **options)


def draw_nothing(self: SaveFigures, history: Any) -> None:
    """Stand in for `SaveFigures.draw`, which takes a second."""


def fork(folder: Path, data: Path, prepare: Callable[[], None] = lambda: None) -> int:
    """Fork a process that begins or continues a run; return its number."""
    process = os.fork()
    if process:
        return process
    status = 99
    try:
        prepare()
        status = run_command(lambda: make_run(folder, data))
    finally:
        os._exit(status)


def watch(see: Callable[[], Callable[[], None] | None]) -> None:
    """Call `see` before every file event of this process, and what it returns, if anything, after the event."""

    def watched(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            is_event = name != "open" or bool(arguments[1] & os.O_CREAT)
            after = see() if is_event else None
            result = original(*arguments, **options)
            if after is not None:
                after()
            return result

        return call

    for name in EVENTS:
        setattr(os, name, watched(name, getattr(os, name)))


def at_event(number: int, at: int, *, before: bool) -> Callable[[], None]:
    """Return a function that lets this process send itself a signal at its n-th file event, counting from 1."""
    events = count(1)

    def kill() -> None:
        os.kill(os.getpid(), number)

    def see() -> Callable[[], None] | None:
        if next(events) != at:
            return None
        if before:
            kill()
        return None if before else kill

    return lambda: watch(see)


def count_events(place: Path, data: Path) -> int:
    """Return how many file events a whole run has; the run is kept in place/whole."""
    answer = place / "events"

    def prepare() -> None:
        events = count(1)

        def see() -> None:
            number = next(events)
            with open(answer, "w") as file:  # Python's own open makes no event
                file.write(str(number))

        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        watch(see)

    os.waitpid(fork(place / "whole", data, prepare), 0)
    return int(answer.read_text())


def numbers_of(folder: Path) -> Any:
    """Return what two equal runs have in common."""
    arrays = read_arrays(folder / "checkpoint-latest.npz")
    weights = {name: array.tobytes() for name, array in arrays.items() if name.startswith(("model/", "rule/"))}
    return weights, (folder / "test.json").read_text()


def kill_case(case: Case, place: Path, *, seed: int, data: Path, whole: Path, events: int, seconds: float) -> str:
    """Kill a run once, read it, continue it; return the outcome.

    Args:
        case: ("event" or "random", n). whole: the folder of a run that was never killed.
        events: how many file events that run had. seconds: how long it took.
    """
    kind, n = case
    turn, event = divmod(n, events)  # every event once, then with the next signal, and after it instead of before
    folder, signal_number = place / "run", SIGNALS[(n + turn) % len(SIGNALS)]
    rng = np.random.default_rng([seed, n, len(kind)])
    shutil.rmtree(folder, ignore_errors=True)
    if kind == "event":
        process = fork(folder, data, at_event(signal_number, event + 1, before=turn % 2 == 0))
    else:
        process = fork(folder, data)
        time.sleep(rng.uniform(0.0, seconds))
        os.kill(process, signal_number)
    _, status = os.waitpid(process, 0)
    name = signal.Signals(signal_number).name
    expected = (-signal_number, 128 + signal_number)
    if (code := os.waitstatus_to_exitcode(status)) not in expected:
        return f"{name}: ended before it came" if code == 0 else f"WRONG: {name}: exit status {code}"
    try:
        if folder.exists():
            read_run(folder)
    except MlpError:
        pass  # there is no run yet
    except Exception as error:
        return f"WRONG: {name}: what is left cannot be read: {type(error).__name__} ({error})"
    _, status = os.waitpid(fork(folder, data), 0)
    if status:
        return f"WRONG: {name}: not continued, exit status {os.waitstatus_to_exitcode(status)}"
    same = numbers_of(folder) == numbers_of(whole)
    return f"{name}: continued with the same numbers" if same else f"WRONG: {name}: continued with other numbers"
