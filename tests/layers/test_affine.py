"""Affine: values and gradients against loops over every index, shapes, errors."""

import numpy as np
import pytest

from mlp.errors import ShapeError
from mlp.layers import Affine, Sequential


def affine_loops(x, weight, bias, g):
    """The sums of the module docstring, term by term: y and the gradients for dL/dy = g."""
    (N, D), (_, K) = x.shape, weight.shape
    y, grad_x, grad_weight, grad_bias = np.zeros((N, K)), np.zeros((N, D)), np.zeros((D, K)), np.zeros(K)
    for n in range(N):
        for o in range(K):
            y[n, o] = bias[o]
            grad_bias[o] += g[n, o]
            for d in range(D):
                y[n, o] += x[n, d] * weight[d, o]
                grad_x[n, d] += g[n, o] * weight[d, o]
                grad_weight[d, o] += g[n, o] * x[n, d]
    return y, grad_x, grad_weight, grad_bias


@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients(bias):
    rng = np.random.default_rng(0)
    layer = Affine(4, 3, bias=bias, rng=rng, dtype=np.float64)
    x, g = rng.standard_normal((5, 4)), rng.standard_normal((5, 3))
    b = layer.bias.data if bias else np.zeros(3)
    y, grad_x, grad_weight, grad_bias = affine_loops(x, layer.weight.data, b, g)
    np.testing.assert_allclose(layer.forward(x, training=True), y, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(layer.backward(g), grad_x, rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(layer.weight.grad, grad_weight, rtol=1e-13, atol=1e-14)
    if bias:
        np.testing.assert_allclose(layer.bias.grad, grad_bias, rtol=1e-13, atol=1e-14)


def test_parameters():
    assert [name for name, _ in Affine(4, 3).named_parameters()] == ["weight", "bias"]
    assert [name for name, _ in Affine(4, 3, bias=False).named_parameters()] == ["weight"]
    assert Affine(4, 3).num_parameters == 15
    assert Affine(4, 3).weight.data.shape == (4, 3)
    first, second = (Affine(4, 3, rng=np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(first.weight.data, second.weight.data)


def test_wrong_shapes_name_the_layer():
    model = Sequential({"head": Sequential({"affine": Affine(4, 3)})})
    with pytest.raises(ShapeError, match=r"Affine 'head.affine': expected \(N, 4\), got \(2, 5\): 5 features where 4"):
        model.forward(np.zeros((2, 5), np.float32))
    with pytest.raises(ShapeError, match=r"expected \(N, 4\), got \(2, 2, 2, 4\): 4 axes where 2 were expected"):
        model.forward(np.zeros((2, 2, 2, 4), np.float32))


def test_an_empty_batch_gives_empty_outputs_and_zero_gradients():
    layer = Affine(4, 3)
    assert layer.forward(np.zeros((0, 4), np.float32)).shape == (0, 3)
    assert layer.backward(np.zeros((0, 3), np.float32)).shape == (0, 4)
    assert not layer.weight.grad.any()
