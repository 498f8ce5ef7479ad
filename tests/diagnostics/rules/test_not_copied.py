"""Rules that keep an array without a copy, or give only a local name a new one: line and repair are named."""

import numpy as np
import pytest

from mlp.diagnostics import check_rule


class Lookahead:
    def __init__(self, lr=0.1, k=5, alpha=0.5):
        self.lr, self.k, self.alpha, self.steps, self.slow = lr, k, alpha, 0, None

    def begin(self, params):
        self.slow = {name: p.copy() for name, p in params.items()}

    def update(self, params, grads):
        if self.slow is None:
            self.begin(params)
        for name in params:
            params[name] -= self.lr * grads[name]
        self.steps += 1
        if self.steps % self.k == 0:
            for name in params:
                self.slow[name] += self.alpha * (params[name] - self.slow[name])
                params[name][...] = self.slow[name]


class LookaheadOfTheSameArrays(Lookahead):
    def begin(self, params):
        self.slow = {name: p for name, p in params.items()}  # noqa: C416


class LookaheadOfANewDictionary(Lookahead):
    def begin(self, params):
        self.slow = dict(params)


class LookaheadInALoop(Lookahead):
    def begin(self, params):
        self.slow = {}
        for name in params:
            self.slow[name] = params[name]


class SGD:
    def __init__(self, params, lr=0.01, momentum=0.9):
        self.params, self.lr, self.momentum = list(params), lr, momentum
        self.bufs = [np.zeros_like(p.data) for p in self.params]

    def step(self):
        for buf, p in zip(self.bufs, self.params, strict=True):
            if p.grad is None:
                continue
            buf[...] = self.momentum * buf + p.grad
            p.data -= self.lr * buf


class SGDOfALocalName(SGD):
    def step(self):
        for buf, p in zip(self.bufs, self.params, strict=True):
            if p.grad is None:
                continue
            buf = self.momentum * buf + p.grad
            p.data -= self.lr * buf


@pytest.mark.parametrize("rule", [Lookahead, SGD])
def test_right_rules_pass(rule):
    assert check_rule(rule).passed


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("rule", "right"),
    [
        (LookaheadOfTheSameArrays, "take `p.copy()`"),
        (LookaheadOfANewDictionary, "take `{k: v.copy() for k, v in params.items()}`"),
        (LookaheadInALoop, "take `params[name].copy()`"),
    ],
)
def test_slow_weights_without_a_copy_are_named(rule, right):
    report = check_rule(rule)
    assert not report.passed
    assert report.diagnoses[0].name == "not copied"
    assert report.diagnoses[0].sentence.startswith("in line ") and right in report.diagnoses[0].sentence, str(report)


def test_a_new_array_for_the_name_of_the_loop_is_named():
    sentence = check_rule(SGDOfALocalName).diagnoses[0].sentence
    assert "write into it, `buf[...] = self.momentum * buf + p.grad`" in sentence


class RMSProp:
    def __init__(self, lr=0.01, rho=0.9, eps=1e-8):
        self.lr, self.rho, self.eps, self.cache = lr, rho, eps, {}

    def update(self, params, grads):
        for name, g in grads.items():
            if name not in self.cache:
                self.cache[name] = np.zeros_like(g)
            s = self.cache[name]
            s = self.rho * s + (1 - self.rho) * g * g
            params[name] -= self.lr * g / (np.sqrt(s) + self.eps)


class Adam:
    def __init__(self, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps, self.t, self.state = lr, beta1, beta2, eps, 0, {}

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            m, v = self.state.setdefault(k, (np.zeros_like(g), np.zeros_like(g)))
            m = self.beta1 * m + (1 - self.beta1) * g
            v = self.beta2 * v + (1 - self.beta2) * g**2
            m_hat, v_hat = m / (1 - self.beta1**self.t), v / (1 - self.beta2**self.t)
            params[k] -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


class AdamOfOneMean:
    def __init__(self, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-8):
        self.lr, self.beta1, self.beta2, self.eps, self.t, self.m, self.v = lr, beta1, beta2, eps, 0, {}, {}

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            m, v = self.m.get(k, 0.0), self.v.get(k, 0.0)
            m = self.beta1 * m + (1 - self.beta1) * g
            v = self.beta2 * v + (1 - self.beta2) * g**2
            self.m[k] = m
            m_hat, v_hat = m / (1 - self.beta1**self.t), v / (1 - self.beta2**self.t)
            params[k] -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


def rmsprop(w, dw, config=None):
    config = {} if config is None else config
    lr, rho = config.setdefault("learning_rate", 0.01), config.setdefault("decay_rate", 0.9)
    cache = config.setdefault("cache", np.zeros_like(w))
    cache = rho * cache + (1 - rho) * dw**2
    return w - lr * dw / (np.sqrt(cache) + 1e-8), config


def momentum(w, dw, config=None):
    config = {} if config is None else config
    lr, mu = config.setdefault("learning_rate", 0.01), config.setdefault("momentum", 0.9)
    v = mu * config.get("velocity", np.zeros_like(w)) - lr * dw
    return w + v, config


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("rule", "formula", "missing"),
    [
        (RMSProp, "rmsprop", "self.cache[name] = s"),
        (Adam, "adam", "self.state[k] = m, v"),
        (AdamOfOneMean, "adam", "self.v[k] = v"),
        (rmsprop, "rmsprop", "config['cache'] = cache"),
        (momentum, "momentum", "config['velocity'] = v"),
    ],
)
def test_a_new_value_that_is_not_written_back_is_named(rule, formula, missing):
    report = check_rule(rule, formula=formula)
    assert not report.passed
    sentence = report.diagnoses[0].sentence
    assert sentence.startswith("in line ") and f"`{missing}` is missing" in sentence, str(report)
