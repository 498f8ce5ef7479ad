"""What a rule calls the shares of its means: a name means what the formula makes of it, or is left alone."""

import numpy as np
import pytest

from mlp.diagnostics import check_rule


class Means:
    """Two running means, whose shares have the names `first` and `second`."""

    first, second = "mu", "nu"

    def __init__(self, lr=0.002, a=0.9, b=0.999, eps=1e-8):
        self.lr, self.eps, self.t, self.m, self.v = lr, eps, 0, {}, {}
        setattr(self, self.first, a)
        setattr(self, self.second, b)

    def means(self, k, g):
        a, b = getattr(self, self.first), getattr(self, self.second)
        self.m[k] = a * self.m.get(k, 0.0) + (1 - a) * g
        self.v[k] = b * self.v.get(k, 0.0) + (1 - b) * g**2
        return a, self.m[k] / (1 - a**self.t), self.v[k] / (1 - b**self.t)

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            params[k] -= self.lr * self.step(g, *self.means(k, g))

    def step(self, g, a, m, v):
        return m / (np.sqrt(v) + self.eps)


class Nadam(Means):
    def step(self, g, a, m, v):
        return (a * m + (1 - a) * g / (1 - a**self.t)) / (np.sqrt(v) + self.eps)


@pytest.mark.parametrize("kind", [Means, Nadam])
@pytest.mark.parametrize("names", [("mu", "nu"), ("momentum", "beta2"), ("beta1", "rho")])
def test_names_of_two_means(kind, names):
    rule = type("Nadam" if kind is Nadam else "Adam", (kind,), {"first": names[0], "second": names[1]})
    check_rule(rule).raise_if_failed()
    if names != ("beta1", "rho"):  # rho is left alone, as it is: its usual value is known
        check_rule(rule(a=0.8, b=0.97)).raise_if_failed()


def test_a_rule_of_another_name_is_known_by_its_steps():
    assert "against adam" in str(check_rule(Means(a=0.8, b=0.97)))


class RMSProp:
    def __init__(self, lr=0.01, mu=0.8, eps=1e-8):
        self.lr, self.mu, self.eps, self.v, self.b = lr, mu, eps, {}, {}

    def update(self, params, grads):
        for k, g in grads.items():
            self.v[k] = self.mu * self.v.get(k, 0.0) + (1 - self.mu) * g**2
            params[k] -= self.lr * g / (np.sqrt(self.v[k]) + self.eps)


class RMSPropMomentum(RMSProp):
    def update(self, params, grads):
        for k, g in grads.items():
            self.v[k] = 0.99 * self.v.get(k, 0.0) + 0.01 * g**2
            self.b[k] = self.mu * self.b.get(k, 0.0) + g / (np.sqrt(self.v[k]) + self.eps)
            params[k] -= self.lr * self.b[k]


def test_the_one_share_of_rmsprop_is_its_decay_or_a_momentum():
    for rule, formula in ((RMSProp, "rmsprop"), (RMSPropMomentum, "rmsprop_momentum")):
        report = check_rule(rule)
        report.raise_if_failed()
        assert report.title.endswith(f"against {formula}")


class RMSPropOfMu(RMSProp):
    def update(self, params, grads):
        for k, g in grads.items():
            self.v[k] = self.mu * self.v.get(k, 0.0) + self.mu * g**2
            params[k] -= self.lr * g / (np.sqrt(self.v[k]) + self.eps)


def adam(w, dw, config=None):
    config = {} if config is None else config
    for name, value in (("learning_rate", 1e-3), ("mu", 0.8), ("nu", 0.97), ("t", 0), ("m", 0.0), ("v", 0.0)):
        config.setdefault(name, value)
    config["t"] += 1
    config["m"] = config["mu"] * config["m"] + (1 - config["mu"]) * dw
    config["v"] = config["nu"] * config["v"] + (1 - config["nu"]) * dw**2
    m, v = config["m"] / (1 - config["mu"] ** config["t"]), config["v"] / (1 - config["nu"] ** config["t"])
    return w - config["learning_rate"] * m / (np.sqrt(v) + 1e-8), config


def test_names_in_a_config():
    check_rule(adam).raise_if_failed()


class Lion:
    def __init__(self, lr=1e-3, mu=0.9, nu=0.99):
        self.lr, self.mu, self.nu, self.m = lr, mu, nu, {}

    def update(self, params, grads):
        for k, g in grads.items():
            m = self.m.get(k, 0.0)
            params[k] -= self.lr * np.sign((1 - self.mu) * m + self.mu * g)
            self.m[k] = self.nu * m + (1 - self.nu) * g


class NadamOfNames(Nadam):
    def __init__(self, lr=0.002, mu=0.9, nu=0.999, eps=1e-8):
        super().__init__(lr, mu, nu, eps)

    def update(self, params, grads):
        self.t += 1
        for k, g in grads.items():
            _, m, v = self.means(k, g)
            mix = self.mu * m + self.mu * g / (1 - self.mu**self.t)
            params[k] -= self.lr * mix / (np.sqrt(v) + self.eps)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (RMSPropOfMu, "`(1 - self.mu)`"),
        (Lion, "`self.mu` and `1 - self.mu` are exchanged"),
        (NadamOfNames, "`(1 - self.mu)`"),
    ],
)
def test_the_wrong_share_is_named(rule, said):
    report = check_rule(rule)
    assert not report.passed
    assert said in report.diagnoses[0].sentence, str(report)
