"""Layers whose gradient is meant to be no derivative pass if they say so; and training that depends on statistics."""

import numpy as np

from mlp.diagnostics import check_functions, check_layer


class Rounded:
    """Weights of -1 and 1; the gradient goes straight through the sign."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.W, self.b = rng.standard_normal((3, 2)), rng.standard_normal(2)

    def forward(self, x):
        self.x = x
        return x @ np.sign(self.W) + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ np.sign(self.W).T


class RoundedInSilence(Rounded):
    """Weights of -1 and 1."""


class RoundedInAnotherShape(Rounded):
    """The gradient goes straight through the sign."""

    def backward(self, dout):
        return super().backward(dout)[:, :2]


def reversed_forward(x):
    return 1.0 * x, None


def reversed_backward(dout, cache):
    return -0.5 * dout  # gradient reversal, as in domain-adversarial training


class Renormalized:
    """Batch renormalization; no gradient flows through r and d."""

    factor = 1.0

    def __init__(self):
        self.gamma, self.running_mean, self.running_var = np.linspace(0.5, 1.5, 3), np.zeros(3), np.ones(3)

    def forward(self, x, training=True):
        self.training, mean, std = training, self.running_mean, np.sqrt(self.running_var + 1e-5)
        if training:
            mu, self.std = x.mean(axis=0), np.sqrt(x.var(axis=0) + 1e-5)
            self.r = np.clip(self.std / std, 0.7, 1.5)
            self.xhat = (x - mu) / self.std * self.r + np.clip((mu - mean) / std, -0.5, 0.5)
            self.running_mean = 0.9 * mean + 0.1 * mu
            self.running_var = 0.9 * self.running_var + 0.1 * x.var(axis=0)
        else:
            self.xhat, self.std = (x - mean) / std, std
        return self.gamma * self.xhat

    def backward(self, dout):
        self.dgamma = self.factor * (dout * self.xhat).sum(axis=0)
        if not self.training:
            return dout * self.gamma / self.std
        d = dout * self.gamma * self.r
        plain = (self.xhat - self.xhat.mean(axis=0)) / self.r
        return (d - d.mean(axis=0) - plain * (d * plain).mean(axis=0)) / self.std


class RenormalizedInSilence(Renormalized):
    """Batch renormalization."""


def errors_of(report):
    return {row.array: row.note for row in report.rows if row.mode == "training"}


def test_what_is_said_to_be_no_derivative_is_not_compared():
    report = check_layer(Rounded(), (4, 3))
    assert report.passed, report
    assert errors_of(report) == {"inputs": "", "W": "not compared", "b": ""}
    assert "that of W was not compared" in str(report)
    report = check_functions(reversed_forward, reversed_backward, (4, 3))
    assert report.passed and "no error was measured" in report.verdict, report


def test_it_must_be_said_and_the_shape_must_be_right():
    assert not check_layer(RoundedInSilence(), (4, 3)).passed
    assert not check_layer(RoundedInAnotherShape(), (4, 3)).passed


def test_statistics_that_training_uses_are_no_randomness():
    report = check_layer(Renormalized(), (6, 3))
    assert report.passed and errors_of(report)["gamma"] == "", report
    wrong = check_layer(RenormalizedInSilence(), (6, 3))
    assert [(row.mode, row.array) for row in wrong.rows if not row.passed] == [("training", "inputs")]
    assert "np.random" not in str(wrong)
