"""Report s2: algorithm 1, and the architecture of VGG38 as its text describes it."""

from collections import Counter

import numpy as np
import pytest

from mlp.layers import AvgPool2d, BatchNorm, Conv2d, LeakyReLU, leaf_layers, observed
from mlp.models import vgg


def test_s2_18_the_transform_on_numbers_worked_out_by_hand():
    """s2-18: values 1, 2, 3, 6 have mean 3 and variance (4 + 1 + 0 + 9) / 4 = 3.5; eps 0.5 makes the root 2."""
    norm = BatchNorm(1, eps=0.5, dtype=np.float64)
    norm.gamma.data, norm.beta.data = np.array([4.0]), np.array([10.0])
    y = norm.forward(np.array([[1.0], [2.0], [3.0], [6.0]]), training=True)
    np.testing.assert_allclose(y.ravel(), [6.0, 8.0, 10.0, 16.0], rtol=1e-15)
    np.testing.assert_allclose(norm.running_mean, 0.1 * 3.0, rtol=1e-15)
    np.testing.assert_allclose(norm.running_var, 0.9 + 0.1 * 3.5 * 4 / 3, rtol=1e-15)


@pytest.mark.parametrize("eps", [1e-5, 1e-3, 1.0])
def test_s2_18_eps_takes_its_share_of_the_variance(eps):
    """s2-18: normalized values have mean 0 and variance v / (v + eps), 1 only for eps much smaller than v."""
    x = np.random.default_rng(0).standard_normal((50, 3)) * [0.01, 1.0, 100.0] + 5.0
    y = BatchNorm(3, eps=eps, dtype=np.float64).forward(x, training=True)
    variance = x.var(axis=0)
    np.testing.assert_allclose(y.mean(axis=0), 0.0, atol=1e-11)
    np.testing.assert_allclose(y.var(axis=0), variance / (variance + eps), rtol=1e-10)


def test_s2_18_gamma_and_beta_can_undo_the_transform():
    """s2-18: with gamma = sqrt(v + eps) and beta = mu the layer is the identity: nothing is lost."""
    norm, x = BatchNorm(3, dtype=np.float64), 4.0 + 3.0 * np.random.default_rng(0).standard_normal((20, 3))
    norm.gamma.data, norm.beta.data = np.sqrt(x.var(axis=0) + 1e-5), x.mean(axis=0)
    np.testing.assert_allclose(norm.forward(x, training=True), x, rtol=1e-13)


def test_s2_18_a_training_output_depends_on_the_whole_batch_one_of_evaluation_does_not():
    """s2-18: the same image among other images has other outputs in training, and the same ones in evaluation."""
    rng = np.random.default_rng(0)
    norm, x = BatchNorm(2, dtype=np.float64), rng.standard_normal((6, 2))
    other = np.concatenate([x[:1], 5.0 + rng.standard_normal((5, 2))])
    assert np.abs(norm.forward(x, training=True)[0] - norm.forward(other, training=True)[0]).max() > 0.1
    np.testing.assert_array_equal(norm.forward(x)[0], norm.forward(other)[0])


def layers_and_shapes(model, image=(32, 32, 3)):
    """The layers without children in forward order, with the shapes of their inputs and outputs for one image."""
    seen = []
    with observed(model, lambda layer, x, y: seen.append((layer, x.shape[1:], y.shape[1:]))):
        model.forward(np.zeros((1, *image), np.float32))
    return seen


def test_s2_19_vgg38_layer_by_layer():
    """s2-19: an input block, 3 stages of 5 blocks and a pooling block, pooling by 2, 100 outputs, 32 filters."""
    seen = [(type(layer).__name__, y) for layer, _, y in layers_and_shapes(vgg(38))]

    def conv(size):
        return [("Conv2d", (size, size, 32)), ("LeakyReLU", (size, size, 32))]

    expected = [("Conv2d", (32, 32, 32)), ("BatchNorm", (32, 32, 32)), ("LeakyReLU", (32, 32, 32))]
    for size in (32, 16, 8):
        expected += 5 * (conv(size) + conv(size))
        expected += [*conv(size), ("AvgPool2d", (size // 2, size // 2, 32)), *conv(size // 2)]
    expected += [("GlobalAvgPool", (32,)), ("Affine", (100,))]
    assert seen == expected


@pytest.mark.parametrize(("norm", "norms"), [("none", 1), ("batch", 37)])
def test_s2_19_vgg38_settings_of_its_layers(norm, norms):
    """s2-19: 37 convolutions 3 x 3, padding 1, stride 1, 32 filters; slope 0.01; with BN one after each convolution."""
    layers = leaf_layers(vgg(38, norm=norm))
    convs = [layer for layer in layers if isinstance(layer, Conv2d)]
    counts = Counter(type(layer).__name__ for layer in layers)
    assert (len(convs), counts["LeakyReLU"], counts["AvgPool2d"], counts["BatchNorm"]) == (37, 37, 3, norms)
    assert {(conv.kernel_size, conv.padding, conv.stride) for conv in convs} == {((3, 3), (1, 1), (1, 1))}
    assert [conv.in_channels for conv in convs] == [3, *[32] * 36]
    assert {conv.out_channels for conv in convs} == {32}
    assert {layer.negative_slope for layer in layers if isinstance(layer, LeakyReLU)} == {0.01}
    assert {(layer.kernel_size, layer.stride) for layer in layers if isinstance(layer, AvgPool2d)} == {(2, 2)}
    assert [conv.path for conv in convs if conv.bias is not None] == [
        f"stage_{s}.reduction.conv_{i}" for s in range(3) for i in range(2)
    ]


@pytest.mark.parametrize("position", ["before", "after"])
def test_s2_19_batch_norm_stands_beside_every_convolution(position):
    """s2-19: conv - BN - LReLU; the pooling of a reduction block comes after the activation."""
    names = [type(layer).__name__ for layer, _, _ in layers_and_shapes(vgg(38, norm="batch", norm_position=position))]
    unit = ["Conv2d", "BatchNorm", "LeakyReLU"] if position == "before" else ["Conv2d", "LeakyReLU", "BatchNorm"]
    reduction = [*unit, "AvgPool2d", *unit]
    stage = [*unit * 10, *reduction]
    assert names == ["Conv2d", "BatchNorm", "LeakyReLU", *stage * 3, "GlobalAvgPool", "Affine"]
