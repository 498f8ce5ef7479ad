"""Targets that the checker chooses fit the outputs; those that the user gives are taken as they are."""

import numpy as np
import pytest

from mlp.diagnostics import check_loss
from mlp.losses import MeanSquaredError, SoftmaxCrossEntropy


def bce_loss(p, y, eps=1e-9):
    p = np.clip(p, eps, 1 - eps)
    return -np.sum(y * np.log(p) + (1 - y) * np.log(1 - p)) / len(y), (p - y) / (p * (1 - p)) / len(y)


def bce_loss_of_logits(p, y, eps=1e-9):
    p = np.clip(p, eps, 1 - eps)
    return bce_loss(p, y)[0], (p - y) / len(y)


def mse_loss(pred, target):
    return np.mean((pred - target) ** 2), 2 * (pred - target) / pred.size


def mse_loss_without_2(pred, target):
    return np.mean((pred - target) ** 2), (pred - target) / pred.size


@pytest.mark.parametrize("shape", [(6, 1), (4, 4), (1, 3), (3, 2, 1)])
def test_targets_have_the_shape_of_the_outputs(shape):
    for loss in (mse_loss, MeanSquaredError(), *([bce_loss] if shape == (6, 1) else [])):
        report = check_loss(loss, shape)
        report.raise_if_failed()
    report = check_loss(mse_loss_without_2, shape)
    assert not report.passed and not any(one.name == "broadcast" for one in report.diagnoses)


def test_probabilities_of_one_output_are_between_0_and_1():
    report = check_loss(bce_loss_of_logits, (6, 1))
    assert report.diagnoses[0].name == "logits, not probabilities"
    assert "between 0 and 1: it cuts others off" in report.remarks[0]


@pytest.mark.parametrize("shape", [(4, 4), (1, 3), (5, 7)])
def test_labels_are_chosen_where_the_loss_picks_rows(shape):
    def softmax_loss(x, y):
        p = np.exp(x - x.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        loss = -np.log(p[np.arange(len(y)), y]).mean()
        p[np.arange(len(y)), y] -= 1
        return loss, p / len(y)

    check_loss(softmax_loss, shape).raise_if_failed()
    check_loss(SoftmaxCrossEntropy(), shape).raise_if_failed()


def test_given_targets_of_another_shape_are_a_mistake():
    report = check_loss(mse_loss, (6, 1), np.arange(6.0))
    assert report.diagnoses[0].name == "broadcast"
