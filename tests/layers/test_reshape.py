"""Flatten and Reshape: channels last stay last, the gradient gets its shape back."""

import numpy as np
import pytest

from mlp.errors import ShapeError
from mlp.layers import Flatten, Reshape


def test_the_channel_varies_fastest():
    x = np.arange(2 * 2 * 3 * 4).reshape(2, 2, 3, 4)
    y = Flatten().forward(x)
    assert y.shape == (2, 24)
    for i, j, c in np.ndindex(2, 3, 4):
        assert y[1, (i * 3 + j) * 4 + c] == x[1, i, j, c]


def test_backward_is_the_inverse():
    layer, x = Flatten(), np.random.default_rng(0).standard_normal((3, 2, 3, 4))
    np.testing.assert_array_equal(layer.backward(layer.forward(x)), x)


def test_vectors_stay_as_they_are():
    layer, x = Flatten(), np.ones((3, 5))
    assert layer.forward(x).shape == (3, 5)
    assert layer.backward(x).shape == (3, 5)


def test_reshape_gives_every_sample_another_shape_and_back():
    layer = Reshape((2, 3, 1))
    x = np.arange(12.0).reshape(2, 6)
    assert layer.forward(x).shape == (2, 2, 3, 1)
    assert (layer.backward(layer.forward(x)) == x).all()
    with pytest.raises(ShapeError, match=r"samples of shape \(5,\) have 5 values, \(2, 3, 1\) needs 6"):
        layer.forward(np.zeros((2, 5)))
