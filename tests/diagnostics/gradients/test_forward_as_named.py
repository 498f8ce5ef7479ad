"""A forward that is not what its class is called, though its gradient is right."""

import numpy as np
import pytest

from mlp.diagnostics import check_layer

AXES = (0, 2, 3)


class BatchNorm2d:
    """Channels first; `old` is the running statistic that the new variance is made of."""

    old = "running_var"

    def __init__(self, channels=3):
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True

    def forward(self, x):
        mean, var = self.running_mean, self.evaluated(self.running_var)
        if self.training:
            mean, var = x.mean(axis=AXES), x.var(axis=AXES)
            before = getattr(self, self.old)
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * before + 0.1 * var
        self.s = np.sqrt(var + 1e-5)[:, None, None]
        self.n = (x - mean[:, None, None]) / self.s
        return self.gamma[:, None, None] * self.n + self.beta[:, None, None]

    def evaluated(self, var):
        return var

    def backward(self, g):
        self.dgamma, self.dbeta = (g * self.n).sum(axis=AXES), g.sum(axis=AXES)
        g = g * self.gamma[:, None, None] / self.s
        if not self.training:
            return g
        return g - g.mean(axis=AXES, keepdims=True) - self.n * (g * self.n).mean(axis=AXES, keepdims=True)


class OfTheMean(BatchNorm2d):
    old = "running_mean"


class BatchNormSquared(BatchNorm2d):
    def evaluated(self, var):
        return var**2


class GroupNorm:
    groups_first = True

    def __init__(self, num_groups=2):
        self.num_groups = num_groups

    def forward(self, x):
        N, C, H, W = x.shape
        G = self.num_groups if self.groups_first else C // self.num_groups
        rows = x.reshape(N, G, -1)
        self.s = np.sqrt(rows.var(axis=2, keepdims=True) + 1e-5)
        self.n = (rows - rows.mean(axis=2, keepdims=True)) / self.s
        return self.n.reshape(x.shape)

    def backward(self, g):
        u = g.reshape(self.n.shape)
        mean = u.mean(axis=2, keepdims=True) + self.n * (u * self.n).mean(axis=2, keepdims=True)
        return ((u - mean) / self.s).reshape(g.shape)


class GroupNormOfTheOtherNumber(GroupNorm):
    groups_first = False


class CausalMean:
    """Output t is the mean of the inputs up to t."""

    def forward(self, x):
        self.weights = self.matrix(x.shape[1])
        return np.einsum("ts,nsc->ntc", self.weights, x)

    def matrix(self, T):
        return np.tril(np.ones((T, T))) / np.arange(1, T + 1)[:, None]

    def backward(self, g):
        return np.einsum("ts,ntc->nsc", self.weights, g)


class CausalMeanOfAll(CausalMean):
    def matrix(self, T):
        return np.full((T, T), 1.0 / T)


IMAGES, STEPS = (4, 6, 2, 3), (2, 5, 3)


@pytest.mark.parametrize(
    "layer, shape", [(BatchNorm2d(6), IMAGES), (GroupNorm(), IMAGES), (GroupNorm(3), IMAGES), (CausalMean(), STEPS)]
)
def test_right_ones_pass(layer, shape):
    check_layer(layer, shape).raise_if_failed()
    check_layer(layer, np.zeros(shape)).raise_if_failed()  # an array says the shape as well


@pytest.mark.parametrize(
    "layer, shape, words",
    [
        (OfTheMean(6), IMAGES, "running_var is updated from the old running_mean"),
        (BatchNormSquared(6), IMAGES, "divides by the running variance itself"),
        (GroupNormOfTheOtherNumber(), IMAGES, "there are 3 groups of 2 channels, and should be 2 of 3"),
        (CausalMeanOfAll(), STEPS, "outputs of earlier steps depend on the last one"),
    ],
)
def test_wrong_ones_are_named(layer, shape, words):
    report = check_layer(layer, shape)
    assert not report.passed
    assert words in report.diagnoses[0].sentence
