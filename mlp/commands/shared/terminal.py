"""Standard output and error that survive a missing reader, a full disk and an old terminal.

A program may be started with its output closed (`>&-`), into a pipe whose reader leaves early (`| head -1`), onto a
full disk, or on a terminal that cannot write every letter. Python's own streams raise an error then, some of them only
at the very end. The streams here remember the first error instead, and write \\xNN for what the terminal cannot show.
"""

import errno
import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlp.errors import CONTROLS, IN_OUTPUT, without_controls

IN_PROGRESS = re.compile(rf"(?!\r|\x1b\[A)[{CONTROLS}]")  # progress bars use a carriage return, and go one line up
NO_READER = (errno.EPIPE, errno.EIO, errno.ECONNRESET)  # EIO: the terminal is gone


class ReaderGone(BaseException):
    """Nobody reads what the command prints any more. Not an `Exception`, so that no `except Exception` stops it."""


class PatientFile(io.FileIO):
    """A descriptor for writing that remembers its first error in `problem`; after that, it throws everything away.

    Attributes:
        problem: the first error, or None.
        ends_with_reader: whether `ReaderGone` is raised, once, when the reader has left.
    """

    problem: OSError | None = None
    ends_with_reader = False

    def write(self, data: Any, /) -> int:
        if self.problem is None:
            try:
                return super().write(data)
            except OSError as error:
                self.problem = error
                if self.reader_gone and self.ends_with_reader:
                    raise ReaderGone from None
        return memoryview(data).nbytes

    @property
    def reader_gone(self) -> bool:
        """Whether the problem is that the reader has left (and not a full disk, say)."""
        return self.problem is not None and self.problem.errno in NO_READER


class TerminalText(io.TextIOWrapper):
    """Text on a `PatientFile`, without control characters, which names of files may have in them."""

    pattern = IN_OUTPUT

    def write(self, text: str) -> int:
        return super().write(without_controls(text, self.pattern))


@contextmanager
def patient_streams() -> Iterator[list[PatientFile]]:
    """Within this context sys.stdout and sys.stderr are patient; yields their files, [output, error].

    Streams that are not the process's own, those of a notebook or a test, stay as they are; the list is empty then.
    """
    occupy_descriptors()
    before, files = (sys.stdout, sys.stderr), []
    if sys.stdout is sys.__stdout__ and sys.stderr is sys.__stderr__:
        files = [PatientFile(number, "w", closefd=False) for number in (1, 2)]
        sys.stdout, sys.stderr = (text_on(*pair) for pair in zip(files, before, strict=True))
        sys.stderr.pattern = IN_PROGRESS
    try:
        yield files
    finally:
        if files:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            sys.stdout, sys.stderr = before


def occupy_descriptors() -> None:
    """Open the null device for each of the descriptors 0, 1 and 2 that is closed.

    Otherwise the next file, such as a checkpoint, would get that number, and what a library prints would end up in it.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, so this one


def text_on(file: PatientFile, like: Any) -> TerminalText:
    """Return a text stream on a file, with the encoding of the stream `like`, which may be None.

    Each line is written when it ends, into a file too. So a log shows how far a command is, and errors come after what
    was printed before them.
    """
    return TerminalText(
        io.BufferedWriter(file),
        encoding=getattr(like, "encoding", None) or "utf-8",
        errors="backslashreplace",
        line_buffering=True,
        write_through=bool(getattr(like, "write_through", False)),
    )
