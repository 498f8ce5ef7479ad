"""Right layers in forms that a name or a size could mislead about: none of them is an alarm."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer
from mlp.layers import Layer, Parameter


class Pointwise(Layer):
    """An activation with a numerical derivative that is exact enough."""

    def forward(self, x, training=False):
        self.keep(x)
        return self.value(x)

    def backward(self, grad_outputs):
        x, h = self.take(), 1e-6
        return grad_outputs * (self.value(x + h) - self.value(x - h)) / (2.0 * h)


class ReLU6(Pointwise):
    def __init__(self):
        self.cap = 1.0

    def value(self, x):
        return np.clip(x, 0.0, self.cap)


class LeakyReLU(Pointwise):
    def value(self, x):
        return np.where(x > 0, x, 0.3 * x)


class ELU(Pointwise):
    def value(self, x):
        return np.where(x > 0, x, 0.7 * np.expm1(x))


class Swish(Pointwise):
    def __init__(self):
        self.steepness = 2.0

    def value(self, x):
        return x / (1.0 + np.exp(-self.steepness * x))


class LeakyReLUOfFeatures(LeakyReLU):
    def __init__(self):
        self.slopes = np.linspace(0.1, 0.4, 6)
        self.slopes.flags.writeable = False

    def value(self, x):
        return np.where(x > 0, x, self.slopes * x)


class SiLU(Swish):
    def __init__(self):
        self.beta = np.linspace(0.5, 2.0, 6)
        self.beta.flags.writeable = False

    def value(self, x):
        return x / (1.0 + np.exp(-self.beta * x))


LeakyReLUOfFeatures.__name__ = "LeakyReLU"


class HardTanh(Pointwise):
    def value(self, x):
        return np.clip(x, -0.7, 0.5)


class SELU(Pointwise):
    def value(self, x):
        return 1.0507 * np.where(x > 0, x, 1.6733 * np.expm1(x))


@pytest.mark.parametrize("kind", [ReLU6, LeakyReLU, ELU, Swish, LeakyReLUOfFeatures, SiLU, HardTanh, SELU])
def test_activations_with_numbers_of_their_own(kind):
    check_layer(kind(), (5, 6), tolerance=1e-5).raise_if_failed()


class Dropout(Layer):
    """p is the probability of keeping a unit."""

    def __init__(self, p):
        self.p = p
        self.rng = np.random.default_rng(0)

    def forward(self, x, training=False):
        mask = ((self.rng.random(x.shape) < self.p) / self.p if training else np.ones(x.shape)).astype(x.dtype)
        self.keep(mask)
        return x * mask

    def backward(self, grad_outputs):
        return grad_outputs * self.take()


def test_a_dropout_whose_p_is_that_of_keeping():
    check_layer(Dropout(0.8), (10, 20)).raise_if_failed()


class GroupNorm(Layer):
    """x (N, C, H, W) or (N, H, W, C), by the axis of the channels."""

    def __init__(self, groups, c, axis):
        self.groups, self.axis = groups, axis
        self.gamma = Parameter(np.ones(c))

    def view(self, x):
        return (*x.shape[: self.axis], self.groups, -1, *x.shape[self.axis + 1 :])

    def spread(self, x):
        return self.gamma.data.reshape([-1 if axis == self.axis else 1 for axis in range(x.ndim)])

    def forward(self, x, training=False):
        sets = x.reshape(self.view(x))
        axes = tuple(axis for axis in range(1, sets.ndim) if axis != self.axis)
        std = np.sqrt(sets.var(axes, keepdims=True) + 1e-5)
        x_hat = (sets - sets.mean(axes, keepdims=True)) / std
        self.keep(x_hat, std, axes)
        return x_hat.reshape(x.shape) * self.spread(x)

    def backward(self, grad_outputs):
        x_hat, std, axes = self.take()
        others = tuple(axis for axis in range(grad_outputs.ndim) if axis != self.axis)
        self.gamma.grad = (grad_outputs * x_hat.reshape(grad_outputs.shape)).sum(others)
        d = (grad_outputs * self.spread(grad_outputs)).reshape(x_hat.shape)
        dx = d - d.mean(axes, keepdims=True) - x_hat * (d * x_hat).mean(axes, keepdims=True)
        return (dx / std).reshape(grad_outputs.shape)


@pytest.mark.parametrize(("shape", "axis"), [((2, 3, 3, 4), 3), ((2, 4, 3, 2), 1), ((2, 4, 4, 4), 1)])
def test_group_norms_of_both_orders_of_axes(shape, axis):
    check_layer(GroupNorm(2, 4, axis), shape).raise_if_failed()


def weight_norm_forward(x, v, g):
    length = np.sqrt((v**2).sum(axis=0))
    w = g * v / length
    return x @ w, (x, v, g, length, w)


def weight_norm_backward(dout, cache):
    x, v, g, length, w = cache
    dw = x.T @ dout
    dg = (dw * v / length).sum(axis=0)
    return dout @ w.T, g / length * (dw - v * dg / length), dg


def test_arrays_in_a_cache_are_no_weights():
    check_functions(weight_norm_forward, weight_norm_backward, (4, 3), (3, 5), (5,)).raise_if_failed()


def cell_forward(x, h, Wx, Wh):  # noqa: N803
    y = np.tanh(x @ Wx + h @ Wh)
    return y, (x, h, Wx, Wh, y)


def cell_backward(dout, cache):
    x, h, Wx, Wh, y = cache  # noqa: N806
    da = dout * (1.0 - y**2)
    return da @ Wx.T, da @ Wh.T, x.T @ da, h.T @ da


def test_the_state_of_a_cell_has_a_batch_of_its_own():
    check_functions(cell_forward, cell_backward, (2, 3), (2, 4), (3, 4), (4, 4)).raise_if_failed()


def pool_forward(x, pool_param):
    k, s = pool_param["size"], pool_param["stride"]
    y = np.zeros((*x.shape[:2], (x.shape[2] - k) // s + 1, (x.shape[3] - k) // s + 1))
    for i, j in np.ndindex(y.shape[2:]):
        y[:, :, i, j] = x[:, :, i * s : i * s + k, j * s : j * s + k].max(axis=(2, 3))
    return y, (x, pool_param)


def pool_backward(dout, cache):
    x, k, s = cache[0], cache[1]["size"], cache[1]["stride"]
    dx = np.zeros_like(x)
    for i, j in np.ndindex(dout.shape[2:]):
        window = x[:, :, i * s : i * s + k, j * s : j * s + k]
        flat = window.reshape(*window.shape[:2], -1)
        winners = (flat.argmax(axis=2)[..., None] == np.arange(k * k)).reshape(window.shape)
        dx[:, :, i * s : i * s + k, j * s : j * s + k] += winners * dout[:, :, i : i + 1, j : j + 1]
    return dx


def test_a_pool_that_does_not_say_which_may_take_the_largest_value():
    check_functions(pool_forward, pool_backward, (2, 3, 4, 4), pool_param={"size": 2, "stride": 2}).raise_if_failed()


def depthwise_forward(x, w, pad=1):
    k = w.shape[-1]
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(x, [(0, 0), (0, 0), (pad, pad), (pad, pad)]), (k, k), (2, 3)
    )
    return np.einsum("nchwuv,cuv->nchw", windows, w), (windows, w, pad)


def depthwise_backward(dy, cache):
    windows, w, pad = cache
    (H, W), k = dy.shape[2:], w.shape[-1]
    dx = np.zeros((*dy.shape[:2], H + 2 * pad, W + 2 * pad))
    for u, v in np.ndindex(k, k):
        dx[:, :, u : u + H, v : v + W] += dy * w[:, u, v, None, None]
    return dx[:, :, pad : pad + H, pad : pad + W], np.einsum("nchwuv,nchw->cuv", windows, dy)


def test_a_view_that_cannot_be_written_may_be_kept():
    check_functions(depthwise_forward, depthwise_backward, (2, 3, 4, 5), (3, 3, 3)).raise_if_failed()
