"""The signals that ask a process to end, such as Ctrl-C, and their handlers. Loading this takes a few ms."""

import os
import signal
import sys
from _thread import get_ident, interrupt_main
from contextlib import contextmanager, suppress

TYPE_CHECKING = False  # typing.TYPE_CHECKING, without loading that module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any


class EndedBySignal(KeyboardInterrupt):
    """A signal asked the process to end, as Ctrl-C does: whatever handles an interrupt handles this one, too."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.name, self.exit_status = signal.Signals(number).name, 128 + number


def interrupt_status(error: KeyboardInterrupt) -> int:
    """Return the exit status that shells report for a process ended by a signal."""
    return getattr(error, "exit_status", 128 + signal.SIGINT)


def end_at_once(number: int, frame: object) -> None:
    """End the process with a line: a handler for the time in which modules are loaded.

    Nothing needs to be cleaned up at that time, and Python may lose an interrupt while it loads a module.
    """
    line = "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"
    with suppress(OSError):
        os.write(2, f"\n{line}\n".encode())
    os._exit(128 + number)


@contextmanager
def ended_by_signals() -> "Iterator[None]":
    """Within this context signals raise `KeyboardInterrupt`, SIGTERM and SIGHUP `EndedBySignal`.

    A signal that is ignored (nohup) stays ignored, and one that has a handler keeps it. While Python deletes an object,
    it ignores every exception; a signal that is lost this way is sent again a moment later.
    """

    def end(number: int, frame: object) -> None:
        raise KeyboardInterrupt if number == signal.SIGINT else EndedBySignal(number)

    def dropped(what: "Any") -> None:
        if isinstance(what.exc_value, KeyboardInterrupt):
            from threading import Timer

            Timer(0.01, send_again, [interrupt_status(what.exc_value) - 128, get_ident()]).start()
        else:
            before(what)

    before = sys.unraisablehook
    sys.unraisablehook = dropped
    try:
        with handled_by(end, lambda before: before in (signal.SIG_DFL, end_at_once)):
            yield
    finally:
        sys.unraisablehook = before


def send_again(number: int, thread: int) -> None:
    """Send a signal to a thread of this process, so that it wakes up where it sleeps; Windows cannot."""
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(thread, number)
    else:
        interrupt_main(signal.Signals(number))


def ended_at_once() -> "AbstractContextManager[None]":
    """Within this context, in which modules are loaded, a signal ends the process at once."""
    return handled_by(end_at_once, lambda before: before is not signal.SIG_IGN)


@contextmanager
def handled_by(end: "Callable[[int, object], None]", replaces: "Callable[[Any], bool]") -> "Iterator[None]":
    """Within this context `end` handles the signals that ask for an end, if `replaces(handler before)` is true."""
    before = {number: signal.getsignal(number) for number in ending_signals()}
    for number, handler in before.items():
        if replaces(handler):
            set_signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            set_signal(number, handler)


def ending_signals() -> list[int]:
    """Return the numbers of the signals that ask a process to end; Windows has no SIGHUP."""
    return [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def ignore_signals() -> None:
    """From now on ignore the signals that ask the process to end."""
    for number in ending_signals():
        set_signal(number, signal.SIG_IGN)


def set_signal(number: int, handler: "Any") -> None:
    """Set the handler of a signal. Only the main thread may; in any other one nothing happens."""
    with suppress(ValueError):
        signal.signal(number, handler)
