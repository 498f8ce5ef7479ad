"""Channels side by side: the outputs of the branches are copied to their places, and dL/dy is split in the same way.

A pixel's C numbers move as one element, see `convolution`.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlp.engine.cpu.op import BlockedOp, lowers
from mlp.engine.cpu.ops.strided import copy_pixels
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value
from mlp.layers import Concat


@lowers(Concat)
def lower_concat(layer: Any, value: Value, plan: Plan) -> Value:
    return plan.add(ConcatOp(plan.lower_parts(layer, value)))


class ConcatOp(BlockedOp):
    """(n, ..., C_1), (n, ..., C_2), ... -> (n, ..., C_1 + C_2 + ...)."""

    name = "concat"

    def __init__(self, parts: Sequence[Value]) -> None:
        ends = np.cumsum([part.shape[-1] for part in parts]).tolist()
        super().__init__(parts, (*parts[0].shape[:-1], ends[-1]))
        self.places = [slice(end - part.shape[-1], end) for part, end in zip(parts, ends, strict=True)]

    def forward(self, t: int, lo: int, hi: int) -> None:
        y = self.output.data.part(t, lo, hi)
        for value, place in zip(self.inputs, self.places, strict=True):
            copy_pixels(y[..., place], value.data.part(t, lo, hi))

    def backward(self, t: int, lo: int, hi: int) -> None:
        grad = self.output.grad.part(t, lo, hi)
        for value, place, first in zip(self.inputs, self.places, self.writes, strict=True):
            if first:
                copy_pixels(value.grad.part(t, lo, hi), grad[..., place])
            elif value.needs_grad:
                grad_inputs = value.grad.part(t, lo, hi)
                np.add(grad_inputs, grad[..., place], out=grad_inputs)
