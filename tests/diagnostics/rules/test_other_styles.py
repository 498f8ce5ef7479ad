"""Right rules in styles that were once taken for wrong ones, and the same rules with a mistake."""

import numpy as np
import pytest

from mlp.diagnostics import check_rule


class NamedMomentum:
    """update(name, w, dw), in place; with centralized gradients."""

    factor = 1.0

    def __init__(self, lr=0.1, momentum=0.9):
        self.lr, self.momentum, self.velocities = lr, momentum, {}

    def update(self, name, w, dw):
        v = self.velocities.setdefault(name, np.zeros_like(w))
        v *= self.momentum
        v -= self.lr * (dw - self.factor * dw.mean(axis=0) if dw.ndim > 1 else dw)
        w += v


class CentralizedByRows(NamedMomentum):
    def update(self, name, w, dw):
        super().update(name, w.T, dw.T)


class HalfCentralized(NamedMomentum):
    factor = 0.5


class NesterovOfLists:
    """update_params(params, grads)."""

    ahead = 1

    def __init__(self, lr=0.01, mu=0.9):
        self.lr, self.mu, self.v = lr, mu, {}

    def update_params(self, params, grads):
        for i, (p, g) in enumerate(zip(params, grads, strict=True)):
            self.v[i] = self.mu * self.v.get(i, 0.0) + g
            p -= self.lr * (self.ahead * g + self.mu * self.v[i])


class NesterovWithoutGradient(NesterovOfLists):
    ahead = 0


class Descent:
    def __init__(self, lr):
        self.lr = lr

    def step(self, params, grads):
        for p, g in zip(params, grads, strict=True):
            p -= self.lr * g


class Lookahead:
    """The learning rate is that of the rule inside."""

    sign = 1.0

    def __init__(self, k=5, alpha=0.3):
        self.inner, self.k, self.alpha, self.count, self.slow = Descent(0.05), k, alpha, 0, None

    def step(self, params, grads):
        self.slow = self.slow or [p.copy() for p in params]
        self.inner.step(params, grads)
        self.count += 1
        if self.count % self.k == 0:
            for s, p in zip(self.slow, params, strict=True):
                s += self.alpha * self.sign * (p - s)
                p[...] = s


class LookaheadAway(Lookahead):
    sign = -1.0


class RMSProp:
    """Centred, as nothing but the formula says."""

    power = 2

    def __init__(self, lr=1e-2, alpha=0.99, eps=1e-8):
        self.lr, self.alpha, self.eps = lr, alpha, eps
        self.square = self.mean = 0.0

    def update(self, w, g):
        self.square = self.alpha * self.square + (1 - self.alpha) * g**2
        self.mean = self.alpha * self.mean + (1 - self.alpha) * g
        return w - self.lr * g / (np.sqrt(self.square - np.abs(self.mean) ** self.power) + self.eps)


class RMSPropOfTheMean(RMSProp):
    power = 3


class RProp:
    """The step sizes of the start are delta0, and there is no learning rate."""

    eta_minus = 0.5

    def __init__(self, delta0=0.02, eta_plus=1.2):
        self.delta0, self.eta_plus, self.before, self.delta = delta0, eta_plus, {}, {}

    def step(self, params, grads):
        for i, (p, g) in enumerate(zip(params, grads, strict=True)):
            agree = g * self.before.get(i, 0.0)
            delta = self.delta.get(i, np.full_like(g, self.delta0))
            self.delta[i] = delta * np.where(agree > 0, self.eta_plus, np.where(agree < 0, self.eta_minus, 1.0))
            self.before[i] = np.where(agree < 0, 0.0, g)
            p -= np.sign(self.before[i]) * self.delta[i]


class RPropThatOnlyGrows(RProp):
    eta_minus = 2.0

    def __init__(self):
        super().__init__()
        self.eta_minus = 0.5

    def step(self, params, grads):
        self.eta_minus = 2.0
        super().step(params, grads)
        self.eta_minus = 0.5


class MomentumOfCalls:
    """The learning rate comes with each call."""

    factor = 1.0

    def __init__(self, momentum=0.9):
        self.momentum, self.v = momentum, {}

    def update(self, params, grads, lr):
        for k in params:
            self.v[k] = self.momentum * self.v.get(k, 0.0) - lr * grads[k]
            params[k] += self.factor * self.v[k]


class MomentumOfCallsUphill(MomentumOfCalls):
    factor = -1.0


class MomentumOfOneArray(MomentumOfCalls):
    def __init__(self):
        super().__init__()
        self.v = 0.0

    def update(self, w, dw, lr):
        self.v = self.momentum * self.v + dw
        return w - lr * self.factor * self.v


class MomentumOfOneArrayUphill(MomentumOfOneArray):
    factor = -1.0


PAIRS = (
    (MomentumOfCalls, MomentumOfCallsUphill),
    (MomentumOfOneArray, MomentumOfOneArrayUphill),
    (NamedMomentum, HalfCentralized),
    (CentralizedByRows, HalfCentralized),
    (NesterovOfLists, NesterovWithoutGradient),
    (Lookahead, LookaheadAway),
    (RMSProp, RMSPropOfTheMean),
    (RProp, RPropThatOnlyGrows),
)


@pytest.mark.parametrize(("right", "wrong"), PAIRS, ids=lambda kind: kind.__name__)
def test_the_right_rule_passes_and_the_wrong_one_fails(right, wrong):
    report = check_rule(right())
    assert report.passed, report
    assert not check_rule(wrong()).passed


def test_the_numbers_of_the_rule_inside_are_those_of_the_rule():
    report = check_rule(Lookahead())
    assert "gradient_descent" in report.title and not report.remarks


def test_a_richer_rule_than_its_name_says_is_named_in_the_title():
    assert "rmsprop_centered" in check_rule(RMSProp()).title
