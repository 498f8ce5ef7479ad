"""The affine layer: matrix products, a block of samples at a time."""

from typing import Any

import numpy as np

from mlp.engine.cpu.op import lowers
from mlp.engine.cpu.ops.weighted import WeightedOp
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value
from mlp.layers import Affine


@lowers(Affine)
def lower_affine(layer: Any, value: Value, plan: Plan) -> Value:
    plan.check(layer, value, ("N", layer.in_features))
    return plan.add(AffineOp(layer, value, (layer.out_features,)))


class AffineOp(WeightedOp):
    """y = x W + b, (n, D_in) -> (n, D_out)."""

    name = "affine"

    def bind(self, plan: Plan) -> None:
        if plan.training:
            self.bind_gradients(plan)
            self.grad_scratch = plan.memory.scratch("affine dx", (self.block, self.layer.in_features))

    def forward(self, t: int, lo: int, hi: int) -> None:
        y = self.output.data.part(t, lo, hi)
        np.matmul(self.inputs[0].data.part(t, lo, hi), self.layer.weight.data, out=y)
        if self.layer.bias is not None:
            y += self.layer.bias.data

    def backward(self, t: int, lo: int, hi: int) -> None:
        x, grad = self.inputs[0], self.output.grad.part(t, lo, hi)
        grad_weight = self.grad_weight.take()  # (D_in, D_out)
        np.matmul(x.data.part(t, lo, hi).T, grad, out=grad_weight)
        self.add_gradients(lo, grad_weight, grad)
        if not x.needs_grad:
            return
        grad_inputs = x.grad.part(t, lo, hi)
        out = grad_inputs if self.writes[0] else self.grad_scratch[t][: hi - lo]
        np.matmul(grad, self.layer.weight.data.T, out=out)
        if not self.writes[0]:
            grad_inputs += out
