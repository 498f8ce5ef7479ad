"""What plans are made of: values, the ops that compute them, and the phases in which ops do their work.

How a layer becomes an op: a function registered for the layer's exact type adds ops to the plan,

    @lowers(ReLU)
    def lower_relu(layer, value, plan):
        return plan.add(PointwiseOp(value, slope=0.0))

and returns the value that holds the outputs. A new op is a subclass of `Op`; `ops.textbook.ReshapeOp` is a short one.
"""

from dataclasses import dataclass

import numpy as np

from mlp.engine.cpu.lowering import Lowerings
from mlp.engine.cpu.memory import Storage

LOWERINGS = Lowerings()
lowers = LOWERINGS.lowers


@dataclass(eq=False)
class Value:
    """What one op computes and others read: an array (N, *shape), and the gradient of the loss for it.

    `border` is how many zero rows the array has above and below each image, because a reader wants them.
    """

    shape: tuple  # of one image, (H, W, C) or (D,)
    producer: object = None
    needs_grad: bool = False
    border: tuple = (0, 0)
    grad_border: tuple = (0, 0)
    data: Storage = None
    grad: Storage = None

    @property
    def size(self):
        return int(np.prod(self.shape))

    def ask_border(self, above, below):
        self.border = max(self.border[0], above), max(self.border[1], below)

    def ask_grad_border(self, above, below):
        self.grad_border = max(self.grad_border[0], above), max(self.grad_border[1], below)


@dataclass
class Phase:
    """A piece of work on the images lo .. hi - 1 by thread t: run(t, lo, hi).

    begin(t) is called once, by any one thread t, before the first block. `wait`: all threads must have ended what comes
    before. `alone`: run(0, 0, N) is called once, by the calling thread, while the others wait.
    """

    run: object
    blocks: object  # the `Blocks` that suit it
    begin: object = None
    wait: bool = False
    alone: bool = False


class Op:
    """One step of a plan, from input values to an output value."""

    name = "op"  # what profiles call it
    alone = False  # whether it works on the whole batch while the other threads wait
    inputs_needed = outputs_needed = False  # whether backward reads the data of the inputs, of the output
    meets_backward = False  # whether all threads meet between its first and its last phase of backward

    def __init__(self, inputs, output_shape, has_parameters=False):
        self.inputs = list(inputs)
        self.output = Value(tuple(output_shape), self)
        self.output.needs_grad = has_parameters or any(value.needs_grad for value in inputs)

    def fused_with(self, following, training):
        """Return one op that does this and `following`, the only reader of the output; None if there is none."""

    def ask_borders(self):
        """Tell the values which borders are wanted."""

    def claim_gradients(self, plan):
        """Backward order: get memory for the inputs' gradients; note which are new (written) and which are added to."""
        self.writes = [value.needs_grad and plan.claim_gradient(value) for value in self.inputs]

    def bind(self, plan):
        """All memory is there: make views of it and ask for scratch."""

    def prepare(self):
        """Called at the start of each step: bring the weights into the form that forward and backward want."""

    def forward_phases(self):
        return []

    def backward_phases(self):
        return []

    def finish(self):
        """Called after backward: bring the parameters' gradients to where they are looked for."""


class LoadInputs(Op):
    """Copies the inputs of a step to where the plan expects them."""

    name = "load"

    def __init__(self, source):
        super().__init__([], source.shape)
        self.x = None  # set by the engine before each step

    def forward_phases(self):
        return [Phase(self.forward, self.blocks)]

    def forward(self, t, lo, hi):
        np.copyto(self.output.data.part(t, lo, hi), self.x[lo:hi])
