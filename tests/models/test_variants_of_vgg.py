"""Networks that concatenate, and multi-scale blocks: counts, names, initial weights, reach."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError
from mlp.layers import LeakyReLU
from mlp.models import vgg
from mlp.models.multi_scale import msrb
from mlp.models.options import without_effect


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({"dense": True}, 336_196),
        ({"dense": True, "norm": "batch"}, 339_284),
        ({"dense": True, "norm": "batch", "growth": 7}, 321_914),
        ({"dense": True, "norm": "batch", "growth": 9}, 356_654),
        ({"depth": 8, "dense": True, "norm": "batch"}, 60_164),
        ({"depth": 14, "dense": True, "norm": "batch"}, 102_068),
        ({"depth": 20, "dense": True, "norm": "batch"}, 150_932),
        ({"multi_scale": True, "residual": True}, 336_196),
        ({"multi_scale": True, "residual": True, "norm": "batch"}, 338_980),
    ],
)
def test_parameters(settings, parameters):
    assert vgg(**settings).num_parameters == parameters


@pytest.mark.parametrize(("channels", "parameters"), [(64, 713_152), (32, 178_400)])
def test_parameters_of_the_block_of_the_paper(channels, parameters):
    assert msrb(channels).num_parameters == parameters


def names_of(model, prefix):
    return [name.removeprefix(prefix) for name, _ in model.named_parameters() if name.startswith(prefix)]


def test_names_of_dense_blocks():
    model = vgg(14, "batch", dense=True)
    weights = [name for name in names_of(model, "stage_0.block_0.") if name.endswith(("weight", "gamma"))]
    assert weights == ["norm_0.gamma", "conv_0.weight", "norm_1.gamma", "conv_1.weight"]
    assert names_of(model, "head.") == ["norm_0.gamma", "norm_0.beta", "affine.weight", "affine.bias"]
    shapes = {name: p.data.shape for name, p in vgg(20, "batch", dense=True).named_parameters()}
    assert shapes["stage_0.block_1.conv_0.weight"] == (3, 3, 40, 32)
    assert shapes["stage_0.block_1.conv_1.weight"] == (3, 3, 32, 8)
    assert shapes["stage_0.reduction.conv_0.weight"] == (3, 3, 48, 32)


def test_names_of_multi_scale_blocks():
    model = vgg(14, "batch", residual=True, multi_scale=True)
    branches = [f"{kind}_{size}_{i}" for i in (0, 1) for size in (3, 5) for kind in ("conv", "norm")]
    weights = [name for name in names_of(model, "stage_0.block_0.") if name.endswith(("weight", "gamma"))]
    assert [name.partition(".")[0] for name in weights] == [*branches, "fusion", "norm_fusion"]


def test_first_weights_of_shared_names_are_those_of_the_plain_network():
    plain = dict(vgg(14, filters=8, seed=3).named_parameters())
    for settings in ({"dense": True, "growth": 2}, {"multi_scale": True, "residual": True}):
        other = dict(vgg(14, filters=8, seed=3, **settings).named_parameters())
        alike = [name for name in plain if name in other and plain[name].data.shape == other[name].data.shape]
        alike = [name for name in alike if not name.endswith("conv_0.bias")]  # its width follows from the fan-in
        assert {"input.conv_0.weight", "stage_1.reduction.conv_1.weight", "head.affine.weight"} <= set(alike)
        for name in alike:
            np.testing.assert_array_equal(plain[name].data, other[name].data)


def test_new_channels_come_last():
    block = vgg(14, dense=True).layers["stage_0"].layers["block_0"]
    x = np.random.default_rng(0).standard_normal((1, 4, 4, 32)).astype(np.float32)
    y = block.forward(x)
    assert y.shape == (1, 4, 4, 40)
    np.testing.assert_array_equal(y[..., :32], x)


def test_a_multi_scale_block_of_zeros_is_its_shortcut():
    x = np.random.default_rng(0).standard_normal((2, 5, 5, 8)).astype(np.float32)
    block = vgg(14, residual=True, multi_scale=True, filters=8).layers["stage_0"].layers["block_0"]
    for layer in (block, paper := msrb(8)):
        for p in layer.parameters():
            p.data[...] = 0.0
    np.testing.assert_array_equal(block.forward(x), LeakyReLU(0.01).forward(x))
    np.testing.assert_array_equal(paper.forward(x), x)


def test_a_pixel_of_a_multi_scale_block_sees_nine_by_nine():
    block = msrb(4, dtype=np.float64)
    x = np.zeros((1, 13, 13, 4))
    before = block.forward(x)
    x[0, 6, 6] = 1.0
    rows, columns = np.nonzero((block.forward(x) != before).any(axis=-1)[0])
    assert {rows.min() - 6, rows.max() - 6, columns.min() - 6, columns.max() - 6} == {-4, 4}


@pytest.mark.parametrize(
    ("initializer", "variance", "bias"), [("he", 2 / (1 + 1e-4) / 288, 0.0), ("glorot", 2 / 576, 0.0)]
)
def test_initializers_reach_all_convolutions(initializer, variance, bias):
    model = vgg(14, initializer=initializer)
    for name, p in model.named_parameters():
        if name.endswith("conv_0.weight") and not name.startswith("input"):
            assert p.data.var() == pytest.approx(variance, rel=0.1)
        if name.endswith("conv_1.bias"):
            assert (p.data == bias).all()
    affine = dict(model.named_parameters())["head.affine.weight"].data
    np.testing.assert_array_equal(affine, dict(vgg(14).named_parameters())["head.affine.weight"].data)


def test_orthogonal_kernels():
    weight = dict(vgg(14, initializer="orthogonal").named_parameters())["stage_0.block_0.conv_0.weight"].data
    columns = weight.reshape(-1, 32)
    np.testing.assert_allclose(columns.T @ columns, np.eye(32), atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dense": True, "residual": True}, "leave dense or residual"),
        ({"dense": True, "multi_scale": True}, "leave dense or multi_scale"),
        ({"dense": True, "norm": "batch", "norm_position": "after"}, "leave norm_position out"),
        ({"multi_scale": True, "norm": "batch", "norm_position": "after"}, "leave norm_position out"),
        ({"multi_scale": True, "filters": 6}, "try filters=8"),
        ({"growth": 4}, "add dense=True"),
        ({"dense": True, "growth": 0}, "growth must be a whole number"),
        ({"dense": True, "norm": "group", "growth": 6}, "does not divide 6"),
        ({"initializer": "xavier"}, "initializer must be one of"),
    ],
)
def test_settings_that_do_not_go_together(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        vgg(14, **settings)


@pytest.mark.parametrize("settings", [{"dense": True}, {"multi_scale": True, "residual": True}])
@pytest.mark.parametrize("norm", ["none", "batch", "layer", "instance", "group"])
def test_all_norms_run_forward_and_backward(norm, settings):
    more = {"norm_groups": 2, "growth": 2} if norm == "group" and "dense" in settings else {}
    more = {"norm_groups": 2} if norm == "group" and not more else more
    model = vgg(14, norm, num_classes=7, filters=8, dropout=0.0 if norm == "none" else 0.2, **settings, **more)
    x = np.random.default_rng(0).standard_normal((2, 16, 16, 3)).astype(np.float32)
    logits = model.forward(x, training=True)
    assert logits.shape == (2, 7)
    assert logits.dtype == np.float32
    assert model.backward(np.ones_like(logits)).shape == x.shape


CHANGES = {
    "norm_position": "after",
    "residual": True,
    "reduction_shortcut": "avgpool",
    "dense": True,
    "growth": 2,
    "multi_scale": True,
    "companions": "blocks",
    "initializer": "he",
    "dropout": 0.5,
}
BASES = [{}, {"norm": "batch"}, {"residual": True}, {"dense": True}, {"norm": "batch", "residual": True}]


def fingerprint(depth, settings):
    """Return what the network gives for an image, and its size, or None where the settings do not go together."""
    try:
        model = vgg(depth, **settings, filters=4, num_classes=3, seed=0)
    except ConfigurationError:
        return None
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype(np.float32)
    y = model.forward(x, training=True)
    return [part.tobytes() for part in (y if isinstance(y, tuple | list) else [y])], model.num_parameters


@pytest.mark.parametrize("depth", [8, 14])
@pytest.mark.parametrize("base", BASES, ids=str)
def test_exactly_the_settings_without_effect_are_told(depth, base):
    """A setting changes nothing if the network computes the same without it."""
    defaults = {"norm": "none", "norm_position": "before", "residual": False, "reduction_shortcut": "none"}
    defaults |= {"growth": None, "multi_scale": False}
    for name, value in CHANGES.items():
        settings = {**base, name: value}
        before, after = fingerprint(depth, base), fingerprint(depth, settings)
        if name in base or after is None:
            continue
        told = without_effect(depth, {**defaults, **settings})
        flag = f"--{name.replace('_', '-')} changes nothing"
        assert any(flag in sentence for sentence in told) is (before == after), (settings, told)
