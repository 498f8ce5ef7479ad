"""What all ways to compute a convolution share: weights, bias, a batch norm folded into them, and products in pieces.

A matrix product is cut into pieces of at most `SMALL_PRODUCT` multiplications, a batched `matmul`: for small matrices
BLAS has a kernel that skips packing its operands, 20 % faster for 32 channels.

The weight gradients of the blocks are added up in a fixed order, see `block_sum`.
"""

from typing import Any

import numpy as np

from mlp.engine.cpu.block_sum import BlockSum
from mlp.engine.cpu.op import BlockedOp, Phase
from mlp.engine.cpu.ops.batch_norm import BatchNormOp
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Op, Value
from mlp.typing import Array, Shape

SMALL_PRODUCT = 900_000  # OpenBLAS' small-matrix kernel takes products of up to 100 x 100 x 100


def parts_of(rows: int, multiplications: int) -> int:
    """Return a number of equal parts of `rows` such that each has at most SMALL_PRODUCT of the multiplications.

    It is 1, the ordinary product, where no suitable number divides `rows`.
    """
    wanted = -(-multiplications // SMALL_PRODUCT)
    return next((parts for parts in range(wanted, 8 * wanted) if rows % parts == 0), 1)


def multiply(columns: Array, kernel: Array, out: Array) -> None:
    """Compute columns (n OH OW, K) @ kernel (K, F) into the images `out` (n, OH, OW, F), which may have borders."""
    (rows, K), F = columns.shape, kernel.shape[1]
    images = 1 if out.flags.c_contiguous else len(out)
    parts = parts_of(rows // images, rows // images * K * F)
    np.matmul(columns.reshape(images, parts, -1, K), kernel, out=out.reshape(images, parts, -1, F))


class ConvolutionBase(BlockedOp):
    """What all ways to compute a convolution share: weights, bias, and a batch norm folded into them in evaluation."""

    inputs_needed = True
    bias: Array | None  # with the norm folded in, set by prepare

    def __init__(self, layer: Any, value: Value, output_shape: Shape) -> None:
        super().__init__([value], output_shape, has_parameters=True)
        self.layer, self.folded_norm = layer, None

    def fused_with(self, following: Op, *, training: bool) -> Op | None:  # noqa: FBT001
        """In evaluation batch norm is y scale + shift with known numbers: they go into the weights."""
        if training or type(following) is not BatchNormOp or self.folded_norm:
            return None
        if following.shortcut or following.slope is not None:
            return None
        self.folded_norm = following.norm
        return self

    def weights(self) -> tuple[Array, Array | None]:
        """Return the kernel (KH, KW, C, F) and the bias (F,) or None, with the norm folded in."""
        kernel, bias = self.layer.weight.data, self.layer.bias.data if self.layer.bias is not None else None
        norm = self.folded_norm
        if norm is None:
            return kernel, bias
        scale = norm.gamma.data / np.sqrt(norm.running_var + norm.eps)
        mean = norm.running_mean if bias is None else norm.running_mean - bias
        return kernel * scale, norm.beta.data - mean * scale

    def add_bias(self, y: Array) -> None:
        if self.bias is not None:
            np.add(y, self.bias, out=y)

    def backward_phases(self) -> list[Phase]:
        return [Phase(self.backward, self.blocks, begin=self.start_gradients)]

    def bind_gradients(self, plan: Plan) -> None:
        """Ask for memory for the gradients of kernel and bias."""
        shape = self.layer.weight.data.shape
        self.grad_kernel = BlockSum(len(self.blocks), shape, plan.memory)
        self.grad_biases = np.zeros((len(self.blocks), shape[-1]), plan.dtype)  # of each block

    def start_gradients(self, t: int) -> None:
        self.grad_kernel.start()

    def add_gradients(self, lo: int, kernel: Array, grad_outputs: Array) -> None:
        """Take in what the block that begins with image lo gives to the gradients of kernel and bias."""
        i = self.blocks.number[lo]
        self.grad_kernel.add(i, kernel)
        if self.layer.bias is not None:
            total = np.add.reduce(grad_outputs, axis=(0, 1))  # (OW, F): long rows first
            np.add.reduce(total, axis=0, out=self.grad_biases[i])

    def finish(self) -> None:
        self.layer.weight.grad = self.grad_kernel.hand_out()
        if self.layer.bias is not None:
            self.layer.bias.grad = self.grad_biases.sum(axis=0)
