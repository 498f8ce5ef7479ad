"""Ops that need no tricks: reshaping, and layers that run their own textbook code inside a plan."""

import math
from typing import Any

import numpy as np

from mlp.engine.cpu.op import BlockedOp, give, lowers
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value, checked_backward, checked_forward, probe_output_shape
from mlp.layers import Flatten, Reshape
from mlp.typing import Shape


@lowers(object)
def textbook_op(layer: Any, value: Value, plan: Plan) -> Value:
    """Lower a layer that has no op of its own: a student's layer, or one that is rarely used."""
    return plan.add(TextbookOp(layer, value, probe_output_shape(layer, value, plan), training=plan.training))


class TextbookOp(BlockedOp):
    """Runs a layer's own forward and backward on whole batches, in the calling thread, while the others wait."""

    name = "textbook"
    alone = inputs_needed = outputs_needed = True

    def __init__(self, layer: Any, value: Value, output_shape: Shape, *, training: bool) -> None:
        super().__init__([value], output_shape, has_parameters=True)  # its backward is always called
        self.layer, self.training = layer, training

    def forward(self, t: int, lo: int, hi: int) -> None:
        outputs = self.output.data.array
        y = checked_forward(self.layer, self.inputs[0].data.array, outputs, training=self.training)
        np.copyto(outputs, y)

    def backward(self, t: int, lo: int, hi: int) -> None:
        (value,), grad = self.inputs, self.output.grad.array
        if value.needs_grad:
            give(value.grad.array, checked_backward(self.layer, grad, value.data.array), first=self.writes[0])
        else:  # nobody wants the gradient of the images
            self.layer.backward(grad)


@lowers(Flatten)
def lower_flatten(layer: Any, value: Value, plan: Plan) -> Value:
    return plan.add(ReshapeOp([value], (value.size,)))


@lowers(Reshape)
def lower_reshape(layer: Any, value: Value, plan: Plan) -> Value:
    if value.size != math.prod(layer.shape):
        layer.forward(plan.example(value))  # an error with both shapes
    return plan.add(ReshapeOp([value], layer.shape))


class ReshapeOp(BlockedOp):
    """The same numbers in another shape: a copy, because images may have borders."""

    name = "reshape"

    def forward(self, t: int, lo: int, hi: int) -> None:
        y = self.output.data.part(t, lo, hi)
        np.copyto(y, self.inputs[0].data.part(t, lo, hi).reshape(y.shape))

    def backward(self, t: int, lo: int, hi: int) -> None:
        grad, grad_inputs = self.output.grad.part(t, lo, hi), self.inputs[0].grad.part(t, lo, hi)
        give(grad_inputs, grad.reshape(grad_inputs.shape), first=self.writes[0])
