"""The laws of shattering against integrals, and against networks with random weights."""

import numpy as np
import pytest

from mlp.diagnostics.shattering import (
    DENSE_NETS,
    dense_correlations,
    feedforward_law,
    great_circle,
    input_gradients,
    kappa0,
    kappa1,
    layer_factors,
    rectifier_law,
    residual_law,
    residual_norm_law,
)
from mlp.errors import ConfigurationError


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3, 1.0])
@pytest.mark.parametrize("c", [-0.9, 0.0, 0.5, 0.99])
def test_kappas_are_expectations_over_two_correlated_normals(c, slope):
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)  # of the radial part: E over the angle is exact
    angles = (np.arange(20000) + 0.5) * 2 * np.pi / 20000
    u, v = np.cos(angles), np.cos(angles - np.arccos(c))
    derivative = [np.where(z > 0, 1.0, slope) for z in (u, v)]
    square = (1 + slope**2) / 2
    assert kappa0(c, slope) == pytest.approx((derivative[0] * derivative[1]).mean() / square, abs=2e-4)
    radius = 2.0  # E r^2 of two normals
    values = (derivative[0] * u * derivative[1] * v).mean() * radius
    assert kappa1(c, slope) == pytest.approx(values / square, abs=2e-4)
    assert weights.sum() == pytest.approx(np.sqrt(2 * np.pi))
    assert len(nodes) == 200


def test_the_laws_have_their_known_values():
    exact = [0.5, 0.301558, 0.200345, 0.141595, 0.104559, 0.079806, 0.062518, 0.050019, 0.040725, 0.033652, 0.028163]
    np.testing.assert_allclose(rectifier_law(0.0, 12), [*exact, 0.023830], atol=6e-7)
    leaky = rectifier_law(0.0, 12, 0.01)
    np.testing.assert_allclose(leaky[[0, 1, 2, 3, 11]], [0.509999, 0.310569, 0.207595, 0.147355, 0.025163], atol=6e-7)
    at_30 = rectifier_law(np.cos(np.pi / 6), 37)[[0, 3, 11, 36]]
    np.testing.assert_allclose(at_30, [0.833333, 0.514036, 0.192140, 0.030314], atol=6e-7)
    assert rectifier_law(0.0, 37)[36] == pytest.approx(0.001947, abs=6e-7)
    np.testing.assert_allclose(
        residual_norm_law(12)[[0, 1, 3, 7, 11]], [0.75, 0.6102, 0.4552, 0.3141, 0.2458], atol=6e-5
    )
    np.testing.assert_allclose(residual_law(3), [0.75, 0.5625, 0.421875])
    np.testing.assert_allclose(feedforward_law(3), [0.5, 0.25, 0.125])
    theorem = 1 / np.sqrt(1 + np.arange(1, 50))
    np.testing.assert_allclose(residual_norm_law(49, spread=1.0), theorem, rtol=0.2)
    assert kappa0(1.0) == kappa1(1.0) == 1.0


LAWS = {
    "relu": rectifier_law(0.0, 12),
    "norm_relu": feedforward_law(12),
    "masks": feedforward_law(12),
    "residual_masks": residual_law(12),
    "residual_norm": residual_norm_law(12),
}


def compare(kind, depths, nets):
    mean, error = dense_correlations(kind, depths, nets=nets)
    law = LAWS[kind][np.array(depths) - 1]
    if kind == "norm_relu":
        law = law - depths * 0.5 ** np.array(depths) / 63  # 64 centred inputs have a cosine of -1/63
    part = 0.08 if kind == "residual_norm" else 0.02
    assert (np.abs(mean - law) < 4 * error + part * law).all(), (kind, mean, law, error)


@pytest.mark.slow
@pytest.mark.parametrize("kind", DENSE_NETS)
def test_wide_networks_obey_the_laws(kind):
    compare(kind, (1, 2, 4, 8, 12), nets=40)


@pytest.mark.parametrize("kind", DENSE_NETS)
def test_a_few_wide_networks_obey_the_laws(kind):
    compare(kind, (1, 2, 4), nets=3)


def test_a_relu_network_does_not_obey_the_law_of_independent_masks():
    mean, error = dense_correlations("relu", (4,), nets=4)
    assert mean[0] - 4 * error[0] > 0.5**4


def test_a_linear_network_has_the_same_gradient_everywhere():
    mean, _ = dense_correlations("relu", (1, 5), width=32, images=8, nets=2, slope=1.0)
    np.testing.assert_allclose(mean, 1.0, rtol=1e-12)


@pytest.mark.parametrize("kind", ["relu", "residual_norm"])
def test_input_gradients_are_derivatives(kind):
    """The function is piecewise linear if the norm's statistics are constants: checked where no input changes them."""
    rng = np.random.default_rng(0)
    x, v = rng.normal(size=(6, 5)), rng.normal(size=5)
    weights = [rng.normal(size=(5, 5)) for _ in range(3)]
    factors = layer_factors(kind, weights, x, rng, 0.1)

    def outputs(x):
        h = x
        for weight, s in zip(weights, factors, strict=True):
            h = h + (s * h) @ weight if kind.startswith("residual") else s * (h @ weight)
        return h @ v

    gradients = input_gradients(kind, weights, factors, v)
    step = rng.normal(size=x.shape)
    np.testing.assert_allclose(outputs(x + step) - outputs(x), (gradients * step).sum(axis=1), rtol=1e-10)


def test_along_a_great_circle_the_correlation_falls_as_the_law_says():
    angles, found = great_circle(2, points=5, width=256, nets=8)
    np.testing.assert_allclose(angles, np.linspace(0, np.pi, 5))
    assert found[0] == pytest.approx(1.0)
    np.testing.assert_allclose(found, rectifier_law(np.cos(angles), 2)[-1], atol=0.05)


def test_an_unknown_kind_is_named():
    with pytest.raises(ConfigurationError, match="relu, norm_relu, masks"):
        dense_correlations("tanh", (1,), nets=1)
