"""Dropout: silence in training only, means kept, masks that are a function of (seed, path, step)."""

import numpy as np
import pytest

from mlp.errors import ConfigurationError
from mlp.layers import Affine, Dropout, Sequential

ONES = np.ones((200, 500), np.float32)


def test_evaluation_changes_nothing():
    assert (Dropout(0.7).forward(ONES) == ONES).all()


def test_a_fraction_p_is_silent_and_the_mean_stays():
    y = Dropout(0.3).forward(ONES, training=True)
    assert (y == 0).mean() == pytest.approx(0.3, abs=0.01)
    assert y.mean() == pytest.approx(1.0, abs=0.02)
    np.testing.assert_allclose(np.unique(y), [0.0, 1 / 0.7], rtol=1e-6)


def test_backward_uses_the_mask_of_forward():
    layer = Dropout(0.5)
    y = layer.forward(ONES, training=True)
    assert (layer.backward(ONES) == y).all()


def test_every_step_and_every_layer_has_a_mask_of_its_own():
    model = Sequential(Dropout(0.5), Dropout(0.5)).initialize(3)
    first, second = model.layers.values()
    masks = [first.forward(ONES, True), first.forward(ONES, True), second.forward(ONES, True)]
    assert len({mask.tobytes() for mask in masks}) == 3


def test_a_restored_layer_draws_the_masks_that_come_next():
    model = Sequential(Affine(4, 4), Dropout(0.5)).initialize(0)
    x = np.ones((8, 4), np.float32)
    model.forward(x, True)
    twin = Sequential(Affine(4, 4), Dropout(0.5)).initialize(0)
    twin.load_state_dict(model.state_dict())
    assert (twin.forward(x, True) == model.forward(x, True)).all()
    assert model.state_dict()["1.step"] == 2


def test_probability_one_would_silence_everything():
    with pytest.raises(ConfigurationError, match="p must lie in 0 <= p < 1, got 1.0"):
        Dropout(1.0)
