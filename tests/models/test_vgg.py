"""The VGG networks: sizes, names and order are those of the reports."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError
from mlp.models import report_label, vgg


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({"depth": 8}, 59_716),
        ({"depth": 38}, 336_196),
        ({"depth": 38, "norm": "batch"}, 338_500),
        ({"depth": 38, "norm": "batch", "residual": True}, 338_500),
        ({"depth": 38, "residual": True, "reduction_shortcut": "avgpool"}, 336_196),
        ({"depth": 8, "norm": "batch"}, 60_100),
    ],
)
def test_parameters_of_the_reports(settings, parameters):
    assert vgg(**settings).num_parameters == parameters


def test_names_and_first_weights_do_not_depend_on_options():
    plain = dict(vgg(depth=14, filters=4, seed=3).named_parameters())
    full = dict(
        vgg(depth=14, filters=4, seed=3, norm="batch", residual=True, reduction_shortcut="avgpool").named_parameters()
    )
    assert set(plain) < set(full)
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
        ("head.affine.weight", "logit_linear_layer"),
        ("encoder.3.weight", "encoder_3"),
    ],
)
def test_report_labels(name, label):
    assert report_label(name) == label


@pytest.mark.parametrize("norm_position", ["before", "after"])
@pytest.mark.parametrize("reduction_shortcut", ["none", "avgpool"])
def test_all_variants_run_forward_and_backward(norm_position, reduction_shortcut):
    model = vgg(14, "batch", True, 7, filters=3, norm_position=norm_position, reduction_shortcut=reduction_shortcut)
    x = np.random.default_rng(0).standard_normal((2, 16, 16, 3)).astype(np.float32)
    logits = model.forward(x, training=True)
    assert logits.shape == (2, 7)
    assert model.backward(np.ones_like(logits)).shape == x.shape


def test_seeds_differ_and_repeat():
    weights = [vgg(8, filters=2, seed=seed).state_dict()["input.conv_0.weight"] for seed in (0, 0, 1)]
    assert (weights[0] == weights[1]).all()
    assert (weights[0] != weights[2]).any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depth": 10}, "got 10: try 8 or 14"),
        ({"depth": 2}, "got 2"),
        ({"norm": "bach"}, "norm must be one of none, batch, got 'bach'"),
        ({"norm_position": "inside"}, "norm_position"),
        ({"reduction_shortcut": "magic"}, "reduction_shortcut"),
        ({"dropout": 0.5}, "dropout"),
        ({"filters": 0}, "filters must be a whole number of at least 1, got 0"),
    ],
)
def test_unknown_options_are_errors(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        vgg(**settings)


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
