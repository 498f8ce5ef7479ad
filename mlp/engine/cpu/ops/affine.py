"""The affine layer: matrix products, a block of samples at a time."""

from typing import Any

import numpy as np

from mlp.engine.cpu.block_sum import BlockSum
from mlp.engine.cpu.op import BlockedOp, Phase, lowers
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value
from mlp.layers import Affine


@lowers(Affine)
def lower_affine(layer: Any, value: Value, plan: Plan) -> Value:
    plan.check(layer, value, ("N", layer.in_features))
    return plan.add(AffineOp(layer, value))


class AffineOp(BlockedOp):
    """y = x W + b, (n, D_in) -> (n, D_out)."""

    name = "affine"
    inputs_needed = True

    def __init__(self, layer: Any, value: Value) -> None:
        super().__init__([value], (layer.out_features,), has_parameters=True)
        self.layer = layer

    def bind(self, plan: Plan) -> None:
        if plan.training:
            shape = self.layer.weight.data.shape
            self.grad_weight = BlockSum(len(self.blocks), shape, plan.memory)
            self.grad_biases = np.zeros((len(self.blocks), shape[1]), plan.dtype)  # of each block
            self.grad_scratch = plan.memory.scratch("affine dx", (self.block, shape[0]))

    def backward_phases(self) -> list[Phase]:
        return [Phase(self.backward, self.blocks, begin=self.start_gradients)]

    def forward(self, t: int, lo: int, hi: int) -> None:
        y = self.output.data.part(t, lo, hi)
        np.matmul(self.inputs[0].data.part(t, lo, hi), self.layer.weight.data, out=y)
        if self.layer.bias is not None:
            y += self.layer.bias.data

    def start_gradients(self, t: int) -> None:
        self.grad_weight.start()

    def backward(self, t: int, lo: int, hi: int) -> None:
        x, grad = self.inputs[0], self.output.grad.part(t, lo, hi)
        i, weight = self.blocks.number[lo], self.grad_weight.take()
        np.matmul(x.data.part(t, lo, hi).T, grad, out=weight)
        self.grad_weight.add(i, weight)
        np.add.reduce(grad, axis=0, out=self.grad_biases[i])
        if not x.needs_grad:
            return
        grad_inputs = x.grad.part(t, lo, hi)
        out = grad_inputs if self.writes[0] else self.grad_scratch[t][: hi - lo]
        np.matmul(grad, self.layer.weight.data.T, out=out)
        if not self.writes[0]:
            grad_inputs += out

    def finish(self) -> None:
        self.layer.weight.grad = self.grad_weight.hand_out()
        if self.layer.bias is not None:
            self.layer.bias.grad = self.grad_biases.sum(axis=0)
