"""The first thing that a program of ours does: Ctrl-C ends it with a line, while Python loads the rest.

Loading NumPy and Matplotlib may take seconds, and an interrupt in that time would be a traceback. So next to nothing
is loaded here; `mlp.commands.command_line` takes the signals over when the command is there.
"""

import os
import sys

try:
    from collections.abc import Callable

    from mlp.commands.shared.signals import end_at_once, ending_signals, ignore_signals, set_signal
except KeyboardInterrupt:
    os.write(2, b"\ninterrupted\n")
    os._exit(130)


def begin() -> None:
    """From now on a signal that asks for the end ends the process on the spot; one that is ignored stays ignored."""
    import signal

    for number in ending_signals():
        if signal.getsignal(number) is not signal.SIG_IGN:
            set_signal(number, end_at_once)


def start(command: str | Callable[[], int | None]) -> None:
    """Run a command, a module of `mlp.commands` or a function, as the whole program; the program ends here."""
    begin()
    from mlp.commands.command_line import run_command

    status = run_command(command)
    ignore_signals()  # nothing is left to interrupt but the end of Python itself
    sys.exit(status)
