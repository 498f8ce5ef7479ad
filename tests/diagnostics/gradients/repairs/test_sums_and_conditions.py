"""What forward says and backward leaves out: a margin in a condition, a setting in a sum, what a parameter holds."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_layer, check_loss

rng = np.random.default_rng(0)
TARGETS = (rng.random((4, 6)) > 0.5).astype(float)


def rank_forward(a, b, margin=1.0):
    gap = margin - (a - b)
    return np.maximum(gap, 0).sum(axis=1), (a, b, margin)


def rank_backward(dout, cache):
    a, b, margin = cache
    mask = (a < b).astype(float)
    g = dout[:, None] * mask
    return -g, g


def right_rank_backward(dout, cache):
    a, b, margin = cache
    g = dout[:, None] * (margin - (a - b) > 0)
    return -g, g


class PairHinge:
    def forward(self, y, t, margin=0.8):
        self.s, self.y, self.margin = 2 * t - 1, y, margin
        return np.maximum(0, self.margin - self.s * y).mean()

    def backward(self):
        return -self.s * (self.s * self.y < 0) / self.y.size


class Shrink:
    def __init__(self):
        self.lam = 0.4

    def forward(self, x):
        self.x = x
        return np.sign(x) * np.maximum(np.abs(x) - self.lam, 0)

    def backward(self, dout):
        return dout * (np.abs(self.x) > 0)


def test_a_condition_that_is_not_that_of_forward():
    found = check_functions(rank_forward, rank_backward, (4, 5), (4, 5)).diagnoses
    assert "the condition `a < b` leaves out `margin`: `margin - (a - b) > 0` belongs" in found[0].sentence, found
    assert check_functions(rank_forward, right_rank_backward, (4, 5), (4, 5)).passed
    found = check_loss(PairHinge(), (4, 6), targets=TARGETS).diagnoses
    assert "leaves out `self.margin`: `self.margin - self.s * self.y > 0` belongs here" in found[0].sentence, found
    found = check_layer(Shrink(), (4, 5)).diagnoses
    assert "leaves out `self.lam`: `np.abs(self.x) - self.lam > 0` belongs" in found[0].sentence, found
    assert found[0].name == "mask of another condition than in forward", found


class Tversky:
    def __init__(self, smooth=0.5):
        self.smooth = smooth

    def forward(self, y, t):
        p = 1 / (1 + np.exp(-y))
        tp, fp, fn = (p * t).sum(1), (p * (1 - t)).sum(1), ((1 - p) * t).sum(1)
        den = tp + 0.3 * fp + 0.7 * fn + self.smooth
        self.kept = p, t, tp, den
        return (1 - (tp + self.smooth) / den).mean()

    def backward(self):
        p, t, tp, den = self.kept
        dden = t + 0.3 * (1 - t) - 0.7 * t
        d = (t * den[:, None] - tp[:, None] * dden) / den[:, None] ** 2
        return -d * p * (1 - p) / len(p)


def jaccard(y, t, smooth=1.0):
    inter, union = (y * t).sum(1, keepdims=True), (y + t - y * t).sum(1, keepdims=True)
    loss = (1 - (inter + smooth) / (union + smooth)).mean()
    grad = -(t * (union + smooth) - inter * (1 - t)) / (union + smooth) ** 2 / len(y)
    return loss, grad


class Softsign:
    def forward(self, x):
        self.x = x
        return x / (1 + np.abs(x))

    def backward(self, dout):
        return dout / np.abs(self.x) ** 2


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        (Tversky(), "`tp[:, None] + self.smooth` for `tp[:, None]`"),
        (jaccard, "`inter + smooth` for `inter`"),
        (Softsign(), "`np.abs(self.x) + 1` for `np.abs(self.x)`"),
    ],
)
def test_what_forward_adds_is_missing(subject, text):
    layer = isinstance(subject, Softsign)
    report = check_layer(subject, (3, 4)) if layer else check_loss(subject, (4, 6), targets=TARGETS)
    assert "which forward has, is missing" in report.diagnoses[0].sentence, report
    assert text in report.diagnoses[0].sentence, report


class Weight:
    def __init__(self, value):
        self.value, self.grad = np.asarray(value), np.zeros(len(value))


class Swish:
    def __init__(self):
        self.beta = Weight([1.5, 0.7, 1.1])

    def forward(self, x):
        self.x = x
        self.s = 1 / (1 + np.exp(-self.beta.value * x))
        return x * self.s

    def backward(self, g):
        x, s = self.x, self.s
        ds = s * (1 - s)
        self.beta.grad = (g * x * x * ds).sum(0)
        return g * (s + x * ds)


def test_what_an_object_for_a_parameter_holds_may_be_missing():
    found = check_layer(Swish(), (5, 3)).diagnoses
    assert "the factor `self.beta.value` is missing in `x * ds`" in found[0].sentence, found
