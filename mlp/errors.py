"""What can go wrong, one class for each kind, and how to say it in one sentence.

Every error that a user can cause derives from `MlpError`, says what was given, what was expected and
what to do instead. Commands turn every error into one line and an exit status; notebooks show it as it is.
"""

import errno
import os
import re
import sysconfig
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LONGEST_EXCERPT = 300  # characters

# What a terminal or a browser obeys instead of showing it: control characters, and marks that reverse a text.
CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069"
IN_OUTPUT = re.compile(f"[{CONTROLS}]")
IN_LINE = re.compile(rf"[\t\n{CONTROLS}]")

# What the system and Python say if memory runs out while a module is loaded.
NO_MEMORY_TO_LOAD = ("failed to map segment", "annot allocate memory", "returned NULL without setting an exception")


class MlpError(Exception):
    """Base of all errors that tell a user what to change.

    Args:
        text: what is wrong. advice: what to do, for people who write Python; it follows the text. flags: the advice
            for people who type commands; "" if theirs is the same.

    Attributes:
        exit_status: of a command that ends with this error.
    """

    exit_status = 2

    def __init__(self, text: object = "", advice: str = "", flags: str = "") -> None:
        super().__init__(f"{text}{advice}")
        self.text, self.in_commands = f"{text}", f"{text}{flags or advice}"


class ShapeError(MlpError, ValueError):
    """An array has the wrong shape, dtype or range for the layer or loss that received it."""


class ConfigurationError(MlpError, ValueError):
    """A setting (a flag, a constructor argument) is unknown or out of its range."""


class DataError(MlpError):
    """A data set is missing, truncated or not what its name says."""


class CheckpointError(MlpError):
    """A checkpoint or run folder cannot be read, or belongs to another configuration."""


class DamagedError(CheckpointError):
    """A file of a run was read, and its content is wrong. Only this error may advise to delete a file."""


class FolderInUseError(CheckpointError):
    """Another process writes to the run folder. Schedulers may try again later."""

    exit_status = 73  # EX_CANTCREAT of sysexits.h


class StopRequestedError(MlpError):
    """A signal asked training to stop. What was done is saved, and `--resume` continues it."""

    exit_status = 75  # EX_TEMPFAIL of sysexits.h


class DeviceError(MlpError):
    """The requested device cannot be used, or arrays live on different devices."""


class BackwardError(MlpError, RuntimeError):
    """backward() was called without a forward() whose values it could use."""


class OtherNameError(MlpError, ImportError):
    """A name that other libraries use for something that is called differently here."""


class OtherAttributeError(MlpError, AttributeError):
    """An attribute that objects of other libraries have, and that is called differently here."""


class NonFiniteLossError(MlpError, ArithmeticError):
    """The training loss became infinite or NaN."""


def each_of(items: Iterable[Item], do: Callable[[Item], Result]) -> tuple[list[Result], list[Exception]]:
    """Return what `do` returns for each item, and the errors of the items that cannot be read or are wrong.

    Raises:
        MlpError, OSError: the error of the only item.
    """
    results, problems, every = [], list[Exception](), list(items)
    for item in every:
        try:
            results.append(do(item))
        except (MlpError, OSError) as error:
            if len(every) == 1:
                raise
            problems.append(error)
    return results, problems


def as_sentence(error: BaseException) -> str:
    """Return what went wrong as a sentence for people who type commands, whatever kind of error it is."""
    text = text_of(error)
    if isinstance(error, MlpError):
        return error.in_commands
    if isinstance(error, MemoryError):
        traceback.clear_frames(error.__traceback__)  # what failed may hold all memory there is: give it back
        return f"not enough memory: {text or 'the system gave no more'}{place_of(error)}"
    if out_of_memory(error):
        return f"not enough memory to load a module ({text.partition(':')[0]}): end other programs, or raise ulimit -v"
    if isinstance(error, RecursionError):
        return f"something is nested too deeply: {text}{place_of(error)}"
    if isinstance(error, OSError) and error.strerror:
        if error.errno == errno.EAGAIN:
            return "the system cannot start more processes: end other programs, use fewer --jobs, or raise ulimit -u"
        more = ": end other programs, or raise ulimit -n" if error.errno in (errno.EMFILE, errno.ENFILE) else ""
        if isinstance(error, FileNotFoundError) and working_folder_is_gone():
            return "the working folder is gone, somebody has deleted it: cd to one that exists"
        names = [os.fsdecode(name) for name in (error.filename, error.filename2) if isinstance(name, str | bytes)]
        return (": ".join((" -> ".join(names), error.strerror)) if names else error.strerror) + more
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return "the system cannot start more threads: use --threads 1, end other programs, or raise ulimit -u"
    return f"{type(error).__name__}: {text}{place_of(error)}; with MLP_TRACEBACK=1 all of it is shown"


def working_folder_is_gone() -> bool:
    """Return whether the folder in which relative paths begin was deleted."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return True
    return False


def out_of_memory(error: BaseException) -> bool:
    """Return whether memory is what was missing, for an array or for a library that Python loads."""
    text = text_of(error)
    to_load = isinstance(error, ImportError | SystemError) and any(words in text for words in NO_MEMORY_TO_LOAD)
    return to_load or isinstance(error, MemoryError)


def text_of(error: BaseException) -> str:
    """Return the text of an error; of one that cannot even say what it is, nothing."""
    try:
        return str(error)
    except Exception:
        return ""


def excerpt(text: str) -> str:
    """Return a text for a message, or its beginning if it is long: an error about a file may quote the whole file."""
    return text if len(text) <= LONGEST_EXCERPT else f"{text[:LONGEST_EXCERPT]} ..."


def without_controls(text: str, pattern: re.Pattern[str] = IN_OUTPUT) -> str:
    """Return a text with its control characters written out, "\\x1b" for the one that starts a terminal's commands."""
    return pattern.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def in_line(name: str) -> str:
    """Return a name that others chose, safe within a line: it cannot begin a new line that looks like one of ours."""
    return without_controls(name, IN_LINE)


def place_of(error: BaseException) -> str:
    """Return ", line 3 of net.py": where an error came from, libraries left out; "" where no memory is left to say."""
    try:
        libraries = tuple(sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))
        places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
        own = [place for place in places if not place[0].startswith((*libraries, "<"))]
        return f", line {own[-1][1]} of {Path(own[-1][0]).name}" if own else ""
    except MemoryError:
        return ""
