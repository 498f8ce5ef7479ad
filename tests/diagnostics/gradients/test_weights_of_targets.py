"""Losses whose weight belongs to one class alone, and a loss with a weight that its name does not tell."""

import numpy as np
import pytest

from mlp.diagnostics import check_loss

RNG = np.random.default_rng(0)
BITS = RNG.integers(0, 2, (6, 3))
LOGITS = RNG.normal(size=(6, 3))


class WeightedBCEWithLogits:
    """Values with t = 1 count pos_weight times."""

    def __init__(self, pos_weight=2.5):
        self.pos_weight = pos_weight

    def __call__(self, z, t):
        p = 1 / (1 + np.exp(-z))
        return -np.mean(self.pos_weight * t * np.log(p) + (1 - t) * np.log(1 - p))

    def grad(self, z, t):
        p = 1 / (1 + np.exp(-z))
        return (self.pos_weight * t + (1 - t)) * (p - t) / z.size


class OnBoth(WeightedBCEWithLogits):
    def grad(self, z, t):
        p = 1 / (1 + np.exp(-z))
        weight = self.pos_weight
        return weight * (p - t) / z.size


class OfTheClass(WeightedBCEWithLogits):
    """The weight belongs to the class, and not to an object."""

    pos_weight = 4.0

    def __init__(self):
        pass

    def grad(self, z, t):
        p = 1 / (1 + np.exp(-z))
        return self.pos_weight * (p - t) / z.size


class SpamLoss:
    """Logistic loss; false alarms (t = 0) cost more."""

    def __init__(self, cost=3.0):
        self.cost = cost

    def __call__(self, z, t):
        self.t, self.p = t, 1 / (1 + np.exp(-z))
        return -np.mean(t * np.log(self.p) + self.cost * (1 - t) * np.log(1 - self.p))

    def grad(self, z, t):
        return (self.t + self.cost * (1 - self.t)) * (self.p - self.t) / self.t.size


class OnAllMail(SpamLoss):
    """Logistic loss; false alarms (t = 0) cost more."""

    def grad(self, z, t):
        return self.cost * (self.p - t) / t.size


def balanced(z, t, alpha=0.3):
    p = 1 / (1 + np.exp(-z))
    loss = -np.mean(alpha * t * np.log(p) + (1 - alpha) * (1 - t) * np.log(1 - p))
    grad = p - t
    grad *= alpha
    return loss, grad / z.size


class ForegroundMSE:
    """Squared error; pixels with t = 1 count w times."""

    def __init__(self, w=5.0):
        self.w = w

    def forward(self, y, t):
        self.d, self.t = y - t, t
        weights = np.where(t == 1, self.w, 1.0)
        return np.mean(weights * self.d**2)

    def backward(self):
        return 2 * np.where(self.t == 1, self.w, 1.0) * self.d / self.d.size


class OnTheBackground(ForegroundMSE):
    """Squared error; pixels with t = 1 count w times."""

    def backward(self):
        return 2 * self.w * self.d / self.d.size


@pytest.mark.parametrize("loss", [WeightedBCEWithLogits(), SpamLoss(), ForegroundMSE()])
def test_a_weight_may_be_there(loss):
    check_loss(loss, LOGITS, BITS).raise_if_failed()


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (OnBoth(), "`weight * t + (1 - t)` belongs here"),
        (OfTheClass(), "`self.pos_weight * t + (1 - t)` belongs here"),
        (OnAllMail(), "`t + self.cost * (1 - t)` belongs here"),
        (balanced, "`alpha * t + (1 - alpha) * (1 - t)` belongs here"),
        (OnTheBackground(), "`self.w * self.t + (1 - self.t)` belongs here"),
    ],
)
def test_a_weight_belongs_to_one_class(loss, said):
    (first, *_) = check_loss(loss, LOGITS, BITS).diagnoses
    assert said in first.sentence and "missing" not in first.sentence
