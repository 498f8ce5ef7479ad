"""Rules that are known by their formula alone pass, in the forms that are usual."""

import numpy as np
import pytest

from mlp.diagnostics import check_rule


class Moments:
    """Adam's two means, corrected; what is made of them is `direction`."""

    def __init__(self, lr=0.01, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.02):
        self.lr, self.betas, self.eps, self.weight_decay, self.t, self.state = lr, betas, eps, weight_decay, 0, {}

    def step(self, params, grads):
        self.t += 1
        b1, b2 = self.betas
        for k, p in params.items():
            m, v = self.state.get(k, (0.0, 0.0))
            m = b1 * m + (1 - b1) * grads[k]
            v = b2 * v + (1 - b2) * self.squared(grads[k], m)
            self.state[k] = m, v
            p -= self.lr * self.direction(p, m / (1 - b1**self.t), v / (1 - b2**self.t))

    def squared(self, g, m):
        return g**2


class LAMB(Moments):
    def direction(self, w, m, v):
        r = m / (np.sqrt(v) + self.eps) + self.weight_decay * w
        return np.linalg.norm(w) / np.linalg.norm(r) * r


class AdamWOfPairs(Moments):
    def direction(self, w, m, v):
        return m / (np.sqrt(v) + self.eps) + self.weight_decay * w


class AdaBelief(Moments):
    def squared(self, g, m):
        return (g - m) ** 2

    def direction(self, w, m, v):
        return m / (np.sqrt(v) + self.eps)


class RAdam(Moments):
    def direction(self, w, m, v):
        b2, last = self.betas[1], 2 / (1 - self.betas[1]) - 1
        rho = last - 2 * self.t * b2**self.t / (1 - b2**self.t)
        if rho <= 5:
            return m
        r = np.sqrt((rho - 4) * (rho - 2) * last / ((last - 4) * (last - 2) * rho))
        return r * m / (np.sqrt(v) + self.eps)


class LARS:
    def __init__(self, lr=0.1, momentum=0.9, weight_decay=5e-4, trust_coefficient=0.001):
        self.lr, self.momentum, self.weight_decay, self.trust_coefficient = (
            lr,
            momentum,
            weight_decay,
            trust_coefficient,
        )
        self.v = {}

    def update(self, params, grads):
        for k, w in params.items():
            size = np.linalg.norm(w)
            local = self.trust_coefficient * size / (np.linalg.norm(grads[k]) + self.weight_decay * size)
            step = local * self.lr * (grads[k] + self.weight_decay * w)
            self.v[k] = self.momentum * self.v.get(k, 0.0) + step
            w -= self.v[k]


class LARSWithEta(LARS):
    """Its trust has a name that is that of the learning rate elsewhere."""

    def __init__(self, lr=0.1, eta=0.001):
        super().__init__(lr)
        self.eta = eta

    trust_coefficient = property(lambda self: self.eta, lambda self, value: None)


class Rprop:
    def __init__(self, lr=0.01, etas=(0.5, 1.2)):
        self.lr, self.etas, self.state = lr, etas, {}

    def step(self, params, grads):
        for k, p in params.items():
            before, size = self.state.get(k, (np.zeros_like(p), np.full_like(p, self.lr)))
            same = np.sign(before * grads[k])
            size = size * np.where(same > 0, self.etas[1], np.where(same < 0, self.etas[0], 1.0))
            g = np.where(same < 0, 0.0, grads[k])
            p -= np.sign(g) * size
            self.state[k] = g, size


class RMSprop:
    def __init__(self, lr=0.01, alpha=0.99, eps=1e-8, momentum=0.9, centered=True):
        self.lr, self.alpha, self.eps, self.momentum, self.centered, self.s = lr, alpha, eps, momentum, centered, {}

    def step(self, params, grads):
        for k, p in params.items():
            v, a, b = self.s.get(k, (0.0, 0.0, 0.0))
            v = self.alpha * v + (1 - self.alpha) * grads[k] ** 2
            a = self.alpha * a + (1 - self.alpha) * grads[k] if self.centered else a
            d = grads[k] / (np.sqrt(v - a**2) + self.eps)
            b = self.momentum * b + d if self.momentum else d
            self.s[k] = v, a, b
            p -= self.lr * b


RULES = [
    *(LAMB(), LAMB(betas=(0.8, 0.9)), AdamWOfPairs(), AdaBelief(weight_decay=0.0), RAdam(weight_decay=0.0)),
    *(RAdam(betas=(0.9, 0.9), weight_decay=0.0), LARS(), LARSWithEta(), Rprop(), Rprop(etas=(0.4, 1.3))),
    *(RMSprop(), RMSprop(momentum=0.0), RMSprop(centered=False)),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_right_rules_pass(rule):
    check_rule(rule).raise_if_failed()


def test_the_ratio_of_lars_the_wrong_way_round():
    class WrongLARS(LARS):
        def update(self, params, grads):
            for k, w in params.items():
                g = grads[k] + self.weight_decay * w
                local = self.trust_coefficient * np.linalg.norm(g) / np.linalg.norm(w)
                self.v[k] = self.momentum * self.v.get(k, 0.0) + local * self.lr * g
                w -= self.v[k]

    report = check_rule(WrongLARS())
    assert not report.passed
    assert "`local = " in report.diagnoses[0].sentence
