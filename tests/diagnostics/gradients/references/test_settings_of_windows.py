"""Convolutions and pools: unusual names of settings, where their outputs decide, and the number of windows."""

import numpy as np
import pytest

from mlp.diagnostics.class_report.worker import parts_of
from mlp.diagnostics.gradients.check import check_functions, check_layer
from mlp.diagnostics.gradients.diagnoses.known_layers import wrong_forward
from mlp.diagnostics.gradients.styles.adapters import adapt
from mlp.layers import Layer, Parameter


def windows(x, k, stride, dilation=(1, 1), pads=((0, 0), (0, 0))):
    """Return the windows (N, C, *outputs, *k) of (N, C, *S), in one axis or two."""
    axes = len(k)
    x = np.pad(x, ((0, 0), (0, 0), *pads[:axes]))
    wide = [d * (size - 1) + 1 for d, size in zip(dilation, k, strict=False)]
    found = np.lib.stride_tricks.sliding_window_view(x, wide, axis=tuple(range(2, 2 + axes)))
    starts, taps = ([slice(None, None, step) for step in steps[:axes]] for steps in (stride, dilation))
    return found[(slice(None), slice(None), *starts, *taps)]


class Conv:
    def __init__(self, k, how, **settings):
        self.W = np.random.default_rng(0).standard_normal((4, 2, *k))
        self.how = lambda: how
        vars(self).update(settings)

    def forward(self, x):
        axes = x.ndim - 2
        taps = windows(x, self.W.shape[2:], **self.how())
        y = np.tensordot(taps, self.W, ([1, *range(2 + axes, 2 + 2 * axes)], [1, *range(2, 2 + axes)]))
        self.shape, self.dW = x.shape, np.zeros(self.W.shape)
        return np.moveaxis(y, -1, 1)

    def backward(self, g):
        return np.zeros(self.shape)


class Pool:
    def __init__(self, k, how, **settings):
        self.how = lambda: (k, how)
        vars(self).update(settings)

    def forward(self, x):
        k, how = self.how()
        self.shape = x.shape
        return windows(x, k, **how).max(axis=tuple(range(-len(k), 0)))

    def backward(self, g):
        return np.zeros(self.shape)


def said(kind, k, shape, how, **settings):
    """Return what is said of a forward with windows of size k."""
    name = f"Max{kind.__name__}" if kind is Pool else kind.__name__
    layer, _ = adapt(type(f"{name}{len(k)}d", (kind,), {})(k, how, **settings), shape)
    return next((one.sentence for one in wrong_forward(layer, shape, 0)), "")


@pytest.mark.parametrize(
    ("how", "settings"),
    [
        ({"stride": [1], "dilation": [2], "pads": [(2, 2)]}, {"dil": 2, "pad": 2}),
        ({"stride": [4]}, {"hop": 4}),
        ({"stride": [2], "dilation": [3], "pads": [(3, 3)]}, {"jump": np.int64(2), "spacing": 3, "border": 3}),
        ({"stride": [1], "dilation": [2], "pads": [(4, 0)]}, {"mode": "causal", "gap": 2}),
        ({"stride": [1], "pads": [(3, 1)]}, {"padding": (3, 1)}),
    ],
)
def test_right_signals_raise_no_alarm(how, settings):
    assert said(Conv, (3,), (2, 2, 14), how, **settings) == ""


def test_right_images_raise_no_alarm():
    how = {"stride": (2, 3), "dilation": (1, 2), "pads": ((1, 1), (0, 2))}
    named = {"hop": (2, 3), "gap": (1, 2), "edges": ((1, 1), (0, 2))}
    assert said(Conv, (3, 2), (2, 2, 8, 9), how, **named) == ""
    assert said(Conv, (3, 2), (2, 2, 9, 8), {"stride": (4, 1)}, sy=4, sx=1) == ""


@pytest.mark.parametrize(
    ("k", "stride", "settings"),
    [
        ((3,), (2,), {"span": 3, "hop": 2}),
        ((3,), (2,), {"size": 3, "hop": 2}),
        ((2, 3), (1, 2), {"area": (2, 3), "jump": (1, 2)}),
        ((2, 2), (2, 2), {}),
    ],
)
def test_right_pools_raise_no_alarm(k, stride, settings):
    assert said(Pool, k, (2, 3, 6, 8)[: 2 + len(k)], {"stride": stride}, **settings) == ""


@pytest.mark.parametrize(
    ("kind", "how", "settings"),
    [
        (Conv, {"stride": [1], "dilation": [2]}, {"dilation": 3}),  # a name that says what it is is a promise
        (Conv, {"stride": [4]}, {"stride": 2, "hop": 4}),
        (Conv, {"stride": [5]}, {"hop": 4}),  # no setting is a 5
        (Pool, {"stride": [1]}, {"size": 3}),
        (Pool, {"stride": [3]}, {"size": 3, "stride": 2, "hop": 3}),
    ],
)
def test_what_no_setting_gives_is_still_wrong(kind, how, settings):
    sentence = said(kind, (3,), (2, 2, 14), how, **settings)
    assert "is not that of" in sentence or "window i starts at" in sentence


class FewRows(Layer):
    """A convolution that leaves out the last row of windows."""

    def __init__(self):
        self.weight, self.k = Parameter(np.random.default_rng(0).standard_normal((3, 3, 3, 4))), 3

    def forward(self, x, training=False):
        n, h, w, _ = x.shape
        k = self.k
        rows, columns = h - k, w - k + 1
        y = np.zeros((n, rows, columns, 4))
        for i in range(rows):
            for j in range(columns):
                y[:, i, j] = np.tensordot(x[:, i : i + k, j : j + k], self.weight.data, axes=3)
        self.keep(x)
        return y

    def backward(self, grad_outputs):
        x, k = self.take(), self.k
        self.weight.grad, grad_inputs = np.zeros(self.weight.data.shape), np.zeros(x.shape)
        for i in range(grad_outputs.shape[1]):
            for j in range(grad_outputs.shape[2]):
                g = grad_outputs[:, i, j]
                self.weight.grad = self.weight.grad + np.tensordot(x[:, i : i + k, j : j + k], g, axes=([0], [0]))
                grad_inputs[:, i : i + k, j : j + k] += np.tensordot(g, self.weight.data, axes=([1], [3]))
        return grad_inputs


@pytest.mark.parametrize("shape", [(2, 6, 5, 3), (5, 7, 9, 3)])  # n = k - 1 in the first
def test_a_number_of_windows_that_is_one_too_small(shape):
    report = check_layer(type("Conv", (FewRows,), {})().astype(np.float64), shape)
    assert "`h - k + 1` belongs here for `h - k`" in report.diagnoses[0].sentence
    right = [name for name, passed in parts_of(report).items() if passed]
    assert right == ["gradient of inputs", "gradient of weight", "evaluation"]  # forward is counted once


def pool_forward(x, size=3, stride=2):
    """Max pooling of signals, (N, C, L)."""
    starts = stride * np.arange((x.shape[2] - size) // stride)
    windows = x[:, :, starts[:, None] + np.arange(size)]
    return windows.max(axis=3), (x.shape, starts + windows.argmax(axis=3))


def pool_backward(dout, cache):
    shape, best = cache
    dx, (n, c, _) = np.zeros(shape), np.indices(best.shape)
    np.add.at(dx, (n, c, best), dout)
    return dx


def test_settings_that_two_functions_have_by_default_tell_changes_apart():
    report = check_functions(pool_forward, pool_backward, (2, 3, 9))  # 9 // 2 is (9 - 3) // 2 + 1
    assert "`+ 1` is missing" in report.diagnoses[0].sentence, report
