"""What all commands share: their flags, and how they end.

A command is a module of this package with a function `main() -> int`. It may also have

    after_interrupt() -> str       what to do after Ctrl-C, for the line that is printed then
    OUTLIVES_READER = True         it keeps working when nobody reads its output any more, because its files count

`run_command` runs it. Whatever happens becomes one line on standard error and an exit status:

    0      done, or the reader of the output has left
    2      an error: wrong flags, missing or damaged files, no memory, a full disk (some MlpErrors have another status)
    130    Ctrl-C; 128 + N for another signal N that ends the process

This module imports nothing that takes long to load. A program begins with `mlp.commands.shared.begin`, before it
imports this module, so that Ctrl-C prints one line even while this is loaded.
"""

import os
import re
import shlex
import sys
import traceback
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from importlib import import_module
from types import SimpleNamespace
from typing import Any, NoReturn

from mlp.commands.shared.signals import EndedBySignal, ended_at_once, ended_by_signals, ignore_signals, interrupt_status
from mlp.commands.shared.terminal import PatientFile, ReaderGone, patient_streams
from mlp.errors import MlpError, as_sentence, without_controls

LONGEST = 1000  # characters of a message
LONGEST_USAGE = 600  # characters of the list of flags at the top of a help; each flag is explained below it
SCRIPTS = {"check-gradients": "check", "download-data": "data"}  # scripts with other names than their commands


class CommandLine(ArgumentParser):
    """An ArgumentParser that says in one line what is wrong, and which flag an unknown one resembles.

    Args:
        description: --help prints its lines as they are. options: those of ArgumentParser.
    """

    def __init__(self, description: str | None = None, **options: Any) -> None:
        options.setdefault("prog", program())
        super().__init__(description=description, formatter_class=RawDescriptionHelpFormatter, **options)
        self._negative_number_matcher = re.compile(r"-\.?\d")  # argparse takes -1, and -1e-3 for an unknown flag

    def parse_known_args(  # type: ignore[override]  # its overloads are for other kinds of namespaces
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse the arguments; unknown flags come back with a suggestion, which `parse_args` puts into its error."""
        namespace, unknown = super().parse_known_args(args, namespace)
        flags = re.findall(r"--[\w-]+", self.format_usage()) if unknown else []
        return namespace, [with_suggestion(word, flags) for word in unknown]

    def format_help(self) -> str:
        """Return the help. It says `mlp train` or `python scripts/train.py`, as it was called; long usages are cut."""
        usage, more = self.format_usage(), super().format_help()
        if len(usage) > LONGEST_USAGE:
            runs = " [RUN ...]" if "[RUN ...]" in usage else ""
            more = more.replace(usage, f"usage: {self.prog} [--flag value ...]{runs}\n", 1)
        return spoken(more)

    def error(self, message: str) -> NoReturn:
        """Print the message without the usage, which may be longer than a screen, and exit with status 2."""
        self.exit(2, one_line(f"{self.prog}: error: {spoken(message)}") + "\n")


def spoken(text: str) -> str:
    """Return a text with `mlp train` in place of `python scripts/train.py` if this program was called as `mlp ...`."""

    def command(found: re.Match[str]) -> str:
        name = found[1].replace("_", "-")
        return f"mlp {SCRIPTS.get(name, name)}"

    return re.sub(r"(?:python )?scripts/(\w+)\.py", command, text) if program().startswith("mlp ") else text


def with_suggestion(word: str, flags: Sequence[str]) -> str:
    """Return `word`, followed by the flag it resembles, if there is one."""
    plain = {flag.strip("-").replace("-", ""): flag for flag in flags}  # dashes would make all similar
    name = word.partition("=")[0].strip("-").replace("_", "").replace("-", "")
    similar = get_close_matches(name, plain, n=1, cutoff=0.7) if word.startswith("-") else []
    return f"{word} (did you mean {plain[similar[0]]}?)" if similar else word


def program() -> str:
    """Return the name under which the command was called: "train.py" or "mlp train"."""
    return os.path.basename(sys.argv[0]) or "mlp"


def was_typed(flag: str, word: str) -> bool:
    """Return whether a word of the command line is this flag, perhaps cut short, as argparse allows."""
    name = word.partition("=")[0]
    return len(name) > len("--") and flag.startswith(name)


def repeated_command(*more: str, without: str = "") -> str:
    """Return the command as it was typed, with `more` words at its end, and the flag `without` left out."""
    words = [word for word in sys.argv[1:] if word not in more and not was_typed(without, word)]
    return " ".join(filter(None, (spoken_program(), shlex.join([*words, *more]))))


def spoken_program() -> str:
    """Return what to type for this command: "mlp train", or "python scripts/train.py"."""
    return sys.argv[0] if sys.argv[0].startswith("mlp ") else f"python {shlex.quote(sys.argv[0])}"


def run_command(command: str | Callable[[], int | None]) -> int:
    """Run a command, a module of `mlp.commands` or a function; return its exit status. It raises nothing."""
    try:
        with ended_by_signals(), patient_streams() as files:
            status = outcome_of(command)
            sys.stdout.flush()
            problem = files[0].problem if files else None
            if problem is not None and not files[0].reader_gone:
                return fail(f"standard output: {problem.strerror}: what was to be printed is lost", status or 2)
            return status
    except KeyboardInterrupt as error:  # a second Ctrl-C, while the first one was reported
        return interrupt_status(error)


def outcome_of(command: str | Callable[[], int | None]) -> int:
    """Run a command and return its exit status; if it did not succeed, a line on standard error says why."""
    module: Any = SimpleNamespace(main=command)
    output = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    try:
        if isinstance(command, str):
            with ended_at_once():
                module = import_module(f"mlp.commands.{command}")
        if isinstance(output, PatientFile):
            output.ends_with_reader = not getattr(module, "OUTLIVES_READER", False)
        status = int(module.main() or 0)
        sys.stdout.flush()
        return status
    except SystemExit as error:  # of argparse
        return int(error.code or 0) if isinstance(error.code, int | None) else fail(str(error.code))
    except ReaderGone:
        return 0
    except KeyboardInterrupt as error:
        ignore_signals()
        what = f"ended by {error.name}" if isinstance(error, EndedBySignal) else "interrupted"
        advice = module.after_interrupt() if hasattr(module, "after_interrupt") else ""
        print(f"\n{one_line(f'{what}: {advice}' if advice else what)}", file=sys.stderr)
        return interrupt_status(error)
    except BaseException as error:  # code of the user may raise anything
        if os.environ.get("MLP_TRACEBACK"):
            traceback.print_exc()
        return fail(as_sentence(error), getattr(error, "exit_status", MlpError.exit_status))


def fail(message: str, status: int = MlpError.exit_status) -> int:
    """Print a line on standard error; return the exit status."""
    print(one_line(f"{program()}: {spoken(message)}"), file=sys.stderr)
    return status


def mention_left_out(problems: Sequence[Exception]) -> int:
    """Print a line on standard error for each run or file that was left out; return the exit status."""
    for problem in problems:
        print(one_line(f"{program()}: left out: {spoken(as_sentence(problem))}"), file=sys.stderr)
    return MlpError.exit_status if problems else 0


def one_line(text: str) -> str:
    """Return a message as one line of at most `LONGEST` characters; a longer one loses its middle."""
    line = without_controls(" ".join(part.strip() for part in text.splitlines() if part.strip()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 310]} ... {line[-300:]}"
