"""Max pooling against loops, and ties."""

import numpy as np
import pytest

from mlp.errors import ShapeError
from mlp.layers import MaxPool2d


@pytest.mark.parametrize(("k", "s"), [(2, 2), (3, 2), (2, 3), (1, 2), (3, 1)])
def test_against_loops(k, s):
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
