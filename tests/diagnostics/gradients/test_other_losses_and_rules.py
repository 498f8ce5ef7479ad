"""Losses and learning rules of other protocols are checked, and explained, like those of the library."""

import numpy as np
import pytest

from mlp.diagnostics import check_loss, check_rule
from mlp.errors import ConfigurationError


class PlainLoss:
    def __call__(self, outputs, targets):
        return float(((outputs - targets) ** 2).mean())

    def grad(self, outputs, targets):
        return 2.0 * (outputs - targets) / outputs.size


def test_losses_of_another_protocol():
    numbers = np.random.default_rng(0).random((4, 3))
    check_loss(PlainLoss, (4, 3), numbers).raise_if_failed()

    class NotDivided(PlainLoss):
        def grad(self, outputs, targets):
            return 2.0 * (outputs - targets)

    class OneFactorTwo(PlainLoss):
        def grad(self, outputs, targets):
            return (outputs - targets) / outputs.size

    class NoTargets(PlainLoss):
        def grad(self, outputs, targets):
            return 2.0 * outputs / outputs.size

    for kind, name in (
        (NotDivided, "division by the values"),
        (OneFactorTwo, "factor 2"),
        (NoTargets, "targets forgotten"),
    ):
        assert check_loss(kind(), (4, 3), numbers).diagnoses[0].name == name

    class Sum(PlainLoss):
        def __call__(self, outputs, targets):
            return float(((outputs - targets) ** 2).sum())

        def grad(self, outputs, targets):
            return 2.0 * (outputs - targets)

    report = check_loss(Sum(), (4, 3), numbers)
    report.raise_if_failed()
    assert "means over the batch" in report.remarks[0]


class ClassicMomentum:
    """initialise and update_params; the learning rate is part of the velocity."""

    def __init__(self, learning_rate=0.1, mom_coeff=0.9):
        self.learning_rate, self.mom_coeff = learning_rate, mom_coeff

    def initialise(self, params):
        self.params, self.moms = params, [np.zeros_like(p) for p in params]

    def update_params(self, grads):
        for p, v, g in zip(self.params, self.moms, grads, strict=True):
            v *= self.mom_coeff
            v -= self.learning_rate * g
            p += v


class DictAdam:
    """update(params, grads) with dicts, a hidden eps and no bias correction."""

    def __init__(self, lr=1e-3, beta1=0.9, beta2=0.999):
        self.lr, self.beta1, self.beta2, self.m, self.v = lr, beta1, beta2, {}, {}

    def update(self, params, grads):
        for name, g in grads.items():
            self.m[name] = self.beta1 * self.m.get(name, 0.0) + (1.0 - self.beta1) * g
            self.v[name] = self.beta2 * self.v.get(name, 0.0) + (1.0 - self.beta2) * g**2
            params[name] -= self.lr * self.m[name] / (np.sqrt(self.v[name]) + 1e-7)


def test_rules_of_other_protocols():
    report = check_rule(ClassicMomentum())
    report.raise_if_failed()
    assert "part of the velocity" in report.remarks[0]
    report = check_rule(DictAdam)
    assert report.diagnoses[0].name == "bias correction missing"
    assert "Rule check of DictAdam against adam" in str(report)

    class Raises(DictAdam):
        def update(self, params, grads):
            return params["no such weight"]

    report = check_rule(Raises())
    assert not report.passed
    assert "return params" in report.diagnoses[0].evidence
    with pytest.raises(AssertionError, match="KeyError"):
        report.raise_if_failed()


def test_what_is_no_loss_or_rule_is_said_in_words():
    with pytest.raises(ConfigurationError, match="object is not a loss"):
        check_loss(object(), (2, 3))
    with pytest.raises(ConfigurationError, match="Give check_rule"):
        check_rule(object())
    with pytest.raises(ConfigurationError, match="formula must be one of"):
        check_rule(ClassicMomentum(), formula="magic")
    with pytest.raises(ConfigurationError, match="is not a learning rule"):
        check_rule(PlainLoss(), formula="adam", learning_rate=0.1)
