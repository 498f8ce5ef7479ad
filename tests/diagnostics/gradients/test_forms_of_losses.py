"""Losses that mix two usual forms: factors held constant, slopes of a sibling form, targets, probabilities, means."""

import numpy as np
import pytest

from mlp.diagnostics import check_loss


def focal_loss(logits, t, alpha=0.25, gamma=2.0):
    """Right, with the product rule."""
    p = 1 / (1 + np.exp(-logits))
    pt, at, sign = np.where(t == 1, p, 1 - p), np.where(t == 1, alpha, 1 - alpha), np.where(t == 1, 1.0, -1.0)
    loss = -at * (1 - pt) ** gamma * np.log(pt)
    of_pt = at * gamma * (1 - pt) ** (gamma - 1) * np.log(pt) - at * (1 - pt) ** gamma / pt
    return loss.mean(), of_pt * sign * pt * (1 - pt) / logits.size


def focal_loss_factor_held(logits, t, alpha=0.25, gamma=2.0):
    """The factor (1 - pt)^gamma is a constant."""
    p = 1 / (1 + np.exp(-logits))
    pt, at, sign = np.where(t == 1, p, 1 - p), np.where(t == 1, alpha, 1 - alpha), np.where(t == 1, 1.0, -1.0)
    loss = -at * (1 - pt) ** gamma * np.log(pt)
    of_pt = -at * (1 - pt) ** gamma / pt
    return loss.mean(), of_pt * sign * pt * (1 - pt) / logits.size


def relative_error_scale_held(y, t):
    """d^2 / (1 + y^2), where 1 + y^2 is a constant in the gradient."""
    d = y - t
    return (d * d / (1 + y * y)).mean(), 2 * d / (1 + y * y) / y.size


@pytest.mark.parametrize(
    ("loss", "held"), [(focal_loss_factor_held, "`(1 - pt) ** gamma`"), (relative_error_scale_held, "`1 + y * y`")]
)
def test_a_factor_of_a_product_that_is_held_is_named(loss, held):
    report = check_loss(loss, (7,), np.array([0, 1, 1, 0, 1, 0, 0]))
    assert report.diagnoses[0].name == "part as a constant"
    assert held in report.diagnoses[0].sentence


def test_the_product_rule_of_focal_passes():
    check_loss(focal_loss, (7,), np.array([0, 1, 1, 0, 1, 0, 0])).raise_if_failed()


class CrossEntropyLoss:
    """Of probabilities, with a small number inside the logarithm."""

    def forward(self, y_pred, y_true):
        self.p, self.t = self.inside(y_pred), y_true
        return -np.sum(y_true * np.log(self.p)) / len(y_pred)

    def inside(self, p):
        return p + 1e-12

    def backward(self):
        return -self.t / self.p / len(self.p)


class ClippedCrossEntropyLoss(CrossEntropyLoss):
    """Clips the probabilities."""

    def inside(self, p):
        return np.clip(p, 1e-12, 1 - 1e-12)


def of_all(kind):
    """Return a loss that is a mean over all values, with the gradient of the other one."""

    class OfAll(kind):
        def forward(self, y_pred, y_true):
            return super().forward(y_pred, y_true) / y_pred.shape[1]

    OfAll.__name__ = kind.__name__
    return OfAll


class ForgottenSoftmax(CrossEntropyLoss):
    """A cross-entropy of logits whose forward has no softmax."""

    def backward(self):
        return (self.p - self.t) / len(self.p)


@pytest.mark.parametrize("kind", [CrossEntropyLoss, ClippedCrossEntropyLoss])
def test_a_cross_entropy_of_probabilities_passes(kind):
    with np.errstate(all="ignore"):
        check_loss(kind, (5, 4)).raise_if_failed()


@pytest.mark.parametrize("kind", [CrossEntropyLoss, ClippedCrossEntropyLoss])
def test_a_mean_over_all_values_in_the_value_alone_is_named(kind):
    with np.errstate(all="ignore"):
        report = check_loss(of_all(kind), (5, 4))
    assert report.diagnoses[0].name == "mean over the classes"
    assert "over all N K values" in report.diagnoses[0].sentence


def test_a_softmax_that_is_missing_is_still_named():
    class CrossEntropy(ForgottenSoftmax):
        pass

    with np.errstate(all="ignore"):
        report = check_loss(CrossEntropy, (5, 4))
    assert report.diagnoses[0].name == "softmax forgotten"


class BinaryCrossEntropy:
    """Of probabilities, a mean over all values, with a gradient that is divided by N alone."""

    def forward(self, y_pred, y_true):
        self.p, self.t = np.clip(y_pred, 1e-12, 1 - 1e-12), y_true
        return -np.mean(y_true * np.log(self.p) + (1 - y_true) * np.log(1 - self.p))

    def backward(self):
        return (self.p - self.t) / (self.p * (1 - self.p)) / len(self.p)


def test_a_binary_cross_entropy_and_its_gradient_are_divided_by_the_same_number():
    report = check_loss(BinaryCrossEntropy, (5, 4))
    assert report.diagnoses[0].name == "division by the values"


class BinaryFocal:
    """Right, but its sigmoid overflows for logits around -1000."""

    def forward(self, logits, y):
        self.sign = 2.0 * y - 1.0
        self.pt = 1 / (1 + np.exp(-self.sign * logits))
        return np.mean(-((1 - self.pt) ** 2) * np.log(self.pt))

    def backward(self):
        dz = (1 - self.pt) ** 2 * (2 * self.pt * np.log(self.pt) - (1 - self.pt))
        return dz * self.sign / self.pt.size


def test_a_loss_that_overflows_is_told_that_its_gradient_is_right_elsewhere():
    first = check_loss(BinaryFocal(), (5, 3)).diagnoses[0]
    assert first.name == "overflow" and "the gradient is right for usual outputs" in first.sentence, first
    assert "the log of a sigmoid, log(1 / (1 + exp(-x)))" in first.sentence, first


class Dice:
    """Soft Dice loss of each sample; its denominator can be zero, for outputs that are no probabilities."""

    def forward(self, p, t):
        self.t, self.top = t, 2 * (p * t).sum(axis=1, keepdims=True) + 1.0
        self.bottom = p.sum(axis=1, keepdims=True) + t.sum(axis=1, keepdims=True) + 1.0
        return np.mean(1 - self.top / self.bottom)

    def backward(self):
        return -(2 * self.t * self.bottom - self.top) / self.bottom**2 / len(self.t)


def test_a_pole_is_no_jump():
    t = (np.random.RandomState(4).rand(4, 6) > 0.5).astype(float)
    check_loss(Dice(), (4, 6), t).raise_if_failed()
