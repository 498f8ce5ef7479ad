"""Label smoothing: of the smoothed targets the gradient has all, nothing, or only the part of the true class."""

import numpy as np
import pytest

from mlp.diagnostics import check_loss


def log_softmax(z):
    z = z - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


class LabelSmoothing:
    """Targets 1 - eps + eps / K for the true class and eps / K for the others."""

    def __init__(self, eps=0.2):
        self.eps = eps

    def forward(self, x, t):
        self.log_p, self.t = log_softmax(x), t
        true = self.log_p[np.arange(len(t)), t]
        return -np.mean((1 - self.eps) * true + self.eps * self.log_p.mean(axis=1))

    def backward(self):
        n, k = self.log_p.shape
        q = np.full((n, k), self.eps / k)
        q[np.arange(n), self.t] += 1 - self.eps
        return (np.exp(self.log_p) - q) / n


class OfZeros(LabelSmoothing):
    def backward(self):
        n, k = self.log_p.shape
        q = np.zeros((n, k))
        q[np.arange(n), self.t] += 1 - self.eps
        return (np.exp(self.log_p) - q) / n


class InPlace(LabelSmoothing):
    def backward(self):
        d = np.exp(self.log_p)
        d[np.arange(len(d)), self.t] -= 1 - self.eps
        return d / len(d)


class Forgotten(LabelSmoothing):
    def backward(self):
        d = np.exp(self.log_p)
        d[np.arange(len(d)), self.t] -= 1
        return d / len(d)


class OverTheOthers(LabelSmoothing):
    """Targets 1 - eps for the true class and eps / (K - 1) for the others, which get nothing in the gradient."""

    def forward(self, x, t):
        n, k = x.shape
        self.log_p, self.t = log_softmax(x), t
        q = np.full((n, k), self.eps / (k - 1))
        q[np.arange(n), t] = 1 - self.eps
        return -(q * self.log_p).sum() / n

    def backward(self):
        n, k = self.log_p.shape
        q = np.zeros_like(self.log_p)
        q[np.arange(n), self.t] = 1 - self.eps
        return (np.exp(self.log_p) - q) / n


@pytest.mark.parametrize(
    ("loss", "name", "said"),
    [
        (OfZeros, "uniform part forgotten", "`np.full((n, k), self.eps / k)` belongs here"),
        (InPlace, "uniform part forgotten", "`- self.eps / self.log_p.shape[1]` of each class is missing"),
        (OverTheOthers, "uniform part forgotten", "`np.full_like(self.log_p, self.eps / (k - 1))` belongs here"),
        (Forgotten, "smoothing forgotten", "without label smoothing"),
    ],
)
def test_what_is_forgotten_of_label_smoothing(loss, name, said):
    check_loss(LabelSmoothing(), (5, 4)).raise_if_failed()
    (first, *_) = check_loss(loss(), (5, 4)).diagnoses
    assert first.name == name and said in first.sentence
    assert (name == "smoothing forgotten") == ("without label smoothing" in first.sentence)
