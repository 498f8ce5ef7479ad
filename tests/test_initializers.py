"""Initializers: the distribution they promise, and that layers ask with the right fan-in."""

import math

import numpy as np
import pytest

from mlp.initializers import (
    constant,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    normal,
    orthogonal,
    pytorch_default,
    uniform,
)
from mlp.layers import Affine, Conv2d, LeakyReLU
from mlp.rng import generator


@pytest.mark.parametrize("fan_in", [1, 9, 288])
def test_pytorch_default_is_uniform_within_its_bound(fan_in):
    values = pytorch_default((200, 100), fan_in, 7, generator(0, "init"))
    bound = 1.0 / math.sqrt(fan_in)
    assert values.shape == (200, 100)
    assert values.dtype == np.float64
    assert np.abs(values).max() <= bound
    assert np.abs(values).max() > 0.99 * bound
    assert abs(values.mean()) < 0.03 * bound
    assert values.var() == pytest.approx(bound**2 / 3, rel=0.05)
    counts, _ = np.histogram(values, bins=10, range=(-bound, bound))
    assert counts.min() > 1800  # of 2000


def test_the_same_generator_gives_the_same_weights():
    first, second = (pytorch_default((3, 4), 3, 4, generator(5, "init", "conv")) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert (first != pytorch_default((3, 4), 3, 4, generator(6, "init", "conv"))).all()


def recording(calls):
    def initializer(shape, fan_in, fan_out, rng):
        calls[shape] = fan_in, fan_out
        return np.zeros(shape)

    return initializer


def test_layers_ask_with_the_number_of_inputs_that_an_output_sums_over():
    calls = {}
    Conv2d(5, 7, (3, 2), initializer=recording(calls))
    assert calls == {(3, 2, 5, 7): (30, 42)}
    calls.clear()
    Affine(5, 7, initializer=recording(calls))
    assert calls == {(5, 7): (5, 7)}


@pytest.mark.parametrize("make", [lambda **k: Conv2d(4, 6, 3, **k), lambda **k: Affine(4, 6, **k)])
def test_layers_convert_the_draw_to_their_dtype(make):
    single, double = (make(rng=np.random.default_rng(0), dtype=dtype) for dtype in (np.float32, np.float64))
    assert single.weight.data.dtype == np.float32
    assert double.weight.data.dtype == np.float64
    np.testing.assert_array_equal(single.weight.data, double.weight.data.astype(np.float32))
    np.testing.assert_array_equal(single.bias.data, double.bias.data.astype(np.float32))


def test_a_signal_shrinks_to_0_41_of_its_size_in_each_layer():
    """The number in the docstring: why a plain VGG38 does not train."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2000, 300))
    weight = pytorch_default((300, 300), 300, 300, rng)
    y = np.maximum(x, 0.0) @ weight
    assert np.sqrt((y**2).mean() / (x**2).mean()) == pytest.approx(1 / math.sqrt(6), rel=0.05)


@pytest.mark.parametrize(
    ("initializer", "variance"),
    [
        (uniform(-0.5, 0.5), 1 / 12),
        (normal(0.0, 0.3), 0.09),
        (glorot_uniform, 2 / (60 + 80)),
        (glorot_normal, 2 / (60 + 80)),
        (he_uniform(), 2 / 60),
        (he_normal(), 2 / 60),
        (he_uniform(0.5), 2 / (1.25 * 60)),
        (he_normal(0.5), 2 / (1.25 * 60)),
    ],
)
def test_means_and_variances(initializer, variance):
    draw = initializer((200, 300), 60, 80, generator(0, "init"))
    assert draw.dtype == np.float64
    assert abs(draw.mean()) < 5 * math.sqrt(variance / draw.size)
    assert draw.var() == pytest.approx(variance, rel=0.03)


def test_constant():
    assert (constant(0.25)((2, 3), 2, 3, generator(0, "init")) == 0.25).all()


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5), (3, 3, 2, 7), (3, 3, 4, 5)])
def test_orthogonal_matrices_keep_lengths(shape):
    matrix = orthogonal(shape, 1, 1, generator(0, "init")).reshape(-1, shape[-1])
    gram = matrix.T @ matrix if matrix.shape[0] >= matrix.shape[1] else matrix @ matrix.T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-12)


def test_he_keeps_the_size_of_a_signal_through_many_leaky_layers():
    """What the initializer promises, measured: 20 layers of 256 units with slope 0.2."""
    x = generator(0, "probe").standard_normal((64, 256))
    first = np.sqrt((x**2).mean())
    for i in range(20):
        layer = Affine(256, 256, initializer=he_normal(0.2), rng=generator(i, "init"), dtype=np.float64)
        x = LeakyReLU(0.2).forward(layer.forward(x))
    assert 0.5 < np.sqrt((x**2).mean()) / first < 2


def test_the_bias_starts_at_zero_unless_the_initializer_is_pytorchs():
    assert not Affine(3, 4, initializer=he_normal()).bias.data.any()
    assert not Conv2d(3, 4, 3, initializer=orthogonal).bias.data.any()
    assert Affine(3, 4).bias.data.any()
