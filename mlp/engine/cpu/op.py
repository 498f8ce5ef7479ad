"""What the CPU engine's plans are made of: ops, and the phases in which they do their work.

How a layer becomes an op is written in `mlp.engine.graph`. A new op is a subclass of `BlockedOp`;
`ops.textbook.ReshapeOp` is a short one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.engine.cpu.program import Blocks
from mlp.engine.graph import Lowerings, Op, Value

LOWERINGS = Lowerings()
lowers = LOWERINGS.lowers


@dataclass
class Phase:
    """A piece of work on the images lo .. hi - 1 by thread t: run(t, lo, hi).

    begin(t) is called once, by any one thread t, before the first block. `wait`: all threads must have ended what comes
    before. `alone`: run(0, 0, N) is called once, by the calling thread, while the others wait.
    """

    run: Callable[[int, int, int], None]
    blocks: Blocks  # that suit it
    begin: Callable[[int], None] | None = None
    wait: bool = False
    alone: bool = False


class BlockedOp(Op):
    """An op that works on a few images at a time, in phases."""

    name = "op"  # what profiles call it
    alone = False  # whether it works on the whole batch while the other threads wait
    inputs_needed = outputs_needed = False  # whether backward reads the data of the inputs, of the output
    blocks: Blocks  # in which it works, and the size of the largest; set by the plan
    block: int
    writes: list[bool]  # for each input, whether its gradient is written, not added to; set by claim_gradients
    meets_backward = False  # whether all threads meet between its first and its last phase of backward

    def ask_borders(self) -> None:
        """Tell the values which borders are wanted."""

    def claim_gradients(self, plan: Any) -> None:
        """Backward order: get memory for the inputs' gradients; note which are new (written) and which are added to."""
        self.writes = [value.needs_grad and plan.claim_gradient(value) for value in self.inputs]

    def bind(self, plan: Any) -> None:
        """All memory is there: make views of it and ask for scratch."""

    def prepare(self) -> None:
        """Called at the start of each step: bring the weights into the form that forward and backward want."""

    def forward_phases(self) -> list[Phase]:
        """Return the pieces of work of forward, in order."""
        return [Phase(self.forward, self.blocks, alone=self.alone)]

    def backward_phases(self) -> list[Phase]:
        """Return those of backward."""
        return [Phase(self.backward, self.blocks, alone=self.alone)]

    def forward(self, t: int, lo: int, hi: int) -> None:
        """Compute the outputs of the images lo .. hi - 1."""

    def backward(self, t: int, lo: int, hi: int) -> None:
        """Compute the inputs' gradients of these images, and what they give to those of the parameters."""

    def finish(self) -> None:
        """Called after backward: bring the parameters' gradients to where they are looked for."""


class LoadInputs(BlockedOp):
    """Copies the inputs of a step to where the plan expects them."""

    name = "load"

    def __init__(self, source: Value) -> None:
        super().__init__([], source.shape)
        self.x: Any = None  # set by the engine before each step

    def forward(self, t: int, lo: int, hi: int) -> None:
        np.copyto(self.output.data.part(t, lo, hi), self.x[lo:hi])
