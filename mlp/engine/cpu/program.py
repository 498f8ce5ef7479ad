"""Programs: the phases of a plan's ops, cut into segments, and how the threads run them.

A batch is cut into blocks of images, in a way that depends on the shapes only. Within a segment a thread takes one
block through all phases while it is in its cache, then the next one; between segments all threads wait for each other.
Each thread begins with its own blocks, always the same ones, which may still be in its cache from the segment before. A
thread that has none left takes the last one of another thread, so nobody waits longer than one block takes.

What a block computes does not depend on who computes it, and sums over blocks are added in a fixed order (`block_sum`),
so the same inputs give the same bits at any number of threads.
"""

from collections import deque
from collections.abc import Callable, Sequence

from mlp.engine.cpu.threads import ThreadTeam

# The number of blocks is a multiple of this where there are enough images: then 2, 4 or 8 threads get equal shares.
EVEN = 8


class Blocks(list[tuple[int, int]]):
    """[(lo, hi), ...]: a batch cut into `count` blocks of about equal size."""

    def __init__(self, images: int, count: int) -> None:
        cuts = [images * i // count for i in range(count + 1)]
        super().__init__(zip(cuts[:-1], cuts[1:], strict=True))
        self.largest = max(hi - lo for lo, hi in self)
        self.number = {lo: i for i, (lo, _) in enumerate(self)}


def count_blocks(images: int, image_bytes: int, block_bytes: int) -> int:
    """Return the number of blocks of a batch. Each has at most `block_bytes`, and not much less than a quarter of that.

    Smaller blocks would cost more time in Python than they save. So a small batch is cut into 4, 2 or 1 blocks.
    """
    count = -(-images // max(1, block_bytes // image_bytes))
    even = -(-count // EVEN) * EVEN
    quarters = -(-images * image_bytes * 4 // block_bytes)
    return min(images, even, 1 << (quarters - 1).bit_length())  # that power of two, or the next


class Segment:
    """Phases that are run block by block, in any order of the blocks.

    Args:
        blocks: `Blocks`; [] for tasks.
        threads: how many.
        alone: whether its phases are run once, for the whole batch, while the other threads wait.
        backwards: whether each thread begins with its last block.
        tasks: functions without arguments, shared out among the threads.
    """

    def __init__(
        self,
        blocks: Sequence[tuple[int, int]],
        threads: int,
        *,
        alone: bool = False,
        backwards: bool = False,
        tasks: Sequence[Callable[[], None]] = (),
    ) -> None:
        self.blocks, self.alone, self.tasks = blocks, alone, list(tasks)
        self.begins: list[Callable[[int], None]] = []
        self.runs: list[Callable[[int, int, int], None]] = []
        cuts = [len(blocks) * t // threads for t in range(threads + 1)]
        self.shares = [blocks[lo:hi][:: -1 if backwards else 1] for lo, hi in zip(cuts[:-1], cuts[1:], strict=True)]
        self.queues: list[deque[tuple[int, int]]] = [deque() for _ in range(threads)]
        self.others = [self.queues[t + 1 :] + self.queues[:t] for t in range(threads)]

    def fill(self, t: int) -> None:
        """Put the blocks of thread t into its queue."""
        queue = self.queues[t]
        queue.clear()  # a job that was stopped may have left some
        queue.extend(self.shares[t])

    def begin(self, t: int) -> None:
        for begin in self.begins:
            begin(t)

    def take(self, t: int) -> tuple[int, int] | None:
        """Return a block that is still to be done: the next of thread t, or the last of another thread, or None."""
        try:
            return self.queues[t].popleft()
        except IndexError:
            pass
        for queue in self.others[t]:
            try:
                return queue.pop()
            except IndexError:
                pass
        return None


def execute(program: list[Segment], team: ThreadTeam, t: int, images: int) -> None:
    """Run a program of a plan: the job of thread t of a `ThreadTeam`."""
    program[0].fill(t)
    for segment, following in zip(program, [*program[1:], None], strict=True):
        if following is not None:
            following.fill(t)  # before any thread gets there, so that others find thread t's blocks if it is late
        team.wait(t, segment.begin)
        if segment.alone:
            if t == 0:
                for run in segment.runs:
                    run(0, 0, images)
            continue
        for task in segment.tasks[t :: team.size]:
            task()
        block = segment.take(t)
        while block:
            for run in segment.runs:
                run(t, *block)
            block = segment.take(t)
