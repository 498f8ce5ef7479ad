"""Writing files safely: under a temporary name first, renamed when complete, so a crash never leaves a partial file.

A process may be killed, or the disk may be full, at any moment. Renaming within a folder is atomic, so a reader finds
either the old file or the new one. What a kill leaves behind is `name.part`, which the next write replaces.
"""

import json
import os
import re
import stat
import time
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from mlp.checks import shown
from mlp.errors import ConfigurationError, FolderInUseError
from mlp.files.locks import check_lock
from mlp.files.own import MARK
from mlp.typing import PathLike

PAUSES = (0.05, 0.2, 0.8)  # seconds between tries to rename

if TYPE_CHECKING:  # loading Matplotlib takes longer than all of mlp
    from matplotlib.figure import Figure


@contextmanager
def atomic_write(path: PathLike, mode: str = "wb") -> Iterator[IO[Any]]:
    """Open `path` for writing; it appears, or is replaced, when the context ends without an error.

    In a folder that this process has locked (see `mlp.files.locks`), the lock must still be held.
    """
    path = Path(path)
    if not path.name:
        raise ConfigurationError(f"{str(path)!r} is a folder: a file name is missing")
    check_lock(path.parent)
    part = path.with_name(path.name + ".part")
    options: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "errors": "backslashreplace", "newline": ""}
    try:
        with open(part, mode, opener=create, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            check_own(file.fileno(), part, path)
        replace(part, path)
    except BaseException as error:
        if isinstance(error, OSError):
            if error.filename is None or Path(os.fsdecode(error.filename)) == part:
                error.filename = str(path)
            del error.filename2
        if not isinstance(error, FolderInUseError):  # then the temporary file is another process's
            with suppress(OSError):  # the folder may be gone: the first error is the one to report
                part.unlink(missing_ok=True)
        raise


def create(path: str, flags: int) -> int:
    """Open a new file; `open` calls this. What has the name already, perhaps a link to elsewhere, is removed first."""
    with suppress(FileNotFoundError):
        os.unlink(path)
    return os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o666)


def check_own(descriptor: int, part: Path, path: Path) -> None:
    """Raise FolderInUseError unless an open file still has its temporary name: another process may be writing it."""
    try:
        own = os.path.samestat(os.fstat(descriptor), os.lstat(part))
    except FileNotFoundError:  # the other one is done, or the folder is gone
        own = False
    if not own:
        raise FolderInUseError(
            f"{path} is not written: another process writes it too, or its folder was moved away; wait, or choose "
            "another name"
        )


def remove_stranger(path: PathLike) -> None:
    """Remove what stands in the way of a file to be written and is no file: a link that leads elsewhere, a pipe."""
    with suppress(FileNotFoundError):
        if not stat.S_ISREG(os.lstat(path).st_mode):
            os.unlink(path)


def replace(part: Path, path: Path) -> None:
    """Rename. Windows refuses while another program has the file open, so try a few times."""
    for pause in PAUSES:
        try:
            return os.replace(part, path)
        except PermissionError:
            time.sleep(pause)
    return os.replace(part, path)


def named_path(path: PathLike) -> Path:
    """Return the path that a user named: ~ is the home folder, and no name is an error.

    Raises:
        ConfigurationError: the name is empty, or has a NUL character.
    """
    if not isinstance(path, str | bytes | os.PathLike):
        raise ConfigurationError(f"a file or a folder must have a name, got {shown(path)}")
    text = os.fsdecode(path)
    if not text.strip() or "\0" in text:
        raise ConfigurationError(f"a file or a folder must have a name, got {text!r}")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # ~nobody
        raise ConfigurationError(f"{text!r}: {error}") from None


def write_text(path: PathLike, text: str) -> None:
    """Write a text file atomically."""
    with atomic_write(path, "w") as file:
        file.write(text)


def write_json(path: PathLike, value: Any) -> None:
    """Write `value` as JSON, indented for people, atomically."""
    write_text(path, json.dumps(value, indent=2) + "\n")


def write_arrays(path: PathLike, arrays: Mapping[str, Any]) -> None:
    """Write a dict of arrays as .npz, atomically. No pickle: arrays of numbers and strings only."""
    with atomic_write(path) as file, zipfile.ZipFile(file, "w") as archive:  # np.savez reserves names: file, ...
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
        archive.comment = MARK.encode()


def write_figure(path: PathLike, figure: "Figure") -> None:
    """Write a Matplotlib figure in the format that the path's suffix names, atomically.

    Names that users chose appear as they are: a dollar sign starts no formula, and a letter that the font does not have
    is drawn as a box, without a warning on the terminal.
    """
    take_texts_literally(figure)
    with atomic_write(path) as file, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        figure.savefig(file, format=Path(path).suffix.lstrip("."), dpi=120, metadata={"Creator": MARK})


def take_texts_literally(figure: "Figure") -> None:
    """Escape what Matplotlib would read as a formula, in all texts but the numbers of the axes."""

    def is_text(artist: Any) -> bool:
        return hasattr(artist, "get_text") and hasattr(artist, "set_text")  # contours have the first alone

    axes = [axis for part in figure.axes for axis in (part.xaxis, part.yaxis)]
    numbers = {id(text) for axis in axes for text in axis.findobj(is_text)} - {id(axis.label) for axis in axes}
    texts: list[Any] = figure.findobj(lambda artist: is_text(artist) and id(artist) not in numbers)
    for text in texts:
        text.set_text(literal(text.get_text()))


def literal(text: str) -> str:
    """Return a text that Matplotlib draws letter by letter: dollar signs begin no formula."""
    readable = text.encode("utf-8", "backslashreplace").decode()  # names of files need not be text
    return re.sub(r"(?<!\\)\$", r"\\$", readable)
