"""The sum of arrays, one from each block of images: the same bits whichever thread takes which block, and when.

Floating-point sums depend on their order: (a + b) + c is not a + (b + c). So a tree fixes the order in advance:

    ((0 + 1) + (2 + 3)) + ((4 + 5) + ...)              the numbers are blocks

The thread that brings the second of two neighbours adds them (x + y has the same bits as y + x), then two such pairs,
and so on. What waits for its neighbour stays in its own array; all sums of one shape take such arrays from one pile and
put them back. A tree also loses less to rounding than adding one block after the other.
"""

import numpy as np

from mlp.engine.cpu.memory import Memory
from mlp.typing import Array


class BlockSum:
    """The sum over all blocks in a step: call start, then take and add for each block, then hand_out.

    Args:
        count: how many blocks there are.
        shape: of the array from each block.
    """

    def __init__(self, count: int, shape: tuple[int, ...], memory: Memory) -> None:
        self.count, self.shape, self.dtype = count, shape, memory.dtype
        self.pile = memory.pile(shape)
        self.waiting: dict[tuple[int, int], Array] = {}  # (nodes of its level, pair) -> the first of the two

    def start(self) -> None:
        """Forget what an interrupted job left behind."""
        self.waiting.clear()

    def take(self) -> Array:
        """Return an array for the numbers of a block; its contents are arbitrary."""
        try:
            return self.pile.pop()
        except IndexError:
            return np.empty(self.shape, self.dtype)

    def add(self, i: int, array: Array) -> None:
        """Add the numbers of block i, given in an array from `take`; the caller must not use it afterwards."""
        nodes = self.count
        while nodes > 1:
            if i ^ 1 < nodes:  # it has a neighbour
                first = self.waiting.setdefault((nodes, i // 2), array)  # one step: no other thread comes between
                if first is array:
                    return
                del self.waiting[nodes, i // 2]
                array += first
                self.pile.append(first)
            nodes, i = (nodes + 1) // 2, i // 2
        self.total = array

    def hand_out(self) -> Array:
        """Return the sum; it is valid until somebody takes an array of that shape."""
        self.pile.append(self.total)
        return self.total
