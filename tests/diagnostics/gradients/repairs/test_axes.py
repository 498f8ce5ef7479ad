"""Sums over the wrong axes, where the right ones stand elsewhere in forward or backward."""

import numpy as np

from mlp.diagnostics import check_functions, check_layer

rng = np.random.default_rng(0)


def group_forward(x, gamma, G):
    N, C, H, W = x.shape
    xg = x.reshape(N, G, C // G, H, W)
    mean = xg.mean(axis=(2, 3, 4), keepdims=True)
    std = np.sqrt(xg.var(axis=(2, 3, 4), keepdims=True) + 1e-5)
    xhat = (xg - mean) / std
    return gamma[:, None, None] * xhat.reshape(x.shape), (xhat, std, gamma)


def group_backward(dout, cache):
    xhat, std, gamma = cache
    dgamma = (dout * xhat.reshape(dout.shape)).sum((0, 2, 3))
    g = (dout * gamma[:, None, None]).reshape(xhat.shape)
    proj = np.mean(g * xhat, axis=(3, 4), keepdims=True)
    return ((g - g.mean((2, 3, 4), keepdims=True) - xhat * proj) / std).reshape(dout.shape), dgamma


def group_backward_without_words(dout, cache):
    xhat, std, gamma = cache
    dgamma = (dout * xhat.reshape(dout.shape)).sum((0, 2, 3))
    g = (dout * gamma[:, None, None]).reshape(xhat.shape)
    mean = g.mean((3, 4), keepdims=True)
    return ((g - mean - xhat * (g * xhat).mean((2, 3, 4), keepdims=True)) / std).reshape(dout.shape), dgamma


def test_the_axes_of_a_group_stand_in_forward():
    for backward, start in ((group_backward, "proj = "), (group_backward_without_words, "mean = ")):
        inputs = rng.normal(size=(2, 6, 3, 4)), rng.uniform(0.5, 1.5, 6)
        first = check_functions(group_forward, backward, *inputs, G=2).diagnoses[0]
        assert start in first.sentence, first
        assert "axis=(3, 4) is wrong: it should be axis=(2, 3, 4)" in first.sentence, first


class Whitened:
    """Layer normalization over the axes that it was made with."""

    def __init__(self):
        self.axes = (1, 3)

    def forward(self, x):
        self.s = np.sqrt(x.var(axis=self.axes, keepdims=True) + 1e-5)
        self.z = (x - x.mean(axis=self.axes, keepdims=True)) / self.s
        return self.z

    def backward(self, g):
        mean, share = g.mean(axis=self.axes, keepdims=True), (g * self.z).mean(axis=(2, 3), keepdims=True)
        return (g - mean - share * self.z) / self.s


def test_axes_may_be_a_setting():
    first = check_layer(Whitened(), (2, 4, 3, 2)).diagnoses[0]
    assert "axis=(2, 3) is wrong: it should be axis=self.axes" in first.sentence, first
