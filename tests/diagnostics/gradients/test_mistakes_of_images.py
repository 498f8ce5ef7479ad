"""Mistakes in layers of images, groups and windows: the first diagnosis says what is wrong and what belongs there."""

import numpy as np
import pytest

from mlp.diagnostics import check_layer
from mlp.layers import Layer, Parameter

RNG = np.random.default_rng(0)


class GroupedLinear:
    """Each group of features has a matrix of its own."""

    def __init__(self):
        self.W, self.groups = RNG.standard_normal((2, 3, 4)), 2

    def forward(self, x):
        c, outs, self.x = x.shape[1] // self.groups, [], x
        for q in range(self.groups):
            self.part = x[:, q * c : (q + 1) * c]
            outs.append(self.part @ self.W[q])
        return np.concatenate(outs, axis=1)

    def backward(self, g):
        c, f = self.W.shape[1:]
        dx, self.dW = np.zeros_like(self.x), np.zeros_like(self.W)
        for q in range(self.groups):
            ins, outs = slice(q * c, (q + 1) * c), slice(q * f, (q + 1) * f)
            self.dW[q] = self.x[:, ins].T @ g[:, outs]
            dx[:, ins] = g[:, outs] @ self.W[q].T
        return dx


class EveryOtherFeature(GroupedLinear):
    def backward(self, g):
        c, f = self.W.shape[1:]
        dx, self.dW = np.zeros_like(self.x), np.zeros_like(self.W)
        for q in range(self.groups):
            ins, outs = slice(q, None, self.groups), slice(q * f, (q + 1) * f)
            self.dW[q] = self.x[:, ins].T @ g[:, outs]
            dx[:, ins] = g[:, outs] @ self.W[q].T
        return dx


class GlobalMaxPool:
    def forward(self, x):
        N, H, W, C = self.shape = x.shape
        self.best = x.reshape(N, H * W, C).argmax(axis=1)
        return x.max(axis=(1, 2))

    def backward(self, g):
        N, H, W, C = self.shape
        dx = np.zeros(self.shape)
        for n in range(N):
            for c in range(C):
                i, j = self.best[n, c] % H, self.best[n, c] // H
                dx[n, i, j, c] = g[n, c]
        return dx


class SplitInTwoLines(GlobalMaxPool):
    def backward(self, g):
        N, H, W, C = self.shape
        dx = np.zeros(self.shape)
        rows = self.best % H
        columns = self.best // H
        n, c = np.indices((N, C))
        dx[n, rows, columns, c] = g
        return dx


class PowerNorm:
    """x (1 + x^2)^-p."""

    def __init__(self):
        self.p = 0.75

    def forward(self, x):
        self.x, self.s = x, 1.0 + x * x
        return x * self.s**-self.p

    def backward(self, g):
        inner = g * self.x * self.s**-self.p
        return g * self.s**-self.p - 2 * self.p * self.x * inner


class SpatialDropout:
    """Drops whole channels of (N, C, H, W)."""

    def __init__(self, shape=(2, 3, 1, 1)):
        self.shape, self.rng = shape, np.random.default_rng(0)

    def forward(self, x, training=False):
        self.mask = (self.rng.random(self.shape) >= 0.5) / 0.5 if training else 1.0
        return x * self.mask

    def backward(self, g):
        return g * self.mask


class OfThePixels(SpatialDropout):
    """Drops columns of (N, C, H, W)."""

    def __init__(self):
        super().__init__((2, 1, 1, 5))


SpatialDropoutOfPixels = type("SpatialDropout", (OfThePixels,), {"__doc__": OfThePixels.__doc__})


class ScaledLinear(Layer):
    def __init__(self):
        self.weight, self.scale = Parameter(RNG.standard_normal((5, 3))), 0.63

    def forward(self, x, training=False):
        self.keep(x)
        return x @ (self.weight.data * self.scale)

    def backward(self, grad_outputs):
        x = self.take()
        self.weight.grad = x.T @ grad_outputs
        return grad_outputs @ (self.weight.data * self.scale).T


class Conv1d:
    """(N, C, T), windows of 3."""

    start = "stride"

    def __init__(self):
        self.weight, self.bias, self.stride = RNG.standard_normal((4, 2, 3)), np.zeros(4), 2

    def forward(self, x):
        self.x, s = x, self.stride if self.start else 1
        T = (x.shape[2] - 3) // self.stride + 1
        self.windows = np.stack([x[:, :, t * s : t * s + 3] for t in range(T)], axis=2)
        return np.einsum("nctk,fck->nft", self.windows, self.weight) + self.bias[:, None]

    def backward(self, g):
        s, dx = self.stride if self.start else 1, np.zeros_like(self.x)
        self.dweight, self.dbias = np.einsum("nctk,nft->fck", self.windows, g), g.sum(axis=(0, 2))
        for t in range(g.shape[2]):
            dx[:, :, t * s : t * s + 3] += np.einsum("nf,fck->nck", g[:, :, t], self.weight)
        return dx


class StartsAtEachPlace(Conv1d):
    start = ""


Conv1dAtEachPlace = type("Conv1d", (StartsAtEachPlace,), {})
WRONG = [
    pytest.param(EveryOtherFeature, (5, 6), "`slice(q * c, (q + 1) * c)` belongs here", marks=pytest.mark.slow),
    (GlobalMaxPool, (2, 3, 4, 2), "`self.best[n, c] // W, self.best[n, c] % W` belongs here"),
    pytest.param(SplitInTwoLines, (2, 3, 4, 2), "`self.best // W` belongs here; the same in", marks=pytest.mark.slow),
    (PowerNorm, (4, 3), "`self.s ** (-self.p - 1)` belongs here"),
    (SpatialDropoutOfPixels, (2, 3, 4, 5), "drops whole channels, so its mask has one number for each channel"),
    (ScaledLinear, (4, 5), "`self.weight.grad = x.T @ grad_outputs`: the factor `self.scale` is missing"),
    (Conv1dAtEachPlace, (2, 2, 9), "window i starts at i, and must start at i * stride"),
]


@pytest.mark.parametrize(("kind", "shape", "words"), WRONG)
def test_the_mistake_is_named_first(kind, shape, words):
    report = check_layer(kind(), shape)
    assert not report.passed
    assert words in report.diagnoses[0].sentence, str(report)


@pytest.mark.parametrize(
    ("kind", "shape"), [(GroupedLinear, (5, 6)), (Conv1d, (2, 2, 9)), (SpatialDropout, (2, 3, 4, 5))]
)
def test_right_ones_pass(kind, shape):
    check_layer(kind(), shape).raise_if_failed()
