"""Dropout: all threads draw at the same time, and get the numbers that the textbook's single generator draws.

The mask of a step is the beginning of the stream of random numbers of (seed, layer, step), image after image
(`mlp.layers.dropout`). NumPy's generator can jump to any place of its stream without drawing what comes before, so each
thread has its own generator, jumps to its images and draws their numbers. The stream consists of words of 64 bits, and
a float32 takes half a word: images of an odd size may begin in the middle of a word.

Backward reads the mask again: one byte for each value of the batch.
"""

from typing import Any

import numpy as np

from mlp.engine.cpu.op import BlockedOp, Phase, lowers
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value
from mlp.layers import Dropout
from mlp.rng import generator
from mlp.typing import Array


@lowers(Dropout)
def lower_dropout(layer: Any, value: Value, plan: Plan) -> Value:
    return plan.add(DropoutOp(layer, value)) if plan.training and layer.p > 0.0 else value


class DropoutOp(BlockedOp):
    """y = x r / (1 - p) with a mask r of zeros and ones."""

    name = "dropout"

    def __init__(self, layer: Any, value: Value) -> None:
        super().__init__([value], value.shape)
        self.layer = layer

    def claim_gradients(self, plan: Plan) -> None:
        """dL/dx takes the memory of dL/dy where it can."""
        (x,) = self.inputs
        self.writes = [x.needs_grad and (plan.hand_over_gradient(self.output, x) or plan.claim_gradient(x))]

    def bind(self, plan: Plan) -> None:
        size, item = self.output.size, plan.dtype.itemsize
        words = -(-size // item)  # numbers with as many bytes as an image has values
        self.masks = plan.memory.batch((words,), ("mask", plan.ops.index(self)), plan.images).view(bool)[:, :size]
        temporary = plan.memory.temporary((self.block * size,), (self.block, *self.output.shape))
        self.draws = [numbers.view(np.float32)[: self.block * size] for numbers, _ in temporary]
        self.factors = [factors for _, factors in temporary]
        self.threads = plan.threads

    def prepare(self) -> None:
        self.step = int(self.layer.step)
        self.layer.step += 1

    def forward_phases(self) -> list[Phase]:
        return [Phase(self.forward, self.blocks, begin=self.begin_forward)]

    def begin_forward(self, t: int) -> None:
        self.generators: list[Any] = [None] * self.threads
        self.words_drawn = [0] * self.threads

    def draw(self, t: int, lo: int, hi: int) -> Array:
        """Return random numbers for images lo .. hi - 1, one after the other."""
        if self.generators[t] is None:
            self.generators[t] = generator(self.layer.seed, "dropout", self.layer.path, self.step)
        numbers, start, end = self.generators[t], lo * self.output.size, hi * self.output.size
        numbers.bit_generator.advance(start // 2 - self.words_drawn[t])
        if start % 2:
            numbers.random(dtype=np.float32)  # belongs to the image before
        self.words_drawn[t] = -(-end // 2)
        return numbers.random(out=self.draws[t][: end - start], dtype=np.float32)

    def factor(self, t: int, lo: int, hi: int) -> Array:
        """Return r / (1 - p)."""
        factor = self.factors[t][: hi - lo]
        np.copyto(factor, self.masks[lo:hi].reshape(factor.shape))
        return np.multiply(factor, 1.0 / (1.0 - self.layer.p), out=factor)

    def forward(self, t: int, lo: int, hi: int) -> None:
        np.greater_equal(self.draw(t, lo, hi).reshape(hi - lo, -1), self.layer.p, out=self.masks[lo:hi])
        x, y = self.inputs[0].data.part(t, lo, hi), self.output.data.part(t, lo, hi)
        np.multiply(x, self.factor(t, lo, hi), out=y)

    def backward(self, t: int, lo: int, hi: int) -> None:
        grad, grad_inputs = self.output.grad.part(t, lo, hi), self.inputs[0].grad.part(t, lo, hi)
        factor = self.factor(t, lo, hi)
        if self.writes[0]:
            np.multiply(grad, factor, out=grad_inputs)
        else:
            np.multiply(grad, factor, out=factor)
            grad_inputs += factor
