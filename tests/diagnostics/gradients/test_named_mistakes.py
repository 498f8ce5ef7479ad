"""Mistakes that a general mechanism names: a path left out, no copy, another formula than documented."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer

rng = np.random.default_rng(0)


def first(report):
    assert not report.passed, report
    return str(report.diagnoses[0])


# --- paths --------------------------------------------------------------------------------------------------------


class TiedAutoencoder:
    """h = sigmoid(x W), y = h W^T: W is used twice."""

    both = False

    def __init__(self):
        self.W, self.dW = np.random.default_rng(1).normal(size=(5, 3)), np.zeros((5, 3))

    def forward(self, x):
        self.x, self.h = x, 1.0 / (1.0 + np.exp(-x @ self.W))
        return self.h @ self.W.T

    def backward(self, dy):
        dz = dy @ self.W * self.h * (1.0 - self.h)
        self.dW = self.x.T @ dz + (dy.T @ self.h if self.both else 0.0)
        return dz @ self.W.T


class BothUses(TiedAutoencoder):
    both = True


def test_the_use_of_a_weight_that_is_left_out():
    text = first(check_layer(TiedAutoencoder(), (4, 5)))
    assert "`W.T`" in text or "`self.W.T`" in text
    assert "left out" in text
    check_layer(BothUses(), (4, 5)).raise_if_failed()


def power_mean_forward(x, p):
    m = np.mean(x**p, axis=1)
    return m ** (1.0 / p), (x, p, m)


def power_mean_backward(dy, cache):
    x, p, m = cache
    y = m ** (1.0 / p)
    dm = dy * y / (p * m)
    dp = np.sum(dm * np.mean(x**p * np.log(x), axis=1)).reshape(1)
    return (dm[:, None] * p * x ** (p - 1)) / x.shape[1], dp


@pytest.mark.slow
def test_positive_inputs_stay_positive_and_the_second_use_of_a_power_is_named():
    text = first(
        check_functions(power_mean_forward, power_mean_backward, rng.uniform(0.3, 2.0, (3, 4)), np.full(1, 3.0))
    )
    assert "`p` in `1.0 / p` is left out" in text


class Squash:
    """|s|^2 / (1 + |s|^2) times s / |s|."""

    def forward(self, s):
        n = (s**2).sum(axis=-1, keepdims=True)
        self.scale = np.sqrt(n) / (1.0 + n)
        return self.scale * s

    def backward(self, dv):
        return self.scale * dv


def test_the_path_through_a_length():
    assert "through `s` in `s ** 2` is left out" in first(check_layer(Squash(), (3, 4)))


def three_uses_forward(x, a, b, c):
    return x @ a + np.cos(x) @ b + np.sin(x) @ c, (x, a, b, c)


def three_uses_backward(dy, cache):
    x, a, b, c = cache
    return dy @ a.T, x.T @ dy, np.cos(x).T @ dy, np.sin(x).T @ dy


@pytest.mark.slow
def test_several_uses_of_one_value_that_are_left_out():
    text = first(check_functions(three_uses_forward, three_uses_backward, (3, 4), (4, 2), (4, 2), (4, 2)))
    assert "those through `x` in `np.cos(x)` and `np.sin(x)` are left out" in text


class Cell:
    def __init__(self):
        self.U, self.dU, self.kept = np.random.default_rng(3).normal(size=(3, 3)), np.zeros((3, 3)), []

    def step(self, x, h):
        self.kept.append((h, np.tanh(x + h @ self.U)))
        return self.kept[-1][1]

    def step_back(self, dh):
        h, y = self.kept.pop()
        da = dh * (1.0 - y)
        self.dU += h.T @ da
        return da, da @ self.U.T


class Unrolled:
    def __init__(self):
        self.cell = Cell()

    def forward(self, x):
        self.cell.kept, h, states = [], np.zeros(x[:, 0].shape), np.zeros_like(x)
        for t in range(x.shape[1]):
            states[:, t] = h = self.cell.step(x[:, t], h)
        return states

    def backward(self, dy):
        self.cell.dU[...], dx, dh = 0.0, np.zeros_like(dy), 0.0
        for t in reversed(range(dy.shape[1])):
            dx[:, t], dh = self.cell.step_back(dy[:, t] + dh)
        return dx


@pytest.mark.slow
def test_a_line_of_the_cell_inside():
    assert "`y` stands where `y**2` belongs" in first(check_layer(Unrolled(), (2, 2, 3)))


class Groups:
    """A matrix for each group of features; kept is a list of tuples of different shapes."""

    def __init__(self):
        self.W, self.dW = np.random.default_rng(4).normal(size=(2, 3, 2)), np.zeros((2, 3, 2))

    def forward(self, x):
        self.kept = [(x, x.shape), (x[:, :3], None)]
        return np.concatenate([x[:, g * 3 : (g + 1) * 3] @ self.W[g] for g in range(2)], axis=1)

    def backward(self, dy):
        x, dx = self.kept[0][0], np.zeros(self.kept[0][1])
        for g in range(2):
            d = dy[:, g * 2 : (g + 1) * 2]
            self.dW[g] = x[:, g * 3 : (g + 1) * 3].T @ d
            dx[:, g * 2 : (g + 1) * 2] += np.repeat(d, 1, axis=1) @ self.W[g].T
        return dx


def test_the_slice_of_another_group_that_raises_an_exception():
    assert "`(:, g * 3:(g + 1) * 3)` belongs here" in first(check_layer(Groups(), (4, 6)))


# --- arrays -------------------------------------------------------------------------------------------------------


def shifted_forward(x, gamma, beta):
    mu, std = x.mean(axis=1, keepdims=True), np.sqrt(x.var(axis=1, keepdims=True) + 1e-5)
    x_hat = (x - mu) / std
    out = x_hat
    out *= gamma
    out += beta
    return out, (x_hat, std, gamma)


def shifted_backward(dout, cache):
    x_hat, std, gamma = cache
    g = dout * gamma
    dx = (g - g.mean(axis=1, keepdims=True) - x_hat * (g * x_hat).mean(axis=1, keepdims=True)) / std
    return dx, (dout * x_hat).sum(axis=0), dout.sum(axis=0)


def test_the_copy_that_is_missing():
    assert "x_hat.copy()" in first(check_functions(shifted_forward, shifted_backward, (4, 6), (6,), (6,)))


class CircularConv:
    def __init__(self):
        self.w = np.random.default_rng(2).normal(size=7)
        self.dw = np.zeros(7)

    def forward(self, x):
        self.fx, self.fw = np.fft.rfft(x, axis=1), np.fft.rfft(self.w)
        return np.fft.irfft(self.fx * self.fw, n=7, axis=1)

    def backward(self, dy):
        fdy = np.fft.rfft(dy, axis=1)
        self.dw = np.fft.irfft((self.fx * fdy).sum(axis=0), n=7)
        return np.fft.irfft(np.conj(self.fw) * fdy, n=7, axis=1)


def test_the_conjugate_that_is_missing():
    assert "np.conj(self.fx)" in first(check_layer(CircularConv(), (3, 7)))


# --- what is documented -------------------------------------------------------------------------------------------


class LeakyState:
    """s' = (1 - a) * s + a * x, from s = 0; x: (N, T, D) -> all s."""

    exchanged = False

    def forward(self, x):
        a, s, states = 0.3, np.zeros(x[:, 0].shape), np.zeros_like(x)
        for t in range(x.shape[1]):
            s = x[:, t] * a + s * (1 - a)
            states[:, t] = s
        return states

    def backward(self, dy):
        a = 0.7 if self.exchanged else 0.3
        ds, dx = np.zeros(dy[:, 0].shape), np.zeros_like(dy)
        for t in reversed(range(dy.shape[1])):
            ds = ds + dy[:, t]
            dx[:, t] = a * ds
            ds = (1 - a) * ds
        return dx


class ExchangedState(LeakyState):
    """s = (1 - a) * s + a * x"""

    exchanged = True

    def forward(self, x):
        a, s, states = 0.3, np.zeros(x[:, 0].shape), np.zeros_like(x)
        for t in range(x.shape[1]):
            s = a * s + (1 - a) * x[:, t]
            states[:, t] = s
        return states


def test_a_line_that_is_not_what_the_documentation_says():
    check_layer(LeakyState(), (2, 3, 2)).raise_if_failed()
    text = first(check_layer(ExchangedState(), (2, 3, 2)))
    assert "the documentation says `s = (1 - a) * s + a * x`" in text


class PReLU:
    def __init__(self):
        self.a, self.da = np.full(3, 0.25), np.zeros(3)

    def forward(self, x):
        self.x = x
        return np.maximum(x, 0.0) + self.a[:, None] * np.minimum(x, 0.0)

    def backward(self, dy):
        self.da = (dy * np.minimum(self.x, 0.0)).sum(axis=(0, 2))
        return dy * np.where(self.x > 0.0, 1.0, self.a[0])


def test_an_array_with_the_axes_that_forward_gives_it():
    assert "`self.a[0]` stands where `self.a[:, None]` belongs" in first(check_layer(PReLU(), (2, 3, 4)))


class GroupNorm:
    """The variance runs over the groups, too."""

    def __init__(self):
        self.G, self.gamma, self.dgamma = 2, np.ones(4), np.zeros(4)

    def forward(self, x):
        g = x.reshape(len(x), 2, -1)
        self.std = np.sqrt(g.var(axis=(1, 2), keepdims=True) + 1e-5)
        self.x_hat = ((g - g.mean(axis=2, keepdims=True)) / self.std).reshape(x.shape)
        return self.gamma[:, None] * self.x_hat

    def backward(self, dy):
        self.dgamma = (dy * self.x_hat).sum(axis=(0, 2))
        v, h = (a.reshape(len(dy), 2, -1) for a in (dy * self.gamma[:, None], self.x_hat))
        dx = v - v.mean(axis=2, keepdims=True) - h * (v * h).mean(axis=2, keepdims=True)
        return (dx / self.std).reshape(dy.shape)


@pytest.mark.slow
def test_a_variance_over_other_axes_than_the_mean():
    assert "the variance runs over the axes (1, 2, 3)" in first(check_layer(GroupNorm(), (2, 4, 3)))


# --- forward ------------------------------------------------------------------------------------------------------


def masked_mean_forward(x, mask):
    count = mask.sum(axis=1, keepdims=True)
    return (x * mask[:, :, None]).sum(axis=1) / count, (mask, count)


def padded_mean_forward(x, mask):
    return (x * mask[:, :, None]).sum(axis=1) / mask.shape[1], (mask, mask.shape[1])


padded_mean_forward.__name__ = "masked_mean_forward"


def masked_mean_backward(dy, cache):
    mask, count = cache
    return mask[:, :, None] * (dy / count)[:, None, :]


@pytest.mark.parametrize("forward", [masked_mean_forward, padded_mean_forward])
def test_a_masked_mean_counts_what_the_mask_counts(forward):
    mask = np.array([[1.0, 1, 1, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]])
    report = check_functions(forward, masked_mean_backward, rng.normal(size=(3, 5, 4)), mask)
    if forward is masked_mean_forward:
        report.raise_if_failed()
    else:
        assert "padded length" in first(report)


class BatchNorm1d:
    """The variance in evaluation is that of the batch."""

    def __init__(self):
        self.gamma, self.dgamma = np.ones(3), np.zeros(3)
        self.running_mean, self.running_var = np.zeros(3), np.ones(3)

    def forward(self, x, training=True):
        self.training, mean, var = training, x.mean(axis=0), x.var(axis=0)
        if training:
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * var
        else:
            mean = self.running_mean
        self.std = np.sqrt(var + 1e-5)
        self.x_hat = (x - mean) / self.std
        return self.gamma * self.x_hat

    def backward(self, dy):
        self.dgamma = (dy * self.x_hat).sum(axis=0)
        g = dy * self.gamma
        if self.training:
            g = g - g.mean(axis=0) - self.x_hat * (g * self.x_hat).mean(axis=0)
        return g / self.std


def test_the_variance_of_the_batch_in_evaluation():
    assert "evaluation normalizes with the variance of the batch" in first(check_layer(BatchNorm1d(), (5, 3)))
