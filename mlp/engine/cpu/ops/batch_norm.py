"""Batch norm, with shortcut and activation (see `pointwise`): statistics of the batch, and what follows from them.

    a = scale y + shift                scale = gamma / s, shift = beta - mu scale                                  (1)

Only the sums over the batch need all images. Each thread takes them for a block right after it has computed y; then all
threads wait for each other.

Backward, with g = dL/da (see `mlp.layers.batch_norm` for the textbook's equations 4 to 6):

    S = sum g        Q = (1/s) sum g (y - mu)                  dL/dbeta and dL/dgamma                              (2)
    dL/dy = scale (g - S/m - (y - mu) Q / (s m)) = scale g + B y + C                                               (3)

    with B = -scale Q / (s m) and C = -scale S / m - B mu.

Variance: v = mean of y^2 - mu^2 takes one pass, but loses all digits when mu is much larger than sqrt(v). If it
loses more than three digits, the sums are taken again, of y minus the mean that was found (the origin).

Scale and shift are repeated for every pixel of a line. Sums are taken over rows of W C numbers, then over the W pixels;
the sums of the blocks are added in the order of the blocks, whichever thread took them.
"""

from typing import Any

import numpy as np

from mlp.engine.cpu.op import Phase, lowers
from mlp.engine.cpu.ops.pointwise import PointwiseOp
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value
from mlp.layers import BatchNorm
from mlp.typing import Array

ENOUGH_DIGITS = 1e-3  # if v / mu^2 is smaller, the variance is computed again around the mean


@lowers(BatchNorm)
def lower_batch_norm(layer: Any, value: Value, plan: Plan) -> Value:
    layer.check_sets(plan.example(value), training=plan.training)
    return plan.add(BatchNormOp(value, norm=layer))


class BatchNormOp(PointwiseOp):
    """z = activation(batch norm(y) + shortcut)."""

    name = "batch norm"
    inputs_needed = True
    meets_backward = True  # in forward, too, but there `inputs_needed` says already that y must stay

    def bind(self, plan: Plan) -> None:
        super().bind(plan)
        C = self.norm.num_features
        self.m = plan.images * self.output.size // C
        self.ones = np.ones(self.block * self.output.size // self.row, plan.dtype)
        self.row_sums = plan.memory.scratch("row sums", (2, self.row))
        self.pixel_sums = [both.reshape(2, -1, C) for both in self.row_sums]  # (2, W, C)
        for views in self.views.values():
            views.sums = self.rows_of(views.y, views.y)
            views.grad_sums = None if views.g is None else self.rows_of(views.g, views.y)
        self.sums = np.zeros((len(self.blocks), 2, C))  # of each block, in float64
        self.wide = np.zeros((4, self.line // C, C), plan.dtype)  # vectors (C,) for every pixel of a line
        self.wide_lines = self.wide.reshape(4, self.line)

    # --- forward --------------------------------------------------------------------------------------------------

    def forward_phases(self) -> list[Phase]:
        if not self.training:
            return [Phase(self.forward, self.blocks, begin=self.use_running_statistics)]
        return [
            Phase(self.collect, self.blocks),
            Phase(self.forward, self.blocks, begin=self.use_batch_statistics, wait=True),
        ]

    def collect(self, t: int, lo: int, hi: int) -> None:
        self.take_sums(t, lo, self.views[t, lo, hi].sums)

    def rows_of(self, p: Array, q: Array) -> list[tuple[Array, Array, Array]]:
        """Return (ones, rows of p, rows of q) of a block, or of each of its images where borders lie between them."""
        pieces = 1 if p.flags.c_contiguous and q.flags.c_contiguous else len(p)
        rows = zip(p.reshape(pieces, -1, self.row), q.reshape(pieces, -1, self.row), strict=True)
        return [(self.ones[: len(p_rows)], p_rows, q_rows) for p_rows, q_rows in rows]

    def take_sums(self, t: int, lo: int, rows: list[tuple[Array, Array, Array]]) -> None:
        """Compute sum p and sum p q over the rows of the block that begins with image lo."""
        (total, product), sums = self.row_sums[t], self.sums[self.blocks.number[lo]]  # (W C), (2, C)
        sums[...] = 0.0
        for ones, p_rows, q_rows in rows:
            np.matmul(ones, p_rows, out=total)
            np.einsum("ij,ij->j", p_rows, q_rows, out=product)
            sums += np.add.reduce(self.pixel_sums[t], axis=1, dtype=np.float64)

    def use_batch_statistics(self, t: int) -> None:
        """Compute the statistics from the sums of all blocks."""
        m, origin = self.m, None
        mean, square = self.sums.sum(axis=0) / m  # (C,) each
        var = square - mean * mean
        if (var < ENOUGH_DIGITS * mean * mean).any():
            self.wide[3] = mean
            origin = self.wide[3, 0]
            self.collect_around_origin(t)
            rest, square = self.sums.sum(axis=0) / m
            var = np.maximum(square - rest * rest, 0.0)
            mean = origin + rest
        s = np.sqrt(var + self.norm.eps)
        scale = self.norm.gamma.data / s
        self.statistics = origin, mean, s, scale
        self.wide[0] = scale
        self.wide[1] = self.norm.beta.data - mean * scale
        layer = self.norm
        for running, value in ((layer.running_mean, mean), (layer.running_var, var * (m / (m - 1)))):
            running *= 1.0 - layer.momentum
            running += (layer.momentum * value).astype(running.dtype)

    def collect_around_origin(self, t: int) -> None:
        """Take the sums again, of y - origin. This is rare, so one thread does it for all blocks."""
        for lo, hi in self.blocks:
            views = self.views[t, lo, hi]
            y = np.subtract(views.y, self.wide_lines[3], out=views.b)
            self.take_sums(t, lo, self.rows_of(y, y))

    def use_running_statistics(self, t: int) -> None:
        scale = self.norm.gamma.data / np.sqrt(self.norm.running_var + self.norm.eps)
        self.wide[0] = scale
        self.wide[1] = self.norm.beta.data - self.norm.running_mean * scale

    def normalize(self, t: int, lo: int, hi: int, out: Array) -> Array:
        views = self.views[t, lo, hi]
        np.multiply(views.y, self.wide_lines[0], out=views.a)
        return np.add(views.a, self.wide_lines[1], out=out)  # (1)

    # --- backward -------------------------------------------------------------------------------------------------

    def backward_phases(self) -> list[Phase]:
        first = Phase(self.backward_sums, self.blocks)
        return [first, Phase(self.backward_norm, self.blocks, begin=self.use_gradient_sums, wait=True)]

    def backward_sums(self, t: int, lo: int, hi: int) -> None:
        self.backward_activation(t, lo, hi)
        views = self.views[t, lo, hi]
        if self.statistics[0] is None:
            self.take_sums(t, lo, views.grad_sums)
        else:
            y = np.subtract(views.y, self.wide_lines[3], out=views.b)
            self.take_sums(t, lo, self.rows_of(views.g, y))

    def use_gradient_sums(self, t: int) -> None:
        """Compute S, Q, B and C from the sums of all blocks."""
        origin, mean, s, scale = self.statistics
        S, product = self.sums.sum(axis=0)
        Q = (product - (mean if origin is None else mean - origin) * S) / s
        self.norm.beta.grad[...], self.norm.gamma.grad[...] = S, Q  # (2)
        B = -scale * Q / (s * self.m)
        self.wide[0] = scale
        self.wide[1] = B
        self.wide[2] = -scale * S / self.m - B * mean  # C

    def backward_norm(self, t: int, lo: int, hi: int) -> None:
        views = self.views[t, lo, hi]
        if views.grad_y is None:
            return
        scale, B, C, _ = self.wide_lines
        first = views.a if self.adds_y else views.grad_y  # the fewer arrays there are, the more fit in the cache
        np.multiply(views.y, B, out=first)
        np.add(first, C, out=first)
        np.multiply(views.g, scale, out=views.b)
        self.give_to_y(views, first, views.b)  # (3)
