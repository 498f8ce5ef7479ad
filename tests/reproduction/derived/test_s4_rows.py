"""Report s4, algorithm 1: the forward pass of its two residual blocks, against the pseudocode on plain arrays."""

import numpy as np
import pytest
from reproduction.derived.arrays import average_pool, convolve, leaky_relu

from mlp.models import vgg


def block_of(path, **settings):
    """A block of a residual network in float64, and its arrays by name."""
    model = vgg(14, residual=True, filters=5, dtype=np.float64, reduction_shortcut="avgpool", **settings)
    weights = {name: p.data for name, p in model.named_parameters() if name.startswith(path)}
    return layer_at(model, path), weights


def layer_at(model, path):
    """The layer with a path; of those that share it (a wrapper, what it wraps), the outermost."""
    return next(layer for name, layer in model.named_layers() if name == path)


def draw_inputs(size):
    return np.random.default_rng(0).standard_normal((2, size, size, 5))


@pytest.mark.parametrize("training", [True, False])
def test_s4_23_processing_block(training):
    """s4-23: out = LReLU(conv_1(LReLU(conv_0(x))) + x)."""
    block, w = block_of("stage_0.block_0")
    x = draw_inputs(6)
    out = convolve(x, w["stage_0.block_0.conv_0.weight"])
    out = leaky_relu(out)
    out = convolve(out, w["stage_0.block_0.conv_1.weight"])
    out = leaky_relu(out + x)
    np.testing.assert_allclose(block.forward(x, training), out, rtol=1e-12, atol=1e-14)
    assert len(w) == 2


@pytest.mark.parametrize("training", [True, False])
def test_s4_23_reduction_block(training):
    """s4-23: out = LReLU(conv_1(pool(LReLU(conv_0(x)))) + pool(x)): the shortcut is pooled as well, without weights."""
    block, w = block_of("stage_1.reduction")
    x = draw_inputs(6)
    out = convolve(x, w["stage_1.reduction.conv_0.weight"], w["stage_1.reduction.conv_0.bias"])
    out = leaky_relu(out)
    out = average_pool(out)
    out = convolve(out, w["stage_1.reduction.conv_1.weight"], w["stage_1.reduction.conv_1.bias"])
    out = leaky_relu(out + average_pool(x))
    assert out.shape == (2, 3, 3, 5)
    np.testing.assert_allclose(block.forward(x, training), out, rtol=1e-12, atol=1e-14)
    assert len(w) == 4


def test_s4_23_with_batch_norm_the_sum_comes_after_it():
    """s4-23 in the form of s1-10: out = LReLU(BN(conv_1(LReLU(BN(conv_0(x))))) + x)."""
    block, w = block_of("stage_0.block_0", norm="batch")
    x = draw_inputs(6)

    def batch_norm(y):
        return (y - y.mean(axis=(0, 1, 2))) / np.sqrt(y.var(axis=(0, 1, 2)) + 1e-5)  # gamma is 1, beta 0

    out = leaky_relu(batch_norm(convolve(x, w["stage_0.block_0.conv_0.weight"])))
    out = leaky_relu(batch_norm(convolve(out, w["stage_0.block_0.conv_1.weight"])) + x)
    np.testing.assert_allclose(block.forward(x, training=True), out, rtol=1e-11, atol=1e-13)


def test_s4_23_without_the_reduction_shortcut_a_reduction_block_is_plain():
    """s4-23 against s0: there a reduction block has no shortcut, which makes another function of the same weights."""
    settings = {"depth": 14, "residual": True, "filters": 5, "dtype": np.float64}
    x = draw_inputs(6)
    outputs = []
    for shortcut in ("avgpool", "none"):
        block = layer_at(vgg(**settings, reduction_shortcut=shortcut), "stage_0.reduction")
        outputs.append(block.forward(x))
    assert np.abs(outputs[0] - outputs[1]).max() > 0.1
