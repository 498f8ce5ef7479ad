"""The memory of the engine: asked for once, used in every step.

A fresh array of 13 MB costs more in page faults than the arithmetic on it. So nothing is allocated after the first
step, and everything that is needed at different times shares memory:

    batch arrays    all N images one after the other; the i-th array of a shape is the same for every plan, so
                    training, evaluation and the short last batch of an epoch (its first images) share them
    scratch         of one thread, small enough to stay in its cache, shared by all ops that ask for the same shape
    temporary       of one thread, shared by all ops whatever the shape: it holds anything during one call only. The
                    fewer addresses are touched, the more of them are in the cache
    piles           arrays that go from hand to hand, see `block_sum`: whoever needs one takes it, and gives it back

A value that is read at once, by the next op and for the same few images, needs no batch array: scratch is enough, and
spares the memory bus.

Images may carry a border of zero rows above and below, which a convolution would else have to add. Nobody writes
there, so it stays zero; that is why arrays are shared among equal shapes only.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.typing import Array, DType, Shape


@dataclass(eq=False)
class Storage:
    """Where a value (or its gradient) lies: a batch array, or scratch for the block that a thread works on.

    `above` is the number of zero rows above each of the `height` rows of an image.
    """

    whole: Array | None  # (N, above + height + below, ...), or None
    scratch: list[Array] | None  # for each thread (block, above + height + below, ...), or None
    above: int
    height: int

    def place(self, t: int, lo: int, hi: int) -> tuple[int, int, int]:
        """Return (t, lo, hi) in a form that is equal for equal memory, to be given to the two methods below."""
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
        self.common = [np.empty(0, self.dtype) for _ in range(threads)]  # where all temporary arrays lie

    def reserve(self, images: int) -> bool:
        """Make room for batches of `images`; returns True if that made all existing plans invalid."""
        if images <= self.capacity:
            return False
        self.capacity = images
        self.batch_arrays.clear()
        return True

    def batch(self, shape: Shape, i: Any, images: int) -> Array:
        """Return the i-th batch array of images of `shape`, cut to (images, *shape). New ones are zero."""
        key = (tuple(shape), i)
        if key not in self.batch_arrays:
            self.batch_arrays[key] = np.zeros((self.capacity, *shape), self.dtype)
        return self.batch_arrays[key][:images]

    def scratch(self, key: Any, shape: Shape) -> list[Array]:
        """Return a scratch array for each thread, zero at first; equal keys and shapes share it.

        The key says what it is for: two that are needed at the same time have different ones.
        """
        arrays = []
        for t in range(self.threads):
            where = (key, tuple(shape), t)
            if where not in self.scratch_arrays:
                self.scratch_arrays[where] = np.zeros(shape, self.dtype)
            arrays.append(self.scratch_arrays[where])
        return arrays

    def temporary(self, *shapes: Shape) -> list[list[Array]]:
        """Return, for each thread, a list of arrays of these shapes, whose contents the next op destroys."""
        ends = np.cumsum([_aligned(shape, self.dtype) for shape in shapes])
        if ends[-1] > self.common[0].size:  # arrays handed out before keep the old, smaller memory
            self.common = [np.empty(ends[-1], self.dtype) for _ in range(self.threads)]
        return [
            [
                common[end - _aligned(shape, self.dtype) :][: math.prod(shape)].reshape(shape)
                for shape, end in zip(shapes, ends, strict=True)
            ]
            for common in self.common
        ]

    def take(self, shape: Shape) -> Array:
        """Return an array from the pile of that shape; any thread may call it."""
        try:
            return self.piles[shape].pop()
        except (KeyError, IndexError):
            return np.empty(shape, self.dtype)

    def give(self, array: Array) -> None:
        """Put an array back on its pile."""
        self.piles.setdefault(array.shape, []).append(array)

    @property
    def nbytes(self) -> int:
        """How many bytes there are in all, but for those that the threads have in their hands."""
        arrays = [*self.batch_arrays.values(), *self.scratch_arrays.values(), *self.common]
        arrays += [array for pile in self.piles.values() for array in pile]
        return sum(array.nbytes for array in arrays)


def _aligned(shape: Shape, dtype: np.dtype[Any]) -> int:
    """Return how many numbers an array takes in whole cache lines of 64 bytes."""
    line = 64 // dtype.itemsize
    return -(-math.prod(shape) // line) * line
