"""Layer, instance and group norm: values against loops, samples by themselves, the same in both modes, errors."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError, ShapeError
from mlp.layers import BatchNorm, GroupNorm, InstanceNorm, LayerNorm, Sequential


def sets_of(shape, G):
    """Yield the sets that are normalized together: lists of indices into an array of this shape, channels last."""
    K = shape[-1] // G
    for n in range(shape[0]):
        for group in range(G):
            yield [(n, *pixel, c) for pixel in np.ndindex(*shape[1:-1]) for c in range(group * K, group * K + K)]


def normalize_loops(x, G, gamma, beta, eps):
    """Formulas (1) to (3), one set and one value at a time. Returns y and x_hat."""
    y, x_hat = np.zeros(x.shape), np.zeros(x.shape)
    for members in sets_of(x.shape, G):
        m = len(members)
        mean = sum(x[i] for i in members) / m
        variance = sum((x[i] - mean) ** 2 for i in members) / m
        for i in members:
            x_hat[i] = (x[i] - mean) / (variance + eps) ** 0.5
            y[i] = gamma[i[-1]] * x_hat[i] + beta[i[-1]]
    return y, x_hat


def input_gradient_loops(x, x_hat, G, gamma, eps, g):
    """Formula (5) of batch norm as it stands: all derivatives of x_hat_j by x_i in a set, summed with gamma_j g_j."""
    grad = np.zeros(x.shape)
    for members in sets_of(x.shape, G):
        m = len(members)
        s = (np.var([x[i] for i in members]) + eps) ** 0.5
        for i in members:
            for j in members:
                grad[i] += gamma[j[-1]] * g[j] * ((i == j) - 1 / m - x_hat[i] * x_hat[j] / m) / s
    return grad


def with_values(layer):
    rng = np.random.default_rng(3)
    layer.astype(np.float64)
    layer.gamma.data = rng.uniform(0.5, 2.0, layer.num_features)
    layer.beta.data = rng.standard_normal(layer.num_features)
    return layer


CASES = [
    (lambda: LayerNorm(5, eps=1e-3), 1, (3, 5)),
    (lambda: LayerNorm(2, eps=1e-3), 1, (2, 3, 2, 2)),
    (lambda: InstanceNorm(3, eps=1e-3), 3, (2, 2, 3, 3)),
    (lambda: GroupNorm(2, 6, eps=1e-3), 2, (4, 6)),
    (lambda: GroupNorm(2, 4, eps=1e-3), 2, (2, 3, 2, 4)),
    (lambda: GroupNorm(3, 3, eps=1e-3), 3, (1, 2, 2, 3)),
]


@pytest.mark.parametrize(("make", "G", "shape"), CASES)
@pytest.mark.parametrize("training", [True, False])
def test_values_and_gradients(make, G, shape, training):
    rng = np.random.default_rng(0)
    layer = with_values(make())
    gamma, beta = layer.gamma.data, layer.beta.data
    x, g = 2.0 + 3.0 * rng.standard_normal(shape), rng.standard_normal(shape)
    y, x_hat = normalize_loops(x, G, gamma, beta, 1e-3)
    np.testing.assert_allclose(layer.forward(x, training), y, rtol=1e-12, atol=1e-13)

    grad_x = input_gradient_loops(x, x_hat, G, gamma, 1e-3, g)
    np.testing.assert_allclose(layer.backward(g), grad_x, rtol=1e-11, atol=1e-13)
    over_all_but_channels = tuple(range(len(shape) - 1))
    np.testing.assert_allclose(layer.gamma.grad, (g * x_hat).sum(axis=over_all_but_channels), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(layer.beta.grad, g.sum(axis=over_all_but_channels), rtol=1e-12, atol=1e-13)


def test_layer_norm_and_instance_norm_are_the_two_ends_of_group_norm():
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 6)).astype(np.float32)
    np.testing.assert_array_equal(LayerNorm(6).forward(x), GroupNorm(1, 6).forward(x))
    np.testing.assert_array_equal(InstanceNorm(6).forward(x), GroupNorm(6, 6).forward(x))
    assert not np.allclose(LayerNorm(6).forward(x), InstanceNorm(6).forward(x))


def test_of_one_image_instance_norm_is_batch_norm():
    x = np.random.default_rng(0).standard_normal((1, 3, 4, 6))
    batch_norm = BatchNorm(6, dtype=np.float64)
    np.testing.assert_allclose(
        InstanceNorm(6, dtype=np.float64).forward(x), batch_norm.forward(x, training=True), rtol=1e-12
    )


@pytest.mark.parametrize(("make", "G", "shape"), CASES)
def test_a_sample_does_not_depend_on_the_others(make, G, shape):
    rng = np.random.default_rng(0)
    layer = with_values(make())
    x, g = rng.standard_normal((5, *shape[1:])), rng.standard_normal((5, *shape[1:]))
    y, grad = layer.forward(x, training=True), layer.backward(g)
    np.testing.assert_allclose(layer.forward(x[2:3], training=True), y[2:3], rtol=1e-12)
    np.testing.assert_allclose(layer.backward(g[2:3]), grad[2:3], rtol=1e-12)


def test_another_contrast_or_brightness_of_an_image_changes_nothing():
    x = np.random.default_rng(0).standard_normal((2, 5, 5, 4))
    changed = x * np.array([3.0, 0.5]).reshape(2, 1, 1, 1) + np.array([10.0, -4.0]).reshape(2, 1, 1, 1)
    for layer in (LayerNorm(4, eps=0.0), InstanceNorm(4, eps=0.0), GroupNorm(2, 4, eps=0.0)):
        layer.astype(np.float64)
        np.testing.assert_allclose(layer.forward(changed), layer.forward(x), rtol=1e-10, atol=1e-12)


def test_a_constant_image_gives_beta_and_no_division_by_zero():
    for layer in (LayerNorm(4), InstanceNorm(4), GroupNorm(2, 4)):
        layer.beta.data += 1.5
        x = np.full((2, 3, 3, 4), 7.0, np.float32)
        np.testing.assert_array_equal(layer.forward(x), np.full_like(x, 1.5))
        assert np.isfinite(layer.backward(x)).all()


def test_far_from_zero_the_variance_keeps_its_digits():
    """mean(x^2) - mean(x)^2 would lose all digits of float32 here; the mean of squared deviations does not."""
    x = (10_000.0 + np.random.default_rng(0).standard_normal((2, 20, 20, 2))).astype(np.float32)
    assert abs(float(InstanceNorm(2).forward(x).std()) - 1.0) < 0.01


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("layer", "shape"),
    [(InstanceNorm(3), (4, 1, 1, 3)), (InstanceNorm(3), (4, 3)), (GroupNorm(3, 3), (4, 3)), (LayerNorm(1), (4, 1))],
)
def test_one_value_in_a_set_is_an_error_in_both_modes(layer, shape, training):
    message = f"{type(layer).__name__} 'norm_0': got one value per sample and channel .*two or more"
    with pytest.raises(ShapeError, match=message):
        Sequential({"norm_0": layer}).forward(np.zeros(shape, np.float32), training)


def test_one_value_for_each_channel_is_enough_for_a_group():
    assert GroupNorm(2, 4).forward(np.zeros((3, 1, 1, 4), np.float32)).shape == (3, 1, 1, 4)


def test_wrong_shapes_name_the_layer():
    model = Sequential({"norm_0": GroupNorm(2, 4)})
    with pytest.raises(ShapeError, match=r"GroupNorm 'norm_0': expected \(N, H, W, 4\).*3 channels where 4"):
        model.forward(np.zeros((2, 5, 5, 3), np.float32))
    with pytest.raises(ShapeError, match="3 axes where 2 were expected"):
        model.forward(np.zeros((2, 5, 4), np.float32))
    with pytest.raises(ShapeError, match="the parameters are float32, the inputs are float64"):
        model.forward(np.zeros((2, 5, 5, 4)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((3, 8), "num_groups must divide the 8 channels, got 3: use one of 1, 2, 4, 8"),
        ((0, 8), "num_groups must be a whole number of at least 1, got 0"),
        ((1, 0), "num_features must be a whole number of at least 1, got 0"),
        ((1, 8, -1e-5), "eps must be 0 or greater, got -1e-05"),
    ],
)
def test_impossible_settings(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        GroupNorm(*settings)


def test_names_reset_and_text():
    layer = Sequential({"norm": GroupNorm(2, 4)})
    assert [name for name, _ in layer.named_parameters()] == ["norm.gamma", "norm.beta"]
    assert not list(layer.named_buffers())
    for parameter in layer.parameters():
        parameter.data += 5.0
    layer.initialize(0)
    np.testing.assert_array_equal(layer.state_dict()["norm.gamma"], np.ones(4))
    np.testing.assert_array_equal(layer.state_dict()["norm.beta"], np.zeros(4))
    texts = [repr(made) for made in (LayerNorm(4), InstanceNorm(4, eps=0.1), GroupNorm(2, 4))]
    assert texts == ["LayerNorm(4, eps=1e-05)", "InstanceNorm(4, eps=0.1)", "GroupNorm(2, 4, eps=1e-05)"]
