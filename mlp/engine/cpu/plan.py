"""From a model to a plan: a flat list of ops with known shapes, and the programs that run them.

The textbook's layers are a tree, and each works on a whole batch. A plan walks through the tree once for one batch
shape and decides in advance everything that does not depend on the numbers:

    lowering   each layer becomes an op, and ops are fused, see `mlp.engine.graph`: normalization, shortcut and
               activation become one pass over memory; in evaluation a batch norm vanishes into the weights of the
               convolution before it.
    memory     every value gets its array; a gradient's array is reused as soon as its last reader is done.
    programs   the ops' phases, cut into segments. Within a segment a thread takes a few images through all phases
               while they are in its cache; between segments all threads wait for each other (for the statistics of
               the whole batch, say), see `program`.
"""

from collections.abc import Sequence
from typing import Any

from mlp.engine.cpu.memory import Memory, Storage
from mlp.engine.cpu.op import LOWERINGS, BlockedOp, LoadInputs, Phase
from mlp.engine.cpu.program import Blocks, Segment, count_blocks
from mlp.engine.cpu.threads import ThreadTeam
from mlp.engine.graph import Graph, Value
from mlp.layers.machinery.base import Layer
from mlp.typing import DType, Shape

# How much of an op's largest array a thread works on at a time. Smaller blocks stay in faster caches; larger ones spend
# less time in Python and less in waiting for its lock.
BLOCK_BYTES = 1024 * 1024


class Plan(Graph):
    """A model, lowered for batches of one shape.

    Args:
        model: the tree of layers.
        batch_shape: (N, H, W, C) or (N, D). dtype: of the inputs.
        training: whether it is for training steps or for evaluation.
        memory: a `Memory` with room for N images. team: the `ThreadTeam` that will run it.
    """

    def __init__(
        self, model: Layer, batch_shape: Shape, dtype: DType, memory: Memory, team: ThreadTeam, *, training: bool
    ) -> None:
        super().__init__(LOWERINGS, batch_shape, dtype, training=training)
        self.memory, self.team, self.threads = memory, team, team.size
        self.used: dict[Any, int] = {}  # kind of memory -> how many arrays of it there are
        self.free: dict[Any, list[int]] = {}  # kind of memory -> the numbers of those that nobody needs now
        self.all_blocks: dict[int, Blocks] = {}  # count -> the one Blocks that all ops with so many blocks share

        load = self.add(LoadInputs(self.source))
        self.result = self.lower(model, load)
        self.fuse()
        for op in self.ops:
            op.blocks = self._blocks(*op.inputs, op.output)
            op.block = op.blocks.largest
            op.ask_borders()
        self._all_readers = {value: self.readers(value) for op in self.ops for value in (*op.inputs, op.output)}
        self._place_data()
        if training:
            self._place_gradients()
        for op in self.ops:
            op.bind(self)
        self._write_programs()

    def release(self) -> None:
        """Free all memory at once; the plan is not used again.

        Ops, values and phases refer to each other in circles. Without this, their arrays would stay in memory until
        Python's garbage collector runs, and the next plan would take as much memory again.
        """
        for op in self.ops:
            for value in (*op.inputs, op.output):
                value.data = value.grad = None  # ops that were fused into others still refer to them
        for op in self.ops:
            vars(op).clear()
        vars(self).clear()

    # --- memory ---------------------------------------------------------------------------------------------------

    def _take(self, shape: Shape, border: tuple[int, int], local_block: int) -> tuple[Storage, Any]:
        """Return a `Storage` for a value of that shape, and its place, for `_give`.

        Args:
            local_block: images for which scratch is enough; 0 for a batch array.
        """
        above, below = border
        bordered = (shape[0] + above + below, *shape[1:])
        key = (bordered, border, local_block)  # equal shapes with different borders have their zeros elsewhere
        free = self.free.setdefault(key, [])
        i = free.pop() if free else self.used.get(key, 0)
        self.used[key] = max(self.used.get(key, 0), i + 1)
        batch = scratch = None
        if local_block:
            scratch = self.memory.scratch(("value", border, i), (local_block, *bordered))
        else:
            batch = self.memory.batch(bordered, (border, i), self.images)
        return Storage(batch, scratch, above, shape[0]), (key, i)

    def _give(self, place: Any) -> None:
        """Let others use the memory at a place."""
        key, i = place
        self.free[key].append(i)

    def _local_block(self, value: Value, *, backward: bool) -> int:
        """Return the block size if scratch is enough for a value (or its gradient), otherwise 0.

        It is enough if the value has one reader, right after its producer, if both work through the same blocks without
        a meeting of all threads in between, and if backward does not need the data again. An op whose threads meet in
        backward computes the gradient of its first input after the meeting, those of shortcuts before it.
        """
        following = self._all_readers[value]
        if len(following) != 1 or following[0] is None:
            return 0
        producer: Any = value.producer
        reader = following[0]
        near = self.ops.index(producer) + 1 == self.ops.index(reader) and producer.blocks is reader.blocks
        if backward:
            wanted = producer.meets_backward or (reader.meets_backward and value is not reader.inputs[0])
        else:
            wanted = self.training and (producer.outputs_needed or reader.inputs_needed)
        return producer.block if near and not (wanted or producer.alone or reader.alone) else 0

    def _place_data(self) -> None:
        places = {}
        last_reader = {value: ops[-1] for value, ops in self._all_readers.items() if ops}
        for op in self.ops:
            value = op.output
            local = self._local_block(value, backward=False)
            value.data, place = self._take(value.shape, value.border, local)
            if local or not self.training:  # backward does not need it
                places[value] = place
            for seen in {v for v in op.inputs if last_reader[v] is op and v in places}:
                self._give(places.pop(seen))

    def _place_gradients(self) -> None:
        self.gradient_places: dict[Value, Any] = {}
        self.claim_gradient(self.result)
        for op in reversed(self.ops):
            if op.output.needs_grad:
                op.claim_gradients(self)
                if op.output in self.gradient_places:
                    self._give(self.gradient_places.pop(op.output))

    def claim_gradient(self, value: Value) -> bool:
        """Give a value memory for its gradient; return False if it has some, to which other ops write."""
        if value.grad is not None:
            return False
        local = self._local_block(value, backward=True)
        value.grad, self.gradient_places[value] = self._take(value.shape, value.grad_border, local)
        return True

    def hand_over_gradient(self, giver: Value, taker: Value) -> bool:
        """Let the gradient of `taker` take over the memory of that of `giver`; return False if that does not fit."""
        fits = taker.grad is None and taker.grad_border == giver.grad_border and giver in self.gradient_places
        if not fits or (giver.grad.scratch and not self._local_block(taker, backward=True)):
            return False
        taker.grad = giver.grad
        self.gradient_places[taker] = self.gradient_places.pop(giver)
        return True

    # --- programs -------------------------------------------------------------------------------------------------

    def _blocks(self, *values: Value) -> Blocks:
        """Return the blocks of an op with these values: at most BLOCK_BYTES of the largest of them."""
        largest = max(value.size for value in values) * self.dtype.itemsize
        count = count_blocks(self.images, largest, BLOCK_BYTES)
        return self.all_blocks.setdefault(count, Blocks(self.images, count))

    def threads_and_blocks(self, blocks: Blocks) -> list[tuple[int, int, int]]:
        """Return (t, lo, hi) for all threads and all blocks: any thread may take any block."""
        return [(t, lo, hi) for t in range(self.threads) for lo, hi in blocks]

    def _write_programs(self) -> None:
        self._backwards = False  # each segment begins where the one before ended: those blocks are still in the cache
        forward = [phase for op in self.ops for phase in op.forward_phases()]
        self.forward_program = [self._tasks([op.prepare for op in self.ops]), *self._segments(forward)]
        if self.training:
            trained = [op for op in reversed(self.ops) if op.output.needs_grad]
            backward = [phase for op in trained for phase in op.backward_phases()]
            self.backward_program = [*self._segments(backward), self._tasks([op.finish for op in trained])]

    def _tasks(self, functions: Sequence[Any]) -> Segment:
        return Segment(
            [], self.threads, tasks=[f for f in functions if f.__func__ not in (BlockedOp.prepare, BlockedOp.finish)]
        )

    def _segments(self, phases: Sequence[Phase]) -> list[Segment]:
        segments: list[Segment] = []
        fresh = True  # whether the next phase begins a segment: the first one does, and one after a phase alone
        for phase in phases:
            if fresh or phase.wait or phase.alone or segments[-1].blocks is not phase.blocks:
                segments.append(Segment(phase.blocks, self.threads, alone=phase.alone, backwards=self._backwards))
                self._backwards = not self._backwards
            fresh = phase.alone
            if phase.begin:
                segments[-1].begins.append(phase.begin)
            segments[-1].runs.append(phase.run)
        return segments
