"""Rules that students write: clipping, functions with a config, less usual rules, and rules without a known formula."""

import numpy as np
import pytest

from mlp.diagnostics import check_rule


class ClippedSGD:
    """Clipping by the norm of all arrays; `scale` is what can be wrong."""

    def __init__(self, learning_rate=0.1, max_norm=1.5):
        self.learning_rate, self.max_norm = learning_rate, max_norm

    def scale(self, norm):
        return min(1.0, self.max_norm / (norm + 1e-6))

    def update(self, params, grads):
        norm = np.sqrt(sum((g**2).sum() for g in grads.values()))
        for name in params:
            params[name] -= self.learning_rate * self.scale(norm) * grads[name]


class ClipValueSGD:
    def __init__(self, learning_rate=0.1, limit=0.5):
        self.learning_rate, self.limit = learning_rate, limit

    def clip(self, g):
        return np.clip(g, -self.limit, self.limit)

    def update(self, params, grads):
        for p, g in zip(params, grads, strict=True):
            p -= self.learning_rate * self.clip(g)


@pytest.mark.parametrize("rule", [ClippedSGD, ClipValueSGD])
def test_right_clipping_passes(rule):
    report = check_rule(rule)
    report.raise_if_failed()
    assert "clipped" in report.remarks[0]


@pytest.mark.parametrize(
    ("base", "change", "name"),
    [
        (ClippedSGD, {"scale": lambda self, norm: self.max_norm / norm}, "always scaled"),
        (ClippedSGD, {"scale": lambda self, norm: min(1.0, self.max_norm / norm**2)}, "squared norm"),
        (ClippedSGD, {"scale": lambda self, norm: min(1.0, norm / self.max_norm)}, "ratio the wrong way round"),
        (ClippedSGD, {"scale": lambda self, norm: 1.0}, "clipping forgotten"),
        (ClipValueSGD, {"clip": lambda self, g: np.minimum(g, self.limit)}, "only positive values clipped"),
        (ClipValueSGD, {"clip": lambda self, g: np.where(abs(g) > self.limit, 0.0, g)}, "large values become 0"),
    ],
)
def test_wrong_clipping_is_named(base, change, name):
    report = check_rule(type(base.__name__, (base,), change))
    assert report.diagnoses[0].name == name
    assert not report.passed


def adamw(w, dw, config=None):
    """AdamW with a config; the decay is not multiplied by the learning rate."""
    config = config or {}
    for key, value in {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.1, "t": 0}.items():
        config.setdefault(key, value)
    config["t"] += 1
    b1, b2, t = config["beta1"], config["beta2"], config["t"]
    config["m"] = b1 * config.get("m", 0.0) + (1 - b1) * dw
    config["v"] = b2 * config.get("v", 0.0) + (1 - b2) * dw**2
    step = config["m"] / (1 - b1**t) / (np.sqrt(config["v"] / (1 - b2**t)) + 1e-8)
    return w - config["weight_decay"] * w - config["learning_rate"] * step, config


@pytest.mark.slow
def test_the_settings_of_a_function_come_from_its_config():
    for formula in (None, "adamw"):
        report = check_rule(adamw, formula)
        assert report.diagnoses[0].name == "decay without rate"


class Lion:
    """Lion without the sign."""

    beta1, beta2, learning_rate, signed = 0.9, 0.99, 0.01, False

    def __init__(self):
        self.m = {}

    def update(self, params, grads):
        for name, g in grads.items():
            m = self.m.get(name, 0.0 * g)
            mix = self.beta1 * m + (1 - self.beta1) * g
            params[name] -= self.learning_rate * (np.sign(mix) if self.signed else mix)
            self.m[name] = self.beta2 * m + (1 - self.beta2) * g


def test_lion():
    assert check_rule(Lion).diagnoses[0].name == "sign forgotten"
    check_rule(type("Lion", (Lion,), {"signed": True})).raise_if_failed()


class AMSGrad:
    """AMSGrad without the maximum, which is Adam."""

    beta1, beta2, eps, learning_rate, largest = 0.9, 0.99, 1e-8, 0.01, False

    def __init__(self):
        self.t, self.m, self.v, self.top = 0, {}, {}, {}

    def update(self, params, grads):
        self.t += 1
        for name, g in grads.items():
            m = self.m[name] = self.beta1 * self.m.get(name, 0.0) + (1 - self.beta1) * g
            v = self.v[name] = self.beta2 * self.v.get(name, 0.0) + (1 - self.beta2) * g * g
            v = self.top[name] = np.maximum(self.top.get(name, 0.0), v) if self.largest else v
            ahead = m / (1 - self.beta1**self.t)
            params[name] -= self.learning_rate * ahead / (np.sqrt(v / (1 - self.beta2**self.t)) + self.eps)


@pytest.mark.slow
def test_amsgrad():
    assert check_rule(AMSGrad).diagnoses[0].name == "no maximum"
    check_rule(type("AMSGrad", (AMSGrad,), {"largest": True})).raise_if_failed()


class Roots:
    """A rule of nobody: the step is the root of the gradient."""

    learning_rate, sign = 0.1, -1.0

    def update(self, params, grads):
        for name, g in grads.items():
            params[name] += self.sign * self.learning_rate * np.sign(g) * np.sqrt(np.abs(g))


def test_a_rule_without_a_formula_is_checked_for_what_any_rule_does():
    report = check_rule(Roots)
    report.raise_if_failed()
    assert "formula is not known" in report.remarks[0]
    report = check_rule(type("Roots", (Roots,), {"sign": 1.0}))
    assert not report.passed
    assert "goes up" in report.diagnoses[0].sentence
    plain = {
        "update": lambda self, params, grads: [
            np.subtract(p, 0.1 * g, out=p) for p, g in zip(params, grads, strict=True)
        ]
    }
    check_rule(type("Nameless", (Roots,), plain)).raise_if_failed()


class AdaDelta:
    """As in the paper: there is no learning rate."""

    def __init__(self, rho=0.9, eps=1e-6):
        self.rho, self.eps, self.v, self.u = rho, eps, {}, {}

    def update(self, params, grads):
        for name, g in grads.items():
            v = self.v[name] = self.rho * self.v.get(name, 0.0) + (1 - self.rho) * g * g
            u = self.u.get(name, 0.0 * g)
            step = np.sqrt(u + self.eps) / np.sqrt(v + self.eps) * g
            self.u[name] = self.rho * u + (1 - self.rho) * step * step
            params[name] -= step


def test_adadelta_needs_no_learning_rate():
    check_rule(AdaDelta).raise_if_failed()


class GrowingAdaDelta(AdaDelta):
    """The old mean of the squares is not multiplied by rho."""

    def update(self, params, grads):
        for name, g in grads.items():
            self.v[name] = self.v.get(name, 0.0 * g)
            self.v[name] += (1 - self.rho) * g * g
            u = self.u.get(name, 0.0 * g)
            step = np.sqrt(u + self.eps) / np.sqrt(self.v[name] + self.eps) * g
            self.u[name] = self.rho * u + (1 - self.rho) * step * step
            params[name] -= step


def test_a_mean_that_only_grows_is_named():
    (first, *_) = check_rule(GrowingAdaDelta, formula="adadelta").diagnoses
    assert first.name == "decay forgotten"


def test_the_eps_of_a_function_comes_from_its_config():
    def adadelta(w, dw, config=None):
        config = {} if config is None else config
        for name, value in (("rho", 0.95), ("epsilon", 1e-6), ("v", np.zeros_like(w)), ("u", np.zeros_like(w))):
            config.setdefault(name, value)
        rho, eps = config["rho"], config["epsilon"]
        config["v"] = rho * config["v"] + (1 - rho) * dw**2
        step = np.sqrt(config["u"] + eps) / np.sqrt(config["v"] + eps) * dw
        config["u"] = rho * config["u"] + (1 - rho) * step**2
        return w - step, config

    check_rule(adadelta).raise_if_failed()


def test_a_mean_of_magnitudes():
    class RMSProp:
        def __init__(self):
            self.lr, self.decay, self.eps, self.h = 0.01, 0.9, 1e-8, {}

        def update(self, params, grads):
            for k in params:
                old = self.h.get(k, 0.0)
                self.h[k] = self.decay * old + (1 - self.decay) * np.abs(grads[k])
                params[k] -= self.lr * grads[k] / (np.sqrt(self.h[k]) + self.eps)

    assert "squares g^2" in str(check_rule(RMSProp(), formula="rmsprop").diagnoses[0])


class AdamW:
    def __init__(self, decoupled=True):
        self.lr, self.beta1, self.beta2, self.eps, self.weight_decay = 0.01, 0.9, 0.99, 1e-8, 0.1
        self.decoupled, self.t, self.m, self.v = decoupled, 0, {}, {}

    def update(self, params, grads):
        self.t += 1
        for key in params:
            g = grads[key] if self.decoupled else grads[key] + self.weight_decay * params[key]
            self.m[key] = self.beta1 * self.m.get(key, 0) + (1 - self.beta1) * g
            self.v[key] = self.beta2 * self.v.get(key, 0) + (1 - self.beta2) * g**2
            m, v = self.m[key] / (1 - self.beta1**self.t), self.v[key] / (1 - self.beta2**self.t)
            step = m / (np.sqrt(v) + self.eps)
            params[key] -= self.lr * (step + self.weight_decay * params[key] if self.decoupled else step)


@pytest.mark.parametrize(
    "settings", [{}, {"formula": "adamw"}, {"weight_decay": 0.1}, {"formula": "adamw", "weight_decay": 0.1}]
)
def test_the_decay_that_is_given_is_decoupled_in_adamw(settings):
    check_rule(AdamW(), **settings).raise_if_failed()
    assert "it must be decoupled" in check_rule(AdamW(decoupled=False), **settings).diagnoses[0].sentence


def test_the_formula_says_how_weights_decay_where_the_name_does_not():
    rule = type("WithDecay", (), {"__init__": AdamW.__init__, "update": AdamW.update})()
    check_rule(rule, formula="adamw").raise_if_failed()


class ClippedEach(ClippedSGD):
    """Gradient descent; the gradient of all weights together is scaled down to max_norm."""

    def update(self, params, grads):
        for name in params:
            params[name] -= self.learning_rate * self.scale(np.linalg.norm(grads[name])) * grads[name]


def test_the_documentation_says_which_norm_is_clipped():
    assert check_rule(ClippedSGD).passed
    assert check_rule(ClippedEach).diagnoses[0].name == "another kind of clipping"
    assert check_rule(type("ClippedEach", (ClippedEach,), {"__doc__": "Each array has its norm."})).passed
