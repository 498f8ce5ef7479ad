"""Probes look at a model and leave no trace, even where something breaks."""

import numpy as np
import pytest

from mlp.layers import Affine, BatchNorm, ReLU, Residual, Sequential, frozen_buffers, observed


def model():
    return Sequential(Affine(3, 3), Residual(Sequential(BatchNorm(3), ReLU())))


def test_observed_sees_every_leaf_with_its_inputs_and_outputs():
    layer, x, seen = model(), np.ones((4, 3), np.float32), []
    with observed(layer, lambda leaf, x, y: seen.append((leaf.label(), x.copy(), y.copy()))):
        outputs = layer.forward(x, training=True)
    assert [label for label, _, _ in seen] == ["Affine '0'", "BatchNorm '1.0'", "ReLU '1.1'", "Identity '1.shortcut'"]
    np.testing.assert_array_equal(seen[0][1], x)
    np.testing.assert_array_equal(seen[2][2] + seen[3][2], outputs)
    layer.forward(x)
    assert len(seen) == 4  # it stops looking
    assert all("forward" not in vars(leaf) for _, leaf in layer.named_layers())


def test_frozen_buffers_are_put_back_after_an_error_too():
    layer, x = model(), np.ones((4, 3), np.float32)
    buffers = [array for _, array in layer.named_buffers()]
    before = [array.copy() for array in buffers]
    with pytest.raises(ZeroDivisionError), frozen_buffers(layer):
        layer.forward(x, training=True)
        raise ZeroDivisionError
    for (_, now), same, values in zip(layer.named_buffers(), buffers, before, strict=True):
        assert now is same
        np.testing.assert_array_equal(now, values)
