"""What the plans of the cpu and the cuda engine share: how a tree of layers becomes a flat list of ops ("lowering").

    registry   which function makes the ops of a layer, by the layer's exact type: a subclass with formulas of its own
               is never replaced by ours
    wiring     `Sequential` and `Identity` vanish and leave only who reads what; `Residual` leaves a sum
    fusing     an op and the only reader of its output become one, where the op says that they can

A plan has: images (N), dtype, training, ops, result (the value that the loss reads), lower(layer, value).
"""

import copy
import warnings

import numpy as np

from mlp.engine.base import same_kind
from mlp.errors import ShapeError
from mlp.layers import Identity, Sequential
from mlp.layers.machinery.checks import check_returned


class Lowerings(dict):
    """Exact type of a layer -> function (layer, value, plan) that adds ops and returns the value with the outputs."""

    def __init__(self):
        super().__init__({Sequential: lower_sequential, Identity: lower_identity})

    def lowers(self, *layer_types):
        """Register the decorated function for exactly these types of layers."""

        def register(function):
            self.update(dict.fromkeys(layer_types, function))
            return function

        return register


def lower_sequential(layer, value, plan):
    for child in layer.layers.values():
        value = plan.lower(child, value)
    return value


def lower_identity(layer, value, plan):
    return value


def lower_branches(layer, value, plan):
    """Return the values of body and shortcut of a Residual, whose shapes must be equal."""
    body, shortcut = plan.lower(layer.body, value), plan.lower(layer.shortcut, value)
    if body.shape != shortcut.shape:
        N = plan.images
        raise ShapeError(
            f"{layer.label()}: the body gives {(N, *body.shape)}, the shortcut {(N, *shortcut.shape)}: give the "
            "Residual a shortcut that changes the shape in the same way (AvgPool2d, Conv2d with kernel_size=1)."
        )
    return body, shortcut


def probe_output_shape(layer, value, plan, asarray=np.asarray):
    """Return the shape of one output of a layer that only its own code can tell.

    A copy of it is run on random numbers, so that the layer itself (its buffers, its random state) sees real batches
    only. `asarray` brings the numbers to the device.
    """
    probe = np.random.default_rng(0).standard_normal((plan.images, *value.shape)).astype(plan.dtype)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        outputs = copy.deepcopy(layer).forward(asarray(probe), training=plan.training)
    return check_returned(layer.label(), outputs).shape[1:]


def checked_forward(layer, x, outputs, training):
    """Return what a layer's own forward gives; an error unless it has the shape and dtype of the array `outputs`."""
    y = check_returned(layer.label(), layer.forward(x, training=training))
    if y.shape != outputs.shape or y.dtype != outputs.dtype:
        raise ShapeError(
            f"{layer.label()}: expected outputs {outputs.shape} of {outputs.dtype}, got {y.shape} of {y.dtype}: a "
            "layer keeps the dtype, and the shape of its outputs follows from that of its inputs."
        )
    return y


def checked_backward(layer, grad_outputs, x):
    """Return what a layer's own backward gives; an error unless it has the shape and dtype of the inputs `x`."""
    return same_kind(f"{layer.label()}: backward must return dL/dx", layer.backward(grad_outputs), x)


def readers(plan, value):
    """Return the ops of a plan that read a value; the loss, which reads the result, counts as None."""
    found = [op for op in plan.ops for read in op.inputs if read is value]
    return [*found, None] if value is plan.result else found


def fuse(plan):
    """Make one of two ops wherever `op.fused_with(the only reader of its output, training)` gives one."""
    i = 0
    while i < len(plan.ops):
        op, merged = plan.ops[i], None
        following = readers(plan, op.output)
        if len(following) == 1 and following[0] is not None:
            merged = op.fused_with(following[0], plan.training)
        if merged is None:
            i += 1
        else:
            output = following[0].output  # the value that others read stays
            output.needs_grad = output.needs_grad or op.output.needs_grad
            merged.output, output.producer = output, merged
            plan.ops[plan.ops.index(following[0])] = merged
            del plan.ops[i]
