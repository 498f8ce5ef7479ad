"""Second terms that losses and rules forget, and which of several equal names in a line is meant."""

from typing import Any

import numpy as np
import pytest

from mlp.diagnostics import check_layer, check_loss, check_rule
from mlp.rng import generator
from mlp.typing import Array


def gaussian_nll(out: Array, y: Array) -> tuple[float, Array]:
    """The mean of 0.5 * (log_var + (y - mu)^2 / var); the derivative of log_var by itself is forgotten."""
    mu, log_var = out[:, 0], out[:, 1]
    inv_var = np.exp(-log_var)
    diff = mu - y
    loss = 0.5 * np.mean(log_var + diff**2 * inv_var)
    dout = np.zeros_like(out)
    dout[:, 0] = diff * inv_var / len(y)
    dout[:, 1] = -0.5 * diff**2 * inv_var / len(y)
    return loss, dout


def divergence(log_var: Array, y: Array) -> tuple[float, Array]:
    """The part of the variance in the divergence from a normal distribution; y is not used."""
    loss = 0.5 * np.sum(np.exp(log_var) - 1 - log_var) / len(log_var)
    return loss, 0.5 * np.exp(log_var) / len(log_var)


def nt_xent(z: Array, y: Array, temperature: float = 0.5) -> tuple[float, Array]:
    """Each row finds its partner y[i] among the others; z stands on both sides of the similarities."""
    rows = np.arange(len(z))
    sim = z @ z.T / temperature
    sim[rows, rows] = -np.inf
    sim = sim - sim.max(axis=1, keepdims=True)
    log_p = sim - np.log(np.exp(sim).sum(axis=1, keepdims=True))
    dsim = np.exp(log_p)
    dsim[rows, y] -= 1
    dsim /= len(z)
    return -log_p[rows, y].mean(), dsim @ z / temperature


def nt_xent_other_path(z: Array, y: Array) -> tuple[float, Array]:
    """The same with the other one of the two paths alone."""
    rows = np.arange(len(z))
    sim = z @ z.T
    sim[rows, rows] = -np.inf
    log_p = sim - np.log(np.exp(sim).sum(axis=1, keepdims=True))
    dsim = np.exp(log_p)
    dsim[rows, y] -= 1
    dz = dsim.T @ z / len(z)
    return -log_p[rows, y].mean(), dz


class GramLoss:
    """The products of all columns compared with those of G, one matrix for the whole batch."""

    def forward(self, z: Array, G: Array) -> float:
        self.z, self.d = z, z.T @ z - G
        return float(np.sum(self.d**2))

    def backward(self) -> Array:
        return 2 * self.z @ self.d


class WeightedCrossEntropy:
    """Class weights; the gradient is weighted by column."""

    def __init__(self, weights: Any = (1.0, 2.0, 0.5, 3.0)) -> None:
        self.weights = np.array(weights)

    def forward(self, z: Array, y: Array) -> float:
        e = np.exp(z - z.max(axis=1, keepdims=True))
        self.p, self.y = e / e.sum(axis=1, keepdims=True), y
        return float(-np.mean(self.weights[y] * np.log(self.p[np.arange(len(y)), y])))

    def backward(self) -> Array:
        d = self.p.copy()
        d[np.arange(len(d)), self.y] -= 1
        d *= self.weights
        return d / len(d)


class BCEWithLogits:
    """Binary cross-entropy of logits, without the absolute value in its exp."""

    def __call__(self, z: Array, t: Array) -> float:
        self.z, self.t = z, t
        return float(np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(-z))))

    def backward(self) -> Array:
        return (1 / (1 + np.exp(-self.z)) - self.t) / self.z.size


class BCEWithoutSign(BCEWithLogits):
    """The same with exp(z)."""

    def __call__(self, z: Array, t: Array) -> float:
        self.z, self.t = z, t
        return float(np.mean(np.maximum(z, 0) - z * t + np.log1p(np.exp(z))))


PARTNERS = np.array([1, 0, 3, 2, 5, 4])


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("loss", "shape", "targets", "words"),
    [
        (gaussian_nll, (6, 2), "normal", "`-0.5 * (diff ** 2 * inv_var - 1) / len(y)` belongs here"),
        (
            divergence,
            (6, 2),
            "normal",
            "`- 1`, which forward has, is missing: `np.exp(log_var) - 1` for `np.exp(log_var)`",
        ),
        (nt_xent, (6, 3), PARTNERS, "the term `dsim.T @ z` is missing beside `dsim @ z`"),
        (nt_xent_other_path, (6, 3), PARTNERS, "the term `dsim @ z` is missing beside `dsim.T @ z`"),
        (GramLoss(), (5, 3), np.arange(9.0).reshape(3, 3), "the term `(2 * self.z) @ self.d.T` is missing"),
        (WeightedCrossEntropy(), (6, 4), np.array([0, 1, 1, 3, 2, 0]), "multiplied by the weight of its label"),
        (BCEWithoutSign(), (6, 2), "bits", "`np.exp(z)` grows without bound: `np.exp(-np.abs(z))` belongs here"),
        (BCEWithLogits(), (6, 2), "bits", "`np.exp(-z)` grows without bound: `np.exp(-np.abs(z))` belongs here"),
    ],
    ids=lambda one: getattr(one, "__name__", type(one).__name__),
)
def test_line_is_named(loss: Any, shape: tuple[int, int], targets: Any, words: str) -> None:
    rng = generator(0, "probe", "loss")
    if isinstance(targets, str):
        targets = rng.normal(size=shape[0]) if targets == "normal" else rng.integers(0, 2, size=shape)
    first = check_loss(loss, shape, targets).diagnoses[0]
    assert words in first.sentence


class AdaBelief:
    """s averages g^2 where it must average (g - m)^2."""

    def __init__(self) -> None:
        self.lr, self.beta1, self.beta2, self.eps = 0.01, 0.9, 0.999, 1e-8
        self.t = 0
        self.m = self.s = 0.0

    def __call__(self, w: Any, g: Any) -> Any:
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.s = self.beta2 * self.s + (1 - self.beta2) * g * g + self.eps
        m_hat = self.m / (1 - self.beta1**self.t)
        s_hat = self.s / (1 - self.beta2**self.t)
        return w - self.lr * m_hat / (np.sqrt(s_hat) + self.eps)


class AdaBeliefWithoutSquare(AdaBelief):
    """s averages |g - m|."""

    def __call__(self, w: Any, g: Any) -> Any:
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * g
        self.s = self.beta2 * self.s + (1 - self.beta2) * np.abs(g - self.m)
        m_hat = self.m / (1 - self.beta1**self.t)
        s_hat = self.s / (1 - self.beta2**self.t)
        return w - self.lr * m_hat / (np.sqrt(s_hat) + self.eps)


class AdaBeliefByName:
    """The same as the first, with what it remembers by the names of the parameters."""

    def __init__(self) -> None:
        self.lr, self.beta1, self.beta2, self.eps = 0.01, 0.9, 0.999, 1e-8
        self.t = 0
        self.m: dict[str, Array] = {}
        self.s: dict[str, Array] = {}

    def update(self, params: dict[str, Array], grads: dict[str, Array]) -> None:
        self.t += 1
        for k in params:
            g = grads[k]
            if k not in self.m:
                self.m[k], self.s[k] = np.zeros_like(g), np.zeros_like(g)
            self.m[k] = self.beta1 * self.m[k] + (1 - self.beta1) * g
            self.s[k] = self.beta2 * self.s[k] + (1 - self.beta2) * g**2
            m_hat = self.m[k] / (1 - self.beta1**self.t)
            s_hat = self.s[k] / (1 - self.beta2**self.t)
            params[k] -= self.lr * m_hat / (np.sqrt(s_hat) + self.eps)


class Lion:
    """The two betas are exchanged."""

    def __init__(self) -> None:
        self.lr, self.beta1, self.beta2 = 1e-3, 0.9, 0.99
        self.m: dict[str, Array] = {}

    def update(self, params: dict[str, Array], grads: dict[str, Array]) -> None:
        for key in params:
            g = grads[key]
            m = self.m.get(key, np.zeros_like(g))
            c = self.beta2 * m + (1 - self.beta2) * g
            params[key] -= self.lr * np.sign(c)
            self.m[key] = self.beta1 * m + (1 - self.beta1) * g


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (AdaBelief, "`g * g` stands where `(g - self.m)**2` belongs"),
        (AdaBeliefByName, "`g ** 2` stands where `(g - self.m[k])**2` belongs"),
        (AdaBeliefWithoutSquare, "without the square"),
        (Lion, "`c = self.beta2 * m + (1 - self.beta2) * g`: `self.beta1` and `self.beta2` are exchanged"),
    ],
)
def test_rule_is_named(rule: Any, words: str) -> None:
    assert words in check_rule(rule()).diagnoses[0].sentence


class OverItsSquares:
    """y = x / (1 + sum of x^2) of each row; backward takes the 1 of a sum for the derivative of the squares."""

    def forward(self, x):
        self.x, self.s = x, 1 + (x**2).sum(axis=1, keepdims=True)
        return x / self.s

    def backward(self, d):
        ds = -(d * self.x).sum(axis=1, keepdims=True) / self.s**2
        return d / self.s + ds * np.ones_like(self.x)


def test_ones_that_stand_for_the_derivative_of_a_square():
    (first, *_) = check_layer(OverItsSquares(), (4, 5)).diagnoses
    assert "`2 * self.x`, the derivative of its square, belongs here" in first.sentence
