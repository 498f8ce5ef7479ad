"""Which layers become which ops in the CUDA engine, by the layer's exact type.

All other layers, and shapes that the kernels do not know, run the textbook's code.
"""

from typing import Any

from mlp.engine.cuda.convolution import ConvolutionOp
from mlp.engine.cuda.gpu import Step
from mlp.engine.cuda.ops import AveragePoolOp, ConcatOp, LaunchedOp, PointwiseOp
from mlp.engine.cuda.outputs import TapOp
from mlp.engine.graph import Lowerings, Value, checked_backward, checked_forward, probe_output_shape
from mlp.layers import AvgPool2d, BatchNorm, Concat, Conv2d, LeakyReLU, ReLU, Residual, Tap
from mlp.typing import Shape

LOWERINGS = Lowerings()
lowers = LOWERINGS.lowers


class TextbookOp(LaunchedOp):
    """Runs a layer's own forward and backward, on arrays of the device: for layers and shapes without a kernel."""

    def __init__(self, layer: Any, value: Value, output_shape: Shape, *, training: bool) -> None:
        super().__init__([value], output_shape, has_parameters=True)  # its backward is always called
        self.layer, self.training = layer, training

    def forward(self, plan: Any) -> list[Step]:
        return [self._forward]

    def _forward(self) -> None:
        x, outputs = self.inputs[0].data, self.output.data
        outputs[...] = checked_forward(self.layer, x, outputs, training=self.training)

    def backward(self, plan: Any) -> list[Step]:
        (value,), grad = self.inputs, self.output.grad
        if not value.needs_grad:  # nobody wants the gradient of the images
            return [lambda: self.layer.backward(grad)]
        target, add = plan.claim(value)

        def run() -> None:
            grad_inputs = checked_backward(self.layer, grad, value.data)
            target[...] = target + grad_inputs if add else grad_inputs

        return [run]


@lowers(object)
def textbook(layer: Any, value: Value, plan: Any) -> Value:
    """Lower a layer that has no kernels."""
    output_shape = probe_output_shape(layer, value, plan, plan.gpu.xp)
    return plan.add(TextbookOp(layer, value, output_shape, training=plan.training))


@lowers(Conv2d)
def lower_convolution(layer: Any, value: Value, plan: Any) -> Value:
    plan.check(layer, value, ("N", "H", "W", layer.in_channels))
    if ConvolutionOp.knows(layer, value, plan):
        return plan.add(ConvolutionOp(layer, value))
    return textbook(layer, value, plan)


@lowers(BatchNorm)
def lower_batch_norm(layer: Any, value: Value, plan: Any) -> Value:
    layer.check_sets(plan.example(value), training=plan.training)
    return plan.add(PointwiseOp(value, norm=layer)) if PointwiseOp.knows(value) else textbook(layer, value, plan)


@lowers(LeakyReLU, ReLU)
def lower_activation(layer: Any, value: Value, plan: Any) -> Value:
    if not PointwiseOp.knows(value):
        return textbook(layer, value, plan)
    return plan.add(PointwiseOp(value, slope=layer.negative_slope if type(layer) is LeakyReLU else 0.0))


@lowers(AvgPool2d)
def lower_average_pool(layer: Any, value: Value, plan: Any) -> Value:
    known = layer.kernel_size == layer.stride == 2 and len(value.shape) == 3 and value.shape[-1] % 4 == 0
    if known and min(value.shape[:2]) >= 2:
        return plan.add(AveragePoolOp(value))
    return textbook(layer, value, plan)


@lowers(Concat)
def lower_concat(layer: Any, value: Value, plan: Any) -> Value:
    before = len(plan.ops)
    parts = plan.lower_parts(layer, value)
    if ConcatOp.knows(parts):
        return plan.add(ConcatOp(parts))
    del plan.ops[before:]
    return textbook(layer, value, plan)


@lowers(Tap)
def lower_tap(layer: Any, value: Value, plan: Any) -> Value:
    plan.add(TapOp(layer, [plan.lower(layer.branch, value)] if plan.training else []))
    return value


@lowers(Residual)
def lower_residual(layer: Any, value: Value, plan: Any) -> Value:
    before = len(plan.ops)
    body, shortcut = plan.lower_branches(layer, value)
    if PointwiseOp.knows(body):
        return plan.add(PointwiseOp(body, shortcut=shortcut))
    del plan.ops[before:]  # the sum has no kernel: the whole Residual is left to the textbook
    return textbook(layer, value, plan)
