"""Rules that get their parameters when they are made, take pairs, or hand their state on."""

import numpy as np
import pytest

from mlp.diagnostics import check_rule
from mlp.errors import ConfigurationError


class SGD:
    """As in PyTorch: objects with data and grad."""

    def __init__(self, params, lr=0.1, momentum=0.9, weight_decay=0.01):
        self.params = list(params)
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay
        self.bufs = [np.zeros_like(p.data) for p in self.params]

    def step(self):
        for p, b in zip(self.params, self.bufs, strict=True):
            b *= self.momentum
            b += p.grad + self.weight_decay * p.data
            p.data -= self.lr * b


class AdamOfArrays:
    """Arrays when it is made, gradients with the step."""

    def __init__(self, params, lr=1e-2, betas=(0.9, 0.99), eps=1e-8):
        self.params, self.lr, self.betas, self.eps = params, lr, betas, eps
        self.m = [np.zeros_like(p) for p in params]
        self.v = [np.zeros_like(p) for p in params]
        self.t = 0

    def step(self, grads):
        self.t += 1
        b1, b2 = self.betas
        for i, (p, g) in enumerate(zip(self.params, grads, strict=True)):
            self.m[i] += (1 - b1) * (g - self.m[i])
            self.v[i] += (1 - b2) * (g * g - self.v[i])
            rate = self.lr * np.sqrt(1 - b2**self.t) / (1 - b1**self.t)
            p -= rate * self.m[i] / (np.sqrt(self.v[i]) + self.eps)


class Momentum:
    """Pairs (weights, gradient)."""

    def __init__(self, lr=0.1, momentum=0.8):
        self.lr, self.momentum = lr, momentum
        self.v = {}

    def step(self, pairs):
        for i, (w, g) in enumerate(pairs):
            self.v[i] = self.momentum * self.v.get(i, 0) - self.lr * g
            w += self.v[i]


class RMSprop:
    """Pairs (gradient, weights), as in Keras."""

    def __init__(self, learning_rate=0.01, rho=0.9, epsilon=1e-7):
        self.learning_rate, self.rho, self.epsilon = learning_rate, rho, epsilon
        self.s = {}

    def apply_gradients(self, pairs):
        for i, (g, w) in enumerate(pairs):
            self.s[i] = self.rho * self.s.get(i, 0) + (1 - self.rho) * g * g
            w -= self.learning_rate * g / np.sqrt(self.s[i] + self.epsilon)


class SGDWithGradients:
    """Parameters and their gradients when it is made."""

    def __init__(self, params, grads, lr=0.1, momentum=0.9):
        self.params, self.grads, self.lr, self.momentum = params, grads, lr, momentum
        self.v = [np.zeros_like(p) for p in params]

    def step(self):
        for i, (p, g) in enumerate(zip(self.params, self.grads, strict=True)):
            self.v[i] = self.momentum * self.v[i] - self.lr * g
            p += self.v[i]


class SGDOfModel:
    """A model of layers with W, b, dLdW and dLdb."""

    def __init__(self, model, lr=0.1):
        self.layers, self.lr = model.layers, lr

    def step(self):
        for layer in self.layers:
            layer.W = layer.W - self.lr * layer.dLdW
            layer.b = layer.b - self.lr * layer.dLdb


def sgd_momentum(w, dw, v, lr=0.01, mu=0.9):
    v = mu * v - lr * dw
    return w + v, v


def adam(w, dw, m, v, t, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    m = beta1 * m + (1 - beta1) * dw
    v = beta2 * v + (1 - beta2) * dw**2
    return w - lr * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps), m, v


RIGHT = (SGD, AdamOfArrays, Momentum, RMSprop, SGDWithGradients, SGDOfModel, sgd_momentum, adam)


@pytest.mark.parametrize("rule", RIGHT)
def test_right_rules_pass(rule):
    check_rule(rule).raise_if_failed()


class Forgets(SGD):
    """The step is made with the gradient."""

    def step(self):
        for p, b in zip(self.params, self.bufs, strict=True):
            b *= self.momentum
            b += p.grad + self.weight_decay * p.data
            p.data -= self.lr * (p.grad + self.weight_decay * p.data)


def old_square(w, dw, v, lr=0.01, rho=0.9, eps=1e-8):
    v_new = rho * v + (1 - rho) * dw**2
    return w - lr * dw / (np.sqrt(v) + eps), v_new


def test_wrong_rules_are_found():
    assert not check_rule(Forgets, formula="momentum").passed
    report = check_rule(old_square, formula="rmsprop")
    assert "`v` stands where `v_new` belongs" in report.diagnoses[0].sentence


class Adadelta:
    """Parameters and gradients when it is made; the step is made by another method."""

    def __init__(self, params, grads, rho=0.95, eps=1e-6):
        self.params, self.grads, self.rho, self.eps = params, grads, rho, eps
        self.squares = [np.zeros_like(p) for p in params]
        self.updates = [np.zeros_like(p) for p in params]

    def step(self):
        for i, (p, g) in enumerate(zip(self.params, self.grads, strict=True)):
            p += self.change(i, g)

    def change(self, i, g):
        self.squares[i] = self.rho * self.squares[i] + (1 - self.rho) * g * g
        d = -self.above(i) / np.sqrt(self.squares[i] + self.eps) * g
        self.updates[i] = self.rho * self.updates[i] + (1 - self.rho) * d * d
        return d

    def above(self, i):
        return np.sqrt(self.updates[i] + self.eps)


class AdadeltaWithoutEps(Adadelta):
    def above(self, i):
        return np.sqrt(self.updates[i])


class SGDOfDictionaries:
    def __init__(self, params, grads, lr=0.1):
        self.params, self.grads, self.lr = params, grads, lr

    def step(self):
        for k in self.params:
            self.params[k] -= self.lr * self.grads[k]


def test_objects_that_were_made_with_gradients():
    params, grads = [np.zeros(2), np.zeros(3)], [np.ones(2), np.ones(3)]
    check_rule(Adadelta(params, grads)).raise_if_failed()
    check_rule(SGDOfDictionaries({"w": params[0], "b": params[1]}, {"w": grads[0], "b": grads[1]})).raise_if_failed()
    report = check_rule(AdadeltaWithoutEps(params, grads), formula="adadelta")
    assert "`self.eps` is missing in the root" in report.diagnoses[0].sentence


def test_parameters_that_never_move_are_told():
    class Lost(SGDOfDictionaries):
        def step(self):
            for k, p in self.params.items():
                p = p - self.lr * self.grads[k]  # noqa: PLW2901

    report = check_rule(Lost, formula="gradient_descent")
    assert "write into it, `p[...] = p - self.lr * self.grads[k]`" in report.diagnoses[0].sentence


class NeedsArguments:
    def __init__(self, lr, momentum):
        self.lr, self.momentum = lr, momentum

    def update(self, w, dw):
        return w - self.lr * dw


def test_a_class_that_needs_arguments_is_said_so():
    with pytest.raises(ConfigurationError, match="needs lr, momentum"):
        check_rule(NeedsArguments, formula="momentum")


class Groups:
    """As in PyTorch: settings in groups of parameters, and a state for each parameter."""

    def __init__(self, params, lr=0.01, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.01):
        self.defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        self.param_groups, self.state = [{"params": list(params), **self.defaults}], {}

    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                empty = {"t": 0, "m": np.zeros_like(p.data), "v": np.zeros_like(p.data)}
                state = self.state.setdefault(id(p), empty)
                state["t"] += 1
                self.change(group, p, state)


class AdamWOfGroups(Groups):
    def change(self, group, p, state):
        b1, b2 = group["betas"]
        p.data = p.data - group["lr"] * group["weight_decay"] * p.data
        state["m"] = b1 * state["m"] + (1 - b1) * p.grad
        state["v"] = b2 * state["v"] + (1 - b2) * p.grad**2
        m, v = state["m"] / (1 - b1 ** state["t"]), state["v"] / (1 - b2 ** state["t"])
        p.data = p.data - group["lr"] * m / (np.sqrt(v) + group["eps"])


class AdamWOfWrongSquares(Groups):
    def change(self, group, p, state):
        (b1, b2), g = group["betas"], p.grad
        p.data = p.data - group["lr"] * group["weight_decay"] * p.data
        m = state["m"] = b1 * state["m"] + (1 - b1) * g
        state["v"] = b2 * state["v"] + (1 - b2) * m * m
        v = state["v"] / (1 - b2 ** state["t"])
        p.data = p.data - group["lr"] * m / (1 - b1 ** state["t"]) / (np.sqrt(v) + group["eps"])


class AdamWWithoutCorrection(Groups):
    def change(self, group, p, state):
        b1, b2 = group["betas"]
        p.data = p.data - group["lr"] * group["weight_decay"] * p.data
        state["m"] = b1 * state["m"] + (1 - b1) * p.grad
        state["v"] = b2 * state["v"] + (1 - b2) * p.grad**2
        v = state["v"] / (1 - b2 ** state["t"])
        p.data = p.data - group["lr"] * state["m"] / (np.sqrt(v) + group["eps"])


@pytest.mark.sampled
def test_settings_in_groups_of_parameters():
    check_rule(AdamWOfGroups).raise_if_failed()
    check_rule(AdamWOfGroups([], lr=0.3)).raise_if_failed()
    report = check_rule(AdamWOfWrongSquares)
    assert "`m` stands where `g` belongs, in all places" in report.diagnoses[0].sentence
    report = check_rule(AdamWWithoutCorrection)
    assert report.diagnoses[0].name == "bias correction missing"


def rmsprop_in_a_closure(*, right, lr=0.1, rho=0.8, eps=1e-8):
    squares = {}

    def rmsprop(params, grads):
        for k in params:
            old = rho * squares.get(k, 0.0)
            squares[k] = old + (1 - rho) * grads[k] ** 2
            params[k] -= lr * grads[k] / (np.sqrt(squares[k]) + eps)

    def late_rmsprop(params, grads):
        for k in params:
            squares.setdefault(k, np.ones_like(params[k]))
            params[k] -= lr * grads[k] / (np.sqrt(squares[k]) + eps)
            squares[k] = rho * squares[k] + (1 - rho) * grads[k] ** 2

    return rmsprop if right else late_rmsprop


def adam_with_a_count():
    t, m, v = 0, {}, {}

    def adam(params, grads, lr=0.01, beta1=0.9, beta2=0.999, eps=1e-8):
        nonlocal t
        t += 1
        for k in params:
            m[k] = beta1 * m.get(k, 0) + (1 - beta1) * grads[k]
            v[k] = beta2 * v.get(k, 0) + (1 - beta2) * grads[k] ** 2
            params[k] -= lr * m[k] / (1 - beta1**t) / (np.sqrt(v[k] / (1 - beta2**t)) + eps)

    return adam


def test_rules_that_remember_in_a_closure():
    report = check_rule(rmsprop_in_a_closure(right=True))
    report.raise_if_failed()
    assert not report.remarks  # its settings are known, and a schedule reaches its learning rate
    check_rule(adam_with_a_count()).raise_if_failed()
    assert not check_rule(rmsprop_in_a_closure(right=False)).passed


class MomentumOfPairs:
    """Pairs of weights and their gradient."""

    def __init__(self, params, lr=0.1, momentum=0.9):
        self.params, self.lr, self.momentum = list(params), lr, momentum
        self.v = [np.zeros_like(p) for p, _ in self.params]

    def step(self):
        for v, (p, grad) in zip(self.v, self.params, strict=True):
            v[...] = self.momentum * v + grad
            p -= self.lr * v


def test_rules_that_are_made_with_pairs():
    check_rule(MomentumOfPairs, formula="momentum").raise_if_failed()
