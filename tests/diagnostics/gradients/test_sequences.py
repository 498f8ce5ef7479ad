"""Layers of sequences: paths, masks, lengths and directions that are forgotten, and the right ones, which pass."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 5, 2))
LENGTHS = np.array([5, 3, 1])
MASK = np.arange(5) < LENGTHS[:, None]


def first(report):
    assert not report.passed
    return str(report.diagnoses[0])


def softmax(s):
    e = np.exp(s - s.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def read_forward(x, memory, Wk, Wv):
    k, v = memory @ Wk, memory @ Wv
    a = softmax(x @ k.transpose(0, 2, 1))
    return a @ v, (x, memory, Wk, Wv, k, v, a)


def read_backward(dout, cache):
    x, memory, Wk, Wv, k, v, a = cache
    da = dout @ v.transpose(0, 2, 1)
    ds = a * (da - (da * a).sum(axis=-1, keepdims=True))
    dk, dv = ds.transpose(0, 2, 1) @ x, a.transpose(0, 2, 1) @ dout
    dmemory = dv @ Wv.T
    return ds @ k, dmemory, np.einsum("nsm,nsd->md", memory, dk), np.einsum("nsm,nso->mo", memory, dv)


def test_a_path_of_sequences_that_is_missing():
    report = check_functions(read_forward, read_backward, (2, 3, 4), (2, 5, 3), (3, 4), (3, 2))
    assert "the term `dk @ Wk.T` is missing in `dv @ Wv.T`" in first(report)


class OfPieces:
    """The sum of the squares of several x W, whose gradient is overwritten in each turn of the loop."""

    def __init__(self):
        self.W = np.random.default_rng(0).normal(size=(3, 4, 2))

    def forward(self, x):
        self.x = x
        return sum((x @ W) ** 2 for W in self.W)

    def backward(self, dout):
        self.dW = np.zeros_like(self.W)
        dx = np.zeros_like(self.x)
        for k in range(len(self.W)):
            dz = 2.0 * dout * (self.x @ self.W[k])
            self.dW[k] = self.x.T @ dz
            dx = dz @ self.W[k].T
        return dx


def test_a_name_that_is_overwritten_in_a_loop():
    assert "`dx =` overwrites what is there: += must add to it" in first(check_layer(OfPieces(), (5, 4)))


class Shares:
    """Positive parts as shares of their sum, which backward takes for a constant."""

    def forward(self, x):
        self.v = np.exp(x)
        self.total = self.v.sum(axis=1, keepdims=True)
        self.y = self.v / self.total
        return self.y**2

    def backward(self, dout):
        dy = 2.0 * dout * self.y
        dv = dy / self.total
        return dv * self.v


def test_a_total_that_is_no_constant():
    text = first(check_layer(Shares(), (4, 5)))
    assert "`self.total` depends on what it divides" in text
    assert "`dy - (dy * self.y).sum(axis=1, keepdims=True)`" in text


def mean_pool_forward(x, lengths):
    mask = (np.arange(x.shape[1]) < lengths[:, None])[:, :, None]
    return (x * mask).sum(axis=1) / lengths[:, None], (mask, lengths, x.shape[1])


def mean_pool_backward(dout, cache):
    mask, lengths, T = cache
    return mask * dout[:, None, :] / lengths[:, None, None]


def mean_pool_backward_over_all(dout, cache):
    mask, lengths, T = cache
    return mask * dout[:, None, :] / T


def test_the_mean_over_the_steps_that_count():
    check_functions(mean_pool_forward, mean_pool_backward, X, LENGTHS).raise_if_failed()
    report = check_functions(mean_pool_forward, mean_pool_backward_over_all, X, LENGTHS)
    assert "`T` is the wrong number of values: `lengths[:, None, None]` belongs here" in first(report)


def mean_of_words_forward(x, mask):
    count = mask.sum(axis=1, keepdims=True)
    return (x * mask[:, :, None]).sum(axis=1) / count, (mask, count)


def mean_of_words_backward(dout, cache):
    mask, count = cache
    return dout[:, None, :] * mask[:, :, None] / count[:, None]


def mean_of_words_backward_over_all(dout, cache):
    mask, count = cache
    return dout[:, None, :] * mask[:, :, None] / mask.shape[1]


def test_a_mask_broadcasts_fewer_steps_than_it_has():
    check_functions(mean_of_words_forward, mean_of_words_backward, X, MASK).raise_if_failed()
    report = check_functions(mean_of_words_forward, mean_of_words_backward_over_all, X, MASK)
    assert "`mask.shape[1]` is the wrong number of values: `count[:, None]` belongs here" in first(report)


def max_over_time_forward(x, mask, fill=-np.inf):
    masked = np.where(mask[:, :, None], x, fill)
    at = masked.argmax(axis=1)[:, None, :]
    return np.take_along_axis(masked, at, axis=1)[:, 0], (at, mask, x.shape)


def max_over_time_zeros_forward(x, mask):
    masked = x * mask[:, :, None]
    at = masked.argmax(axis=1)[:, None, :]
    return np.take_along_axis(masked, at, axis=1)[:, 0], (at, mask, x.shape)


max_over_time_zeros_forward.__name__ = "max_over_time_forward"


def max_over_time_backward(dout, cache):
    at, mask, shape = cache
    dx = np.zeros(shape)
    np.put_along_axis(dx, at, dout[:, None, :], axis=1)
    return dx * mask[:, :, None]


def test_the_largest_of_the_steps_that_count():
    check_functions(max_over_time_forward, max_over_time_backward, X, MASK).raise_if_failed()
    report = check_functions(max_over_time_zeros_forward, max_over_time_backward, X, MASK)
    assert "set them to -inf before the maximum" in first(report)


class BiRNN:
    """Two tanh RNNs, the second from the end."""

    turn = slice(None, None, -1)

    def __init__(self):
        rng = np.random.default_rng(1)
        self.U, self.V, self.P, self.Q = (rng.normal(size=(n, 3)) for n in (2, 3, 2, 3))

    def states(self, x, U, V):
        h = np.zeros((len(x), 3))
        hs = [h := np.tanh(x[:, t] @ U + h @ V) for t in range(x.shape[1])]
        return np.stack(hs, axis=1)

    def gradients(self, d, hs, x, W):
        U, V = W
        dx, dU, dV, dh = np.zeros_like(x), np.zeros_like(U), np.zeros_like(V), np.zeros_like(hs[:, 0])
        for t in reversed(range(x.shape[1])):
            dz = (d[:, t] + dh) * (1 - hs[:, t] ** 2)
            dx[:, t], dh = dz @ U.T, dz @ V.T
            dU += x[:, t].T @ dz
            dV += hs[:, t - 1].T @ dz if t else 0.0
        return dx, dU, dV

    def forward(self, x):
        self.x = x
        self.left, self.right = self.states(x, self.U, self.V), self.states(x[:, ::-1], self.P, self.Q)
        return np.concatenate([self.left, self.right[:, self.turn]], axis=2)

    def backward(self, d):
        dx, self.dU, self.dV = self.gradients(d[:, :, :3], self.left, self.x, (self.U, self.V))
        back = d[:, :, 3:][:, self.turn]
        dr, self.dP, self.dQ = self.gradients(back, self.right, self.x[:, ::-1], (self.P, self.Q))
        return dx + dr[:, ::-1]


def test_both_directions_stand_at_their_steps():
    check_layer(BiRNN(), (2, 4, 2)).raise_if_failed()
    wrong = BiRNN()
    wrong.turn = slice(None)
    assert "are not turned back" in first(check_layer(wrong, (2, 4, 2)))


class CausalAttention:
    """One head; position t sees the positions up to t."""

    def __init__(self, *, before):
        self.before = before
        self.Wq, self.Wk, self.Wv = (np.random.default_rng(i).normal(size=(3, 3)) for i in range(3))

    def forward(self, x):
        seen = np.tril(np.ones((x.shape[1], x.shape[1]), bool))
        q, k, v = x @ self.Wq, x @ self.Wk, x @ self.Wv
        s = q @ k.transpose(0, 2, 1) / np.sqrt(3)
        a = softmax(np.where(seen, s, -np.inf)) if self.before else softmax(s)
        self.kept = x, q, k, v, a, seen
        return (a * seen) @ v

    def backward(self, dout):
        x, q, k, v, a, seen = self.kept
        da, dv = dout @ v.transpose(0, 2, 1) * seen, (a * seen).transpose(0, 2, 1) @ dout
        ds = a * (da - (da * a).sum(axis=-1, keepdims=True)) / np.sqrt(3)
        dq, dk = ds @ k, ds.transpose(0, 2, 1) @ q
        self.dWq, self.dWk, self.dWv = (np.einsum("nti,nto->io", x, d) for d in (dq, dk, dv))
        return dq @ self.Wq.T + dk @ self.Wk.T + dv @ self.Wv.T


def test_the_mask_comes_before_the_softmax():
    check_layer(CausalAttention(before=True), (2, 4, 3)).raise_if_failed()
    assert "the mask is applied after the softmax" in first(check_layer(CausalAttention(before=False), (2, 4, 3)))


class LockedDropout:
    """Inverted dropout with one mask for all steps and a fixed seed."""

    def __init__(self, scale=1.0, p=0.4):
        self.scale, self.p = scale, p

    def forward(self, x, training=True):
        mask = np.random.default_rng(0).random((len(x), 1, x.shape[2])) >= self.p
        self.mask = mask / (1.0 - self.p) if training else self.scale
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


@pytest.mark.parametrize(("scale", "said"), [(1.0, ""), (0.6, "it is scaled in two places")])
def test_dropout_with_a_fixed_seed(scale, said):
    report = check_layer(LockedDropout(scale), (3, 4, 2))
    assert said in (str(report.diagnoses[0]) if report.diagnoses else "")
    assert report.passed == (not said)


class Turned:
    """Pairs of features turn by an angle; backward turns by the same angle, and not back."""

    def forward(self, x):
        c, s = np.cos(0.4), np.sin(0.4)
        a, b = x[:, 0::2], x[:, 1::2]
        return np.concatenate([a * c - b * s, a * s + b * c], axis=1)[:, [0, 2, 1, 3]]

    def backward(self, dout):
        return self.forward(dout)


def test_a_rotation_is_turned_back():
    assert "every sin changes its sign" in first(check_layer(Turned(), (3, 4)))


class BatchNorm:
    """With Bessel's correction, as some courses have it."""

    def forward(self, x):
        self.n, d = len(x), x - x.mean(axis=0)
        self.std = np.sqrt((d**2).sum(axis=0) / (self.n - 1) + 1e-5)
        self.y = d / self.std
        return self.y

    def backward(self, dout):
        through = (dout * self.y).sum(axis=0) / (self.n - 1)
        return (dout - dout.mean(axis=0) - self.y * through) / self.std


def test_the_unbiased_variance_may_be_on_purpose():
    check_layer(BatchNorm(), (6, 4)).raise_if_failed()


class BatchNorm1d:
    """In evaluation, the root of the running variance is forgotten, and backward is right for the root."""

    def __init__(self):
        self.running_mean, self.running_var = np.zeros(3), np.ones(3)

    def forward(self, x, training=True):
        mean, var = (x.mean(axis=0), x.var(axis=0)) if training else (self.running_mean, self.running_var)
        if training:
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * var
        self.std, self.training = np.sqrt(var + 1e-5), training
        self.y = (x - mean) / (self.std if training else var + 1e-5)
        return self.y

    def backward(self, dy):
        if self.training:
            dy = dy - dy.mean(axis=0) - self.y * (dy * self.y).mean(axis=0)
        return dy / self.std


def test_evaluation_that_forgets_a_root():
    assert "divides by the running variance itself, not by its root" in first(check_layer(BatchNorm1d(), (6, 3)))


def lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b):
    """One step, with the gates in the order i, f, o, g."""
    H = prev_h.shape[1]
    a = x @ Wx + prev_h @ Wh + b
    i, f, o = (1 / (1 + np.exp(-a[:, n * H : (n + 1) * H])) for n in range(3))
    g = np.tanh(a[:, 3 * H :])
    next_c = f * prev_c + i * g
    tc = np.tanh(next_c)
    return o * tc, next_c, (x, prev_h, prev_c, Wx, Wh, i, f, o, g, tc)


def lstm_step_backward(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tc = cache
    dc = dnext_c + dnext_h * o * (1 - tc**2)
    do = dnext_h * tc
    da = np.hstack([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), do * o * (1 - o), dc * i * (1 - g**2)])
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def lstm_step_backward_without_dc(dnext_h, dnext_c, cache):
    x, prev_h, prev_c, Wx, Wh, i, f, o, g, tc = cache
    dc = dnext_h * o * (1 - tc**2)
    do = dnext_h * tc
    da = np.hstack([dc * g * i * (1 - i), dc * prev_c * f * (1 - f), do * o * (1 - o), dc * i * (1 - g**2)])
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


def test_a_cell_that_returns_both_states():
    shapes = (3, 2), (3, 2), (3, 2), (2, 8), (2, 8), (8,)
    report = check_functions(lstm_step_forward, lstm_step_backward, *shapes)
    assert report.passed, report
    assert not report.remarks
    report = check_functions(lstm_step_forward, lstm_step_backward_without_dc, *shapes)
    assert "the term `dnext_c` is missing" in first(report)
