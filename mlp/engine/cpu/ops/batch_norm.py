"""Batch norm, with shortcut and activation (see `pointwise`): statistics of the batch, and what follows from them.

    a = scale y + shift                scale = gamma / s, shift = beta - mu scale                                  (1)

Only the sums over the batch, with which it begins, need all images first; they are taken right where y was made, and
then all threads wait for each other.

Backward, with g = dL/da (see `mlp.layers.batch_norm` for the textbook's equations 4 to 6):

    S = sum g        Q = (1/s) sum g (y - mu)                  dL/dbeta and dL/dgamma                              (2)
    dL/dy = scale (g - S/m - (y - mu) Q / (s m)) = scale g + B y + C                                               (3)

    with B = -scale Q / (s m) and C = -scale S / m - B mu.

Variance: v = mean of y^2 - mu^2 takes one pass, but loses all digits when mu is much larger than the deviation. If it
lost more than three, the sums are taken once more, of y minus the mean found: around another origin.

Scale and shift are repeated for every pixel of a line; sums are taken over rows of W C numbers, and added up over the
W pixels at the very end.
"""

import numpy as np

from mlp.engine.cpu.op import Phase, lowers
from mlp.engine.cpu.ops.pointwise import PointwiseOp
from mlp.errors import ShapeError
from mlp.layers import BatchNorm

ENOUGH_DIGITS = 1e-3  # of v / mu^2: below it, the variance is found again around the mean


@lowers(BatchNorm)
def lower_batch_norm(layer, value, plan):
    C = layer.num_features
    plan.check(layer, value, ("N", "H", "W", C) if len(value.shape) == 3 else ("N", C))
    if plan.training and plan.images * value.size < 2 * C:
        shape = (plan.images, *value.shape)
        raise ShapeError(f"{layer.label()}: got one value per channel {shape}; training needs two or more.")
    return plan.add(BatchNormOp(value, norm=layer))


class BatchNormOp(PointwiseOp):
    """z = activation(batch norm(y) + shortcut)."""

    name = "batch norm"
    inputs_needed = True
    meets_backward = True  # and forward, in training; but there `inputs_needed` says that y must stay anyway

    def bind(self, plan):
        super().bind(plan)
        C = self.norm.num_features
        self.ones = np.ones(self.block * self.output.size // self.row, plan.dtype)
        self.row_sum = plan.memory.scratch("row sum", (self.row,))
        self.sums, self.second_sums = np.zeros((2, plan.threads, 2, self.row // C, C))  # of each thread, in float64
        self.wide = np.zeros((plan.threads, 4, self.line // C, C), plan.dtype)  # vectors (C,) for every pixel of a line
        self.wide_lines = self.wide.reshape(plan.threads, 4, self.line)
        self.statistics = [None] * plan.threads

    def spread(self, t, i, vector):
        """Repeat a vector (C,) for every pixel of a line."""
        self.wide[t, i] = vector

    # --- forward --------------------------------------------------------------------------------------------------

    def forward_phases(self):
        if not self.training:
            return [Phase(self.forward, self.block, begin=self.use_running_statistics)]
        collect = Phase(self.collect, self.block, begin=self.begin_sums)
        return [collect, Phase(self.forward, self.block, begin=self.use_batch_statistics, wait=True)]

    def begin_sums(self, t):
        self.sums[t] = 0.0

    def collect(self, t, lo, hi):
        y = self.views[lo, hi].y
        self.add_sums(self.sums[t], t, y, y)

    def add_sums(self, sums, t, p, q):
        """Add sum p and sum p q over the rows of a block to `sums` (2, W, C)."""
        total = self.row_sum[t]  # (W C,)
        first, second = sums.reshape(2, self.row)
        # all rows of a block at once, or those of each image where borders lie between the images of p or of q
        pieces = 1 if p.flags.c_contiguous and q.flags.c_contiguous else len(p)
        for p_rows, q_rows in zip(p.reshape(pieces, -1, self.row), q.reshape(pieces, -1, self.row), strict=True):
            np.matmul(self.ones[: len(p_rows)], p_rows, out=total)
            np.add(first, total, out=first)
            np.einsum("ij,ij->j", p_rows, q_rows, out=total)
            np.add(second, total, out=second)

    def use_batch_statistics(self, t):
        """Every thread finds the same statistics from the sums of all."""
        m = self.plan.images * self.output.size // self.norm.num_features
        origin = None
        mean, square = self.sums.sum(axis=(0, 2)) / m  # (C,) each
        var = square - mean * mean
        if np.any(var < ENOUGH_DIGITS * mean * mean):  # the same answer in all threads
            self.spread(t, 3, mean)
            origin = self.wide[t, 3, 0]
            self.collect_around_origin(t)
            rest, square = self.second_sums.sum(axis=(0, 2)) / m
            var = np.maximum(square - rest * rest, 0.0)
            mean = origin + rest
        s = np.sqrt(var + self.norm.eps)
        scale = self.norm.gamma.data / s
        self.statistics[t] = origin, mean, s, scale
        self.spread(t, 0, scale)
        self.spread(t, 1, self.norm.beta.data - mean * scale)
        if t == 0:
            layer = self.norm
            for running, value in ((layer.running_mean, mean), (layer.running_var, var * (m / (m - 1)))):
                running *= 1.0 - layer.momentum
                running += (layer.momentum * value).astype(running.dtype)

    def collect_around_origin(self, t):
        """Take the sums once more, of y - origin."""
        self.second_sums[t] = 0.0
        for block in self.plan.blocks(t, self.block):
            views = self.views[block]
            y = np.subtract(views.y, self.wide_lines[t, 3], out=views.b)
            self.add_sums(self.second_sums[t], t, y, y)
        self.plan.team.wait(t)

    def use_running_statistics(self, t):
        scale = self.norm.gamma.data / np.sqrt(self.norm.running_var + self.norm.eps)
        self.spread(t, 0, scale)
        self.spread(t, 1, self.norm.beta.data - self.norm.running_mean * scale)

    def normalize(self, t, lo, hi, out):
        views = self.views[lo, hi]
        np.multiply(views.y, self.wide_lines[t, 0], out=views.a)
        return np.add(views.a, self.wide_lines[t, 1], out=out)  # (1)

    # --- backward -------------------------------------------------------------------------------------------------

    def backward_phases(self):
        first = Phase(self.backward_sums, self.block, begin=self.begin_sums)
        return [first, Phase(self.backward_norm, self.block, begin=self.use_gradient_sums, wait=True)]

    def backward_sums(self, t, lo, hi):
        self.backward_activation(t, lo, hi)
        views = self.views[lo, hi]
        y = views.y
        if self.statistics[t][0] is not None:
            y = np.subtract(y, self.wide_lines[t, 3], out=views.b)
        self.add_sums(self.sums[t], t, views.g, y)

    def gradient_sums(self, t):
        """Return dL/dbeta and dL/dgamma (2)."""
        origin, mean, s, _ = self.statistics[t]
        total, product = self.sums.sum(axis=(0, 2))
        return total, (product - (mean if origin is None else mean - origin) * total) / s

    def use_gradient_sums(self, t):
        m = self.plan.images * self.output.size // self.norm.num_features
        total, product = self.gradient_sums(t)  # S, Q
        _, mean, s, scale = self.statistics[t]
        B = -scale * product / (s * m)
        self.spread(t, 0, scale)
        self.spread(t, 1, B)
        self.spread(t, 2, -scale * total / m - B * mean)  # C

    def backward_norm(self, t, lo, hi):
        views = self.views[lo, hi]
        if views.grad_y is None:
            return
        scale, B, C, _ = self.wide_lines[t]
        np.multiply(views.y, B, out=views.a)
        np.add(views.a, C, out=views.a)
        np.multiply(views.g, scale, out=views.b)
        self.give_to_y(views, views.a, views.b)  # (3)

    def finish(self):
        total, product = self.gradient_sums(0)
        self.norm.beta.grad = total.astype(self.plan.dtype)
        self.norm.gamma.grad = product.astype(self.plan.dtype)
