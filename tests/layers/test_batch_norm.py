"""Batch normalization: values against loops, both modes, running statistics, errors."""

import numpy as np
import pytest

from mlp.errors import ShapeError
from mlp.layers import Affine, BatchNorm, Conv2d, Sequential, frozen_buffers


def batch_norm_loops(x, gamma, beta, eps, statistics=None):
    """Formulas (1) to (3), one channel and one value at a time; x is (m, C). Returns y, mean, biased variance."""
    m, C = x.shape
    y, means, variances = np.zeros((m, C)), np.zeros(C), np.zeros(C)
    for c in range(C):
        if statistics is None:
            means[c] = sum(x[i, c] for i in range(m)) / m
            variances[c] = sum((x[i, c] - means[c]) ** 2 for i in range(m)) / m
        else:
            means[c], variances[c] = statistics[0][c], statistics[1][c]
        for i in range(m):
            y[i, c] = gamma[c] * (x[i, c] - means[c]) / (variances[c] + eps) ** 0.5 + beta[c]
    return y, means, variances


def input_gradient_loops(x, gamma, eps, g):
    """Formula (5) as it stands: the m x m derivatives of every x_hat_j by every x_i, summed with gamma g_j."""
    m, C = x.shape
    grad = np.zeros((m, C))
    for c in range(C):
        mean, variance = x[:, c].mean(), x[:, c].var()
        s = (variance + eps) ** 0.5
        x_hat = (x[:, c] - mean) / s
        for i in range(m):
            for j in range(m):
                grad[i, c] += gamma[c] * g[j, c] * ((i == j) - 1 / m - x_hat[i] * x_hat[j] / m) / s
    return grad


def layer_with_values(C, **keywords):
    rng = np.random.default_rng(3)
    layer = BatchNorm(C, dtype=np.float64, **keywords)
    layer.gamma.data, layer.beta.data = rng.uniform(0.5, 2.0, C), rng.standard_normal(C)
    layer.running_mean[...], layer.running_var[...] = rng.standard_normal(C), rng.uniform(0.5, 2.0, C)
    return layer


@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 2, 4), (1, 2, 2, 1)])
def test_training(shape):
    rng = np.random.default_rng(0)
    C = shape[-1]
    layer = layer_with_values(C, eps=1e-3)
    gamma, beta = layer.gamma.data, layer.beta.data
    x, g = 2.0 + 3.0 * rng.standard_normal(shape), rng.standard_normal(shape)
    rows, g_rows = x.reshape(-1, C), g.reshape(-1, C)
    y, mean, variance = batch_norm_loops(rows, gamma, beta, 1e-3)
    np.testing.assert_allclose(layer.forward(x, training=True), y.reshape(shape), rtol=1e-12, atol=1e-13)

    x_hat = (rows - mean) / np.sqrt(variance + 1e-3)
    grad_x = input_gradient_loops(rows, gamma, 1e-3, g_rows)
    np.testing.assert_allclose(layer.backward(g), grad_x.reshape(shape), rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(layer.gamma.grad, (g_rows * x_hat).sum(axis=0), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer.beta.grad, g_rows.sum(axis=0), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("shape", [(6, 3), (2, 3, 2, 4), (1, 2)])
def test_evaluation(shape):
    rng = np.random.default_rng(0)
    C = shape[-1]
    layer = layer_with_values(C)
    gamma, beta, std = layer.gamma.data, layer.beta.data, np.sqrt(layer.running_var + 1e-5)
    x, g = rng.standard_normal(shape), rng.standard_normal(shape)
    statistics = layer.running_mean.copy(), layer.running_var.copy()
    y, _, _ = batch_norm_loops(x.reshape(-1, C), gamma, beta, 1e-5, statistics)
    np.testing.assert_allclose(layer.forward(x), y.reshape(shape), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer.backward(g), g * gamma / std, rtol=1e-12, atol=1e-13)
    x_hat = (x - statistics[0]) / std
    np.testing.assert_allclose(layer.gamma.grad, (g * x_hat).reshape(-1, C).sum(axis=0), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer.beta.grad, g.reshape(-1, C).sum(axis=0), rtol=1e-12, atol=1e-13)


def test_training_outputs_have_mean_beta_and_deviation_gamma():
    rng = np.random.default_rng(0)
    layer = layer_with_values(3)
    y = layer.forward(5.0 + 2.0 * rng.standard_normal((100, 3)), training=True)
    np.testing.assert_allclose(y.mean(axis=0), layer.beta.data, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=0), layer.gamma.data, rtol=1e-5)


def test_running_statistics_follow_the_formula_of_the_docstring():
    rng = np.random.default_rng(0)
    layer = BatchNorm(3, momentum=0.3, dtype=np.float64)
    mean, variance = np.zeros(3), np.ones(3)
    for _ in range(4):
        x = rng.standard_normal((2, 3, 2, 3))
        layer.forward(x, training=True)
        rows = x.reshape(-1, 3)
        mean = 0.7 * mean + 0.3 * rows.mean(axis=0)
        variance = 0.7 * variance + 0.3 * rows.var(axis=0, ddof=1)  # the unbiased one
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-12)
    np.testing.assert_allclose(layer.running_var, variance, rtol=1e-12)


def test_running_statistics_move_once_per_training_forward_and_never_otherwise():
    layer, moves = BatchNorm(2, momentum=0.5), []
    x = np.full((4, 2), 8.0, np.float32)

    def moved():
        moves.append(layer.running_mean[0].item())
        return moves[-1]

    layer.forward(x, training=True)
    assert moved() == 4.0  # half of the way from 0 to 8
    layer.backward(x)
    assert moved() == 4.0
    layer.forward(x, training=False)
    layer.backward(x)
    assert moved() == 4.0
    with frozen_buffers(layer):
        layer.forward(x, training=True)
        assert layer.running_mean[0] == 6.0  # it moves for the moment
        layer.backward(x)
    assert moved() == 4.0
    layer.forward(x, training=True)
    assert moved() == 6.0


def test_statistics_of_the_batch_are_not_those_of_evaluation():
    layer = BatchNorm(1, dtype=np.float64)
    x = np.array([[1.0], [3.0]])
    np.testing.assert_allclose(layer.forward(x, training=True), [[-1.0], [1.0]], atol=1e-5)
    y = layer.forward(x, training=False)  # running mean 0.2, running variance 0.9 + 0.1 * 2
    np.testing.assert_allclose(y, (x - 0.2) / np.sqrt(1.1 + 1e-5), rtol=1e-12)


def test_constant_channels_give_beta_and_no_division_by_zero():
    layer = BatchNorm(2)
    x = np.full((4, 2), 3.0, np.float32)
    np.testing.assert_array_equal(layer.forward(x, training=True), np.zeros((4, 2)))
    assert np.isfinite(layer.backward(x)).all()


def test_far_from_zero_the_variance_keeps_its_digits():
    """mean(x^2) - mean(x)^2 would lose all digits of float32 here; the mean of squared deviations does not."""
    x = (10_000.0 + np.random.default_rng(0).standard_normal((1000, 1))).astype(np.float32)
    y = BatchNorm(1).forward(x, training=True)
    assert abs(float(y.std()) - 1.0) < 0.01


@pytest.mark.parametrize("shape", [(1, 3), (1, 1, 1, 3)])
def test_one_value_per_channel_is_an_error_in_training_only(shape):
    model = Sequential({"norm_0": BatchNorm(3)})
    with pytest.raises(
        ShapeError, match="BatchNorm 'norm_0': got one value per channel .*: use a batch_size of at least 2"
    ):
        model.forward(np.zeros(shape, np.float32), training=True)
    assert model.forward(np.zeros(shape, np.float32)).shape == shape


def test_wrong_shapes_name_the_layer():
    model = Sequential({"input": Sequential({"norm_0": BatchNorm(4)})})
    with pytest.raises(ShapeError, match=r"BatchNorm 'input.norm_0': expected \(N, H, W, 4\).*3 channels where 4"):
        model.forward(np.zeros((2, 5, 5, 3), np.float32))
    with pytest.raises(ShapeError, match=r"expected \(N, 4\), got \(2, 5\): 5 features where 4"):
        model.forward(np.zeros((2, 5), np.float32))
    with pytest.raises(ShapeError, match="3 axes where 2 were expected"):
        model.forward(np.zeros((2, 5, 4), np.float32))


def test_a_bias_before_batch_norm_has_no_gradient():
    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((4, 3, 3, 2)), rng.standard_normal((4, 3, 3, 5))
    conv = Conv2d(2, 5, 1, rng=rng, dtype=np.float64)
    model = Sequential(conv, BatchNorm(5, dtype=np.float64))
    model.forward(x, training=True)
    model.backward(g)
    assert np.abs(conv.bias.grad).max() < 1e-12
    model.forward(x, training=False)
    model.backward(g)
    assert np.abs(conv.bias.grad).min() > 1e-3


def test_reset_and_names():
    layer = Sequential({"fc": Affine(2, 3), "norm": BatchNorm(3)})
    layer.forward(np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32), training=True)
    assert [name for name, _ in layer.named_parameters()] == ["fc.weight", "fc.bias", "norm.gamma", "norm.beta"]
    assert [name for name, _ in layer.named_buffers()] == ["norm.running_mean", "norm.running_var"]
    layer.initialize(0)
    state = layer.state_dict()
    for name, value in {"gamma": 1, "beta": 0, "running_mean": 0, "running_var": 1}.items():
        np.testing.assert_array_equal(state[f"norm.{name}"], np.full(3, value))
