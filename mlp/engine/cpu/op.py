"""What the CPU engine's plans are made of: ops, and the phases in which they do their work.

`mlp.engine.graph` says how a layer becomes an op. To write a new op, subclass `BlockedOp`, as for example
`ops.textbook.ReshapeOp` does.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.engine.cpu.program import Blocks
from mlp.engine.graph import Lowerings, Op, Value
from mlp.typing import Array

LOWERINGS = Lowerings()
lowers = LOWERINGS.lowers


@dataclass
class Phase:
    """A piece of work on the images lo .. hi - 1 by thread t: run(t, lo, hi).

    Attributes:
        blocks: of images, in which it is done.
        begin: begin(t) is called once, by any one thread t, before the first block.
        wait: whether all threads must have finished what comes before.
        alone: whether run(0, 0, N) is called once, by the calling thread, while the others wait.
    """

    run: Callable[[int, int, int], None]
    blocks: Blocks
    begin: Callable[[int], None] | None = None
    wait: bool = False
    alone: bool = False


class BlockedOp(Op):
    """An op that works on a few images at a time, in phases."""

    name = "op"  # what profiles call it
    alone = False  # whether it works on the whole batch while the other threads wait
    inputs_needed = outputs_needed = False  # whether backward reads the data of the inputs, of the output
    blocks: Blocks  # in which it works; set by the plan
    block: int  # images of the largest block
    writes: list[bool]  # for each input, whether its gradient is written, not added to; set by claim_gradients
    meets_backward = False  # whether all threads meet between its first and its last phase of backward

    def ask_borders(self) -> None:
        """Ask values for the borders that this op needs."""

    def claim_gradients(self, plan: Any) -> None:
        """Get memory for the inputs' gradients, and note which of them are new; called in backward order."""
        self.writes = [value.needs_grad and plan.claim_gradient(value) for value in self.inputs]

    def bind(self, plan: Any) -> None:
        """Make views of the values' memory, and ask for scratch; called when all values have their memory."""

    def prepare(self) -> None:
        """Bring the weights into the form that forward and backward need; called at the start of each step."""

    def forward_phases(self) -> list[Phase]:
        """Return the pieces of work of forward, in order."""
        return [Phase(self.forward, self.blocks, alone=self.alone)]

    def backward_phases(self) -> list[Phase]:
        """Return the pieces of work of backward, in order."""
        return [Phase(self.backward, self.blocks, alone=self.alone)]

    def forward(self, t: int, lo: int, hi: int) -> None:
        """Compute the outputs of the images lo .. hi - 1."""

    def backward(self, t: int, lo: int, hi: int) -> None:
        """Compute the inputs' gradients for these images, and their part of the parameters' gradients."""

    def finish(self) -> None:
        """Put the parameters' gradients into `p.grad`; called after backward."""


def give(target: Array, gradient: Array, *, first: bool) -> None:
    """Write a gradient to its place if it is the first there, otherwise add it to what others have written."""
    if first:
        target[...] = gradient
    else:
        np.add(target, gradient, out=target)


class LoadInputs(BlockedOp):
    """Copies the inputs of a step into the plan's memory."""

    name = "load"

    def __init__(self, source: Value) -> None:
        super().__init__([], source.shape)
        self.x: Any = None  # set by the engine before each step

    def forward(self, t: int, lo: int, hi: int) -> None:
        np.copyto(self.output.data.part(t, lo, hi), self.x[lo:hi])
