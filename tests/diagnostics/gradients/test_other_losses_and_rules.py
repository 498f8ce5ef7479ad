"""Losses and learning rules of other protocols are checked, and explained, like those of the library."""

import numpy as np
import pytest

from mlp.diagnostics import check_functions, check_loss, check_rule
from mlp.diagnostics.gradients.own_file import check_file
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


@pytest.mark.slow
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


class BothAtOnce:
    """The value and the gradient in one call."""

    _factor = 2.0

    def __call__(self, outputs, targets):
        d = outputs - targets
        return float((d**2).mean()), self._factor * d / d.size


class BothWithoutFactor(BothAtOnce):
    _factor = 1.0


def test_a_loss_that_returns_value_and_gradient_at_outputs_of_ones_own():
    rng = np.random.default_rng(0)
    outputs, targets = rng.random((4, 3)), rng.random((4, 3))
    check_loss(BothAtOnce(), outputs, targets).raise_if_failed()
    report = check_loss(BothWithoutFactor(), outputs, targets)
    assert not report.passed and "factor 2" in report.diagnoses[0].name


def test_a_loss_of_probabilities_that_need_not_sum_to_one():
    """Other points must be probabilities as well, or nothing is finite there."""

    def binary_cross_entropy(p, y):
        return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()), (p - y) / p.size

    rng = np.random.default_rng(0)
    report = check_loss(binary_cross_entropy, rng.uniform(0.1, 0.9, (6, 3)), (rng.random((6, 3)) < 0.5) * 1.0)
    assert report.diagnoses[0].name == "logits, not probabilities"


class OneArrayMomentum:
    """One object for each array of weights."""

    sign = 1.0

    def __init__(self, lr=0.1, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, None

    def update(self, w, dw):
        if self.v is None:
            self.v = np.zeros_like(w)
        self.v = self.momentum * self.v + self.lr * dw
        return w - self.sign * self.v


class OneArrayMomentumUphill(OneArrayMomentum):
    sign = -1.0


def test_a_rule_that_remembers_one_array_has_a_copy_for_each():
    report = check_rule(OneArrayMomentum)
    report.raise_if_failed()
    assert "each array had a rule of its own" in report.remarks[0]
    assert "sign" in check_rule(OneArrayMomentumUphill).diagnoses[0].name


class OfTokens:
    """Cross-entropy, the mean over the real tokens."""

    def __init__(self, *, of_all):
        self.pad_id, self.of_all = 0, of_all

    def forward(self, logits, ids):
        shape, logits, ids = logits.shape, logits.reshape(-1, logits.shape[-1]), ids.ravel()
        mask, rows = (ids != self.pad_id).astype(float), np.arange(ids.size)
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        count = ids.size if self.of_all else mask.sum()
        loss = -np.sum(np.log(p[rows, ids]) * mask) / count
        p[rows, ids] -= 1
        self.d = (p * mask[:, None] / count).reshape(shape)
        return loss

    def backward(self):
        return self.d


def test_padding_is_not_in_a_mean_over_tokens():
    ids = np.array([[1, 2, 0, 0], [3, 1, 2, 0]])
    check_loss(OfTokens(of_all=False), (2, 4, 4), ids).raise_if_failed()
    report = check_loss(OfTokens(of_all=True), (2, 4, 4), ids)
    assert "divided by all 8 positions" in report.diagnoses[0].sentence


def root_of_norms(params, grads, lr=0.1, max_norm=1.0):
    total = 0.0
    for g in grads.values():
        total += np.linalg.norm(g)
    scale = min(1.0, max_norm / (np.sqrt(total) + 1e-6))
    for name in params:
        params[name] = params[name] - lr * grads[name] * scale
    return params


def test_squares_of_norms_are_added():
    report = check_rule(root_of_norms, formula="sgd")
    assert "`total += np.linalg.norm(g)`: `np.linalg.norm(g)` must be squared" in report.diagnoses[0].sentence


PAIRS = """
import numpy as np

def mse(y_true, y_pred):
    return np.mean(np.power(y_true - y_pred, 2))

def mse_prime(y_true, y_pred):
    return 2 * (y_pred - y_true) / np.size(y_true)

def mse_turned(y_true, y_pred):
    return 2 * (y_true - y_pred) / np.size(y_true)

def cross_entropy(predicted, actual):
    return np.mean(-actual * np.log(predicted) - (1 - actual) * np.log(1 - predicted))

def cross_entropy_gradient(predicted, actual):
    return ((1 - actual) / (1 - predicted) - actual / predicted) / actual.size

def undivided(predicted, actual):
    return (1 - actual) / (1 - predicted) - actual / predicted
"""


@pytest.mark.parametrize(
    ("names", "mistake"),
    [
        ("mse,mse_prime", None),
        ("mse,mse_turned", "sign"),
        ("cross_entropy,cross_entropy_gradient", None),
        ("cross_entropy,undivided", "division by the values"),
    ],
)
def test_a_loss_may_be_two_functions(names, mistake, tmp_path):
    path = tmp_path / "pairs.py"
    path.write_text(PAIRS)
    report = check_file(f"{path}:{names}")
    assert report.passed == (mistake is None), report
    assert [one.name for one in report.diagnoses[:1]] == ([mistake] if mistake else [])


def test_a_loss_of_two_functions_in_python():
    functions = {}
    exec(PAIRS, functions)
    value, gradient = functions["mse"], functions["mse_prime"]
    assert check_loss((value, gradient), (4, 3)).passed
    with pytest.raises(
        ConfigurationError, match=r"a loss and its gradient: check_loss\(\(mse, mse_prime\), \(4, 3\)\)"
    ):
        check_functions(value, gradient, (4, 3))
    assert "mse returns its value alone: give its gradient, too, (mse, mse_prime)" in str(check_loss(value, (4, 3)))
