"""Rules whose source says what is wrong: the line is named, in the styles that students write."""

import numpy as np
import pytest

from mlp.diagnostics import check_rule


class OneArray:
    def __init__(self, lr=0.01, momentum=0.9, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.momentum, self.beta1, self.beta2, self.eps, self.m = lr, momentum, beta1, beta2, eps, None


class AMSGrad(OneArray):
    def update(self, w, g):
        if self.m is None:
            self.m, self.v, self.v_max = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.v = self.beta2 * self.v + (1 - self.beta2) * g * g
        v_max = np.maximum(self.v_max, self.v)
        return w - self.lr * self.m / (np.sqrt(v_max) + self.eps)


class Nesterov(OneArray):
    def update(self, w, dw):
        self.m = np.zeros_like(w) if self.m is None else self.m
        before = self.m
        self.m = self.momentum * self.m - self.lr * dw
        return w - self.momentum * self.m + (1 + self.momentum) * before


class NesterovOfDictionaries:
    def __init__(self, lr=0.01, momentum=0.9):
        self.lr, self.momentum, self.v = lr, momentum, {}

    def update(self, params, grads):
        if not self.v:
            self.v = {k: np.zeros_like(p) for k, p in params.items()}
        for k in params:
            self.v[k] = self.momentum * self.v[k] - self.lr * grads[k]
            before = self.v[k]
            params[k] += -self.momentum * before + (1 + self.momentum) * self.v[k]


class Adam:
    def __init__(self, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps, self.t, self.m, self.v = lr, beta1, beta2, eps, 0, {}, {}

    def step(self, params, grads):
        for k, p in params.items():
            self.t += 1
            self.m[k] = self.beta1 * self.m.get(k, 0.0) + (1 - self.beta1) * grads[k]
            self.v[k] = self.beta2 * self.v.get(k, 0.0) + (1 - self.beta2) * grads[k] ** 2
            m_hat, v_hat = self.m[k] / (1 - self.beta1**self.t), self.v[k] / (1 - self.beta2**self.t)
            p -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    for key, value in (("learning_rate", 1e-2), ("decay_rate", 0.99), ("epsilon", 1e-8), ("cache", np.zeros_like(w))):
        config.setdefault(key, value)
    cache = config["cache"]
    config["cache"] = config["decay_rate"] * cache + (1 - config["decay_rate"]) * dw**2
    return w - config["learning_rate"] * dw / (np.sqrt(cache) + config["epsilon"]), config


class Lion(OneArray):
    def update(self, w, g):
        self.m = np.zeros_like(w) if self.m is None else self.m
        self.m = self.beta2 * self.m + (1 - self.beta2) * g
        c = self.beta1 * self.m + (1 - self.beta1) * g
        return w - self.lr * np.sign(c)


def rmsprop_centered(w, dw, config=None):
    if config is None:
        config = {}
    config.setdefault("learning_rate", 1e-2)
    config.setdefault("decay_rate", 0.9)
    config.setdefault("epsilon", 1e-6)
    config.setdefault("sq", np.zeros_like(w))
    config.setdefault("mean", np.zeros_like(w))
    rate = config["learning_rate"]
    rho = config["decay_rate"]
    sq = config["sq"]
    mean = config["mean"]
    sq = rho * sq + (1 - rho) * dw**2
    var = sq - mean**2
    mean = rho * mean + (1 - rho) * dw
    next_w = w - rate * dw / np.sqrt(var + config["epsilon"])
    config["sq"] = sq
    config["mean"] = mean
    return next_w, config


def amsgrad(w, dw, state):
    b1, b2, m, v, largest = 0.9, 0.999, state.get("m", 0.0), state.get("v", 0.0), state.get("largest", 0.0)
    state["t"] = t = state.get("t", 0) + 1
    state["m"] = m = b1 * m + (1 - b1) * dw
    state["v"] = v = b2 * v + (1 - b2) * dw**2
    state["largest"] = np.maximum(largest, v)
    return w - state["lr"] * m / (1 - b1**t) / (np.sqrt(v / (1 - b2**t)) + 1e-8), state


class Rprop:
    def __init__(self, lr=0.01, eta_minus=0.5, eta_plus=1.2):
        self.lr, self.eta_minus, self.eta_plus, self.before = lr, eta_minus, eta_plus, None

    def update(self, w, g):
        if self.before is None:
            self.before, self.size = np.zeros_like(w), np.full_like(w, self.lr)
        same = self.before * g
        self.size = np.where(same > 0, self.size * self.eta_minus, self.size)
        self.size = np.where(same < 0, self.size * self.eta_plus, self.size)
        self.before = np.where(same < 0, 0.0, g)
        return w - np.sign(self.before) * self.size


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (AMSGrad, "`self.v_max = v_max` is missing"),
        (Nesterov, "`before` and `self.m` are exchanged"),
        (NesterovOfDictionaries, "this line comes too late: it belongs before `self.v[k] ="),
        (Adam, "`self.t += 1`: this line stands in the loop `for k, p in params.items():`, and belongs before it"),
        (rmsprop, "`cache` stands where `config['cache']` belongs"),
        (Lion, "comes too late: it belongs before `self.m = self.beta2"),
        (rmsprop_centered, "comes too late: it belongs before `var = sq - mean ** 2`"),
        (amsgrad, "`v` stands where the maximum `state['largest']` belongs; these are the steps of Adam"),
        (Rprop, "`self.eta_minus` and `self.eta_plus` are exchanged"),
    ],
)
def test_the_line_is_named(rule, said):
    report = check_rule(rule, formula="nesterov" if rule is NesterovOfDictionaries else None)
    assert not report.passed
    assert said in report.diagnoses[0].sentence, str(report)


def test_what_a_rule_keeps_of_its_gradients_stays_as_it_was():
    class Keeps:
        def __init__(self, lr=0.1, momentum=0.8):
            self.lr, self.momentum, self.kept = lr, momentum, None

        def step(self, params, grads):
            if self.kept is None:
                self.kept = list(grads)
            else:
                self.kept = [self.momentum * v + g for v, g in zip(self.kept, grads, strict=True)]
            for p, v in zip(params, self.kept, strict=True):
                p -= self.lr * v

    check_rule(Keeps(), formula="momentum").raise_if_failed()
