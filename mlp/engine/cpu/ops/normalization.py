"""Layer, instance and group norm, with shortcut and activation (see `pointwise`): each image by itself.

An image lies within one block, so its statistics are computed while it is in the cache: no thread waits for another,
and one pass does it all. With G groups of K channels, and P pixels, m = P K values make a set:

    mu = (1/m) sum y        v = (1/m) sum (y - mu)^2        s = sqrt(v + eps)              (n, G)                  (1)
    a = (y - mu) (gamma / s) + beta                                                                                (2)

Backward, with g = dL/da and, of every image, the sums over its pixels S = sum g, Q = (1/s) sum g (y - mu), both (n, C):

    dL/dbeta = sum of S, dL/dgamma = sum of Q                                      over all images                 (3)
    dL/dy = (gamma / s) g + B (y - mu) + D                                                                         (4)

    with B = -(1/(m s^2)) sum of gamma Q and D = -(1/(m s)) sum of gamma S         over the channels of a group.

(4) is the textbook's equation 5 (`mlp.layers.normalization`). The numbers of an image and a channel are repeated for
every pixel of a line. Lines are shorter than elsewhere, so that this costs little.
"""

from typing import Any

import numpy as np

from mlp.engine.cpu.op import Phase, lowers
from mlp.engine.cpu.ops.pointwise import PointwiseOp
from mlp.engine.cpu.plan import Plan
from mlp.engine.graph import Value
from mlp.layers import GroupNorm, InstanceNorm, LayerNorm
from mlp.typing import Array, Shape


@lowers(LayerNorm, InstanceNorm, GroupNorm)
def lower_group_norm(layer: Any, value: Value, plan: Plan) -> Value:
    layer.check_sets(plan.example(value))
    return plan.add(GroupNormOp(value, norm=layer))


class GroupNormOp(PointwiseOp):
    """z = activation(group norm(y) + shortcut)."""

    name = "group norm"
    longest_line = 1024
    inputs_needed = True

    def bind(self, plan: Plan) -> None:
        super().bind(plan)
        self.C, self.G = self.norm.num_features, self.norm.num_groups
        self.m = self.output.size // self.G
        self.betas = np.zeros((self.line // self.C, self.C), plan.dtype)  # for every pixel of a line
        self.statistics = np.zeros((2, plan.images, self.G), plan.dtype)  # mu, s
        self.sums = np.zeros((len(self.blocks), 2, self.C))  # S and Q of each block, in float64

    def temporary_shapes(self) -> list[Shape]:
        return [*super().temporary_shapes(), (self.block, self.line)]

    def spread(self, t: int, numbers: Array) -> Array:
        """Repeat numbers (n, C) or (n, G) for every pixel of a line, and channel of a group: (n, 1, line)."""
        n, groups = numbers.shape
        wide = self.temporary[t][2][:n]
        wide.reshape(n, self.line // self.C, groups, self.C // groups)[...] = numbers[:, None, :, None]
        return wide[:, None]

    def channel_sums(self, p: Array, q: Array | None = None) -> Array:
        """Return the sums of p, or of p q, over the pixels of each image: (n, C)."""
        n = len(p)
        p = p.reshape(n, -1, self.row)
        over_rows = np.add.reduce(p, axis=1) if q is None else np.einsum("nij,nij->nj", p, q.reshape(p.shape))
        return over_rows.reshape(n, -1, self.C).sum(axis=1)  # of (n, W C)

    def group_sums(self, numbers: Array) -> Array:
        """Add up numbers (n, C) over the channels of each group: (n, G)."""
        return numbers.reshape(len(numbers), self.G, -1).sum(axis=2)

    # --- forward --------------------------------------------------------------------------------------------------

    def forward_phases(self) -> list[Phase]:
        return [Phase(self.forward, self.blocks, begin=self.begin_forward)]

    def begin_forward(self, t: int) -> None:
        self.betas[...] = self.norm.beta.data

    def normalize(self, t: int, lo: int, hi: int, out: Array) -> Array:
        views, (mean, s) = self.views[t, lo, hi], self.statistics[:, lo:hi]  # (n, G) each
        mean[...] = self.group_sums(self.channel_sums(views.y)) * (1.0 / self.m)
        centred = np.subtract(views.y, self.spread(t, mean), out=views.a)
        var = self.group_sums(self.channel_sums(centred, centred)) * (1.0 / self.m)
        np.sqrt(var + self.norm.eps, out=s)  # (1)
        np.multiply(centred, self.spread(t, self.scale(s)), out=views.a)
        return np.add(views.a, self.betas.reshape(-1), out=out)  # (2)

    def scale(self, s: Array) -> Array:
        """Return gamma / s, (n, C)."""
        return (self.norm.gamma.data.reshape(self.G, -1) / s[:, :, None]).reshape(len(s), self.C)

    # --- backward -------------------------------------------------------------------------------------------------

    def backward_phases(self) -> list[Phase]:
        return [Phase(self.backward, self.blocks)]

    def backward(self, t: int, lo: int, hi: int) -> None:
        self.backward_activation(t, lo, hi)
        views, (mean, s) = self.views[t, lo, hi], self.statistics[:, lo:hi]
        g, gamma = views.g, self.norm.gamma.data
        centred = np.subtract(views.y, self.spread(t, mean), out=views.b)
        S = self.channel_sums(g)  # (n, C)
        Q = self.channel_sums(g, centred) / np.repeat(s, self.C // self.G, axis=1)  # (n, C)
        self.sums[self.blocks.number[lo]] = S.sum(axis=0), Q.sum(axis=0)
        if views.grad_y is None:
            return
        B = self.group_sums(gamma * Q) / (s * s * -self.m)  # (n, G)
        D = self.group_sums(gamma * S) / (s * -self.m)
        np.multiply(centred, self.spread(t, B), out=views.b)
        np.add(views.b, self.spread(t, D), out=views.b)
        np.multiply(g, self.spread(t, self.scale(s)), out=views.a)
        self.give_to_y(views, views.a, views.b)  # (4)

    def finish(self) -> None:
        self.norm.beta.grad[...], self.norm.gamma.grad[...] = self.sums.sum(axis=0)  # (3)
