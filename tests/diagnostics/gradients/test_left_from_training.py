"""A mask that is left from training is named, where forward in evaluation hands its inputs on as they are."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer


class Dropout:
    """Inverted dropout: nothing to do in evaluation."""

    def __init__(self, drop_prob=0.4, seed=0):
        self.drop_prob, self.rng, self.mask = drop_prob, np.random.default_rng(seed), None

    def forward(self, x, training=True):
        if training:
            keep = 1 - self.drop_prob
            self.mask = (self.rng.random(x.shape) < keep) / keep
            return x * self.mask
        return x

    def backward(self, dout):
        return dout if self.mask is None else dout * self.mask


class DropoutWithoutBranch(Dropout):
    def backward(self, dout):
        return dout * self.mask


class RightDropout(Dropout):
    def forward(self, x, training=True):
        self.mask = None
        return super().forward(x, training)


@pytest.mark.parametrize(("layer", "line"), [(Dropout, "self.mask = None"), (DropoutWithoutBranch, "self.mask = 1.0")])
def test_the_mask_of_training_is_named(layer, line):
    (first, *_) = check_layer(layer(), (6, 5)).diagnoses
    assert first.name == "left from training"
    assert f"set `{line}` in evaluation" in first.sentence


def test_a_mask_that_evaluation_takes_away_passes():
    check_layer(RightDropout(), (6, 5)).raise_if_failed()


class DropoutOfAWord:
    """The mode is a word."""

    scale = 1.0

    def __init__(self, p=0.3):
        self.p, self.mode = p, "train"

    def forward(self, x):
        if self.mode == "eval":
            return x * self.scale
        self.mask = (np.random.RandomState(0).rand(*x.shape) >= self.p) / (1 - self.p)
        return x * self.mask

    def backward(self, dout):
        return dout * (self.scale if self.mode == "eval" else self.mask)


class Turned:
    """An attribute that is called like a mode, and is an array."""

    def __init__(self):
        self.phase = np.linspace(0.1, 1.0, 5)

    def forward(self, x):
        return x * np.cos(self.phase)

    def backward(self, dout):
        return dout * np.cos(self.phase)


def test_an_array_of_that_name_is_no_mode():
    check_layer(Turned(), (6, 5)).raise_if_failed()


def test_an_attribute_that_holds_a_word_says_the_mode():
    check_layer(DropoutOfAWord(), (6, 5)).raise_if_failed()
    wrong = check_layer(type("Dropout", (DropoutOfAWord,), {"scale": 0.7})(), (6, 5))
    assert "it is scaled in two places" in wrong.diagnoses[0].sentence, wrong


def dropout_forward(x, p=0.3, mode="train"):
    scale = 1 - p if mode == "eval" else (np.random.RandomState(0).rand(*x.shape) >= p) / (1 - p)
    return x * scale, scale


def dropout_backward(dout, scale):
    return dout * scale


def test_functions_are_told_the_mode_in_their_own_word():
    report = check_functions(dropout_forward, dropout_backward, (6, 5))
    assert "it is scaled in two places" in report.diagnoses[0].sentence, report
