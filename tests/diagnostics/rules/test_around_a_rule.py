"""What rules do around their formula: dampening, warm-up, accumulated gradients, slow weights; and rules of signs."""

import numpy as np
import pytest

from mlp.diagnostics import check_rule


class DampedSGD:
    """v = mu v + (1 - dampening) g; the first velocity is the gradient, as in PyTorch."""

    def __init__(self, lr=0.1, momentum=0.9, dampening=0.3):
        self.lr, self.momentum, self.dampening, self.v = lr, momentum, dampening, None

    def step(self, params, grads):
        if self.v is None:
            self.v = [g.copy() for g in grads]
        else:
            self.v = [self.momentum * v + self.share() * g for v, g in zip(self.v, grads, strict=True)]
        for p, v in zip(params, self.v, strict=True):
            p -= self.lr * v

    def share(self):
        return 1 - self.dampening


class AdamWithWarmup:
    def __init__(self, lr=0.01, beta1=0.9, beta2=0.99, eps=1e-8, warmup=1000):
        self.lr, self.beta1, self.beta2, self.eps, self.warmup = lr, beta1, beta2, eps, warmup
        self.t, self.state = 0, {}

    def step(self, params, grads):
        self.t += 1
        for k, p in params.items():
            m, v = self.state.get(k, (0.0, 0.0))
            m = self.beta1 * m + (1 - self.beta1) * grads[k]
            v = self.beta2 * v + (1 - self.beta2) * grads[k] ** 2
            self.state[k] = m, v
            m_hat, v_hat = m / (1 - self.beta1**self.t), v / (1 - self.beta2**self.t)
            p -= self.lr * self.warm() * m_hat / (np.sqrt(v_hat) + self.eps)

    def warm(self):
        return min(1.0, self.t / self.warmup)


class AccumulatedSGD:
    """The gradients of `every` batches are averaged, then one step is made."""

    def __init__(self, lr=0.1, every=8):
        self.lr, self.every, self.sum, self.count = lr, every, None, 0

    def step(self, params, grads):
        if self.sum is None:
            self.sum = [np.zeros_like(p) for p in params]
        for s, g in zip(self.sum, grads, strict=True):
            s += g
        self.count += 1
        if self.count % self.every == 0:
            for p, s in zip(params, self.sum, strict=True):
                p -= self.lr * s / self.every
                self.forget(s)

    def forget(self, s):
        s[...] = 0


class Lookahead:
    """Every k steps the slow weights go a part of the way, and the fast ones start from there."""

    def __init__(self, lr=0.1, k=5, alpha=0.5):
        self.lr, self.k, self.alpha, self.slow, self.t = lr, k, alpha, None, 0

    def step(self, params, grads):
        self.slow = self.slow or [p.copy() for p in params]
        self.t += 1
        for p, g, s in zip(params, grads, self.slow, strict=True):
            p -= self.lr * g
            if self.t % self.k == 0:
                s += self.alpha * (p - s)
                p[...] = s


class Yogi(AdamWithWarmup):
    def __init__(self, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-3):
        super().__init__(lr, beta1, beta2, eps, warmup=0)

    def step(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            m, v = self.state.get(k, (0.0 * g, 0.0 * g))
            m = self.beta1 * m + (1 - self.beta1) * g
            v = v - (1 - self.beta2) * np.sign(v - g**2) * g**2
            self.state[k] = m, v
            m_hat, v_hat = m / (1 - self.beta1**self.t), v / (1 - self.beta2**self.t)
            params[k] -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)


class Signum:
    """The sign of the running mean of the gradients."""

    def __init__(self, lr=0.01, beta=0.9):
        self.lr, self.beta, self.m = lr, beta, {}

    def step(self, params, grads):
        for k in params:
            self.m[k] = self.beta * self.m.get(k, 0) + (1 - self.beta) * grads[k]
            params[k] -= self.lr * np.sign(self.m[k])


class SGDWithEMA:
    """A running mean of the weights is kept for evaluation."""

    def __init__(self, lr=0.1, decay=0.9):
        self.lr, self.decay, self.average = lr, decay, None

    def step(self, params, grads):
        if self.average is None:
            self.average = [p.copy() for p in params]
        for p, g, a in zip(params, grads, self.average, strict=True):
            p -= self.lr * g
            self.keep(a, p)

    def keep(self, a, p):
        a *= self.decay
        a += (1 - self.decay) * p


class SharesExchanged(SGDWithEMA):
    def keep(self, a, p):
        a *= 1 - self.decay
        a += self.decay * p


@pytest.mark.parametrize("kind", (SGDWithEMA, DampedSGD, AdamWithWarmup, AccumulatedSGD, Lookahead, Yogi, Signum))
def test_right_rules_pass(kind):
    check_rule(kind()).raise_if_failed()


class NeverForgets(AccumulatedSGD):
    def forget(self, s):
        pass


class DampedTheWrongWay(DampedSGD):
    def share(self):
        return self.dampening


class SignForgotten(Signum):
    def step(self, params, grads):
        for k in params:
            self.m[k] = self.beta * self.m.get(k, 0) + (1 - self.beta) * grads[k]
            params[k] -= self.lr * self.m[k]


class LookaheadThatGoesOn(Lookahead):
    def step(self, params, grads):
        for p, g in zip(params, grads, strict=True):
            p -= self.lr * g


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("kind", "told"),
    (
        (SharesExchanged, "has decay and 1 - decay exchanged"),
        (NeverForgets, "not set to zero after a step"),
        (DampedTheWrongWay, "`(1 - self.dampening)` belongs"),
        (SignForgotten, "must be made with its sign"),
        (LookaheadThatGoesOn, "the fast ones must start from them again"),
    ),
)
def test_wrong_ones_are_named(kind, told):
    (first, *_) = check_rule(kind()).diagnoses
    assert told in first.sentence


def test_a_decay_without_the_weights():
    class SGD:
        def __init__(self, lr=0.1, momentum=0.8, weight_decay=0.01):
            self.lr, self.momentum, self.weight_decay, self.v = lr, momentum, weight_decay, {}

        def update(self, params, grads):
            for k in params:
                g = grads[k] + self.weight_decay
                self.v[k] = self.momentum * self.v.get(k, 0) + g
                params[k] -= self.lr * self.v[k]

    (first, *_) = check_rule(SGD()).diagnoses
    assert first.name == "decay without the weights"


class DecayingSGD:
    """The learning rate decays by itself, lr / (1 + decay t), t = 0, 1, ..."""

    def __init__(self, lr=0.1, momentum=0.9, decay=0.1):
        self.lr, self.current_lr, self.momentum, self.decay, self.t, self.v = lr, lr, momentum, decay, 0, {}

    def step(self, params, grads):
        self.current_lr = self.rate() / (1.0 + self.decay * self.t)
        for k in params:
            self.v[k] = self.momentum * self.v.get(k, 0.0) - self.current_lr * grads[k]
            params[k] += self.v[k]
        self.t += 1

    def rate(self):
        return self.lr


class DecaysTheDecayed(DecayingSGD):
    def rate(self):
        return self.current_lr


class CosineSGD:
    """A linear warm-up, then half a cosine down to 0 at the step `total`."""

    def __init__(self, lr=0.1, warmup=2, total=9):
        self.lr, self.warmup, self.total, self.t = lr, warmup, total, 0

    def step(self, params, grads):
        rate = self.lr * min(1.0, (self.t + 1) / self.warmup)
        if self.t >= self.warmup:
            rate = 0.5 * self.lr * (1 + np.cos(np.pi * self.progress()))
        self.t += 1
        for p, g in zip(params, grads, strict=True):
            p -= rate * g

    def progress(self):
        return (self.t - self.warmup) / (self.total - self.warmup)


class CountsFromStepZero(CosineSGD):
    def progress(self):
        return self.t / self.total


class StepSizeAlpha:
    """AdaMax, whose learning rate is called alpha, as in the paper; what is derived from settings is made once."""

    def __init__(self, alpha=0.01, beta1=0.9, beta2=0.99):
        self.alpha, self.beta1, self.beta2, self.t, self.m, self.u = alpha, beta1, beta2, 0, 0.0, 0.0
        self.rest = 1 - beta1

    def update(self, w, grad):
        self.t += 1
        self.m = self.beta1 * self.m + self.rest * grad
        self.u = np.maximum(self.beta2 * self.u, self.size(grad))
        return w - self.alpha / (1 - self.beta1**self.t) * self.m / (self.u + 1e-8)

    def size(self, grad):
        return np.abs(grad)


class SignKept(StepSizeAlpha):
    def size(self, grad):
        return grad


class LookaheadWithoutSlowSteps(Lookahead):
    def step(self, params, grads):
        self.slow = self.slow or [p.copy() for p in params]
        self.t += 1
        for p, g, s in zip(params, grads, self.slow, strict=True):
            p -= self.lr * g
            if self.t % self.k == 0:
                p[...] = s + self.alpha * (p - s)


@pytest.mark.parametrize("kind", (DecayingSGD, CosineSGD))
def test_right_schedules_inside_of_rules_pass(kind):
    check_rule(kind()).raise_if_failed()


def test_a_learning_rate_called_alpha():
    check_rule(StepSizeAlpha(), formula="adamax").raise_if_failed()
    (first, *_) = check_rule(SignKept(), formula="adamax").diagnoses
    assert "`np.abs(grad)` belongs" in first.sentence


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("kind", "told"),
    (
        (DecaysTheDecayed, "the decays of all steps multiply"),
        pytest.param(CountsFromStepZero, "must count from the end of the warm-up", marks=pytest.mark.slow),
        pytest.param(
            LookaheadWithoutSlowSteps, "the slow weights stay as they were at the start", marks=pytest.mark.slow
        ),
    ),
)
def test_wrong_schedules_and_slow_weights_are_named(kind, told):
    (first, *_) = check_rule(kind()).diagnoses
    assert told in first.sentence
