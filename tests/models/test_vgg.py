"""The VGG networks: sizes, names and order are those of the reports."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError
from mlp.layers import InstanceNorm
from mlp.models import report_label, vgg

BN_RC = {"norm": "batch", "residual": True}


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({"depth": 8}, 59_716),
        ({"depth": 38}, 336_196),
        ({"depth": 38, "norm": "batch"}, 338_500),
        ({"depth": 38, "norm": "batch", "residual": True}, 338_500),
        ({"depth": 38, "residual": True, "reduction_shortcut": "avgpool"}, 336_196),
        ({"depth": 8, "norm": "batch"}, 60_100),
        ({"depth": 38, "norm": "batch", "norm_position": "after", "dropout": 0.5}, 338_500),
        ({"depth": 38, "norm": "layer"}, 338_500),
        ({"depth": 38, "norm": "instance"}, 338_500),
        ({"depth": 38, "norm": "group"}, 338_500),
        ({"depth": 38, "residual": True, "reduction_shortcut": "strided"}, 336_196),
        ({"depth": 38, "residual": True, "reduction_shortcut": "projection"}, 336_196 + 3 * 32 * 32),
        ({"depth": 38, **BN_RC, "reduction_shortcut": "projection"}, 338_500 + 3 * (32 * 32 + 64)),
        ({"depth": 38, **BN_RC, "reduction_shortcut": "projection_everywhere"}, 338_500 + 18 * (32 * 32 + 64)),
        ({"depth": 8, "residual": True, "reduction_shortcut": "projection_everywhere"}, 59_716 + 3 * 32 * 32),
    ],
)
def test_parameters_of_the_reports_and_of_variants(settings, parameters):
    assert vgg(**settings).num_parameters == parameters


VARIANTS = {
    "BN+RC": {**BN_RC, "reduction_shortcut": "avgpool"},
    "LayerNorm behind": {"norm": "layer", "norm_position": "after", "residual": True},
    "InstanceNorm, strided": {"norm": "instance", "residual": True, "reduction_shortcut": "strided"},
    "GroupNorm, projection": {
        "norm": "group",
        "norm_groups": 2,
        "residual": True,
        "reduction_shortcut": "projection",
        "dropout": 0.3,
    },
    "BN+RC behind, projections everywhere": {
        **BN_RC,
        "norm_position": "after",
        "reduction_shortcut": "projection_everywhere",
        "dropout": 0.3,
    },
    "RC, projections everywhere": {"residual": True, "reduction_shortcut": "projection_everywhere"},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_names_and_first_weights_do_not_depend_on_options(variant):
    plain = dict(vgg(depth=14, filters=4, seed=3).named_parameters())
    full = dict(vgg(depth=14, filters=4, seed=3, **VARIANTS[variant]).named_parameters())
    assert set(plain) <= set(full)
    for name, p in plain.items():
        assert (full[name].data == p.data).all(), name


def test_order_of_parameters_is_the_forward_order():
    names = [name for name, _ in vgg(depth=14, norm="batch", residual=True, filters=2).named_parameters()]
    assert names[:6] == [
        "input.conv_0.weight",
        "input.norm_0.gamma",
        "input.norm_0.beta",
        "stage_0.block_0.conv_0.weight",
        "stage_0.block_0.norm_0.gamma",
        "stage_0.block_0.norm_0.beta",
    ]
    assert names[9:12] == [
        "stage_0.reduction.conv_0.weight",
        "stage_0.reduction.conv_0.bias",
        "stage_0.reduction.norm_0.gamma",
    ]
    assert names[-2:] == ["head.affine.weight", "head.affine.bias"]


@pytest.mark.parametrize(
    ("settings", "points"), [({"depth": 8}, 9), ({"depth": 38}, 39), ({"depth": 38, "norm": "batch"}, 75)]
)
def test_points_of_the_gradient_flow_figures(settings, points):
    names = [name for name, _ in vgg(**settings).named_parameters()]
    assert sum(not name.endswith(("bias", "beta")) for name in names) == points


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("input.conv_0.weight", "input_conv_conv_0"),
        ("input.norm_0.gamma", "input_conv_bn_0"),
        ("stage_0.block_1.conv_0.weight", "block_0_1_conv_0"),
        ("stage_2.block_4.norm_1.gamma", "block_2_4_bn_1"),
        ("stage_0.reduction.conv_0.weight", "reduction_block_0_conv_0"),
        ("stage_0.reduction.shortcut.conv_0.weight", "reduction_block_0_shortcut_conv_0"),
        ("stage_1.block_2.shortcut.norm_0.gamma", "block_1_2_shortcut_bn_0"),
        ("head.affine.weight", "logit_linear_layer"),
        ("encoder.3.weight", "encoder_3"),
    ],
)
def test_report_labels(name, label):
    assert report_label(name) == label


@pytest.mark.parametrize("norm_position", ["before", "after"])
@pytest.mark.parametrize("norm", ["batch", "layer", "group"])
@pytest.mark.parametrize("reduction_shortcut", ["none", "avgpool", "strided", "projection", "projection_everywhere"])
def test_all_variants_run_forward_and_backward(norm, norm_position, reduction_shortcut):
    groups = 2 if norm == "group" else None
    settings = {"norm_groups": groups, "norm_position": norm_position, "reduction_shortcut": reduction_shortcut}
    model = vgg(14, norm, True, 7, filters=4, **settings)
    x = np.random.default_rng(0).standard_normal((2, 16, 16, 3)).astype(np.float32)
    logits = model.forward(x, training=True)
    assert logits.shape == (2, 7)
    assert model.backward(np.ones_like(logits)).shape == x.shape


def layers_of(model, path):
    """Return the classes of the layers below a path that are not made of others, in forward order."""
    return [
        type(layer).__name__
        for name, layer in model.named_layers()
        if name.startswith(f"{path}.") and not layer.children()
    ]


def test_order_of_the_layers():
    settings = {"norm": "group", "norm_groups": 2, "residual": True, "filters": 4, "dropout": 0.5}
    model = vgg(14, **settings, reduction_shortcut="projection_everywhere")
    assert layers_of(model, "input") == ["Conv2d", "GroupNorm", "Dropout", "LeakyReLU"]
    body = ["Conv2d", "GroupNorm", "Dropout", "LeakyReLU", "Conv2d", "GroupNorm", "Dropout"]
    assert layers_of(model, "stage_0.block_0") == [*body, "Conv2d", "GroupNorm", "LeakyReLU"]
    body = [*body[:4], "AvgPool2d", *body[4:]]
    assert layers_of(model, "stage_0.reduction") == [*body, "Conv2d", "GroupNorm", "LeakyReLU"]
    assert repr(model).count("Conv2d(4, 4, kernel_size=(1, 1), stride=(2, 2), padding=(0, 0), bias=False)") == 3
    assert repr(model).count("Conv2d(4, 4, kernel_size=(1, 1), stride=(1, 1), padding=(0, 0), bias=False)") == 3

    model = vgg(14, **settings, norm_position="after", reduction_shortcut="strided")
    assert layers_of(model, "input") == ["Conv2d", "GroupNorm", "Dropout", "LeakyReLU"]
    half = ["Conv2d", "LeakyReLU", "GroupNorm", "Dropout"]
    assert layers_of(model, "stage_0.block_0") == [*half, "Conv2d", "Identity", *half[1:]]
    assert layers_of(model, "stage_0.reduction") == [*half, "AvgPool2d", "Conv2d", "StridedIdentity", *half[1:]]


@pytest.mark.parametrize(
    ("norm", "kind"), [("none", "BatchNorm"), ("batch", "BatchNorm"), ("layer", "LayerNorm"), ("group", "GroupNorm")]
)
def test_the_input_block_has_the_norm_of_the_blocks_or_batch_norm(norm, kind):
    assert layers_of(vgg(8, norm, filters=8), "input") == ["Conv2d", kind, "LeakyReLU"]


def test_seeds_differ_and_repeat():
    weights = [vgg(8, filters=2, seed=seed).state_dict()["input.conv_0.weight"] for seed in (0, 0, 1)]
    assert (weights[0] == weights[1]).all()
    assert (weights[0] != weights[2]).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 10}, "got 10: try 8 or 14"),
        ({"depth": 2}, "got 2"),
        ({"norm": "bach"}, "norm must be one of none, batch, layer, instance, group, got 'bach'"),
        ({"norm_position": "inside"}, "norm_position"),
        ({"reduction_shortcut": "magic"}, "reduction_shortcut"),
        ({"dropout": 0.5}, r"dropout 0.5 comes after the norms .* say norm='batch' \(--norm batch\), or leave"),
        ({"norm": "batch", "dropout": 1.0}, "dropout must lie in 0 <= dropout < 1, got 1.0"),
        ({"norm": "group", "norm_groups": 5}, "must divide the 32 filters, and 5 does not: .* 1, 2, 4, 8, 16, 32"),
        ({"norm": "group", "filters": 6}, "must divide the 6 filters, and 8 does not: choose one of 1, 2, 3, 6"),
        ({"norm": "group", "norm_groups": 0}, "norm_groups must be a whole number of at least 1, got 0"),
        ({"norm": "batch", "norm_groups": 8}, "norm_groups is for norm 'group', not for 'batch': leave it out"),
        ({"reduction_shortcut": "avgpool"}, r"add residual=True \(--residual\), or leave reduction_shortcut out"),
        ({"norm": "instance", "norm_position": "after"}, "that average is then beta .* choose norm_position 'before'"),
        ({"norm": "group", "norm_groups": 32, "norm_position": "after"}, "choose norm_position 'before'"),
        ({"filters": 0}, "filters must be a whole number of at least 1, got 0"),
    ],
)
def test_unknown_options_are_errors(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        vgg(**settings)


def test_a_norm_of_single_channels_behind_the_last_activation_would_see_nothing():
    """The reason of the error: the same logits for every image."""
    model = vgg(8, "batch", filters=4, num_classes=3, norm_position="after")
    model.layers["stage_2"].layers["reduction"].layers["norm_1"] = InstanceNorm(4)
    x = np.random.default_rng(0).standard_normal((3, 16, 16, 3)).astype(np.float32)
    logits = model.forward(x)
    np.testing.assert_allclose(logits, np.tile(logits[:1], (3, 1)), atol=1e-5)


def test_summary_has_the_totals():
    text = vgg(8).summary((32, 32, 3))
    assert "59,716" in text
    assert "stage_0.reduction.conv_0" in text
    # 3x3 convolutions: 864 weights on 32x32 pixels, 9,216 on 32x32, 16x16 (twice), 8x8 (twice), 4x4; head 3,200
    total = 864 * 1024 + 9216 * (1024 + 2 * 256 + 2 * 64 + 16) + 3200
    assert f"{total:,}" in text


def test_state_dict_round_trip_and_errors():
    model, other = vgg(8, "batch", filters=2, seed=0), vgg(8, "batch", filters=2, seed=1)
    model.forward(np.ones((2, 8, 8, 3), np.float32), training=True)
    other.load_state_dict(model.state_dict())
    assert all((a == other.state_dict()[name]).all() for name, a in model.state_dict().items())
    with pytest.raises(ValueError, match="missing.*norm_0.gamma"):
        other.load_state_dict(vgg(8, filters=2).state_dict())
    with pytest.raises(ValueError, match="has shape"):
        other.load_state_dict(vgg(8, "batch", filters=3).state_dict())
