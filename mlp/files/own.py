"""Whose a file is. What `mlp` makes has a mark, and a file without it is never written over by a command.

A name may be mistyped, or be that of the user's own picture. Pictures, pages and arrays have the mark near their
beginning or their end; a table is known by its first line.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from mlp.errors import ConfigurationError
from mlp.typing import PathLike

MARK = "made by mlp"
REACH = 1 << 16  # bytes at either end of a file in which the mark is looked for


def is_own(path: PathLike, first_line: str = "") -> bool:
    """Return whether a file has the mark, or begins with `first_line` if one is given."""
    with open(path, "rb") as file:
        start = file.read(REACH)
        file.seek(max(len(start), file.seek(0, os.SEEK_END) - REACH))
        ends = start + file.read()
    return MARK.encode() in ends or bool(first_line) and start.startswith(first_line.encode())


def require_replaceable(path: PathLike, flag: str = "--out", first_line: str = "") -> None:
    """Raise ConfigurationError if a path is a file that another program has made, or an older version.

    Args:
        flag: what named the file, for the message. first_line: see `is_own`.
    """
    if Path(path).is_file() and not is_own(path, first_line):
        raise ConfigurationError(
            f"{path} is there already, and this version of mlp has not made it: choose another {flag}, or move the "
            "file away"
        )


def require_no_input(path: PathLike, inputs: Iterable[PathLike]) -> None:
    """Raise ConfigurationError if a file to be written is one of those that are read, whatever its name there."""
    for file in inputs:
        if os.path.exists(path) and os.path.exists(file) and os.path.samefile(path, file):
            raise ConfigurationError(f"the output {path} is the input {file}: it would be lost; choose another --out")
