"""A sum of one array a block of images, with the same bits whichever thread takes which block, and when.

Floating-point sums depend on their order: (a + b) + c is not a + (b + c). So the order is fixed beforehand, by a tree:

    ((0 + 1) + (2 + 3)) + ((4 + 5) + ...)              the numbers are blocks

Two neighbours are added as soon as both are there, by the thread that brings the second (x + y has the same bits as
y + x), then two such pairs, and so on. What waits for its neighbour lies in an array of its own; all sums of a shape
take such arrays from one pile and put them back. A tree also rounds less than one sum after the other.
"""

from mlp.engine.cpu.memory import Memory
from mlp.typing import Array


class BlockSum:
    """The sum over all blocks, for a step at a time: start, then take and add for each block, then hand_out.

    Args:
        count: how many blocks there are.
        shape: of the array that each brings.
    """

    def __init__(self, count: int, shape: tuple[int, ...], memory: Memory) -> None:
        self.count, self.shape, self.memory = count, tuple(shape), memory
        self.waiting: dict[tuple[int, int], Array] = {}  # (nodes of its level, pair) -> the first of the two

    def start(self) -> None:
        """Forget what a job that was stopped left behind."""
        self.waiting.clear()

    def take(self) -> Array:
        """Return an array for what a block brings; its contents are arbitrary."""
        return self.memory.take(self.shape)

    def add(self, i: int, array: Array) -> None:
        """Take in what block i brings, in an array from `take`, which is not the caller's any more."""
        nodes = self.count
        while nodes > 1:
            if i ^ 1 < nodes:  # it has a neighbour
                first = self.waiting.setdefault((nodes, i // 2), array)  # one step: no other thread comes between
                if first is array:
                    return
                del self.waiting[nodes, i // 2]
                array += first
                self.memory.give(first)
            nodes, i = (nodes + 1) // 2, i // 2
        self.total = array

    def hand_out(self) -> Array:
        """Return the sum; it lasts until somebody takes an array of that shape."""
        self.memory.give(self.total)
        return self.total
