"""Schedules inside of rules: the right ones pass in all usual forms, and wrong ones are named."""

import numpy as np
import pytest

from mlp.diagnostics import check_rule


class Decaying:
    """Gradient descent whose learning rate decays."""

    def __init__(self, lr=0.1, decay_rate=0.5, step_size=20):
        self.lr, self.decay_rate, self.step_size, self.t = lr, decay_rate, step_size, 0

    def update(self, params, grads):
        rate = self.share() * self.lr
        self.t += 1
        for k in params:
            params[k] -= rate * grads[k]


class SGDStepDecay(Decaying):
    def share(self):
        return self.decay_rate ** (self.t // self.step_size)


class SGDSmoothDecay(Decaying):
    def share(self):
        return self.decay_rate ** (self.t / self.step_size)


class SGDInverseTime(Decaying):
    def share(self):
        return 1.0 / (1.0 + self.decay_rate * self.t)


class SGDExponential(Decaying):
    def share(self):
        return np.exp(-self.decay_rate * self.t)


class SGDInverseRoot(Decaying):
    def share(self):
        return 1.0 / np.sqrt(self.t + 1)


class PolynomialDecaySGD(Decaying):
    def share(self):
        return (1 - self.t / 100) ** 0.9


class SGDDecaysByFactors:
    """The learning rate is multiplied by its decay after each step."""

    def __init__(self, lr=0.1, decay=0.95):
        self.lr, self.decay = lr, decay

    def update(self, params, grads):
        for k in params:
            params[k] -= self.lr * grads[k]
        self.lr *= self.decay


@pytest.mark.parametrize(
    "kind",
    [
        PolynomialDecaySGD,
        SGDDecaysByFactors,
        SGDStepDecay,
        SGDSmoothDecay,
        SGDInverseTime,
        SGDExponential,
        SGDInverseRoot,
    ],
)
def test_right_decays_pass(kind):
    check_rule(kind()).raise_if_failed()


class SGDBracketsForgotten(Decaying):
    def share(self):
        return self.decay_rate**self.t // self.step_size


class SGDExponentialDecay(Decaying):
    def share(self):
        return self.decay_rate * self.t


class SGDKeepsTheDecayed(Decaying):
    def share(self):
        self.lr *= self.decay_rate**self.t
        return 1.0


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (SGDBracketsForgotten, "`self.decay_rate ** (self.t // self.step_size)` belongs"),
        (SGDExponentialDecay, "where the power `self.decay_rate ** self.t` belongs"),
        (SGDKeepsTheDecayed, "the decays of all steps multiply"),
    ],
)
def test_wrong_decays_are_named(kind, told):
    (first, *_) = check_rule(kind()).diagnoses
    assert told in first.sentence


class Stairs:
    def __init__(self, rate, every=1000):
        self.rate, self.every = rate, every

    def __call__(self, t):
        return self.rate * 0.5 ** ((t - 1) // self.every)


class MomentumWithStairs:
    """The rate of each step is asked of a schedule that the rule holds."""

    def __init__(self, lr=0.1, momentum=0.9):
        self.lr, self.momentum, self.schedule, self.t, self.v = lr, momentum, Stairs(lr), 0, {}

    def update(self, params, grads):
        self.t += 1
        for key in params:
            self.v[key] = self.momentum * self.v.get(key, 0.0) - self.schedule(self.t) * grads[key]
            params[key] += self.v[key]


class CountedPerArray(MomentumWithStairs):
    def update(self, params, grads):
        for key in params:
            self.t += 1
            self.v[key] = self.momentum * self.v.get(key, 0.0) - self.schedule(1) / self.t * grads[key]
            params[key] += self.v[key]


def test_a_rule_that_asks_its_own_schedule_passes():
    check_rule(MomentumWithStairs(), formula="momentum").raise_if_failed()
    assert not check_rule(CountedPerArray(), formula="momentum").passed
