"""Average pooling: short passes that need no tricks beyond blocks and long rows.

A window's mean is taken one direction after the other: first rows are added to rows (long stretches of W C numbers),
then the columns of the sums, which are fewer by then.
"""

from typing import Any

import numpy as np

from mlp.engine.cpu.op import BlockedOp, lowers
from mlp.engine.cpu.ops.strided import copy_pixels
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value
from mlp.errors import ShapeError
from mlp.layers import AvgPool2d, GlobalAvgPool
from mlp.typing import Array, Shape


@lowers(AvgPool2d)
def lower_average_pool(layer: Any, value: Value, plan: Plan) -> Value:
    layer.check_images(plan.example(value))
    (H, W, C), k, s = value.shape, layer.kernel_size, layer.stride
    return plan.add(AveragePoolOp(value, ((H - k) // s + 1, (W - k) // s + 1, C), k, s))


class AveragePoolOp(BlockedOp):
    """(n, H, W, C) -> (n, OH, OW, C), means over k x k windows at distances s."""

    name = "pool"

    def __init__(self, value: Value, output_shape: Shape, k: Any, s: int) -> None:
        super().__init__([value], output_shape)
        OH, OW, _ = output_shape
        self.row_slices = [slice(u, u + s * OH, s) for u in range(k)]
        self.column_slices = [slice(v, v + s * OW, s) for v in range(k)]
        self.share = 1.0 / (k * k)
        self.apart = k == s and value.shape[0] == k * OH and value.shape[1] == k * OW  # each pixel is in one window

    def bind(self, plan: Plan) -> None:
        (_, W, C), (OH, OW, _) = self.inputs[0].shape, self.output.shape
        temporary = plan.memory.temporary((self.block, OH, W, C), (self.block, OH, OW, C))
        self.rows, self.shares = zip(*temporary, strict=True)

    def forward(self, t: int, lo: int, hi: int) -> None:
        x, y, rows = self.inputs[0].data.part(t, lo, hi), self.output.data.part(t, lo, hi), self.rows[t][: hi - lo]
        add_up([x[:, place] for place in self.row_slices], rows)
        add_up([rows[:, :, place] for place in self.column_slices], y)
        np.multiply(y, self.share, out=y)

    def backward(self, t: int, lo: int, hi: int) -> None:
        grad, rows = self.inputs[0].grad.part(t, lo, hi), self.rows[t][: hi - lo]
        share = np.multiply(self.output.grad.part(t, lo, hi), self.share, out=self.shares[t][: hi - lo])
        if not self.apart:
            rows[...] = 0.0
        for place in self.column_slices:
            if self.apart:
                copy_pixels(rows[:, :, place], share)
            else:
                rows[:, :, place] += share
        if self.writes[0] and not self.apart:
            grad[...] = 0.0
        for place in self.row_slices:
            if self.writes[0] and self.apart:
                np.copyto(grad[:, place], rows)
            else:
                grad[:, place] += rows


def add_up(arrays: Any, out: Array) -> None:
    """Write the sum of two or more arrays to `out`; or one, as it is."""
    if len(arrays) == 1:
        np.copyto(out, arrays[0])
        return
    np.add(arrays[0], arrays[1], out=out)
    for array in arrays[2:]:
        np.add(out, array, out=out)


@lowers(GlobalAvgPool)
def lower_global_average_pool(layer: Any, value: Value, plan: Plan) -> Value:
    if len(value.shape) != 3:
        raise ShapeError(f"{layer.label()}: expected (N, H, W, C), got {(plan.images, *value.shape)}.")
    return plan.add(GlobalAveragePoolOp([value], value.shape[2:]))


class GlobalAveragePoolOp(BlockedOp):
    """(n, H, W, C) -> (n, C), means over all pixels."""

    name = "pool"

    def bind(self, plan: Plan) -> None:
        H, W, self.C = self.inputs[0].shape
        self.pixels = H * W
        self.shares = np.full(H * W, 1.0 / (H * W), plan.dtype)

    def forward(self, t: int, lo: int, hi: int) -> None:
        x = self.inputs[0].data.part(t, lo, hi).reshape(hi - lo, self.pixels, self.C)
        np.matmul(self.shares, x, out=self.output.data.part(t, lo, hi))

    def backward(self, t: int, lo: int, hi: int) -> None:
        grad = self.inputs[0].grad.part(t, lo, hi)  # (n, H, W, C)
        share = self.output.grad.part(t, lo, hi)[:, None, None] * (1.0 / self.pixels)  # (n, 1, 1, C)
        if self.writes[0]:
            np.copyto(grad, share)
        else:
            grad += share
