"""The first thing that our programs do: from here on, Ctrl-C ends them with one line while Python loads the rest.

Loading NumPy and Matplotlib may take seconds, and an interrupt in that time would print a traceback. So hardly anything
is loaded here; `mlp.commands.command_line` takes the signals over when the command is loaded.
"""

import os
import sys

try:
    from collections.abc import Callable
    from importlib.util import find_spec

    from mlp.commands.shared.signals import end_at_once, ending_signals, ignore_signals, set_signal
except KeyboardInterrupt:
    os.write(2, b"\ninterrupted\n")
    os._exit(130)


def begin() -> None:
    """From now on a signal that asks the process to end ends it at once; one that is ignored stays ignored."""
    import signal

    for number in ending_signals():
        if signal.getsignal(number) is not signal.SIG_IGN:
            set_signal(number, end_at_once)


def require(extra: str, *packages: str) -> None:
    """End the program, with a line that says how to install them, unless these packages of an extra are there."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        name = os.path.basename(sys.argv[0])
        print(f"{name}: error: not installed: {', '.join(missing)}. In the clone, type", file=sys.stderr, end=" ")
        print(f'pip install -e ".[{extra}]"', file=sys.stderr)
        sys.exit(2)


def start(command: str | Callable[[], int | None]) -> None:
    """Run a command (the name of a module of `mlp.commands`, or a function), then end the program."""
    begin()
    from mlp.commands.command_line import run_command

    status = run_command(command)
    ignore_signals()  # only the end of Python itself could still be interrupted
    sys.exit(status)
