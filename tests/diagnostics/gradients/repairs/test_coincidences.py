"""What is equal by accident: two columns and the 2 of a square, p = 1/2, the last index of a loop and a padding."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer

rng = np.random.default_rng(0)


def kl_forward(mu, logvar):
    return -0.5 * np.sum(1 + logvar - mu**2 - np.exp(logvar)) / len(mu), (mu, logvar)


def kl_backward(dout, cache):
    mu, logvar = cache
    N = mu.shape[0]
    dlogvar = dout * (np.exp(logvar) - 1) / N
    return dout * mu / N, dlogvar


def test_two_columns_are_not_the_2_of_a_square():
    first = check_functions(kl_forward, kl_backward, rng.normal(size=(5, 2)), rng.normal(size=(5, 2))).diagnoses[0]
    assert "the division by `2` is missing" in first.sentence, first


class ScaledInForward:
    """Inverted dropout before a dense layer; the scale is in forward alone."""

    def __init__(self, p=0.5):
        self.p, self.rng, self.W = p, np.random.default_rng(0), rng.normal(size=(4, 3))

    def forward(self, x, training=False):
        self.mask, self.h = np.ones_like(x), x
        if training:
            keep = 1 - self.p
            self.mask = self.rng.random(x.shape) < keep
            self.h = x * self.mask / keep
        return self.h @ self.W

    def backward(self, dout):
        self.dW = self.h.T @ dout
        return dout @ self.W.T * self.mask


@pytest.mark.slow
def test_a_half_is_not_the_derivative_of_a_square_where_p_is_a_half():
    first = check_layer(ScaledInForward(), (6, 4)).diagnoses[0]
    assert first.name == "dropout scale" and "0.5 = 1 - p" in first.sentence, first


class CausalMean:
    """Sums of k steps, the last ones so far, (N, L) -> (N, L)."""

    def __init__(self, k=3):
        self.k = k

    def forward(self, x):
        self.length = x.shape[1]
        self.xp = np.pad(x, ((0, 0), (self.k - 1, 0)))
        return sum(self.xp[:, i : i + self.length] for i in range(self.k))

    def backward(self, grad):
        dxp = np.zeros_like(self.xp)
        for i in range(self.k):
            where = slice(i, i + self.length)
            dxp[:, where] += grad
        return dxp[:, : self.length]


def test_what_a_loop_leaves_is_no_repair():
    first = check_layer(CausalMean(), (2, 6)).diagnoses[0]
    assert "is cut off at the wrong end" in first.sentence and "where" not in first.sentence, first


def messages_forward(x, src, dst, W):
    total = np.zeros_like(x)
    np.add.at(total, dst, x[src])
    return total @ W, (x, src, dst, total, W)


def messages_backward(dout, cache):
    x, src, dst, total, W = cache
    dtotal, dx = dout @ W.T, np.zeros_like(x)
    np.add.at(dx, dst, dtotal[src])
    return dx, total.T @ dout


@pytest.mark.slow
def test_messages_go_back_along_the_edges():
    edges = np.array([0, 1, 2, 2, 4, 3]), np.array([1, 2, 0, 3, 3, 1])
    inputs = rng.normal(size=(5, 3)), *edges, rng.normal(size=(3, 4))
    first = check_functions(messages_forward, messages_backward, *inputs).diagnoses[0]
    assert "np.add.at" in first.sentence and "`dst` and `src` are exchanged" in first.sentence, first


class PositionBias:
    """Each pixel has its own bias, (N, C, H, W) + (C, H, W)."""

    def __init__(self):
        self.b = rng.normal(size=(2, 3, 4))

    def forward(self, x):
        return x + self.b

    def backward(self, dout):
        self.db = np.zeros_like(self.b)
        self.db += dout.sum(axis=(0, 2, 3)).reshape(2, 1, 1)
        return dout


class RepeatedBias(PositionBias):
    def backward(self, dout):
        self.db = np.tile(dout.sum(axis=(0, 2, 3))[:, None, None], (1, 3, 4))
        return dout


@pytest.mark.slow
def test_a_sum_over_too_many_axes_whose_shape_was_changed():
    first = check_layer(PositionBias(), (3, 2, 3, 4)).diagnoses[0]
    assert "`dout.sum(axis=0)` belongs here" in first.sentence, first
    first = check_layer(RepeatedBias(), (3, 2, 3, 4)).diagnoses[0]
    assert "the sum of the right gradient along the axes (1, 2), repeated" in first.sentence, first


class CellMeans:
    """Means of two cells, whose sizes may differ, (N, L) -> (N, 2)."""

    def cells(self, L):
        return [(slice(None), slice(i * L // 2, (i + 1) * L // 2)) for i in range(2)]

    def forward(self, x):
        self.x = x
        return np.stack([x[cell].mean(axis=1) for cell in self.cells(x.shape[1])], axis=1)

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for i, cell in enumerate(self.cells(self.x.shape[1])):
            dx[cell] += dout[:, i : i + 1] / (self.x.shape[1] // 2)
        return dx


@pytest.mark.slow
def test_cells_of_other_sizes_under_one_name():
    first = check_layer(CellMeans(), (2, 7)).diagnoses[0]
    assert "must be by `dx[cell][0].size`" in first.sentence, first


class Window:
    """Means of k steps of a padded sequence, (N, L) -> (N, L + 2 p - k + 1); dx is cut off in the wrong place."""

    def __init__(self, k=3, stride=1, p=2):
        self.k, self.s, self.p = k, stride, p

    def forward(self, x):
        self.x = x
        padded = np.pad(x, ((0, 0), (self.p, self.p)))
        self.steps = (padded.shape[1] - self.k) // self.s + 1
        return np.stack([padded[:, t * self.s : t * self.s + self.k].mean(1) for t in range(self.steps)], axis=1)

    def backward(self, dout):
        p, s, L = self.p, self.s, self.x.shape[1]
        dpadded = np.zeros((len(dout), L + 2 * p))
        for t in range(self.steps):
            dpadded[:, t * s : t * s + self.k] += dout[:, t, None] / self.k
        return dpadded[:, 2 * p : 2 * p + L]


def test_a_factor_too_many_in_all_places_of_a_line():
    first = check_layer(Window(), (2, 6)).diagnoses[0]
    assert "`p` for `2 * p`, in all places of this line" in first.sentence, first
