"""The ops of the CUDA engine: which kernels a layer becomes, forward and backward.

An op has input values and an output value, arrays on the device, and turns itself into steps (see `gpu`):

    forward(plan)    steps that compute output.data from the inputs' data
    backward(plan)   steps that compute the gradients of parameters and inputs from output.grad

`plan.claim(value)` gives memory for a gradient, and says whether others have written to it, so that one must add.
kernels/ says what the kernels compute.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from mlp.engine.cuda.gpu import Step
from mlp.engine.graph import Op, Pointwise, Value
from mlp.typing import Array

MOST_NUMBERS = 2**31  # in an array: the kernels count with 32 bits
MOST_CHANNELS = 1024  # a pass over (rows, C) has a thread for each four channels


class LaunchedOp(Op):
    """An op that becomes launches of kernels."""

    wants_statistics = False  # set by a normalization that reads the output: then an op may set `partials`
    partials = None  # statistics of the output for parts of its rows, see normalization_finish

    def prepare(self, plan: Any) -> None:
        """Called before any op is turned into steps."""

    def forward(self, plan: Any) -> list[Step]:
        return []

    def backward(self, plan: Any) -> list[Step]:
        return []


def columns(C: int) -> tuple[int, int]:
    """Return (threads, rows at a time) for passes over (rows, C) in which a thread keeps four channels."""
    lines = max(1, 256 // (C // 4))
    return lines * (C // 4), lines


def column_sums(
    plan: Any,
    grad_z: Any,
    z: Any,
    y: Array | None,
    moments: Array | None,
    slope: float | None,
    *,
    grad_gamma: Array | None = None,
    grad_beta: Array,
    means: Array | None = None,
) -> list[Step]:
    """Return steps that sum a gradient over all rows and, if there are moments, its product with x_hat as well."""
    gpu, C = plan.gpu, grad_z.shape[-1]
    rows = grad_z.size // C
    threads, lines = columns(C)
    blocks = min(-(-rows // lines), 4 * gpu.multiprocessors)
    partials = plan.pool.take((blocks, 2, C))
    plan.pool.give(partials)  # free for whatever comes after these two launches
    sums = (grad_z, z, y, moments, partials, rows, C, slope)
    finish = (partials, plan.state, grad_gamma, grad_beta, means, blocks, rows, C)
    return [
        gpu.launch("pointwise_gradient_sums", (blocks,), threads, sums, 32 * threads),
        gpu.launch("pointwise_gradient_finish", (-(-C // 32),), 1024, finish, 4096),
    ]


class PointwiseOp(Pointwise, LaunchedOp):
    """z = activation(norm(y) + shortcut), each of the three optional, as in the CPU engine; the norm is a BatchNorm."""

    @staticmethod
    def knows(value: Value) -> bool:
        """Whether there is a kernel for values of this shape."""
        return value.shape[-1] % 4 == 0 and value.shape[-1] <= MOST_CHANNELS

    def prepare(self, plan: Any) -> None:
        self.rows, self.C = plan.images * self.inputs[0].size // self.inputs[0].shape[-1], self.inputs[0].shape[-1]
        self.kernel_slope = 1.0 if self.slope is None else float(self.slope)
        self.moments = None
        if self.norm is not None:
            self.moments = plan.gpu.empty((2, self.C))
            producer: Any = self.inputs[0].producer
            if plan.training and producer:
                producer.wants_statistics = True

    def _pass(self, plan: Any, name: str, args: Sequence[Any]) -> Step:
        threads, lines = columns(self.C)
        blocks = min(-(-self.rows // lines), 8 * plan.gpu.multiprocessors)
        return plan.gpu.launch(name, (blocks,), threads, (*args, self.rows, self.C, self.kernel_slope))

    def forward(self, plan: Any) -> list[Step]:
        y, norm = self.inputs[0].data, self.norm
        steps: list[Step] = []
        parameters = (None, None)
        if norm is not None:
            parameters = norm.gamma.data, norm.beta.data
            steps = self._training_moments(plan) if plan.training else [self._running_moments(plan)]
        shortcut = self.shortcut.data if self.shortcut else None
        return [*steps, self._pass(plan, "pointwise", (y, self.moments, *parameters, shortcut, self.output.data))]

    def _running_moments(self, plan: Any) -> Step:
        args = (self.norm.running_mean, self.norm.running_var, self.moments, self.C, float(self.norm.eps))
        return plan.gpu.launch("normalization_from_running", (-(-self.C // 256),), 256, args)

    def _training_moments(self, plan: Any) -> list[Step]:
        gpu, value, norm = plan.gpu, self.inputs[0], self.norm
        steps: list[Step] = []
        producer: Any = value.producer
        partials = producer.partials if producer else None
        if partials is None:
            threads, lines = columns(self.C)
            blocks = min(-(-self.rows // (4 * lines)), 2 * gpu.multiprocessors)
            partials = gpu.empty((blocks, 3, self.C))
            sums = (value.data, partials, self.rows, self.C)
            steps = [gpu.launch("normalization_statistics", (blocks,), threads, sums, 16 * threads + 4 * self.C)]
        running = norm.running_mean, norm.running_var
        sizes = (len(partials), self.rows, self.C)
        args = (partials, plan.state, self.moments, *running, *sizes, float(norm.eps), float(norm.momentum))
        return [*steps, gpu.launch("normalization_finish", (-(-self.C // 32),), 1024, args, 4096)]

    def backward(self, plan: Any) -> list[Step]:
        y, z, shortcut = self.inputs[0], self.output, self.shortcut
        inputs = (z.grad, z.data, y.data, self.moments)
        steps: list[Step] = []
        gamma = means = None
        if self.norm is not None:
            gamma, means = self.norm.gamma.data, plan.gpu.empty((2, self.C))
            grads = {"grad_gamma": self.norm.gamma.grad, "grad_beta": self.norm.beta.grad}
            steps = column_sums(plan, *inputs, self.kernel_slope, **grads, means=means)
        # The gradient of the shortcut is what the activation lets through of that of z: it stays in the same memory.
        grad_shortcut, add_shortcut = None, 0
        if shortcut is not None and shortcut.needs_grad:
            handed_over = plan.hand_over(z, shortcut)
            grad_shortcut, add_shortcut = (shortcut.grad, 0) if handed_over else plan.claim(shortcut)
        grad_y, add_y = plan.claim(y) if y.needs_grad else (None, 0)
        args = (*inputs, gamma, means, grad_y, grad_shortcut, add_y, add_shortcut)
        return [*steps, self._pass(plan, "pointwise_backward", args)]


class AveragePoolOp(LaunchedOp):
    """Average pooling over windows of 2 x 2 pixels with stride 2."""

    def __init__(self, value: Value) -> None:
        H, W, C = value.shape
        super().__init__([value], (H // 2, W // 2, C))

    def forward(self, plan: Any) -> list[Step]:
        x, y = self.inputs[0].data, self.output.data
        return [plan.gpu.elementwise("average_pool", y.size // 4, (x, y, *x.shape))]

    def backward(self, plan: Any) -> list[Step]:
        (value,) = self.inputs
        target, add = plan.claim(value)
        args = (self.output.grad, target, add, plan.images, *value.shape)
        return [plan.gpu.elementwise("average_pool_backward", target.size // 4, args)]


class ConcatOp(LaunchedOp):
    """Channels side by side: the parts are copied to their places, and dL/dy is split in the same way."""

    def __init__(self, parts: Sequence[Value]) -> None:
        super().__init__(parts, (*parts[0].shape[:-1], sum(part.shape[-1] for part in parts)))

    @staticmethod
    def knows(parts: Sequence[Value]) -> bool:
        """Whether there is a kernel for values of these shapes."""
        return all(part.shape[-1] % 4 == 0 for part in parts)

    def _places(self) -> Iterator[Any]:
        """Yield (value, (rows, C, F, first channel)) for each part."""
        first, F = 0, self.output.shape[-1]
        for value in self.inputs:
            C = value.shape[-1]
            yield value, (self.output.data.size // F, C, F, first)
            first += C

    def forward(self, plan: Any) -> list[Step]:
        y = self.output.data
        return [
            plan.gpu.elementwise("join_channels", value.data.size // 4, (value.data, y, *place))
            for value, place in self._places()
        ]

    def backward(self, plan: Any) -> list[Step]:
        steps = []
        for value, place in self._places():
            if value.needs_grad:
                target, add = plan.claim(value)
                args = (self.output.grad, target, add, *place)
                steps.append(plan.gpu.elementwise("cut_channels", target.size // 4, args))
        return steps
