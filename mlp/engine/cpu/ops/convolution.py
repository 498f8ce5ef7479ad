"""Convolution: which way is best for a layer, and the one that works for any kernel size, stride and padding.

    3 x 3, 5 x 5, stride 1    about half the multiplications, see `winograd`
    1 x 1                     a product of the pixels with the kernel, see `strided`; so are whole rows, 1 x W
    all others                im2col and one matrix product, a few images at a time, in this file

The mathematics is that of `mlp.layers.convolution`: (2) forward, (3), (4) and the first part of (6) backward. Columns
are copied as whole window rows of KW C numbers, which NumPy sees as one element each: moving one large element is three
times faster than moving many small ones.
"""

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from mlp.engine.cpu.op import lowers
from mlp.engine.cpu.ops.convolution_base import ConvolutionBase, multiply
from mlp.engine.cpu.ops.strided import PixelConvolutionOp
from mlp.engine.cpu.ops.textbook import ReshapeOp
from mlp.engine.cpu.ops.winograd.op import WinogradOp
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value
from mlp.layers import Conv2d
from mlp.typing import Array, Shape


@lowers(Conv2d)
def lower_convolution(layer: Any, value: Value, plan: Plan) -> Value:
    plan.check(layer, value, ("N", "H", "W", layer.in_channels))
    (H, W, C), (OH, OW) = value.shape, layer.output_size(*value.shape[:2])
    kernel_size, unpadded = layer.kernel_size, layer.padding == (0, 0)
    op: type[ConvolutionBase] = ConvolutionOp
    if kernel_size in ((3, 3), (5, 5)) and layer.stride == (1, 1) and max(layer.padding) < kernel_size[0]:
        # Backward pads with r - 1 - p, so p < r. Below 3 rows a tile of 4 saves hardly anything; with few channels the
        # transforms cost what the products save.
        op = WinogradOp if OH >= 3 and C >= 8 else ConvolutionOp
    elif kernel_size == (1, W) and W > 1 and unpadded:  # a whole row is one pixel of W C channels
        value, op = plan.add(ReshapeOp([value], (H, 1, W * C))), PixelConvolutionOp
    elif kernel_size == (1, 1) and unpadded:
        op = PixelConvolutionOp
    return plan.add(op(layer, value, (OH, OW, layer.out_channels)))


class ConvolutionOp(ConvolutionBase):
    """im2col and a matrix product."""

    name = "convolution"

    def bind(self, plan: Plan) -> None:
        x, y = self.inputs[0], self.output
        (H, W, C), F = x.shape, y.shape[2]
        (KH, KW), (PH, PW), (SH, SW) = self.layer.kernel_size, self.layer.padding, self.layer.stride
        n = self.block
        scratch = plan.memory.scratch
        self.padded = scratch(("padded", PH, PW), (n, H + 2 * PH, W + 2 * PW, C))
        self.columns = Windows(plan, (H + 2 * PH, W + 2 * PW, C), (KH, KW), (SH, SW), n)
        if not plan.training:
            return
        self.bind_gradients(plan)
        if x.needs_grad:
            self.grad_scratch = scratch("convolution dx", (n, H, W, C))
            grid = (H + 2 * PH + KH - 1, W + 2 * PW + KW - 1, F)  # z of equation 5
            self.grid = scratch(("grid", KH, KW, SH, SW), (n, *grid))
            self.grad_columns = Windows(plan, (H + KH - 1, W + KW - 1, F), (KH, KW), (1, 1), n)

    def prepare(self) -> None:
        kernel, self.bias = self.weights()
        F = kernel.shape[-1]
        self.kernel = kernel.reshape(-1, F)  # (KH KW C, F)
        turned = np.ascontiguousarray(kernel[::-1, ::-1].transpose(0, 1, 3, 2))
        self.turned = turned.reshape(-1, kernel.shape[2])  # (KH KW F, C)

    def pad(self, t: int, lo: int, hi: int) -> Array:
        """Copy a block of inputs between zeros."""
        (PH, PW), (H, W, _) = self.layer.padding, self.inputs[0].shape
        padded = self.padded[t][: hi - lo]
        np.copyto(padded[:, PH : PH + H, PW : PW + W], self.inputs[0].data.part(t, lo, hi))
        return padded

    def forward(self, t: int, lo: int, hi: int) -> None:
        cols = self.columns.copy(t, self.pad(t, lo, hi))  # (n OH OW, KH KW C)
        y = self.output.data.part(t, lo, hi)
        multiply(cols, self.kernel, y)  # (2)
        if self.bias is not None:
            y += self.bias

    def backward(self, t: int, lo: int, hi: int) -> None:
        x = self.inputs[0]
        grad = np.ascontiguousarray(self.output.grad.part(t, lo, hi))  # (n, OH, OW, F)
        cols = self.columns.copy(t, self.pad(t, lo, hi))
        grad_weight = self.grad_weight.take()  # (KH KW C, F)
        np.matmul(cols.T, grad.reshape(len(cols), -1), out=grad_weight)  # (3)
        self.add_gradients(lo, grad_weight, grad)
        if not x.needs_grad:
            return
        (H, W, _), (OH, OW, _) = x.shape, self.output.shape
        (KH, KW), (PH, PW), (SH, SW) = self.layer.kernel_size, self.layer.padding, self.layer.stride
        z = self.grid[t][: hi - lo]
        z[:, KH - 1 : KH - 1 + SH * OH : SH, KW - 1 : KW - 1 + SW * OW : SW] = grad
        cols = self.grad_columns.copy(t, z[:, PH : PH + H + KH - 1, PW : PW + W + KW - 1])  # (n H W, KH KW F)
        grad_inputs, first = x.grad.part(t, lo, hi), self.writes[0]
        out = grad_inputs if first else self.grad_scratch[t][: hi - lo]
        multiply(cols, self.turned, out)  # (6)
        if not first:
            grad_inputs += out


class Windows:
    """im2col into scratch: windows of images (n, H, W, C) to columns (n OH OW, KH KW C)."""

    def __init__(
        self, plan: Plan, image_shape: Shape, kernel_size: tuple[int, int], stride: tuple[int, int], images: int
    ) -> None:
        (H, W, C), (KH, KW), (SH, SW) = image_shape, kernel_size, stride
        self.kernel_size, self.stride = kernel_size, stride
        self.OH, self.OW = (H - KH) // SH + 1, (W - KW) // SW + 1
        self.columns = plan.memory.scratch("columns", (images * self.OH * self.OW, KH * KW * C))
        self.window_row = np.dtype((np.void, KW * C * plan.dtype.itemsize))

    def copy(self, t: int, images: Array) -> Array:
        (KH, _), (SH, SW), (n, h, w, _) = self.kernel_size, self.stride, images.strides
        shape = (len(images), self.OH, self.OW, KH)
        cols = self.columns[t][: len(images) * self.OH * self.OW]
        numbers = self.window_row.itemsize // images.itemsize  # KW C, one after the other in memory
        windows = as_strided(images, (*shape, numbers), (n, SH * h, SW * w, h, images.itemsize))
        np.copyto(cols.view(self.window_row).reshape(shape), windows.view(self.window_row)[..., 0])
        return cols
