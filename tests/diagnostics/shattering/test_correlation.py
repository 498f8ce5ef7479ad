"""The correlation of gradients at the units of a network."""

from argparse import Namespace

import numpy as np
import pytest

import mlp
from mlp.commands import gradient_correlation as command
from mlp.diagnostics.shattering import gradient_correlation, mean_cosine
from mlp.diagnostics.shattering.correlation import units_of
from mlp.errors import ConfigurationError
from mlp.experiments.config import RunConfig
from mlp.layers import Affine, BatchNorm, LeakyReLU, Sequential
from mlp.models import ssrn
from mlp.rng import generator


def images(n=8, size=8):
    return np.random.default_rng(1).normal(size=(n, size, size, 3))


def net(depth=14, norm="none", residual=False, **options):
    return mlp.models.vgg(depth, norm, residual, filters=4, num_classes=5, dtype=np.float64, **options)


def test_units_go_from_the_image_to_the_head():
    profile = gradient_correlation(net(14), images())
    blocks = [f"stage_{s}.{block}" for s in range(3) for block in ("block_0", "reduction")]
    assert profile.names == ["image", "input", *blocks]
    assert [name for name, _ in units_of(net(8))] == ["input", *(f"stage_{s}.reduction" for s in range(3)), "head"]
    plain = Sequential(Affine(3, 4, dtype=np.float64), LeakyReLU(), Affine(4, 2, dtype=np.float64))
    assert [name for name, _ in units_of(plain)] == ["0", "1", "2"]


@pytest.mark.parametrize("options", [{}, {"norm": "batch"}, {"norm": "batch", "residual": True}, {"residual": True}])
def test_at_the_inputs_of_the_head_all_gradients_are_the_same(options):
    profile = gradient_correlation(net(14, **options), images())
    assert profile.cosine[-1] == pytest.approx(1.0, abs=1e-12)
    assert profile.cosine[0] < 0.999
    assert (profile.size > 0).all()


def test_a_linear_network_has_one_gradient():
    model = Sequential(Affine(12, 9, dtype=np.float64), LeakyReLU(1.0), Affine(9, 4, dtype=np.float64)).initialize(0)
    profile = gradient_correlation(model, np.random.default_rng(0).normal(size=(5, 12)))
    np.testing.assert_allclose(profile.cosine, 1.0, rtol=1e-12)
    np.testing.assert_allclose(profile.spread, 0.0, atol=1e-7)


def test_each_gradient_is_that_of_one_image_alone():
    """With adopted statistics the gradient of an image does not depend on the gradients of others."""
    model = Sequential(
        Affine(6, 5, dtype=np.float64), BatchNorm(5, dtype=np.float64), LeakyReLU(), Affine(5, 3, dtype=np.float64)
    )
    model.initialize(0)
    x = np.random.default_rng(0).normal(size=(7, 6))
    profile = gradient_correlation(model, x, seed=3)
    a, norm, f, b = model.layers.values()
    h = x @ a.weight.data + a.bias.data
    mean, deviation = h.mean(axis=0), np.sqrt(h.var(axis=0, ddof=1) + norm.eps)
    slopes = np.where((h - mean) / deviation > 0, 1.0, f.negative_slope)
    v = generator(3, "probe", "gradient_correlation").standard_normal(3)
    gradients = (slopes * (b.weight.data @ v) / deviation) @ a.weight.data.T  # (7, 6)
    cosine, spread = mean_cosine(gradients)
    assert profile.cosine[0] == pytest.approx(cosine, rel=1e-10)
    assert profile.spread[0] == pytest.approx(spread, rel=1e-10)
    assert profile.size[0] == pytest.approx(np.linalg.norm(gradients, axis=1).mean(), rel=1e-10)


def test_the_model_is_left_as_it_was():
    model = net(14, "batch")
    before = model.state_dict()
    gradient_correlation(model, images())
    after = model.state_dict()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert all(norm.momentum == 0.1 for _, norm in model.named_layers() if isinstance(norm, BatchNorm))
    assert not any(p.grad.any() for p in model.parameters())


def test_mean_cosine_is_over_pairs():
    mean, spread = mean_cosine([[1.0, 0.0], [2.0, 0.0], [0.0, 5.0]])
    assert mean == pytest.approx(1 / 3)
    assert spread == pytest.approx(np.std([1.0, 0.0, 0.0]))
    with pytest.raises(ConfigurationError, match="two images"):
        gradient_correlation(net(8), images(1))


def test_the_gradient_of_deep_networks_shatters_with_he_weights():
    """Only a rough check: deeper gradients are less alike, and batch norm makes that no better."""
    from mlp.initializers import he_normal
    from mlp.layers import Conv2d

    found = []
    for depth in (8, 20):
        model = net(depth)
        for _, layer in model.named_layers():
            if isinstance(layer, Conv2d):
                layer.initializer = he_normal(0.01)
        found.append(gradient_correlation(model.initialize(0), images(12, 16)).cosine[0])
    assert found[0] > found[1]


def test_a_run_of_a_model_without_a_depth_is_measured(monkeypatch):
    model, x = ssrn(3, bands=20, dtype="float64"), np.random.default_rng(0).standard_normal((4, 7, 7, 20))
    config = RunConfig(model="ssrn", dataset="indian_pines", split="per_class", augment=False)
    monkeypatch.setattr(command, "probed_run", lambda *arguments, **options: (config, model, (x, None)))
    monkeypatch.setattr(command, "label_of", str)
    options = {"checkpoint": "best", "data_dir": None, "trust_code": False}
    found, problems = command.of_runs(Namespace(runs=["run"], images=4, seed=0, **options))
    assert not problems
    (profile,) = found.values()
    assert profile.names[0] == "image"
    assert np.isfinite(profile.cosine).all()
