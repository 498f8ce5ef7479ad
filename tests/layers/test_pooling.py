"""Pooling: values and gradients against loops over windows, ties, shapes, errors."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError, ShapeError
from mlp.layers import AvgPool2d, GlobalAvgPool, MaxPool2d, Sequential


def pooling_loops(x, k, s, g=None):
    """The mean of every window; for dL/dy = g the share that every pixel gets from the windows it lies in."""
    N, H, W, C = x.shape
    OH, OW = (H - k) // s + 1, (W - k) // s + 1
    y, grad_x = np.zeros((N, OH, OW, C)), np.zeros(x.shape)
    for n, i, j, c in np.ndindex(N, OH, OW, C):
        window = [(s * i + u, s * j + v) for u in range(k) for v in range(k)]
        y[n, i, j, c] = sum(x[n, row, column, c] for row, column in window) / k**2
        if g is not None:
            for row, column in window:
                grad_x[n, row, column, c] += g[n, i, j, c] / k**2
    return y if g is None else grad_x


@pytest.mark.parametrize(
    ("k", "s", "size"),
    [(2, 2, (4, 6)), (2, 2, (5, 3)), (3, 2, (7, 6)), (3, 1, (4, 5)), (1, 2, (5, 4)), (2, 3, (8, 7)), (3, 3, (3, 3))],
)
def test_values_and_gradients(k, s, size):
    rng = np.random.default_rng(0)
    layer, x = AvgPool2d(k, stride=s), rng.standard_normal((2, *size, 3))
    y = layer.forward(x, training=True)
    np.testing.assert_allclose(y, pooling_loops(x, k, s), rtol=1e-13, atol=1e-14)
    g = rng.standard_normal(y.shape)
    np.testing.assert_allclose(layer.backward(g), pooling_loops(x, k, s, g), rtol=1e-13, atol=1e-14)


def test_the_stride_is_the_window_by_default():
    x = np.arange(16.0).reshape(1, 4, 4, 1)
    np.testing.assert_array_equal(AvgPool2d(2).forward(x)[0, :, :, 0], [[2.5, 4.5], [10.5, 12.5]])


def test_pixels_under_no_window_get_no_gradient():
    layer = AvgPool2d(2)
    layer.forward(np.zeros((1, 3, 5, 1)))
    grad = layer.backward(np.ones((1, 1, 2, 1)))[0, :, :, 0]
    np.testing.assert_array_equal(grad, [[0.25] * 4 + [0]] * 2 + [[0] * 5])


def test_global_pooling():
    rng = np.random.default_rng(0)
    layer, x = GlobalAvgPool(), rng.standard_normal((2, 3, 4, 5))
    expected = [[sum(x[n, i, j, c] for i in range(3) for j in range(4)) / 12 for c in range(5)] for n in range(2)]
    np.testing.assert_allclose(layer.forward(x), expected, rtol=1e-13)
    g = rng.standard_normal((2, 5))
    grad = layer.backward(g)
    assert grad.shape == x.shape
    for i, j in np.ndindex(3, 4):
        np.testing.assert_allclose(grad[:, i, j], g / 12, rtol=1e-15)


def test_errors_name_the_layer():
    model = Sequential({"pool": AvgPool2d(3), "head": GlobalAvgPool()})
    with pytest.raises(ShapeError, match=r"AvgPool2d 'pool': .*at least 3, got \(1, 2, 5, 1\)"):
        model.forward(np.zeros((1, 2, 5, 1)))
    with pytest.raises(ShapeError, match=r"AvgPool2d 'pool': expected \(N, H, W, C\)"):
        model.forward(np.zeros((4, 3)))
    with pytest.raises(ShapeError, match=r"GlobalAvgPool: expected \(N, H, W, C\), got \(4, 3\)"):
        GlobalAvgPool().forward(np.zeros((4, 3)))


@pytest.mark.parametrize(("k", "s"), [(0, None), (2, 0), (-1, 1)])
def test_impossible_settings(k, s):
    with pytest.raises(ConfigurationError, match="must be a whole number of at least 1"):
        AvgPool2d(k, stride=s)


@pytest.mark.parametrize(("k", "s"), [(2, 2), (3, 2), (2, 3), (1, 2), (3, 1)])
def test_maxima_against_loops(k, s):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 7, 6, 3))
    layer = MaxPool2d(k, stride=s)
    y = layer.forward(x)
    upstream = rng.standard_normal(y.shape)
    grad = np.zeros_like(x)
    for n, i, j, c in np.ndindex(y.shape):
        window = x[n, s * i : s * i + k, s * j : s * j + k, c]
        assert y[n, i, j, c] == window.max()
        u, v = np.unravel_index(window.argmax(), window.shape)
        grad[n, s * i + u, s * j + v, c] += upstream[n, i, j, c]
    np.testing.assert_allclose(layer.backward(upstream), grad, rtol=1e-13)


def test_the_first_of_equals_gets_the_gradient():
    layer = MaxPool2d(2)
    layer.forward(np.zeros((1, 2, 2, 1)))
    assert layer.backward(np.ones((1, 1, 1, 1))).ravel().tolist() == [1, 0, 0, 0]


def test_images_smaller_than_a_window_are_an_error():
    with pytest.raises(ShapeError, match="MaxPool2d: expected .* at least 3, got"):
        MaxPool2d(3).forward(np.zeros((1, 2, 5, 1)))
