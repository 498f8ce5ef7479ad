"""Normalization, shortcut and activation in one op: whatever handles each value by itself.

    a = scale y + shift                batch norm, if there is one: scale = gamma / s, shift = beta - mu scale     (1)
    a = a + shortcut                   if there is one                                                             (2)
    z = max(a, slope a)                LeakyReLU or ReLU (slope 0), if there is one                                (3)

Alone each would be a pass over memory, forward and backward; together they take a block of images through all three
while it is in the cache. Only the sums over the batch, with which batch norm begins, need all images first; they are
taken right where y was made, and then all threads wait for each other.

Backward, with g = dL/dz (see `mlp.layers.batch_norm` for the textbook's equations 4 to 6):

    g <- g where z > 0, else slope g                           dL/da, and the gradient of the shortcut             (4)
    S = sum g        Q = (1/s) sum g (y - mu)                  dL/dbeta and dL/dgamma                              (5)
    dL/dy = scale (g - S/m - (y - mu) Q / (s m)) = scale g + B y + C                                               (6)

    with B = -scale Q / (s m) and C = -scale S / m - B mu.

z > 0 exactly where a > 0, so a is not kept. What is read in backward are y and z, which the neighbours need anyway.

Variance: v = mean of y^2 - mu^2 takes one pass, but loses all digits when mu is much larger than the deviation. If it
lost more than three, the sums are taken once more, of y minus the mean found: around another origin.

Long rows: NumPy runs its inner loop over the last axis, which would be C = 32 numbers. So several rows of an image are
handled as one line of up to LINE numbers, with scale and shift repeated for every pixel in it; sums are taken over rows
of W C numbers, and added up over the W pixels at the very end.
"""

from dataclasses import dataclass

import numpy as np

from mlp.engine.op import Op, Phase, lowers
from mlp.errors import ShapeError
from mlp.layers import BatchNorm, LeakyReLU, ReLU, Residual

LINE = 8192  # numbers: short enough for the cache's first level, long enough to forget the cost of a loop
ENOUGH_DIGITS = 1e-3  # of v / mu^2: below it, the variance is found again around the mean


@lowers(BatchNorm)
def lower_batch_norm(layer, value, plan):
    C = layer.num_features
    plan.check(layer, value, ("N", "H", "W", C) if len(value.shape) == 3 else ("N", C))
    if plan.training and plan.images * value.size < 2 * C:
        shape = (plan.images, *value.shape)
        raise ShapeError(f"{layer.label()}: got one value per channel {shape}; training needs two or more.")
    return plan.add(PointwiseOp(value, norm=layer))


@lowers(LeakyReLU)
def lower_leaky_relu(layer, value, plan):
    return plan.add(PointwiseOp(value, slope=layer.negative_slope))


@lowers(ReLU)
def lower_relu(layer, value, plan):
    return plan.add(PointwiseOp(value, slope=0.0))


@lowers(Residual)
def lower_residual(layer, value, plan):
    body = plan.lower(layer.body, value)
    shortcut = plan.lower(layer.shortcut, value)
    if body.shape != shortcut.shape:
        N = plan.images
        raise ShapeError(
            f"{layer.label()}: the body gives {(N, *body.shape)}, the shortcut {(N, *shortcut.shape)}: give the "
            "Residual a shortcut that changes the shape in the same way (AvgPool2d, Conv2d with kernel_size=1)."
        )
    return plan.add(PointwiseOp(body, shortcut=shortcut))


class PointwiseOp(Op):
    """z = activation(norm(y) + shortcut); each of the three may be missing.

    Args:
        y, shortcut: values. norm: a BatchNorm. slope: of the activation, None for none.
    """

    name = "pointwise"

    def __init__(self, y, norm=None, shortcut=None, slope=None):
        super().__init__([y] if shortcut is None else [y, shortcut], y.shape, has_parameters=norm is not None)
        self.norm, self.slope = norm, slope

    @property
    def inputs_needed(self):
        return self.norm is not None

    meets_backward = inputs_needed  # and forward, in training, where `inputs_needed` says that y must stay anyway

    @property
    def outputs_needed(self):
        return self.slope is not None

    @property
    def shortcut(self):
        return self.inputs[1] if len(self.inputs) > 1 else None

    def fused_with(self, following, training):
        if type(following) is not PointwiseOp or following.inputs[0] is not self.output:
            return None
        if self.slope is not None or following.norm is not None or (self.shortcut and following.shortcut):
            return None  # not in the order norm, shortcut, activation
        merged = PointwiseOp(self.inputs[0], self.norm, self.shortcut or following.shortcut, following.slope)
        merged.output = following.output
        merged.output.needs_grad = merged.output.needs_grad or self.output.needs_grad
        return merged

    # --- memory ---------------------------------------------------------------------------------------------------

    def claim_gradients(self, plan):
        """Gradient (4) is that of the shortcut as it is, so the shortcut takes its memory; or y, without a norm."""
        y, z = self.inputs[0], self.output
        self.adds_to = []  # values whose gradient others have begun: (4) is added
        self.copies_to = []  # values whose gradient begins with a copy of (4)
        takers = [self.shortcut] if self.shortcut else []
        for value in takers if self.norm is not None else [*takers, y]:
            if value.needs_grad and not plan.hand_over_gradient(z, value):
                (self.copies_to if plan.claim_gradient(value) else self.adds_to).append(value)
        self.adds_y = self.norm is not None and y.needs_grad and not plan.claim_gradient(y)

    def bind(self, plan):
        self.plan, self.training = plan, plan.training
        H, row = (1, self.output.size) if len(self.output.shape) == 1 else (self.output.shape[0], 0)
        self.row = row = row or self.output.size // H  # W C
        joined = max(h for h in range(1, H + 1) if H % h == 0 and (h == 1 or h * row <= LINE))
        self.line = joined * row
        self.lines = H // joined  # in an image
        self.temporary = plan.memory.temporary(*[(self.block, self.lines, self.line)] * 2)
        self.above_zero = 2.0 ** (np.finfo(plan.dtype).maxexp - 1)  # times this, a positive number is at least 1
        if self.norm is not None:
            C = self.norm.num_features
            self.ones = np.ones(self.block * H, plan.dtype)
            self.row_sum = plan.memory.scratch("row sum", (row,))
            self.sums, self.second_sums = np.zeros((2, plan.threads, 2, row // C, C))  # of each thread, in float64
            self.wide = np.zeros((plan.threads, 4, self.line // C, C), plan.dtype)  # see "Long rows"
            self.wide_lines = self.wide.reshape(plan.threads, 4, self.line)
            self.statistics = [None] * plan.threads
        self.views = {block: self._views(plan, t, *block) for t, block in plan.all_blocks(self.block)}

    def _views(self, plan, t, lo, hi):
        """Return all arrays of a block as lines (n, lines, LINE or less)."""

        def lines(storage):
            return storage and storage.part(t, lo, hi).reshape(hi - lo, self.lines, self.line)

        y, shortcut, z = self.inputs[0], self.shortcut, self.output
        views = BlockViews(lines(y.data), shortcut and lines(shortcut.data), lines(z.data))
        views.a, views.b = (array[: hi - lo] for array in self.temporary[t])
        if plan.training and z.needs_grad:
            views.g = lines(z.grad)
            views.grad_y = lines(y.grad)
            views.copies_to = [lines(value.grad) for value in self.copies_to]
            views.adds_to = [lines(value.grad) for value in self.adds_to]
        return views

    def rows(self, lines):
        """Return lines as a list of arrays (rows, W C): one, or one for each image where borders lie between them."""
        return [lines.reshape(-1, self.row)] if lines.flags.c_contiguous else lines.reshape(len(lines), -1, self.row)

    def spread(self, t, i, vector):
        """Repeat a vector (C,) for every pixel of a line."""
        self.wide[t, i] = vector

    # --- forward --------------------------------------------------------------------------------------------------

    def forward_phases(self):
        if self.norm is None:
            return [Phase(self.forward, self.block)]
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
        for p_rows, q_rows in zip(self.rows(p), self.rows(q), strict=True):
            np.matmul(self.ones[: len(p_rows)], p_rows, out=total)
            np.add(first, total, out=first)
            np.einsum("ij,ij->j", p_rows, q_rows, out=total)
            np.add(second, total, out=second)

    def use_batch_statistics(self, t):
        """Every thread finds the same statistics from the sums of all (1)."""
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

    def forward(self, t, lo, hi):
        views = self.views[lo, hi]
        y, z = views.y, views.z
        last = z if self.slope is None else views.a  # where the last step before the activation writes
        if self.norm is not None:
            np.multiply(y, self.wide_lines[t, 0], out=views.a)
            y = np.add(views.a, self.wide_lines[t, 1], out=views.a if self.shortcut else last)  # (1)
        if self.shortcut:
            y = np.add(y, views.shortcut, out=last)  # (2)
        if self.slope is not None:
            other = np.multiply(y, self.slope, out=z) if self.slope else 0.0
            np.maximum(y, other, out=z)  # (3)

    # --- backward -------------------------------------------------------------------------------------------------

    def backward_phases(self):
        if self.norm is None:
            return [Phase(self.backward_activation, self.block)]
        first = Phase(self.backward_activation, self.block, begin=self.begin_sums)
        return [first, Phase(self.backward_norm, self.block, begin=self.use_gradient_sums, wait=True)]

    def backward_activation(self, t, lo, hi):
        views = self.views[lo, hi]
        g = views.g
        if self.slope is not None:
            factor = np.multiply(views.z, self.above_zero, out=views.a)
            np.clip(factor, self.slope, 1.0, out=factor)  # 1 where z > 0, else slope
            np.multiply(g, factor, out=g)  # (4)
        if self.norm is not None:
            y = views.y
            if self.statistics[t][0] is not None:
                y = np.subtract(y, self.wide_lines[t, 3], out=views.b)
            self.add_sums(self.sums[t], t, g, y)
        for grad in views.copies_to:
            np.copyto(grad, g)
        for grad in views.adds_to:
            np.add(grad, g, out=grad)

    def gradient_sums(self, t):
        """Return dL/dbeta and dL/dgamma (5)."""
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
        a, b, grad = views.a, views.b, views.grad_y
        if grad is None:
            return
        scale, B, C, _ = self.wide_lines[t]
        np.multiply(views.y, B, out=a)
        np.add(a, C, out=a)
        np.multiply(views.g, scale, out=b)
        if self.adds_y:
            np.add(a, b, out=b)
            np.add(grad, b, out=grad)
        else:
            np.add(a, b, out=grad)  # (6)

    def finish(self):
        if self.norm is not None:
            total, product = self.gradient_sums(0)
            self.norm.beta.grad = total.astype(self.plan.dtype)
            self.norm.gamma.grad = product.astype(self.plan.dtype)


@dataclass(eq=False)
class BlockViews:
    """The arrays of one block, each as (n, lines, numbers of a line)."""

    y: np.ndarray
    shortcut: np.ndarray
    z: np.ndarray
    a: np.ndarray = None  # temporary
    b: np.ndarray = None
    g: np.ndarray = None
    grad_y: np.ndarray = None
    copies_to: list = ()
    adds_to: list = ()
