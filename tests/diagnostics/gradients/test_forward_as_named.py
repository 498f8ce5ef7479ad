"""A forward that is not what its class is called, though its gradient is right."""

import numpy as np
import pytest

from mlp.diagnostics import check_layer

AXES = (0, 2, 3)


class BatchNorm2d:
    """Channels first; `old` is the running statistic that the new variance is made of, `kept` the share of the mean."""

    old, kept = "running_var", 0.9

    def __init__(self, channels=3):
        self.gamma, self.beta = np.ones(channels), np.zeros(channels)
        self.running_mean, self.running_var = np.zeros(channels), np.ones(channels)
        self.training = True

    def forward(self, x):
        mean, var = self.running_mean, self.evaluated(self.running_var)
        if self.training:
            mean, var = x.mean(axis=AXES), x.var(axis=AXES)
            before = getattr(self, self.old)
            self.running_mean = self.kept * self.running_mean + 0.1 * mean
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


class BatchNormThatGrows(BatchNorm2d):
    kept = 1.0


def test_a_running_mean_that_never_settles_is_told_by_its_name():
    first = check_layer(BatchNormThatGrows(), (4, 3, 2, 2)).diagnoses[0]
    assert first.array == "running_mean" and "never settles" in first.sentence, first


class BatchNormOfLargeShares(BatchNorm2d):
    kept = 0.8


def test_shares_that_do_not_add_up_to_1():
    first = check_layer(BatchNormOfLargeShares(), (4, 3, 2, 2)).diagnoses[0]
    assert "running_mean settles at 0.5 times what it averages" in first.sentence, first


class BatchNormOfSums(BatchNorm2d):
    """Keeps sums over all batches, and their number."""

    def __init__(self):
        super().__init__()
        self.running_mean, self.running_var, self.batches = np.zeros(3), np.zeros(3), np.full(3, 1e-9)

    def forward(self, x):
        mean, var = self.running_mean / self.batches, self.running_var / self.batches
        if self.training:
            mean, var = x.mean(axis=AXES), x.var(axis=AXES)
            self.running_mean, self.running_var = self.running_mean + mean, self.running_var + var
            self.batches = self.batches + 1
        self.s = np.sqrt(var + 1e-5)[:, None, None]
        self.n = (x - mean[:, None, None]) / self.s
        return self.gamma[:, None, None] * self.n + self.beta[:, None, None]


def test_sums_that_grow_may_be_divided_by_a_number_that_grows():
    check_layer(BatchNormOfSums(), (4, 3, 2, 2)).raise_if_failed()


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


class MultiHeadAttention:
    """Two heads of size 2."""

    divisor = np.sqrt(2.0)
    axis = -1

    def __init__(self):
        rng = np.random.default_rng(0)
        self.num_heads = 2
        self.W_q, self.W_k, self.W_v, self.W_o = (rng.standard_normal((4, 4)) for _ in range(4))

    def split(self, a):
        return a.reshape(*a.shape[:2], 2, 2).transpose(0, 2, 1, 3)

    def join(self, a):
        return a.transpose(0, 2, 1, 3).reshape(a.shape[0], a.shape[2], 4)

    def forward(self, x):
        self.x = x
        self.q, self.k, self.v = (self.split(x @ W) for W in (self.W_q, self.W_k, self.W_v))
        s = self.q @ self.k.swapaxes(-1, -2) / self.divisor
        e = np.exp(s - s.max(axis=self.axis, keepdims=True))
        self.a = e / e.sum(axis=self.axis, keepdims=True)
        self.y = self.join(self.a @ self.v)
        return self.y @ self.W_o

    def backward(self, d):
        self.dW_o = np.einsum("nti,nto->io", self.y, d)
        dy = self.split(d @ self.W_o.T)
        da, dv = dy @ self.v.swapaxes(-1, -2), self.a.swapaxes(-1, -2) @ dy
        ds = self.a * (da - (da * self.a).sum(axis=self.axis, keepdims=True)) / self.divisor
        dq, dk, dv = (self.join(g) for g in (ds @ self.k, ds.swapaxes(-1, -2) @ self.q, dv))
        self.dW_q, self.dW_k, self.dW_v = (np.einsum("nti,nto->io", self.x, g) for g in (dq, dk, dv))
        return dq @ self.W_q.T + dk @ self.W_k.T + dv @ self.W_v.T


class DividedByAll(MultiHeadAttention):
    divisor = 2.0


class OverTheQueries(MultiHeadAttention):
    axis = -2


@pytest.mark.slow
def test_attention_divides_by_the_root_of_one_head_and_weighs_the_keys():
    check_layer(MultiHeadAttention(), (2, 3, 4)).raise_if_failed()
    for kind, words in ((DividedByAll, "sqrt(d)"), (OverTheQueries, "over the queries")):
        named = type("Attention", (kind,), {})
        assert words in check_layer(named(), (2, 3, 4)).diagnoses[0].sentence


class NearestUpsampling:
    def forward(self, x):
        return x.repeat(2, axis=2).repeat(2, axis=3)

    def backward(self, d):
        N, C, H, W = d.shape
        return d.reshape(N, C, H // 2, 2, W // 2, 2).sum(axis=(3, 5))


class UpsampleImages(NearestUpsampling):
    def forward(self, x):
        return np.tile(x, (1, 1, 2, 2))

    def backward(self, d):
        N, C, H, W = d.shape
        return d.reshape(N, C, 2, H // 2, 2, W // 2).sum(axis=(2, 4))


def test_upsampling_repeats_pixels_and_not_images():
    check_layer(NearestUpsampling(), (2, 2, 3, 2)).raise_if_failed()
    assert "np.tile" in check_layer(UpsampleImages(), (2, 2, 3, 2)).diagnoses[0].sentence
