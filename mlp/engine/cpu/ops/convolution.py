"""Convolution of any kernel size, stride and padding: im2col and one matrix product, a few images at a time.

The mathematics is that of `mlp.layers.convolution`, equations 2 to 5. What is different:

- a block of images is so small that its columns are still in the cache when the product reads them;
- columns are copied as whole window rows of KW C numbers that NumPy sees as one element each: moving one large
  element is three times faster than moving many small ones;
- the product is cut into pieces of at most `SMALL_PRODUCT` multiplications, a batched `matmul`: for small matrices BLAS
  has a kernel that skips packing its operands, 20 % faster for 32 channels;
- the weight gradients of the blocks are added up in a fixed order, see `block_sum`.

3 x 3 convolutions of stride 1 have a faster way, see `winograd`, which lowers `Conv2d` and comes here for others;
1 x 1 convolutions have a simpler one, see `strided`.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from mlp.engine.cpu.block_sum import BlockSum
from mlp.engine.cpu.op import Op, Phase
from mlp.engine.cpu.ops.batch_norm import BatchNormOp

SMALL_PRODUCT = 900_000  # OpenBLAS' small-matrix kernel takes products of up to 100 x 100 x 100


def parts_of(rows, multiplications):
    """Return a number of equal parts of `rows` such that each has at most SMALL_PRODUCT of the multiplications.

    It is 1, the ordinary product, where no suitable number divides `rows`.
    """
    wanted = -(-multiplications // SMALL_PRODUCT)
    return next((parts for parts in range(wanted, 8 * wanted) if rows % parts == 0), 1)


def multiply(columns, kernel, out):
    """Compute columns (n OH OW, K) @ kernel (K, F) into the images `out` (n, OH, OW, F), which may have borders."""
    (rows, K), F = columns.shape, kernel.shape[1]
    images = 1 if out.flags.c_contiguous else len(out)
    parts = parts_of(rows // images, rows // images * K * F)
    np.matmul(columns.reshape(images, parts, -1, K), kernel, out=out.reshape(images, parts, -1, F))


class ConvolutionBase(Op):
    """What all ways to compute a convolution share: weights, bias, and a batch norm folded into them in evaluation."""

    inputs_needed = True

    def __init__(self, layer, value, output_shape):
        super().__init__([value], output_shape, has_parameters=True)
        self.layer, self.folded_norm = layer, None

    def fused_with(self, following, training):
        """In evaluation batch norm is y scale + shift with known numbers: they go into the weights."""
        if training or type(following) is not BatchNormOp or self.folded_norm:
            return None
        if following.shortcut or following.slope is not None:
            return None
        self.folded_norm = following.norm
        return self

    def weights(self):
        """Return the kernel (KH, KW, C, F) and the bias (F,) or None, with the norm folded in."""
        kernel, bias = self.layer.weight.data, self.layer.bias.data if self.layer.has_bias else None
        norm = self.folded_norm
        if norm is None:
            return kernel, bias
        scale = norm.gamma.data / np.sqrt(norm.running_var + norm.eps)
        mean = norm.running_mean if bias is None else norm.running_mean - bias
        return kernel * scale, norm.beta.data - mean * scale

    def add_bias(self, y):
        if self.bias is not None:
            np.add(y, self.bias, out=y)

    def forward_phases(self):
        return [Phase(self.forward, self.blocks)]

    def backward_phases(self):
        return [Phase(self.backward, self.blocks, begin=self.start_gradients)]

    def bind_gradients(self, plan):
        """Ask for memory for the gradients of kernel and bias."""
        shape = self.layer.weight.data.shape
        self.grad_kernel = BlockSum(len(self.blocks), shape, plan.memory)
        self.grad_biases = np.zeros((len(self.blocks), shape[-1]), plan.dtype)  # of each block

    def start_gradients(self, t):
        self.grad_kernel.start()

    def add_gradients(self, lo, kernel, grad_outputs):
        """Take in what the block that begins with image lo gives to the gradients of kernel and bias."""
        i = self.blocks.number[lo]
        self.grad_kernel.add(i, kernel)
        if self.layer.has_bias:
            total = np.add.reduce(grad_outputs, axis=(0, 1))  # (OW, F): long rows first
            np.add.reduce(total, axis=0, out=self.grad_biases[i])

    def finish(self):
        self.layer.weight.grad = self.grad_kernel.hand_out()
        if self.layer.has_bias:
            self.layer.bias.grad = self.grad_biases.sum(axis=0)


class ConvolutionOp(ConvolutionBase):
    """im2col and a matrix product."""

    name = "convolution"

    def bind(self, plan):
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

    def prepare(self):
        kernel, self.bias = self.weights()
        F = kernel.shape[-1]
        self.kernel = kernel.reshape(-1, F)  # (KH KW C, F)
        self.turned = np.ascontiguousarray(kernel[::-1, ::-1].transpose(0, 1, 3, 2)).reshape(-1, kernel.shape[2])

    def pad(self, t, lo, hi):
        """Copy a block of inputs between zeros."""
        (PH, PW), (H, W, _) = self.layer.padding, self.inputs[0].shape
        padded = self.padded[t][: hi - lo]
        np.copyto(padded[:, PH : PH + H, PW : PW + W], self.inputs[0].data.part(t, lo, hi))
        return padded

    def forward(self, t, lo, hi):
        cols = self.columns.copy(t, self.pad(t, lo, hi))  # (n OH OW, KH KW C)
        y = self.output.data.part(t, lo, hi)
        multiply(cols, self.kernel, y)
        self.add_bias(y)

    def backward(self, t, lo, hi):
        x = self.inputs[0]
        grad = np.ascontiguousarray(self.output.grad.part(t, lo, hi))  # (n, OH, OW, F)
        cols = self.columns.copy(t, self.pad(t, lo, hi))
        kernel = self.grad_kernel.take()  # (KH, KW, C, F)
        np.matmul(cols.T, grad.reshape(len(cols), -1), out=kernel.reshape(-1, kernel.shape[-1]))
        self.add_gradients(lo, kernel, grad)
        if not x.needs_grad:
            return
        (H, W, _), (OH, OW, _) = x.shape, self.output.shape
        (KH, KW), (PH, PW), (SH, SW) = self.layer.kernel_size, self.layer.padding, self.layer.stride
        z = self.grid[t][: hi - lo]
        z[:, KH - 1 : KH - 1 + SH * OH : SH, KW - 1 : KW - 1 + SW * OW : SW] = grad
        cols = self.grad_columns.copy(t, z[:, PH : PH + H + KH - 1, PW : PW + W + KW - 1])
        grad_inputs, first = x.grad.part(t, lo, hi), self.writes[0]
        out = grad_inputs if first else self.grad_scratch[t][: hi - lo]
        multiply(cols, self.turned, out)
        if not first:
            grad_inputs += out


class Windows:
    """im2col into scratch: windows of images (n, H, W, C) to columns (n OH OW, KH KW C)."""

    def __init__(self, plan, image_shape, kernel_size, stride, images):
        (H, W, C), (KH, KW), (SH, SW) = image_shape, kernel_size, stride
        self.kernel_size, self.stride = kernel_size, stride
        self.OH, self.OW = (H - KH) // SH + 1, (W - KW) // SW + 1
        self.columns = plan.memory.scratch("columns", (images * self.OH * self.OW, KH * KW * C))
        self.window_row = np.dtype((np.void, KW * C * plan.dtype.itemsize))

    def copy(self, t, images):
        (KH, _), (SH, SW), (n, h, w, _) = self.kernel_size, self.stride, images.strides
        shape = (len(images), self.OH, self.OW, KH)
        cols = self.columns[t][: len(images) * self.OH * self.OW]
        numbers = self.window_row.itemsize // images.itemsize  # KW C, one behind the other in memory
        windows = as_strided(images, (*shape, numbers), (n, SH * h, SW * w, h, images.itemsize))
        np.copyto(cols.view(self.window_row).reshape(shape), windows.view(self.window_row)[..., 0])
        return cols
