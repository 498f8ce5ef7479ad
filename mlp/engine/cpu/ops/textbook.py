"""Ops that need no tricks: reshaping, and layers that run their own textbook code inside a plan."""

import math
from typing import Any

import numpy as np

from mlp.engine.cpu.op import BlockedOp, lowers
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value, checked_backward, checked_forward, probe_output_shape
from mlp.layers import Flatten, Reshape
from mlp.typing import Shape


@lowers(object)
def textbook_op(layer: Any, value: Value, plan: Plan) -> Value:
    """The way for every layer without an op of its own: a student's, or one that is too rare to be worth one."""
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
        (value,), (first,) = self.inputs, self.writes
        if not (first or value.needs_grad):  # nobody wants the gradient of the images
            self.layer.backward(self.output.grad.array)
            return
        grad_inputs = checked_backward(self.layer, self.output.grad.array, value.data.array)
        if first:
            np.copyto(value.grad.array, grad_inputs)
        else:
            value.grad.array[...] += grad_inputs


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
        (x,), y = self.inputs, self.output.data.part(t, lo, hi)
        np.copyto(y, x.data.part(t, lo, hi).reshape(y.shape))

    def backward(self, t: int, lo: int, hi: int) -> None:
        (x,), (first,) = self.inputs, self.writes
        grad, grad_inputs = self.output.grad.part(t, lo, hi), x.grad.part(t, lo, hi)
        grad = grad.reshape(grad_inputs.shape)
        if first:
            np.copyto(grad_inputs, grad)
        else:
            grad_inputs += grad
