"""Rules that keep an array without a copy, or give only a local name a new one: the line and its repair are named."""

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
