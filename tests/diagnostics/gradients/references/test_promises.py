"""What names promise: a forward that breaks it fails, though its gradient is right, and right ones of any form pass.

The wrong classes are the right ones with one attribute changed, in forward and backward alike.
"""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer


class CausalConv1d:
    """(N, C, T), as many channels out as in; `early` zeros before the first step, the others behind the last one."""

    early = 2

    def __init__(self):
        self.W = np.random.default_rng(0).standard_normal((3, 3, 3))

    def forward(self, x):
        self.x = np.pad(x, ((0, 0), (0, 0), (self.early, 2 - self.early)))
        return sum(np.einsum("fc,nct->nft", self.W[:, :, a], self.x[:, :, a : a + x.shape[2]]) for a in range(3))

    def backward(self, g):
        T, dx = g.shape[2], np.zeros_like(self.x)
        self.dW = np.zeros_like(self.W)
        for a in range(3):
            self.dW[:, :, a] = np.einsum("nft,nct->fc", g, self.x[:, :, a : a + T])
            dx[:, :, a : a + T] += np.einsum("fc,nft->nct", self.W[:, :, a], g)
        return dx[:, :, self.early : self.early + T]


class GroupedConv:
    """Windows of one pixel; the channels of group g begin at g * `begin`."""

    begin = 3

    def __init__(self):
        self.groups = 2
        self.W = np.random.default_rng(0).standard_normal((2, 2, 3, 1, 1))

    def forward(self, x):
        self.x = x
        parts = [x[:, g * self.begin : g * self.begin + 3] for g in range(2)]
        return np.concatenate(
            [np.einsum("fc,nchw->nfhw", self.W[g, ..., 0, 0], part) for g, part in enumerate(parts)], 1
        )

    def backward(self, d):
        dx, self.dW = np.zeros_like(self.x), np.zeros_like(self.W)
        for g in range(2):
            own, mine = slice(g * self.begin, g * self.begin + 3), d[:, 2 * g : 2 * g + 2]
            self.dW[g, ..., 0, 0] = np.einsum("nfhw,nchw->fc", mine, self.x[:, own])
            dx[:, own] += np.einsum("fc,nfhw->nchw", self.W[g, ..., 0, 0], mine)
        return dx


class MaxPool:
    border = -np.inf

    def __init__(self, size=3, padding=1):
        self.size, self.padding = size, padding

    def forward(self, x):
        k, p = self.size, self.padding
        ends = [(0, 0), (0, 0), (p, p), (p, p)]
        padded = np.pad(x, ends, constant_values=self.border)
        windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(2, 3))[:, :, ::k, ::k]
        self.shape, flat = padded.shape, windows.reshape(*windows.shape[:4], -1)
        self.best = flat.argmax(axis=-1)
        return flat.max(axis=-1)

    def backward(self, g):
        k, p, dx = self.size, self.padding, np.zeros(self.shape)
        for n, c, i, j in np.ndindex(*g.shape):
            a, b = divmod(self.best[n, c, i, j], k)
            dx[n, c, i * k + a, j * k + b] += g[n, c, i, j]
        return dx[:, :, p:-p, p:-p]


class AdaptiveAvgPool1d:
    """(N, C, T)."""

    whole = True

    def __init__(self, size=3):
        self.size = size

    def cells(self):
        n, m = self.shape[2], self.size
        for i in range(m):
            yield i, slice(i * n // m, -(-(i + 1) * n // m)) if self.whole else slice(i * (n // m), (i + 1) * (n // m))

    def forward(self, x):
        self.shape = x.shape
        return np.stack([x[:, :, cell].mean(axis=2) for _, cell in self.cells()], axis=2)

    def backward(self, g):
        dx = np.zeros(self.shape)
        for i, cell in self.cells():
            dx[:, :, cell] += g[:, :, i : i + 1] / (cell.stop - cell.start)
        return dx


class SpatialDropout:
    ones = (2, 3)

    def __init__(self, p=0.4):
        self.p, self.training = p, True
        self.rng = np.random.default_rng(0)

    def forward(self, x):
        self.mask = np.ones(x.shape)
        if self.training:
            shape = [1 if axis in self.ones else n for axis, n in enumerate(x.shape)]
            self.mask = (self.rng.random(shape) >= self.p) / (1.0 - self.p)
        return x * self.mask

    def backward(self, g):
        return g * self.mask


class ChannelsLastSpatialDropout(SpatialDropout):
    ones = (1, 2)


class PositionalEncoding:
    """x: (N, T, D)."""

    axis = 1

    def __init__(self):
        angle = np.arange(50)[:, None] / 10000.0 ** (np.arange(0, 6, 2) / 6)
        self.P = np.stack([np.sin(angle), np.cos(angle)], axis=2).reshape(50, 6)

    def forward(self, x):
        P = self.P[: x.shape[self.axis]]
        return x + (P if self.axis == 1 else P[:, None])

    def backward(self, g):
        return g


class StepsFirstPositionalEncoding(PositionalEncoding):
    """Steps come first."""

    axis = 0


class Softplus:
    divided = True

    def __init__(self, beta=2.0):
        self.beta = beta

    def forward(self, x):
        self.x, self.divisor = x, self.beta if self.divided else 1.0
        return np.logaddexp(0.0, self.beta * x) / self.divisor

    def backward(self, g):
        return g * self.beta / self.divisor / (1.0 + np.exp(-self.beta * self.x))


RIGHT = [
    (CausalConv1d, (2, 3, 5)),
    (GroupedConv, (2, 6, 2, 3)),
    (MaxPool, (2, 2, 4, 4)),
    (AdaptiveAvgPool1d, (2, 3, 7)),
    (SpatialDropout, (2, 5, 3, 4)),
    (ChannelsLastSpatialDropout, (2, 3, 4, 5)),
    (PositionalEncoding, (3, 5, 6)),
    (StepsFirstPositionalEncoding, (5, 3, 6)),
    (Softplus, (4, 6)),
]


@pytest.mark.parametrize(("kind", "shape"), RIGHT, ids=lambda one: getattr(one, "__name__", ""))
def test_layers_that_keep_the_promise_of_their_name_pass(kind, shape):
    check_layer(kind(), shape).raise_if_failed()


WRONG = [
    (CausalConv1d, {"early": 1}, (2, 3, 5), "forward is not that of a convolution"),
    (GroupedConv, {"begin": 1}, (2, 6, 2, 3), "group 1 reads the channels [1, 2, 3], and its own are [3, 4, 5]"),
    (MaxPool, {"border": 0.0}, (2, 2, 4, 4), "the border is padded with zeros"),
    (AdaptiveAvgPool1d, {"whole": False}, (2, 3, 7), "3 of 21 inputs of an image are in no cell"),
    (SpatialDropout, {"ones": (1,)}, (2, 5, 3, 4), "the mask is the same along axis 1"),
    (PositionalEncoding, {"axis": 0}, (3, 5, 6), "the vectors differ along the batch"),
    (Softplus, {"divided": False}, (4, 6), "divide by beta"),
]


@pytest.mark.parametrize(("kind", "changed", "shape", "words"), WRONG, ids=lambda one: getattr(one, "__name__", ""))
def test_a_broken_promise_is_said(kind, changed, shape, words, monkeypatch):
    for name, value in changed.items():
        monkeypatch.setattr(kind, name, value)
    report = check_layer(kind(), shape)
    assert not report.passed
    assert words in report.diagnoses[0].sentence


def normalized(x, axes):
    """Return (x - mean) / sqrt(var + eps) over some axes, and the root."""
    root = np.sqrt(x.var(axis=axes, keepdims=True) + 1e-5)
    return (x - x.mean(axis=axes, keepdims=True)) / root, root


def back(g, n, root, axes):
    """Return the gradient through `normalized`."""
    return (g - g.mean(axis=axes, keepdims=True) - n * (g * n).mean(axis=axes, keepdims=True)) / root


def group_norm(axes):
    def groupnorm_forward(x, gamma, beta, G=2):
        n, root = normalized(x.reshape(x.shape[0], G, -1, *x.shape[2:]), axes)
        return gamma * n.reshape(x.shape) + beta, (n, root, gamma)

    def groupnorm_backward(g, cache):
        n, root, gamma = cache
        dx = back((g * gamma).reshape(n.shape), n, root, axes).reshape(g.shape)
        over = (0, 2, 3)
        return dx, (g * n.reshape(g.shape)).sum(axis=over, keepdims=True), g.sum(axis=over, keepdims=True)

    return groupnorm_forward, groupnorm_backward


def test_a_group_norm_of_single_channels_is_an_instance_norm():
    weight = (1, 6, 1, 1)
    check_functions(*group_norm((2, 3, 4)), (2, 6, 3, 2), weight, weight).raise_if_failed()
    report = check_functions(*group_norm((3, 4)), (2, 6, 3, 2), weight, weight)
    assert "which is an instance norm" in report.diagnoses[0].sentence


def batch_norm(forth, home):
    def spatial_batchnorm_forward(x, gamma, beta):
        n, root = normalized(forth(x).reshape(-1, x.shape[1]), 0)
        return home(gamma * n + beta, x.shape), (n, root, gamma)

    def spatial_batchnorm_backward(g, cache):
        n, root, gamma = cache
        rows = forth(g).reshape(-1, g.shape[1])
        return home(back(rows * gamma, n, root, 0), g.shape), (rows * n).sum(axis=0), rows.sum(axis=0)

    return spatial_batchnorm_forward, spatial_batchnorm_backward


def test_a_batch_norm_that_reshapes_and_does_not_transpose():
    def home(rows, shape):
        N, C, H, W = shape
        return rows.reshape(N, H, W, C).transpose(0, 3, 1, 2)

    check_functions(*batch_norm(lambda x: x.transpose(0, 2, 3, 1), home), (3, 4, 5, 2), 4, 4).raise_if_failed()
    wrong = batch_norm(lambda x: x, lambda rows, shape: rows.reshape(shape))
    report = check_functions(*wrong, (3, 4, 5, 2), 4, 4)
    assert "x.transpose(0, 2, 3, 1).reshape(-1, C)" in report.diagnoses[0].sentence


def attention(first_hidden):
    def causal_attention_forward(q, k, v):
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[2])
        hidden = np.triu(np.ones(scores.shape[1:], dtype=bool), first_hidden)
        scores = np.where(hidden, -1e9, scores)
        e = np.exp(scores - scores.max(axis=-1, keepdims=True))
        a = e / e.sum(axis=-1, keepdims=True)
        return a @ v, (q, k, v, a)

    def causal_attention_backward(g, cache):
        q, k, v, a = cache
        da = g @ v.transpose(0, 2, 1)
        ds = a * (da - (da * a).sum(axis=-1, keepdims=True)) / np.sqrt(q.shape[2])
        return ds @ k, ds.transpose(0, 2, 1) @ q, a.transpose(0, 2, 1) @ g

    return causal_attention_forward, causal_attention_backward


def test_a_causal_mask_that_is_off_by_one():
    shape = (2, 5, 4)
    check_functions(*attention(1), shape, shape, shape).raise_if_failed()
    report = check_functions(*attention(2), shape, shape, shape)
    assert "the mask is off by 1" in report.diagnoses[0].sentence
