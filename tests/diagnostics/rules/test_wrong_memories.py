"""Rules that remember the maximum in another place, or only the first value; and what is said of the mended rule."""

import numpy as np
import pytest

from mlp.diagnostics import check_rule
from mlp.diagnostics.rules.passing import right_steps
from mlp.diagnostics.rules.subject import Subject


class AMSGrad:
    """Right; the subclasses are wrong."""

    def __init__(self, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps, self.t, self.m, self.v, self.top = lr, beta1, beta2, eps, 0, 0, 0, 0

    def update(self, w, g):
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        root = np.sqrt(self.largest(self.beta2 * self.v + (1 - self.beta2) * g**2) / (1 - self.beta2**self.t))
        return w - self.lr * self.m / (1 - self.beta1**self.t) / (root + self.eps)

    def largest(self, v):
        self.v, self.top = v, np.maximum(self.top, v)
        return self.top


class Overwrites(AMSGrad):
    def largest(self, v):
        self.v = self.top = np.maximum(self.top, v)
        return self.v


class OverwritesAttribute(AMSGrad):
    def update(self, w, g):
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        self.v = np.maximum(self.top, self.v)
        self.top = self.v
        root = np.sqrt(self.v / (1 - self.beta2**self.t))
        return w - self.lr * self.m / (1 - self.beta1**self.t) / (root + self.eps)


class OverwritesParts:
    def __init__(self, lr=1e-3, beta1=0.9, beta2=0.99, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps, self.t, self.m, self.v, self.top = (
            lr,
            beta1,
            beta2,
            eps,
            0,
            {},
            {},
            {},
        )

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            self.m[k] = self.beta1 * self.m.get(k, 0.0) + (1 - self.beta1) * g
            v, top = self.v.get(k, 0.0), self.top.get(k, np.zeros_like(g))
            v = self.beta2 * v + (1 - self.beta2) * g**2
            v = np.maximum(v, top)
            self.v[k] = v
            self.top[k] = v
            root = np.sqrt(v / (1 - self.beta2**self.t))
            params[k] -= self.lr * self.m[k] / (1 - self.beta1**self.t) / (root + self.eps)


class LastOne(AMSGrad):
    def update(self, w, g):
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g**2
        self.top = self.v
        root = np.sqrt(self.top / (1 - self.beta2**self.t))
        return w - self.lr * self.m / (1 - self.beta1**self.t) / (root + self.eps)


@pytest.mark.parametrize("seed", range(4))
def test_a_maximum_that_overwrites_the_mean_shows(seed):
    for kind, right in ((AMSGrad, True), (Overwrites, False), (LastOne, False)):
        for beta2 in (0.9, 0.999):
            subject = Subject(kind(beta2=beta2), "amsgrad", seed, {}, 1e-9)
            assert (right_steps(subject.trail(seed)[0], subject) is not None) == right


@pytest.mark.parametrize(
    ("rule", "name", "said"),
    [
        (OverwritesAttribute, "maximum overwrites the mean", "`self.top = np.maximum(self.top, self.v)` belongs here"),
        (OverwritesParts, "maximum overwrites the mean", "`top = np.maximum(v, top)` belongs here, and `top` where"),
        (LastOne, "no maximum", "`self.top = np.maximum(self.top, self.v)` belongs here"),
    ],
)
def test_the_line_of_a_maximum(rule, name, said):
    report = check_rule(rule, formula="amsgrad")
    assert report.diagnoses[0].name == name, str(report)
    assert said in report.diagnoses[0].sentence, str(report)
    assert "all steps are right" in report.diagnoses[0].evidence


def sgd_momentum(w, dw, config=None):
    config = {} if config is None else config
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("momentum", 0.9)
    v = config.get("velocity", np.zeros_like(w))
    v = config["momentum"] * v - config["learning_rate"] * dw
    config.setdefault("velocity", v)
    return w + v, config


class Momentum:
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.kept = lr, momentum, {}

    def update(self, params, grads):
        for k, g in grads.items():
            v = self.kept.setdefault(k, self.momentum * self.kept.get(k, 0.0) + g)
            params[k] -= self.lr * v


@pytest.mark.parametrize(("rule", "line"), [(sgd_momentum, "config['velocity'] = v"), (Momentum, "v = self.kept[k] =")])
def test_setdefault_in_the_place_of_an_assignment(rule, line):
    first = check_rule(rule, formula="momentum").diagnoses[0]
    assert first.name == "set only once"
    assert line in first.sentence


class NearlyMomentum:
    """Wrong in two lines; with the sign mended all steps are nearly right, and not right."""

    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.v[k] = self.momentum * self.v.get(k, 0.0) - g
            params[k] -= 1.00003 * self.lr * self.v[k]


def test_all_steps_are_right_only_where_the_changed_rule_passes():
    report = check_rule(NearlyMomentum, formula="momentum")
    assert not report.passed
    assert "all steps are right" not in str(report)


class AdaGradOfLists:
    """One array stands in the list many times."""

    def __init__(self, lr=0.01, eps=1e-7):
        self.lr, self.eps, self.h = lr, eps, None

    def update(self, params, grads):
        if self.h is None:
            self.h = [np.zeros_like(params[0])] * len(params)
        for i in range(len(params)):
            self.h[i] += grads[i] ** 2
            params[i] -= self.lr * grads[i] / (np.sqrt(self.h[i]) + self.eps)


def test_a_rule_that_asks_for_number_0_gets_lists():
    first = check_rule(AdaGradOfLists, formula="adagrad").diagnoses[0]
    assert first.name == "one memory for all arrays" and "KeyError" not in first.sentence, first


class Adamax:
    def __init__(self, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps, self.t = lr, beta1, beta2, eps, 0
        self.m, self.u = {}, {}

    def larger(self, u, g):
        return np.maximum(self.beta2 * u, np.abs(g))

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            self.m[k] = self.beta1 * self.m.get(k, 0.0) + (1 - self.beta1) * g
            self.u[k] = self.larger(self.u.get(k, 0.0), g)
            params[k] -= self.lr / (1 - self.beta1**self.t) * self.m[k] / (self.u[k] + self.eps)


class AdamaxWithSigns(Adamax):
    def larger(self, u, g):
        return np.maximum(self.beta2 * u, g)


class AdamaxOfMeans(Adamax):
    def larger(self, u, g):
        return self.beta2 * u + (1 - self.beta2) * np.abs(g)


@pytest.mark.parametrize(("rule", "name"), [(AdamaxWithSigns, "no absolute value"), (AdamaxOfMeans, "no maximum")])
def test_adamax_keeps_the_largest_absolute_value(rule, name):
    check_rule(Adamax).raise_if_failed()
    first = check_rule(rule, formula="adamax").diagnoses[0]
    assert first.name == name and "square is missing" not in first.sentence, first
