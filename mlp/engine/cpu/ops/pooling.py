"""Average pooling: short passes, with no tricks beyond blocks and long rows.

The mean over a window is taken in one direction after the other: first whole rows are added (W C numbers each), then
the columns of the sums, of which there are fewer.
"""

from typing import Any

import numpy as np

from mlp.engine.cpu.op import BlockedOp, give, lowers
from mlp.engine.cpu.ops.strided import copy_pixels
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value
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
        if self.apart:
            for place in self.column_slices:
                copy_pixels(rows[:, :, place], share)
        else:
            rows[...] = 0.0
            for place in self.column_slices:
                rows[:, :, place] += share
            if self.writes[0]:
                grad[...] = 0.0
        for place in self.row_slices:
            give(grad[:, place], rows, first=self.writes[0] and self.apart)


def add_up(arrays: Any, out: Array) -> None:
    """Write the sum of one or more arrays to `out`."""
    if len(arrays) == 1:
        np.copyto(out, arrays[0])
        return
    np.add(arrays[0], arrays[1], out=out)
    for array in arrays[2:]:
        np.add(out, array, out=out)


@lowers(GlobalAvgPool)
def lower_global_average_pool(layer: Any, value: Value, plan: Plan) -> Value:
    plan.check(layer, value, ("N", "H", "W", "C"))
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
        give(grad, share, first=self.writes[0])
