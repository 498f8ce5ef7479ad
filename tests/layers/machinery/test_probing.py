"""Probes look at a model and leave no trace, even where something breaks."""

import numpy as np
import pytest

from mlp.errors import BackwardError
from mlp.layers import (
    Affine,
    BatchNorm,
    ReLU,
    Residual,
    Sequential,
    frozen_buffers,
    frozen_gradients,
    observed,
    observed_backward,
)


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


def test_observed_backward_sees_every_leaf_with_its_two_gradients():
    layer, x, seen = model(), np.ones((4, 3), np.float32), []
    y = layer.forward(x, training=True)
    with observed_backward(layer, lambda leaf, grad_y, grad_x: seen.append((leaf.label(), grad_y, grad_x))):
        grad_inputs = layer.backward(np.full_like(y, 2.0))
    assert [label for label, _, _ in seen] == ["ReLU '1.1'", "BatchNorm '1.0'", "Identity '1.shortcut'", "Affine '0'"]
    assert (seen[0][1] == 2.0).all()
    assert seen[0][2] is seen[1][1]
    np.testing.assert_array_equal(seen[1][2] + seen[2][2], seen[3][1])
    assert seen[3][2] is grad_inputs
    assert all("backward" not in vars(leaf) for _, leaf in layer.named_layers())


def test_frozen_gradients_are_put_back_and_nothing_stays_kept():
    layer, x = model(), np.ones((4, 3), np.float32)
    for p in layer.parameters():
        p.grad = np.full_like(p.grad, 7.0)
    with frozen_gradients(layer):
        layer.backward(layer.forward(x, training=True))
        assert any((p.grad != 7.0).any() for p in layer.parameters())
        layer.forward(x)
    assert all((p.grad == 7.0).all() for p in layer.parameters())
    with pytest.raises(BackwardError):
        layer.backward(x)


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


def test_observers_can_be_nested():
    model, seen = Sequential(ReLU(), ReLU()), []
    x = np.ones((1, 2))
    with observed(model, lambda layer, x, y: seen.append("outer")):
        with observed(model, lambda layer, x, y: seen.append("inner")):
            model.forward(x)
        assert seen == ["outer", "inner"] * 2
        model.forward(x)
        assert seen[4:] == ["outer"] * 2
    model.forward(x)
    assert len(seen) == 6
