"""The memory of the engine: allocated once, used in every step.

A fresh array of 13 MB costs more time in page faults than the arithmetic on it. So nothing is allocated after the first
step, and arrays that are needed at different times share memory:

    batch arrays    all N images one after the other; the i-th array of a shape is the same for every plan, so
                    training, evaluation and the short last batch of an epoch (its first images) share them
    scratch         of one thread, small enough to stay in its cache, shared by all ops that ask for the same shape
    temporary       of one thread, shared by all ops whatever the shape; its contents last for one call only. The
                    fewer addresses are touched, the more of them are in the cache
    piles           arrays that threads pass on to each other, see `block_sum`: they take one, and put it back

A value that is read at once, by the next op and for the same few images, needs no batch array: scratch is enough, and
saves traffic on the memory bus.

Arrays begin at a cache line. NumPy's own begin 16 bytes after one, so that each load of 64 bytes touches two lines.
Scratch is cut from large pieces, for which NumPy asks the system for large pages (it does so from 4 MB on).

Images may carry a border of zero rows above and below, so that a convolution need not add one. Nobody writes there, so
it stays zero; that is why arrays are shared among equal shapes only.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.typing import Array, DType, Shape

CACHE_LINE = 64  # bytes
PIECE = 1 << 24  # bytes of memory from which scratch is cut


@dataclass(eq=False)
class Storage:
    """Where a value (or its gradient) lies: a batch array, or scratch for the block that a thread works on.

    `above` is the number of zero rows above the `height` rows of an image.
    """

    whole: Array | None  # (N, above + height + below, ...), or None
    scratch: list[Array] | None  # for each thread (block, above + height + below, ...), or None
    above: int
    height: int

    def place(self, t: int, lo: int, hi: int) -> tuple[int, int, int]:
        """Return arguments for the two methods below which are equal for all (t, lo, hi) that share memory."""
        return (0, lo, hi) if self.scratch is None else (t, 0, hi - lo)

    def bordered_part(self, t: int, lo: int, hi: int) -> Array:
        """Return images lo .. hi - 1, which thread t works on, with their borders."""
        if self.scratch is not None:
            return self.scratch[t][: hi - lo]
        assert self.whole is not None
        return self.whole[lo:hi]

    def part(self, t: int, lo: int, hi: int) -> Array:
        """Return images lo .. hi - 1, which thread t works on."""
        return self.bordered_part(t, lo, hi)[:, self.above : self.above + self.height]

    @property
    def array(self) -> Array:
        """All images; only for values that have a batch array."""
        assert self.whole is not None
        return self.whole[:, self.above : self.above + self.height]


class Memory:
    """Arrays of one dtype for all plans of an engine."""

    def __init__(self, dtype: DType, threads: int) -> None:
        self.dtype, self.threads = np.dtype(dtype), threads
        self.capacity = 0  # images that the batch arrays hold
        self.batch_arrays: dict[Any, Array] = {}  # (shape of one image, i) -> (capacity, *shape)
        self.scratch_arrays: dict[Any, Array] = {}  # (key, shape, t) -> array
        self.piles: dict[Shape, list[Array]] = {}  # shape -> arrays that nobody uses
        self.piece = np.empty(0, self.dtype)  # what is left of the newest piece
        self.common = [np.empty(0, self.dtype) for _ in range(threads)]  # where all temporary arrays lie

    def reserve(self, images: int) -> bool:
        """Make room for batches of `images`; return True if that made all existing plans invalid."""
        if images <= self.capacity:
            return False
        self.capacity = images
        self.batch_arrays.clear()
        return True

    def batch(self, shape: Shape, i: Any, images: int) -> Array:
        """Return the i-th batch array for images of `shape`, cut to (images, *shape). New arrays are zero."""
        key = (tuple(shape), i)
        if key not in self.batch_arrays:
            self.batch_arrays[key] = zeros_at_line((self.capacity, *shape), self.dtype)
        return self.batch_arrays[key][:images]

    def scratch(self, key: Any, shape: Shape) -> list[Array]:
        """Return a scratch array for each thread, zero at first; equal keys and shapes share it.

        The key says what it is for: arrays that are needed at the same time have different keys.
        """
        arrays = []
        for t in range(self.threads):
            where = (key, tuple(shape), t)
            if where not in self.scratch_arrays:
                self.scratch_arrays[where] = self._cut(shape)
            arrays.append(self.scratch_arrays[where])
        return arrays

    def temporary(self, *shapes: Shape) -> list[list[Array]]:
        """Return for each thread a list of arrays of these shapes; the next op overwrites them."""
        ends = np.cumsum([_aligned(shape, self.dtype) for shape in shapes])
        if ends[-1] > self.common[0].size:  # arrays handed out before keep the old, smaller memory
            self.common = [self._cut((int(ends[-1]),)) for _ in range(self.threads)]
        return [
            [
                common[end - _aligned(shape, self.dtype) :][: math.prod(shape)].reshape(shape)
                for shape, end in zip(shapes, ends, strict=True)
            ]
            for common in self.common
        ]

    def _cut(self, shape: Shape) -> Array:
        """Return an array of zeros, cut from a piece of memory."""
        size = _aligned(shape, self.dtype)
        if size > self.piece.size:
            self.piece = zeros_at_line((max(size, PIECE // self.dtype.itemsize),), self.dtype)
        array, self.piece = self.piece[: math.prod(shape)], self.piece[size:]
        return array.reshape(shape)

    def pile(self, shape: Shape) -> list[Array]:
        """Return the pile of that shape, empty at first."""
        return self.piles.setdefault(shape, [])

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays, except those that were taken from a pile and not put back."""
        arrays = [*self.batch_arrays.values(), *self.scratch_arrays.values(), *self.common]
        arrays += [array for pile in self.piles.values() for array in pile]
        return sum(array.nbytes for array in arrays)


def _aligned(shape: Shape, dtype: np.dtype[Any]) -> int:
    """Return how many numbers an array takes in whole cache lines."""
    line = CACHE_LINE // dtype.itemsize
    return -(-math.prod(shape) // line) * line


def zeros_at_line(shape: Shape, dtype: np.dtype[Any]) -> Array:
    """Return an array of zeros that begins at the beginning of a cache line."""
    count = math.prod(shape)
    numbers = np.zeros(count + CACHE_LINE // dtype.itemsize, dtype)
    start = -numbers.ctypes.data % CACHE_LINE // dtype.itemsize
    return numbers[start : start + count].reshape(shape)
