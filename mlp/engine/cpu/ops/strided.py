"""Every s-th pixel: the strided identity and 1 x 1 convolutions, shortcuts of blocks that change an image's shape.

Both look at single pixels, not at windows: there are no columns, and pixels between those of the grid cost nothing. A
pixel's C numbers move as one element, see `convolution`.
"""

from typing import Any

import numpy as np

from mlp.engine.cpu.op import BlockedOp, lowers
from mlp.engine.cpu.ops.convolution_base import ConvolutionBase, multiply
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value
from mlp.layers import StridedIdentity
from mlp.typing import Array, Shape


def copy_pixels(target: Array, source: Any) -> None:
    """Copy images (n, OH, OW, C) of any strides, each pixel as one element."""
    pixel = np.dtype((np.void, source.shape[-1] * source.itemsize))
    np.copyto(target.view(pixel), source.view(pixel))


def give_gradient(grad_inputs: Array, grid: tuple[slice, ...], grad: Array, *, first: bool) -> None:
    """Write the gradient of the pixels at `grid` into that of the images, or add it."""
    if first:
        grad_inputs[...] = 0.0
        copy_pixels(grad_inputs[grid], grad)
    else:
        grad_inputs[grid] += grad


@lowers(StridedIdentity)
def lower_strided_identity(layer: Any, value: Value, plan: Plan) -> Value:
    plan.check(layer, value, ("N", "H", "W", layer.in_channels))
    (H, W, _), s = value.shape, layer.stride
    return plan.add(StridedIdentityOp(value, (-(-H // s), -(-W // s), layer.out_channels), s))


class StridedIdentityOp(BlockedOp):
    """(n, H, W, C) -> (n, OH, OW, F): every s-th pixel, and zeros in the channels that are new."""

    name = "strided identity"

    def __init__(self, value: Value, output_shape: Shape, s: int) -> None:
        super().__init__([value], output_shape)
        self.grid = slice(None), slice(None, None, s), slice(None, None, s)

    def forward(self, t: int, lo: int, hi: int) -> None:
        (x,), C = self.inputs, self.inputs[0].shape[2]
        y = self.output.data.part(t, lo, hi)
        copy_pixels(y[..., :C], x.data.part(t, lo, hi)[self.grid])
        y[..., C:] = 0.0

    def backward(self, t: int, lo: int, hi: int) -> None:
        (x,), C = self.inputs, self.inputs[0].shape[2]
        give_gradient(
            x.grad.part(t, lo, hi), self.grid, self.output.grad.part(t, lo, hi)[..., :C], first=self.writes[0]
        )


class PixelConvolutionOp(ConvolutionBase):
    """A convolution of single pixels without padding: a matrix product of the grid's pixels with the kernel (C, F)."""

    name = "pixel convolution"

    def bind(self, plan: Plan) -> None:
        (_, _, C), (OH, OW, _), (SH, SW) = self.inputs[0].shape, self.output.shape, self.layer.stride
        self.grid = slice(None), slice(None, None, SH), slice(None, None, SW)
        self.pixels = plan.memory.scratch("pixels", (self.block, OH, OW, C))
        if plan.training:
            self.bind_gradients(plan)

    def prepare(self) -> None:
        kernel, self.bias = self.weights()
        self.kernel = kernel.reshape(-1, kernel.shape[-1])  # (C, F)
        self.turned = np.ascontiguousarray(self.kernel.T)

    def rows(self, t: int, lo: int, hi: int) -> Array:
        """Return the grid's pixels as rows (n OH OW, C)."""
        x = self.inputs[0].data.part(t, lo, hi)[self.grid]
        if not x.flags.c_contiguous:
            copy_pixels(self.pixels[t][: hi - lo], x)
            x = self.pixels[t][: hi - lo]
        return x.reshape(-1, x.shape[-1])

    def forward(self, t: int, lo: int, hi: int) -> None:
        y = self.output.data.part(t, lo, hi)
        multiply(self.rows(t, lo, hi), self.kernel, y)
        if self.bias is not None:
            y += self.bias

    def backward(self, t: int, lo: int, hi: int) -> None:
        grad = np.ascontiguousarray(self.output.grad.part(t, lo, hi))  # (n, OH, OW, F)
        grad_rows = grad.reshape(-1, grad.shape[-1])
        grad_weight = self.grad_weight.take()  # (C, F)
        np.matmul(self.rows(t, lo, hi).T, grad_rows, out=grad_weight)
        self.add_gradients(lo, grad_weight, grad)
        if not self.inputs[0].needs_grad:
            return
        grad_inputs, first = self.inputs[0].grad.part(t, lo, hi), self.writes[0]
        if first and self.layer.stride == (1, 1):
            multiply(grad_rows, self.turned, grad_inputs)
        else:
            grad_pixels = self.pixels[t][: hi - lo]
            multiply(grad_rows, self.turned, grad_pixels)
            give_gradient(grad_inputs, self.grid, grad_pixels, first=first)
