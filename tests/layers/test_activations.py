"""Activations: values and slopes at chosen points, the kink, errors."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError
from mlp.layers import LeakyReLU, ReLU

POINTS = np.array([[-2.0, -0.5, -0.0, 0.0, 0.5, 3.0]])


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.2, 1.0])
def test_leaky_relu(slope):
    layer = LeakyReLU(slope)
    expected = [[x if x > 0 else slope * x for x in POINTS[0]]]
    np.testing.assert_allclose(layer.forward(POINTS), expected, rtol=1e-15)
    expected = [[10.0 if x > 0 else slope * 10.0 for x in POINTS[0]]]
    np.testing.assert_allclose(layer.backward(np.full_like(POINTS, 10.0)), expected, rtol=1e-15)


def test_relu():
    layer = ReLU()
    np.testing.assert_array_equal(layer.forward(POINTS), [[0, 0, 0, 0, 0.5, 3.0]])
    np.testing.assert_array_equal(layer.backward(np.full_like(POINTS, 10.0)), [[0, 0, 0, 0, 10.0, 10.0]])


def test_images_and_other_shapes():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 5))
    np.testing.assert_array_equal(LeakyReLU(0.1).forward(x), np.where(x > 0, x, 0.1 * x))
    np.testing.assert_array_equal(ReLU().forward(x), x.clip(min=0))


@pytest.mark.parametrize("layer", [ReLU(), LeakyReLU()])
def test_the_pieces_are_told(layer):
    np.testing.assert_array_equal(layer.branches(POINTS), POINTS > 0)


@pytest.mark.parametrize("layer", [ReLU(), LeakyReLU()])
def test_not_a_number_stays_visible(layer):
    assert np.isnan(layer.forward(np.array([np.nan]))).all()


@pytest.mark.parametrize("slope", [-0.1, 1.1, float("nan")])
def test_impossible_slopes(slope):
    with pytest.raises(ConfigurationError, match="negative_slope must lie in 0 .. 1, got"):
        LeakyReLU(slope)


def test_repr():
    assert repr(LeakyReLU(0.2)) == "LeakyReLU(0.2)"
    assert repr(ReLU()) == "ReLU()"
