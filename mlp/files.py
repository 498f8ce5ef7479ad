"""Writing files so that nothing is ever half-written: to a neighbouring name first, renamed when complete.

A process may be killed, or the disk may be full, at any moment. Renaming within a folder is atomic, so a reader finds
either the old file or the new one. What a kill leaves behind is `name.part`, which the next write replaces.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mlp.errors import ConfigurationError
from mlp.locks import check_lock
from mlp.typing import PathLike

if TYPE_CHECKING:  # loading Matplotlib takes longer than all of mlp
    from matplotlib.figure import Figure


@contextmanager
def atomic_write(path: PathLike, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open `path` for writing; it appears, or is replaced, when the context ends without an error.

    In a folder that this process has locked (see `mlp.locks`), the lock must still be held.
    """
    path = Path(path)
    if not path.name:
        raise ConfigurationError(f"{str(path)!r} is a folder: a file name is missing")
    check_lock(path.parent)
    part = path.with_name(path.name + ".part")
    options: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        with open(part, mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(path: PathLike, text: str) -> None:
    """Write a text file atomically."""
    with atomic_write(path, "w") as file:
        file.write(text)


def write_json(path: PathLike, value: Any) -> None:
    """Write `value` as JSON, indented for people, atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_arrays(path: PathLike, arrays: Mapping[str, Any]) -> None:
    """Write a dict of arrays as .npz, atomically. No pickle: arrays of numbers and texts only."""
    with atomic_write(path) as file:
        np.savez(file, **arrays)


def write_figure(path: PathLike, figure: "Figure") -> None:
    """Write a Matplotlib figure in the format that the path's suffix names, atomically."""
    with atomic_write(path) as file:
        figure.savefig(file, format=Path(path).suffix.lstrip("."), dpi=120)
