"""Read a pickle that holds arrays, strings and numbers, without running what is in it.

A pickle is a small program for a stack machine. Two of its instructions are dangerous: GLOBAL fetches any function of
any module by name, REDUCE calls it. So `pickle.load` of a downloaded file runs whatever its author wants. But the
official files of CIFAR are pickles, and an array in a pickle is such a pair too:

    GLOBAL numpy.core.multiarray _reconstruct, REDUCE    an empty array                 -> StoredArray
    GLOBAL numpy dtype, REDUCE                           the type of its elements       -> StoredDtype
    BUILD (version, shape, dtype, column order, bytes)   fills the array
    GLOBAL numpy._core.numeric _frombuffer, REDUCE       the same at once, in Python 3.14      -> StoredBuffer

Here GLOBAL knows these few names and gives stand-ins of ours for them, which accept plain numeric arrays only; any
other name is refused when it is fetched, before anything can be called. NumPy's own functions stay out of it: they
believe a pickle that declares bytes to be an array of pointers.

Keys of dictionaries are strings and numbers only, and there are no sets. A pair that holds the same pair twice, which
again holds one twice, and so on, takes two bytes for each level, and each level doubles the time to hash it. A
bytearray becomes bytes, and its length is believed only if so many bytes are there: Python's own reader would reserve
them at once.
"""

import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np

from mlp.data.formats.sources import unreadable
from mlp.errors import DataError

ELEMENT_TYPES = ("b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8")


class StoredDtype:
    """Stands for numpy.dtype(code); the state that follows tells the byte order."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        self.code = as_text(code)
        if self.code not in ELEMENT_TYPES:
            raise ValueError(f"elements of type {self.code!r}")
        self.order = "|"

    def __setstate__(self, state: Any) -> None:
        self.order = as_text(state[1])

    def dtype(self) -> np.dtype:
        return np.dtype(self.order + self.code)


class StoredArray:
    """Stands for the empty array that _reconstruct(ndarray, (0,), "b") makes; the state that follows fills it."""

    def __init__(self, kind: Any, shape: Any, code: Any) -> None:
        self.array = np.zeros(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, stored, column_order, content = state
        flat = np.frombuffer(content, stored.dtype())
        self.array = flat.reshape(shape, order="F" if column_order else "C")


class StoredBuffer(StoredArray):
    """Stands for the array that _frombuffer(bytes, dtype, shape, order, axes) makes."""

    def __init__(self, content: Any, stored: Any, shape: Any, order: Any, axes: Any = None) -> None:
        if as_text(order) not in ("C", "F"):
            raise ValueError(f"an array in the order {order!r}")
        self.array = np.frombuffer(content, stored.dtype()).reshape(shape, order=order)


class StoredBytes:
    """Stands for _codecs.encode(text, "latin1") and bytes(), as Python 3 writes bytes, and empty ones, for Python 2."""

    def __new__(cls, text: Any = "", encoding: Any = "latin1") -> Any:
        if as_text(encoding) != "latin1":
            raise ValueError(f"bytes stored as {encoding!r}")
        return text.encode("latin1")

    def __setstate__(self, state: Any) -> None:
        raise ValueError("bytes have no state")


STAND_INS = {
    ("numpy.core.multiarray", "_reconstruct"): StoredArray,
    ("numpy._core.multiarray", "_reconstruct"): StoredArray,
    ("numpy.core.numeric", "_frombuffer"): StoredBuffer,
    ("numpy._core.numeric", "_frombuffer"): StoredBuffer,
    ("numpy", "ndarray"): "ndarray",  # only ever handed to _reconstruct
    ("numpy", "dtype"): StoredDtype,
    ("_codecs", "encode"): StoredBytes,
    ("__builtin__", "bytes"): StoredBytes,
}


LEFT_OUT = (pickle.EMPTY_SET, pickle.ADDITEMS, pickle.FROZENSET)
KEYS = {pickle.DICT: slice(0, None, 2), pickle.SETITEMS: slice(0, None, 2), pickle.SETITEM: slice(-2, -1)}


def with_plain_keys(instruction: Callable[[Any], None], keys: slice) -> Callable[[Any], None]:
    """Return an instruction that looks at the keys, which lie at `keys` on the stack, before it hashes them."""

    def checked(unpickler: Any) -> None:
        for key in unpickler.stack[keys]:
            if not isinstance(key, bytes | str | int | float | None):
                raise ValueError(f"a {type(key).__name__} as the key of a dictionary")
        instruction(unpickler)

    return checked


def load_bytearray(unpickler: Any) -> None:
    """Put the bytes of a bytearray on the stack."""
    size = int.from_bytes(unpickler.read(8), "little")
    content = unpickler.read(size)
    if len(content) < size:
        raise EOFError(f"{size:,} bytes are said to follow, and {len(content):,} do")
    unpickler.append(content)


# The unpickler that is written in Python: the one in C reserves whatever memory a damaged file asks for
# (a wrong memo index costs up to 64 GB), and on these files it is the slower of the two.
class SafeUnpickler(pickle._Unpickler):
    """An unpickler that refuses every global but those in `STAND_INS`."""

    dispatch = {
        **{code: load for code, load in pickle._Unpickler.dispatch.items() if bytes([code]) not in LEFT_OUT},
        **{code[0]: with_plain_keys(pickle._Unpickler.dispatch[code[0]], keys) for code, keys in KEYS.items()},
        pickle.BYTEARRAY8[0]: load_bytearray,
    }

    def __init__(self, content: bytes, source: str) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self.source = source

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in STAND_INS:
            raise DataError(
                f"{self.source} asks for {module}.{name}, which is not part of a data file; nothing of it was run. "
                "Do not load this file with another program; get it again from its official address."
            )
        return STAND_INS[module, name]

    def get_extension(self, code: int) -> Any:
        return self.find_class("copyreg", f"extension {code}")


def load_pickle(content: bytes, source: str) -> dict[str, Any]:
    """Return the dictionary in a pickle: keys become strings, arrays NumPy arrays, Python 2's strings are bytes.

    Args:
        content: the bytes of the pickle.
        source: the file they come from, for messages.

    Raises:
        DataError: the pickle is truncated or damaged, asks for anything but plain data, or holds no dictionary.
    """
    try:
        stored = SafeUnpickler(content, source).load()
        return {as_text(key): value.array if isinstance(value, StoredArray) else value for key, value in stored.items()}
    except DataError:
        raise
    except Exception as error:  # what a damaged pickle raises can be of any kind
        what = "is truncated or damaged, or no dictionary of plain data"
        raise unreadable(source, error, what, ": get it again") from error


def as_text(value: Any) -> str:
    """Return a string that may be stored as bytes (Python 2) or as str (Python 3)."""
    if isinstance(value, bytes):
        return value.decode("latin1")
    if not isinstance(value, str):
        raise ValueError(f"expected a string, got a {type(value).__name__}")
    return value
