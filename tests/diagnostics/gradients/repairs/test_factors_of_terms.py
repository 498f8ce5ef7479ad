"""A factor of one term of a sum that belongs to another one, or to both or none; weights of losses, gates of layers."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer, check_loss

rng = np.random.default_rng(0)
BITS = np.array([[1.0, 0, 1], [0, 0, 1], [1, 1, 0], [0, 1, 0]])


def weighted(z, t, pos_weight=1.0):
    losses = pos_weight * t * np.logaddexp(0, -z) + (1 - t) * np.logaddexp(0, z)
    return losses.mean(), (z, t, pos_weight)


def weighted_backward(right):
    def backward(dloss, cache):
        z, t, pos_weight = cache
        p = 1 / (1 + np.exp(-z))
        return dloss * (pos_weight * t * (p - 1) + (1 - t) * p) / z.size

    def of_negatives(dloss, cache):
        z, t, pos_weight = cache
        p = 1 / (1 + np.exp(-z))
        return dloss * (t * (p - 1) + pos_weight * (1 - t) * p) / z.size

    def of_branches(dloss, cache):
        z, t, pos_weight = cache
        p = 1 / (1 + np.exp(-z))
        dz = np.where(t == 1, p - 1, p * pos_weight)
        return dloss * dz / z.size

    def of_both(dloss, cache):
        z, t, pos_weight = cache
        p = 1 / (1 + np.exp(-z))
        return dloss * (pos_weight * t * (p - 1) + (1 - t) * p * pos_weight) / z.size

    return {"right": backward, "negatives": of_negatives, "branches": of_branches, "both": of_both}[right]


@pytest.mark.parametrize(
    ("which", "text"),
    [
        ("negatives", "the factor `pos_weight` of `pos_weight * (1 - t) * p` belongs to `t * (p - 1)`"),
        ("branches", "the factor `pos_weight` of `p * pos_weight` belongs to `p - 1`"),
        ("both", "the factor `pos_weight` is one too many"),
    ],
)
def test_a_weight_on_the_term_of_the_other_class(which, text):
    report = check_functions(weighted, weighted_backward(which), (4, 3), BITS, pos_weight=3.0)
    assert text in report.diagnoses[0].sentence, report
    assert check_functions(weighted, weighted_backward("right"), (4, 3), BITS, pos_weight=3.0).passed


class Highway:
    """Each value between its activation and itself, by a gate for each column."""

    def __init__(self):
        self.a, self.b = np.array([0.7, 1.4, -0.6]), np.array([0.3, -1.2, 0.8])

    def forward(self, x):
        self.h, self.k = np.tanh(x), np.sin(x)
        self.slope = np.cos(x)
        return self.a * self.h + self.b * self.k

    def backward(self, g):
        self.da, self.db = (g * self.h).sum(axis=0), (g * self.k).sum(axis=0)
        return g * (self.a * (1 - self.h**2) + self.b * self.slope)


class Exchanged(Highway):
    def backward(self, g):
        self.da, self.db = (g * self.h).sum(axis=0), (g * self.k).sum(axis=0)
        return g * (self.b * (1 - self.h**2) + self.a * self.slope)


class OnBoth(Highway):
    def __init__(self):
        super().__init__()
        self.shift = 0.4

    def forward(self, x):
        return super().forward(x) + self.shift

    def backward(self, g):
        self.da, self.db = (g * self.h).sum(axis=0), (g * self.k).sum(axis=0)
        return g * (self.a * self.shift * (1 - self.h**2) + self.shift * self.b * self.slope)


class ShareOfTheOther(Highway):
    def forward(self, x):
        self.h, self.slope = np.tanh(x), np.cos(x)
        self.y = self.a * self.h + (1 - self.a) * np.sin(x)
        return self.y

    def backward(self, g):
        self.da = (g * (self.h - np.sin(np.arctanh(self.h)))).sum(axis=0)
        return g * (1 - self.h**2) + (1 - self.a) * self.a * g * self.slope


@pytest.mark.parametrize(
    ("layer", "text"),
    [
        (Exchanged, "`self.b` and `self.a` are exchanged"),
        (OnBoth, "the factor `self.shift` is one too many in both terms"),
        (ShareOfTheOther, "the factor `self.a` of `(1 - self.a) * self.a * g * self.slope` belongs to"),
    ],
)
def test_factors_of_a_layer(layer, text):
    assert check_layer(Highway(), (4, 3)).passed
    report = check_layer(layer(), (4, 3))
    assert text in report.diagnoses[0].sentence, report


class Elastic:
    """A mean squared error with a share for the absolute error."""

    def __init__(self, share=0.3):
        self.share = share

    def forward(self, y, t):
        self.e = y - t
        return (self.share * np.abs(self.e) + (1 - self.share) * self.e**2 / 2).mean()

    def backward(self):
        return (np.sign(self.e) + (1 - self.share) * self.share * self.e) / self.e.size


def test_a_share_of_a_loss():
    report = check_loss(Elastic(), rng.normal(size=(4, 3)), rng.normal(size=(4, 3)))
    assert "the factor `self.share` of `(1 - self.share) * self.share * self.e`" in str(report).replace("\n    ", " ")
