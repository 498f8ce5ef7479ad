"""Reading the files of a run's folder: the size of each is checked before memory is allocated.

Such a file may have been cut off, edited, or made by somebody who means harm. What is read here is either right or
raises `DamagedError`. What cannot be read at all, because a permission or memory is missing, raises another error: the
file itself may be perfectly good.

    JSON, CSV     at most `LONGEST_TEXT` bytes of UTF-8, with or without a byte order mark (Windows' editors write one)
    .npz          as `mlp.files.write_arrays` writes it: plain arrays, not compressed, so none is larger than its file
"""

import errno
import json
import math
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import IO, Any

import numpy as np

from mlp.errors import CheckpointError, DamagedError, excerpt, text_of
from mlp.typing import Array, PathLike

LONGEST_TEXT = 1 << 24


@contextmanager
def open_file(path: PathLike) -> Iterator[BufferedReader]:
    """Open a regular file for reading; whatever is found wrong with its content while it is open is a `DamagedError`.

    Raises:
        FileNotFoundError: there is none. CheckpointError: it may not be read, or is not a regular file (a pipe would
            make the reader wait forever). DamagedError: its content is wrong. MemoryError: it is too large to be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(error.errno, error.strerror, error.filename) from None
    except (OSError, ValueError) as error:  # ValueError: a name with a NUL character
        raise CheckpointError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise CheckpointError(f"{path} cannot be read: it is not a file, but a folder, a pipe or a device")
    with open(descriptor, "rb") as file:
        try:
            yield file
        except (CheckpointError, MemoryError):
            raise
        except OSError as error:
            if error.errno in (None, errno.EINVAL):  # a reader's words about the content, or a place before its start
                raise damaged(path, error) from None
            raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
        except Exception as error:  # what a wrong byte leads to can be of any kind
            raise damaged(path, error) from None


def damaged(path: PathLike, reason: BaseException | str) -> DamagedError:
    """Return the error for a file that was read and is not what its name says."""
    text = reason if isinstance(reason, str) else text_of(reason) or type(reason).__name__
    if isinstance(reason, RecursionError):
        text = "it is nested too deeply"
    elif isinstance(reason, KeyError):
        text = f"it has no {reason}"
    return DamagedError(f"{path} is damaged: {excerpt(' '.join(text.split()))}")


def read_text(path: PathLike) -> str:
    """Return the text of a file."""
    with open_file(path) as file:
        content = file.read(LONGEST_TEXT + 1)
        if len(content) > LONGEST_TEXT:
            raise ValueError(f"it is longer than {LONGEST_TEXT:,} bytes")
        return content.decode("utf-8-sig")


def read_end(path: PathLike, most: int) -> str:
    """Return the text at the end of a file that only grows, of at most so many bytes."""
    with open_file(path) as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - most))
        return file.read(most).decode(errors="replace")


def read_object(path: PathLike) -> dict[str, Any]:
    """Return the JSON object that a file holds."""
    text = read_text(path)
    try:
        return as_object(json.loads(text, object_pairs_hook=with_names_once))
    except (ValueError, RecursionError) as error:
        raise damaged(path, error) from None


def with_names_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs of a JSON object as a dict; a ValueError if a name stands twice: which value would be meant?"""
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it has {next(name for name in names if names.count(name) > 1)!r} twice")
    return values


def as_object(value: Any) -> dict[str, Any]:
    """Return a dict as it is; a ValueError for anything else."""
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, got a {type(value).__name__}")
    return value


def as_number(name: str, value: Any, lowest: float = -math.inf, highest: float = math.inf) -> float:
    """Return a number of a JSON file as a float, NaN where it was not measured; a ValueError for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, got a {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError(f"{name} is a number of {len(str(value))} digits") from None
    if number < lowest or number > highest:
        raise ValueError(f"{name} must lie in {lowest:g} .. {highest:g}, got {number:g}")
    return number


def read_arrays(path: PathLike) -> dict[str, Array]:
    """Return the arrays of an .npz file of ours."""
    with open_file(path) as file, zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        arrays = {entry.filename.removesuffix(".npy"): entry for entry in entries}
        if len(arrays) < len(entries):
            raise ValueError("it has two arrays of one name")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("it is compressed, which files of runs are not")
        if sum(entry.file_size for entry in entries) > os.fstat(file.fileno()).st_size:
            raise ValueError("its arrays are said to be larger than the file")
        return {name: read_member(archive, entry) for name, entry in arrays.items()}


def read_member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Array:
    """Return one array of an open archive."""
    with archive.open(entry) as stream:
        return read_array(stream, entry.file_size, entry.filename)


def read_array(stream: IO[bytes], size: int, name: object) -> Array:
    """Return the array of a stream in NumPy's format (.npy).

    Args:
        size: bytes of the stream; the header must tell of exactly as many. name: for messages.

    Raises:
        ValueError: header and size do not fit, or the array holds something else than plain numbers or strings.
    """
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"{name} has a header of version {version}")
    shape, _, dtype = readers[version](stream)
    if dtype.hasobject or dtype.names:
        raise ValueError(f"{name} holds {dtype}, not plain numbers or strings")
    if any(n < 0 for n in shape) or math.prod(shape) * dtype.itemsize != size - stream.tell():
        raise ValueError(f"{name} has another size than its header tells")
    stream.seek(0)
    array = np.lib.format.read_array(stream, allow_pickle=False)
    if stream.read(1):  # the end is also where zip compares its checksum
        raise ValueError(f"{name} has more bytes than its header tells")
    return array
