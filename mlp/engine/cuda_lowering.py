"""Which layers become which ops in the CUDA engine, by the layer's exact type.

Whatever is not here, and shapes that the kernels do not know, run as the textbook has them.
"""

import copy
import warnings

import numpy as np

from mlp.engine.cuda_convolution import ConvolutionOp
from mlp.engine.cuda_ops import AveragePoolOp, Op, PointwiseOp
from mlp.errors import ShapeError
from mlp.layers import AvgPool2d, BatchNorm, Conv2d, Identity, LeakyReLU, ReLU, Residual, Sequential

LOWERINGS = {}  # exact type of a layer -> function (layer, value, plan) that adds ops and returns the output value


def lowers(*layer_types):
    """Register the decorated function (layer, value, plan) -> value for exactly these types of layers."""

    def register(function):
        LOWERINGS.update(dict.fromkeys(layer_types, function))
        return function

    return register


class TextbookOp(Op):
    """Runs a layer's own forward and backward, on arrays of the device: for layers and shapes without a kernel."""

    def __init__(self, layer, value, output_shape, training):
        super().__init__([value], output_shape, has_parameters=True)  # its backward is always called
        self.layer, self.training = layer, training

    def forward(self, plan):
        return [self._forward]

    def _forward(self):
        x, outputs = self.inputs[0].data, self.output.data
        y = self.layer.forward(x, training=self.training)
        if y.shape != outputs.shape or y.dtype != outputs.dtype:
            raise ShapeError(
                f"{self.layer.label()}: expected outputs {outputs.shape} of {outputs.dtype}, "
                f"got {y.shape} of {y.dtype}: a layer keeps the dtype, and the shape of its outputs follows from that "
                "of its inputs."
            )
        outputs[...] = y

    def backward(self, plan):
        (value,), grad = self.inputs, self.output.grad
        target, add = plan.claim(value) if value.needs_grad else (None, 0)

        def run():
            grad_inputs = self.layer.backward(grad)
            if target is not None:
                target[...] = target + grad_inputs if add else grad_inputs

        return [run]


def textbook(layer, value, plan):
    """The way for every layer without kernels; the shape of its outputs is found by running a copy of it."""
    probe = np.random.default_rng(0).standard_normal((plan.images, *value.shape)).astype(plan.dtype)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        outputs = copy.deepcopy(layer).forward(plan.gpu.xp.asarray(probe), training=plan.training)
    return plan.add(TextbookOp(layer, value, outputs.shape[1:], plan.training))


@lowers(Sequential)
def lower_sequential(layer, value, plan):
    for child in layer.layers.values():
        value = plan.lower(child, value)
    return value


@lowers(Identity)
def lower_identity(layer, value, plan):
    return value


@lowers(Conv2d)
def lower_convolution(layer, value, plan):
    plan.check(layer, value, ("N", "H", "W", layer.in_channels))
    if ConvolutionOp.knows(layer, value, plan):
        return plan.add(ConvolutionOp(layer, value))
    return textbook(layer, value, plan)


@lowers(BatchNorm)
def lower_batch_norm(layer, value, plan):
    C = layer.num_features
    plan.check(layer, value, ("N", "H", "W", C) if len(value.shape) == 3 else ("N", C))
    return plan.add(PointwiseOp(value, norm=layer)) if PointwiseOp.knows(value) else textbook(layer, value, plan)


@lowers(LeakyReLU, ReLU)
def lower_activation(layer, value, plan):
    if not PointwiseOp.knows(value):
        return textbook(layer, value, plan)
    return plan.add(PointwiseOp(value, slope=layer.negative_slope if type(layer) is LeakyReLU else 0.0))


@lowers(AvgPool2d)
def lower_average_pool(layer, value, plan):
    known = layer.kernel_size == layer.stride == 2 and len(value.shape) == 3 and value.shape[-1] % 4 == 0
    if known and min(value.shape[:2]) >= 2:
        return plan.add(AveragePoolOp(value))
    return textbook(layer, value, plan)


@lowers(Residual)
def lower_residual(layer, value, plan):
    before = len(plan.ops)
    body = plan.lower(layer.body, value)
    shortcut = plan.lower(layer.shortcut, value)
    if body.shape != shortcut.shape:
        N = plan.images
        raise ShapeError(
            f"{layer.label()}: the body gives {(N, *body.shape)}, the shortcut {(N, *shortcut.shape)}: give the "
            "Residual a shortcut that changes the shape in the same way (AvgPool2d, Conv2d with kernel_size=1)."
        )
    if PointwiseOp.knows(body):
        return plan.add(PointwiseOp(body, shortcut=shortcut))
    del plan.ops[before:]  # the sum has no kernel: all of it is left to the textbook
    return textbook(layer, value, plan)
