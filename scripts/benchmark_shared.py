"""What the benchmarks share: their flags, a process that answers lines with lines of JSON, and rows of a table."""

import subprocess
import sys
import tempfile
from contextlib import suppress
from statistics import median

from benchmark_worker import settings

from mlp.commands.shared.paths import file_argument
from mlp.errors import ConfigurationError, MlpError


def add_flags(parser, nets):
    """Add --nets and --json, for `check_flags`."""
    parser.add_argument("--nets", default=nets, metavar="A,B", help=f"default {nets}")
    parser.add_argument("--json", type=file_argument, metavar="FILE", help="write the numbers to FILE as well")


def check_flags(parser, options, numbers):
    """Split the list of nets, and make the folder of --json; exits with a message if a flag makes no sense.

    Args:
        numbers: names of the options that must be whole numbers of at least 1, or lists of them, "50,100".
    """
    try:
        options.nets = [net for net in options.nets.split(",") if settings(net)]
        for name in numbers:
            for value in str(getattr(options, name)).split(","):
                positive("--" + name.replace("_", "-"), value)
    except MlpError as error:
        parser.error(str(error))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)


def positive(flag, value):
    """Return the whole number of at least 1 that a text is; ConfigurationError if it is none."""
    if not value.isdigit() or int(value) < 1:
        raise ConfigurationError(f"{flag} must be whole numbers of at least 1, got {value!r}")
    return int(value)


class Process:
    """A Python program that answers lines on its stdin; what it writes to stderr is kept."""

    def __init__(self, program, arguments, environment=None):
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in stop
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.errors}
        command = [sys.executable, str(program), *map(str, arguments)]
        self.process = subprocess.Popen(command, **pipes, text=True, env=environment)

    def ask(self, line):
        with suppress(OSError):  # the process has ended; its errors say why
            print(line, file=self.process.stdin, flush=True)

    def last_words(self):
        """Return what it has written to stderr."""
        self.errors.seek(0)
        return self.errors.read()

    def stop(self):
        """End the process."""
        self.process.kill()
        self.process.communicate()  # closes its pipes
        self.errors.close()


def spread(values):
    return f"{median(values):.3f} [{min(values):.3f}..{max(values):.3f}]"


def print_header(cells):
    print_row(cells)
    print_row(["---"] * len(cells))


def print_row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)
