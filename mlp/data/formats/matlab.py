"""MATLAB 5 files, as far as one array of numbers needs them: `read_variable(content, "indian_pines_gt")`.

A file is 128 bytes of text and version, then elements, each with a tag of 8 bytes:

    type (4 bytes), number of bytes (4 bytes), the bytes, filled up to a multiple of 8
    type and number in 2 bytes each, then up to 4 bytes: the short form, where the upper half of the type is not 0

An element of type 14 is an array: its flags, its shape, its name, its numbers, each an element again. One of type 15 is
another element, compressed by zlib. The numbers come column by column, as MATLAB has them. To save space they may be
stored in a smaller type than the array's.

Lengths come from the file, so each is compared with what is there before memory is taken for it. Cells, structures,
objects, complex and sparse arrays are skipped; version 7.3 is another format (HDF5), and the message says so.
"""

import math
import zlib
from collections.abc import Iterator

import numpy as np

from mlp.data.formats.sources import largest_unpacked
from mlp.errors import DataError, excerpt
from mlp.typing import Array

HEADER = 128
MATRIX, COMPRESSED = 14, 15

STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
COMPLEX = 0x0800  # in the flags


def read_variable(content: bytes, source: str, name: str) -> Array:
    """Return the array `name` of a MATLAB 5 file.

    Args:
        content: the bytes of the file. source: the file's name, for messages.

    Raises:
        DataError: the file is damaged, of another version, or has no such array of numbers.
    """
    if content[:8] == b"\x89HDF\r\n\x1a\n" or content[:10] == b"MATLAB 7.3":
        raise DataError(f"{source} is a MATLAB 7.3 file: save it with save(..., '-v7') to have version 5")
    try:
        order = {b"IM": "<", b"MI": ">"}[content[126:128]]
        there = []
        for kind, data in elements(content[HEADER:], order):
            found, array = read_element(kind, data, order)
            if found == name and array is not None:
                return array
            there.append(found)
    except (KeyError, IndexError, ValueError, zlib.error) as error:
        raise DataError(f"{source} is damaged, or no MATLAB 5 file ({type(error).__name__}: {error})") from error
    holds = excerpt(", ".join(filter(None, there))) or "none"
    raise DataError(f"{source} has no array of numbers {name!r}: it holds {holds}")


def elements(content: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Yield (type, bytes) of the elements that stand one after the other."""
    at = 0
    while at < len(content):
        first, size = np.frombuffer(content, order + "u4", 2, at).tolist()
        start, short = at + 8, first >> 16
        if short:
            first, size, start = first & 0xFFFF, short, at + 4
        data = content[start : start + size]
        if len(data) < size or (short and size > 4):
            raise ValueError(f"an element of {size:,} bytes where {len(data):,} are left")
        yield first, data
        at = at + 8 if short else start + size + (0 if first == COMPRESSED else -size % 8)


def read_element(kind: int, data: bytes, order: str) -> tuple[str, Array | None]:
    """Return (name, array) of an element that stands in no other; the array is None where it is skipped."""
    if kind == COMPRESSED:
        unpacker = zlib.decompressobj()
        largest = largest_unpacked(len(data))
        inner = unpacker.decompress(data, largest)
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise ValueError(f"a compressed array is cut off, or has more than {largest:,} bytes")
        ((kind, data),) = elements(inner, order)
    if kind != MATRIX:
        return "", None
    parts = list(elements(data, order))
    flags = int(np.frombuffer(parts[0][1], order + "u4", 1)[0])
    shape = np.frombuffer(parts[1][1], order + "i4").tolist()
    name = parts[2][1].decode("ascii", "replace")
    if flags & 0xFF not in CLASSES or flags & COMPLEX:
        return name, None
    stored, numbers = parts[3]
    array = np.frombuffer(numbers, order + STORED[stored])
    if min(shape, default=-1) < 0 or math.prod(shape) != len(array):
        raise ValueError(f"{name}: {len(array):,} numbers for the shape {tuple(shape)}")
    return name, np.ascontiguousarray(array.reshape(shape, order="F").astype(CLASSES[flags & 0xFF]))
