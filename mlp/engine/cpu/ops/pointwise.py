"""Normalization, shortcut and activation in one op: all that treats each value on its own.

    a = norm(y)                        if there is one, see `batch_norm` and `normalization`; else a = y           (1)
    a = a + shortcut                   if there is one                                                             (2)
    z = max(a, slope a)                LeakyReLU or ReLU (slope 0), if there is one                                (3)

Each alone would be a pass over memory, forward and backward; together they take a block of images through all three
steps while it is in the cache. Backward, with g = dL/dz:

    g <- g where z > 0, else slope g                           dL/da, and the gradient of the shortcut             (4)

and then backward through the normalization. z > 0 exactly where a > 0, so a is not kept: backward reads only y and z,
which the neighbours need anyway.

Long lines: NumPy runs its inner loop over the last axis, which would be C = 32 numbers. So several rows of an image are
treated as one line of up to LINE numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from mlp.engine.cpu.memory import Storage
from mlp.engine.cpu.op import BlockedOp, Phase, lowers
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Pointwise, Value
from mlp.layers import LeakyReLU, ReLU, Residual
from mlp.typing import Array, Shape

LINE = 8192  # numbers: few enough for the first-level cache, enough to make the cost of starting a loop negligible


@lowers(LeakyReLU, ReLU)
def lower_activation(layer: Any, value: Value, plan: Plan) -> Value:
    return plan.add(PointwiseOp(value, slope=layer.negative_slope if type(layer) is LeakyReLU else 0.0))


@lowers(Residual)
def lower_residual(layer: Any, value: Value, plan: Plan) -> Value:
    body, shortcut = plan.lower_branches(layer, value)
    return plan.add(PointwiseOp(body, shortcut=shortcut))


class PointwiseOp(Pointwise, BlockedOp):
    """z = activation(norm(y) + shortcut); each of the three may be missing. Subclasses have a norm."""

    name = "pointwise"
    longest_line = LINE

    @property
    def outputs_needed(self) -> bool:  # type: ignore[override]
        return self.slope is not None

    # --- memory ---------------------------------------------------------------------------------------------------

    def claim_gradients(self, plan: Plan) -> None:
        """Gradient (4) is that of the shortcut as well, which takes over its memory; without a norm y may do so."""
        y, z = self.inputs[0], self.output
        self.adds_to: list[Value] = []  # values to whose gradient (4) is added
        self.copies_to: list[Value] = []  # values whose gradient begins as a copy of (4)
        takers = [self.shortcut] if self.shortcut else []
        for value in takers if self.norm is not None else [*takers, y]:
            if value.needs_grad and not plan.hand_over_gradient(z, value):
                (self.copies_to if plan.claim_gradient(value) else self.adds_to).append(value)
        self.adds_y = self.norm is not None and y.needs_grad and not plan.claim_gradient(y)

    def bind(self, plan: Plan) -> None:
        self.plan, self.training = plan, plan.training
        H = self.output.shape[0] if len(self.output.shape) > 1 else 1
        self.row = row = self.output.size // H  # W C
        joined = max(h for h in range(1, H + 1) if H % h == 0 and (h == 1 or h * row <= self.longest_line))
        self.line = joined * row
        self.lines = H // joined  # in an image
        self.temporary = plan.memory.temporary(*self.temporary_shapes())
        # A positive number times this is at least 1; but a denormal one (below 1e-38 in float32) may stay below 1.
        self.above_zero = 2.0 ** (np.finfo(plan.dtype).maxexp - 1)
        self._make_views(plan)

    def temporary_shapes(self) -> list[Shape]:
        """Return the shapes of the temporary arrays of a thread: a and b, which are views of every block, first."""
        return [(self.block, self.lines, self.line)] * 2

    def _make_views(self, plan: Plan) -> None:
        """Make self.views: (t, lo, hi) -> all arrays of a block, each as lines (n, lines, numbers of a line)."""

        lines = cache(lambda storage, *place: storage.part(*place).reshape(-1, self.lines, self.line))

        def lines_of(storage: Storage, *block: int) -> Any:
            return storage and lines(storage, *storage.place(*block))

        y, shortcut, z = self.inputs[0], self.shortcut, self.output
        self.views = {}
        for block in plan.threads_and_blocks(self.blocks):
            t, lo, hi = block
            views = BlockViews(
                lines_of(y.data, *block), shortcut and lines_of(shortcut.data, *block), lines_of(z.data, *block)
            )
            views.a, views.b = (array[: hi - lo] for array in self.temporary[t][:2])
            if plan.training and z.needs_grad:
                views.g = lines_of(z.grad, *block)
                views.grad_y = lines_of(y.grad, *block)
                views.copies_to = [lines_of(value.grad, *block) for value in self.copies_to]
                views.adds_to = [lines_of(value.grad, *block) for value in self.adds_to]
            self.views[block] = views

    # --- forward --------------------------------------------------------------------------------------------------

    def forward(self, t: int, lo: int, hi: int) -> None:
        views = self.views[t, lo, hi]
        z, last = views.z, views.z if self.slope is None else views.a  # where the step before the activation writes
        y = self.normalize(t, lo, hi, out=views.a if self.shortcut else last)  # (1)
        if self.shortcut:
            y = np.add(y, views.shortcut, out=last)  # (2)
        if self.slope is not None:
            other = np.multiply(y, self.slope, out=z) if self.slope else 0.0
            np.maximum(y, other, out=z)  # (3)

    def normalize(self, t: int, lo: int, hi: int, out: Array) -> Array:
        """Return the lines of a block after (1). Here that is y; a norm writes to `out`, and uses the views' `a`."""
        return self.views[t, lo, hi].y

    # --- backward -------------------------------------------------------------------------------------------------

    def backward_phases(self) -> list[Phase]:
        return [Phase(self.backward_activation, self.blocks)]

    def backward_activation(self, t: int, lo: int, hi: int) -> None:
        views = self.views[t, lo, hi]
        g = views.g
        if self.slope is not None:
            factor = np.multiply(views.z, self.above_zero, out=views.a)
            factor.clip(self.slope, 1.0, out=factor)  # 1 where z > 0, else slope
            np.multiply(g, factor, out=g)  # (4)
        for grad in views.copies_to:
            np.copyto(grad, g)
        for grad in views.adds_to:
            np.add(grad, g, out=grad)

    def give_to_y(self, views: "BlockViews", first: Array, second: Array) -> None:
        """Write, or add, the sum of two terms to dL/dy of a norm; the array `second` is overwritten."""
        grad = views.grad_y
        if self.adds_y:
            np.add(first, second, out=second)
            np.add(grad, second, out=grad)
        else:
            np.add(first, second, out=grad)


@dataclass(eq=False, slots=True)
class BlockViews:
    """The arrays of one block, each as (n, lines, numbers of a line)."""

    y: Array
    shortcut: Any
    z: Array
    a: Any = None  # temporary
    b: Any = None
    g: Any = None
    sums: Any = None  # what batch norm sums in forward, and
    grad_sums: Any = None  # in backward
    grad_y: Any = None
    copies_to: Sequence[Array] = ()
    adds_to: Sequence[Array] = ()
