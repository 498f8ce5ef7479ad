"""What all ways to compute a convolution share: weights with a batch norm folded in, and products in pieces.

A matrix product is cut into pieces of at most `SMALL_PRODUCT` multiplications, as a batched `matmul`: for small
matrices BLAS has a kernel that does not pack its operands first; with 32 channels it is 20 % faster.
"""

from typing import Any

import numpy as np

from mlp.engine.cpu.ops.batch_norm import BatchNormOp
from mlp.engine.cpu.ops.weighted import WeightedOp
from mlp.engine.graph import Op, Value
from mlp.typing import Array, Shape

SMALL_PRODUCT = 900_000  # OpenBLAS' small-matrix kernel takes products of up to 100 x 100 x 100


def parts_of(rows: int, multiplications: int) -> int:
    """Return into how many equal parts to cut `rows`, so that each part has at most SMALL_PRODUCT multiplications.

    If no suitable number divides `rows`, it is 1: the ordinary product.
    """
    wanted = -(-multiplications // SMALL_PRODUCT)
    return next((parts for parts in range(wanted, 8 * wanted) if rows % parts == 0), 1)


def multiply(columns: Array, kernel: Array, out: Array) -> None:
    """Compute columns (n OH OW, K) @ kernel (K, F) into the images `out` (n, OH, OW, F), which may have borders."""
    (rows, K), F = columns.shape, kernel.shape[1]
    images = 1 if out.flags.c_contiguous else len(out)
    parts = parts_of(rows // images, rows // images * K * F)
    np.matmul(columns.reshape(images, parts, -1, K), kernel, out=out.reshape(images, parts, -1, F))


class ConvolutionBase(WeightedOp):
    """A convolution, however it is computed; in evaluation with the batch norm that follows it."""

    bias: Array | None  # with the norm folded in, set by prepare

    def __init__(self, layer: Any, value: Value, output_shape: Shape) -> None:
        super().__init__(layer, value, output_shape)
        self.folded_norm: Any = None

    def fused_with(self, following: Op, *, training: bool) -> Op | None:
        """In evaluation batch norm is y scale + shift with known numbers: these go into the weights."""
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
