"""Report s3: what dropout before batch norm does to the variances, measured and worked out."""

import numpy as np
import pytest

from mlp.diagnostics.variance_shift import expected_variance_ratio, measure_variance_shift
from mlp.errors import ConfigurationError
from mlp.layers import Affine, BatchNorm, Conv2d, Dropout, LeakyReLU, Sequential, leaf_layers, observed
from mlp.models import vgg
from mlp.rng import generator


def dropout_and_norm(p, C):
    return Sequential({"drop": Dropout(p), "norm": BatchNorm(C, dtype=np.float64)}).initialize(0)


def test_s3_20_the_variances_are_those_of_the_arrays():
    """s3-20: in training the variance of x times the mask / (1 - p), mean over the passes; in evaluation that of x."""
    x, p, passes = 2.0 + np.random.default_rng(0).standard_normal((50, 3)), 0.3, 4
    model = dropout_and_norm(p, 3)
    shift = measure_variance_shift(model, x, passes).norms[0]
    seed = model.layers["drop"].seed
    draws = [generator(seed, "dropout", "drop", step).random(x.shape, np.float32) for step in range(passes)]
    dropped = [x * (draw >= p) / (1 - p) for draw in draws]
    np.testing.assert_allclose(shift.training, np.mean([y.var(axis=0) for y in dropped], axis=0), rtol=1e-12)
    np.testing.assert_allclose(shift.evaluation, x.var(axis=0), rtol=1e-12)


@pytest.mark.parametrize("p", [0.1, 0.2, 0.5])
@pytest.mark.parametrize(("mean", "deviation"), [(0.0, 1.0), (1.0, 1.0), (2.0, 0.5)])
def test_s3_20_directly_behind_dropout(p, mean, deviation):
    """s3-20: Var_eval / Var_train = (1 - p) v / (v + p c^2): 1 - p for mean 0, far less for a large mean."""
    x = mean + deviation * np.random.default_rng(0).standard_normal((20_000, 2))
    c, v = x.mean(axis=0), x.var(axis=0)
    theory = (1 - p) * v / (v + p * c**2)
    np.testing.assert_allclose(expected_variance_ratio(x, p), theory, rtol=1e-12)
    measured = measure_variance_shift(dropout_and_norm(p, 2), x, passes=5).norms[0].ratio
    np.testing.assert_allclose(measured, theory, rtol=0.02)


@pytest.mark.parametrize("kind", ["affine", "conv"])
def test_s3_20_with_a_linear_layer_between(kind):
    """s3-20: Var_train = Var_eval + p/(1 - p) sum w^2 E[x^2], with weights of both signs and correlated inputs."""
    rng, p = np.random.default_rng(0), 0.5
    if kind == "affine":
        mixed = rng.standard_normal((4000, 6)) @ rng.standard_normal((6, 6))
        x, layer = 0.5 + mixed, Affine(6, 3, rng=rng, dtype=np.float64)
    else:
        x, layer = rng.standard_normal((40, 12, 12, 2)) + [1.0, -1.0], Conv2d(2, 3, 3, rng=rng, dtype=np.float64)
    weights = layer.weight.data.copy()
    model = Sequential(Dropout(p), layer, BatchNorm(3, dtype=np.float64)).initialize(0)
    layer.weight.data = weights
    theory = expected_variance_ratio(x, p, layer)
    np.testing.assert_array_equal(layer.weight.data, weights)
    squares = (x**2).reshape(-1, x.shape[-1]).mean(axis=0)
    if kind == "affine":
        added = p / (1 - p) * squares @ weights**2
        variance = (x @ weights).var(axis=0)
        np.testing.assert_allclose(theory, variance / (variance + added), rtol=1e-12)
    measured = measure_variance_shift(model, x, passes=30).norms[0].ratio
    np.testing.assert_allclose(measured, theory, rtol=0.02)
    assert (theory < 0.8).all()


def images(count=64, size=8):
    return np.random.default_rng(0).standard_normal((count, size, size, 3))


def test_s3_20_without_dropout_there_is_no_shift():
    """s3-20: then the modes differ only by the m/(m - 1) of the unbiased running variance, which fades out."""
    shift = measure_variance_shift(vgg(14, norm="batch", filters=4, dtype=np.float64), images(), passes=2)
    assert len(shift.norms) == 13
    for norm in shift.norms:
        np.testing.assert_allclose(norm.ratio, 1.0, rtol=0.05)


@pytest.mark.parametrize("p", [0.2, 0.5])
@pytest.mark.parametrize("position", ["before", "after"])
def test_s3_20_in_vgg_the_shifts_add_up(p, position):
    """s3-20, in the report's networks: dropout after every BN. Far worse at the end than after the first."""
    model = vgg(14, norm="batch", norm_position=position, dropout=p, filters=8, dtype=np.float64)
    shift = measure_variance_shift(model, images(), passes=10)
    ratios = [norm.ratio.mean() for norm in shift.norms]
    assert ratios[0] == pytest.approx(1.0, rel=1e-12)  # no dropout before the input block's norm
    assert max(ratios[1:]) < 1.0 - 0.5 * p
    assert ratios[-1] < 0.5 * ratios[1]
    assert "stage_2.reduction.norm_1" in str(shift)


def test_s3_20_in_vgg_the_first_shift_is_the_theoretical_one():
    """s3-20: norm - dropout - LReLU - conv - norm in the real network, against formula (2) for what LReLU gives."""
    p, x, passes = 0.5, images(count=128), 30
    model = vgg(14, norm="batch", dropout=p, filters=8, dtype=np.float64)
    layers = {layer.path: layer for layer in leaf_layers(model)}
    shift = {norm.name: norm for norm in measure_variance_shift(model, x, passes).norms}["stage_0.block_0.norm_0"]

    first = layers["input.norm_0"]
    first.momentum = 1.0  # its running statistics are those of the batch now
    model.forward(x, training=True)
    seen = {}
    with observed(model, lambda layer, inputs, outputs: seen.setdefault(layer.path, inputs)):
        model.forward(x)
    conv = layers["stage_0.block_0.conv_0"]
    theory = expected_variance_ratio(seen[conv.path], p, conv)
    np.testing.assert_allclose(shift.ratio, theory, rtol=0.02)
    assert 0.3 < theory.mean() < 0.5


def test_s3_20_formula_2_in_a_network_with_the_activation_between():
    """s3-20: norm - dropout - LReLU - conv - norm: LReLU(a x) = a LReLU(x), so formula (2) holds for what it gives."""
    rng, p, x = np.random.default_rng(0), 0.5, images(count=100, size=10)
    conv = Conv2d(3, 4, 3, padding=1, bias=False, rng=rng, dtype=np.float64)
    first = BatchNorm(3, dtype=np.float64)
    model = Sequential(
        {
            "norm_0": first,
            "drop": Dropout(p),
            "act": LeakyReLU(),
            "conv": conv,
            "norm_1": BatchNorm(4, dtype=np.float64),
        }
    )
    shift = measure_variance_shift(model, x, passes=30)
    np.testing.assert_allclose(shift.norms[0].ratio, 1.0, rtol=1e-12)
    normalized = (x - x.mean(axis=(0, 1, 2))) / x.std(axis=(0, 1, 2))
    activated = np.where(normalized > 0, normalized, 0.01 * normalized)
    np.testing.assert_allclose(shift.norms[1].ratio, expected_variance_ratio(activated, p, conv), rtol=0.02)


def test_s3_20_measuring_leaves_no_trace():
    """s3-20: running statistics, masks, momenta: all as before, so that a run may be measured while it lasts."""
    model, x = dropout_and_norm(0.5, 3), np.random.default_rng(0).standard_normal((20, 3))
    model.forward(x, training=True)
    before, momentum = model.state_dict(), model.layers["norm"].momentum
    first = measure_variance_shift(model, x, passes=3)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    assert model.layers["norm"].momentum == momentum
    np.testing.assert_array_equal(measure_variance_shift(model, x, passes=3).norms[0].training, first.norms[0].training)


def test_s3_20_a_model_without_batch_norm_is_an_error():
    """s3-20: there is nothing to measure then."""
    with pytest.raises(ConfigurationError, match="the model has none"):
        measure_variance_shift(Sequential(Affine(2, 2)), np.ones((4, 2), np.float32))
