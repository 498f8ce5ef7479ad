"""Losses for two classes, each output by itself: binary cross-entropy and its kin, hinge, logistic, exponential."""

from typing import Any

import numpy as np

from mlp.diagnostics.gradients.losses.known.protocol import Options, Parts, Value
from mlp.typing import Array

PROBABILITY = "the probability p"


def unchanged(y: Array) -> Array:
    return y


def binary(of: Any, first: float = 1.0, second: float = 1.0) -> Value:
    """Return -(w t log p + (1 - t) log(1 - p)) with p = of(y)."""

    def value(y: Array, t: Array, s: Options, part: Parts) -> Array:
        p = part(PROBABILITY, of(y))
        return np.asarray(-(first * s.get("pos_weight", 1.0) * t * np.log(p) + second * (1.0 - t) * np.log(1.0 - p)))

    return value


def focal(of: Any) -> Value:
    """Return -alpha_t (1 - p_t)^gamma log p_t."""

    def value(y: Array, t: Array, s: Options, part: Parts) -> Array:
        p = part(PROBABILITY, of(y))
        alpha = s.get("alpha")
        weight = 1.0 if alpha is None else alpha * t + (1.0 - alpha) * (1.0 - t)
        p_t = t * p + (1.0 - t) * (1.0 - p)
        factor = part("the factor (1 - p_t)^gamma", np.maximum(1.0 - p_t, 0.0) ** s["gamma"])
        return np.asarray(-weight * factor * part("log p_t", np.log(p_t)))

    return value


def squared(of: Any) -> Value:
    return lambda y, t, s, part: (part(PROBABILITY, of(y)) - t) ** 2


def signs(t: Array) -> Array:
    """Return targets of 0 and 1 as -1 and 1."""
    return np.asarray(2.0 * t - 1.0)


def hinge(power: float) -> Value:
    """Return max(0, m - t y) to a power."""
    return lambda y, t, s, part: np.maximum(s["margin"] - t * y, 0.0) ** power


def of_signs(value: Value) -> Value:
    """Return a loss of targets -1 and 1 for targets 0 and 1."""
    return lambda y, t, s, part: value(y, signs(t), s, part)


def logistic(y: Array, t: Array, s: Options, part: Parts) -> Array:
    return np.logaddexp(0.0, -t * y)


def exponential(y: Array, t: Array, s: Options, part: Parts) -> Array:
    return np.exp(-t * y)


def modified_huber(y: Array, t: Array, s: Options, part: Parts) -> Array:
    return np.where(t * y >= -1.0, np.maximum(1.0 - t * y, 0.0) ** 2, -4.0 * t * y)


def savage(y: Array, t: Array, s: Options, part: Parts) -> Array:
    return 1.0 / (1.0 + np.exp(2.0 * t * y)) ** 2


def smooth_hinge(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """1/2 - t y below 0, (1 - t y)^2 / 2 up to 1."""
    a = t * y
    return np.where(a <= 0.0, 0.5 - a, np.where(a < 1.0, 0.5 * (1.0 - a) ** 2, 0.0))


def contrastive(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """t d^2 + (1 - t) max(0, m - d)^2 of distances d."""
    return t * y * y + (1.0 - t) * np.maximum(s["margin"] - y, 0.0) ** 2


def contrastive_of_others(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """(1 - t) d^2 + t max(0, m - d)^2."""
    return contrastive(y, 1.0 - t, s, part)


def hinge_embedding(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """y of pairs that are alike (t = 1), max(0, m - y) of the others (t = -1)."""
    return np.where(t > 0.0, y, np.maximum(s["margin"] - y, 0.0))


def perceptron(y: Array, t: Array, s: Options, part: Parts) -> Array:
    return np.maximum(-t * y, 0.0)
