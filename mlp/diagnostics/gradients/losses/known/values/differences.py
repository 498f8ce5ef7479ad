"""Losses of the difference d = y - t: squared, absolute, and those between the two."""

from collections.abc import Callable

import numpy as np

from mlp.diagnostics.gradients.losses.known.protocol import Options, Parts, Value
from mlp.typing import Array

INSIDE = "the mean under the root"


def of_d(function: Callable[[Array, Options], Array]) -> Value:
    """Return the loss function(d, s)."""
    return lambda y, t, s, part: function(y - t, s)


def at_d(function: Callable[[Array, Options], Array]) -> Callable[[Array, Array, Options], Array]:
    """Return the gradient function(d, s)."""
    return lambda y, t, s: function(y - t, s)


def squares(d: Array, s: Options) -> Array:
    return d * d


def sizes(d: Array, s: Options) -> Array:
    return np.abs(d)


def root_mean_square(y: Array, t: Array, s: Options, part: Parts) -> Array:
    return np.sqrt(part(INSIDE, ((y - t) ** 2).mean(axis=(-2, -1), keepdims=True)))


def root_by_samples(y: Array, t: Array, s: Options, part: Parts) -> Array:
    return np.sqrt(part(INSIDE, ((y - t) ** 2).sum(axis=-1, keepdims=True)))


def logarithms(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """(log(1 + y) - log(1 + t))^2."""
    return (part("log(1 + y)", np.log1p(y)) - np.log1p(t)) ** 2


def root_of_logarithms(y: Array, t: Array, s: Options, part: Parts) -> Array:
    return np.sqrt(part(INSIDE, logarithms(y, t, s, part).mean(axis=(-2, -1), keepdims=True)))


def percentage(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """|y - t| / |t|."""
    return np.abs((y - t) / t)


def symmetric_percentage(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """2 |y - t| / (|y| + |t|)."""
    return 2.0 * part("|y - t|", np.abs(y - t)) / part("the denominator |y| + |t|", np.abs(y) + np.abs(t))


def huber(d: Array, s: Options) -> Array:
    a, k = np.abs(d), s["delta"]
    return np.where(a <= k, 0.5 * d * d, k * (a - 0.5 * k))


def smooth_l1(d: Array, s: Options) -> Array:
    """d^2 / (2 beta) where |d| < beta, |d| - beta / 2 elsewhere."""
    return np.asarray(huber(d, {"delta": s["beta"]}) / s["beta"])


def log_cosh(d: Array, s: Options) -> Array:
    return np.log(np.cosh(d))


def quantile(d: Array, s: Options) -> Array:
    """max(q (t - y), (q - 1) (t - y))."""
    return np.maximum(-s["q"] * d, (1.0 - s["q"]) * d)


def pseudo_huber(d: Array, s: Options) -> Array:
    return s["delta"] ** 2 * (np.sqrt(1.0 + (d / s["delta"]) ** 2) - 1.0)


def charbonnier(d: Array, s: Options) -> Array:
    return np.sqrt(d * d + s["eps"] ** 2)


def cauchy(d: Array, s: Options) -> Array:
    return np.log1p((d / s["c"]) ** 2)


def insensitive(d: Array, s: Options) -> Array:
    return np.maximum(np.abs(d) - s["epsilon"], 0.0)


def squared_insensitive(d: Array, s: Options) -> Array:
    return insensitive(d, s) ** 2


def tukey(d: Array, s: Options) -> Array:
    u = np.minimum(np.abs(d) / s["c"], 1.0)
    return s["c"] ** 2 / 6.0 * (1.0 - (1.0 - u * u) ** 3)


def power(d: Array, s: Options) -> Array:
    return np.abs(d) ** s["p"]


def lopsided(d: Array, s: Options) -> Array:
    """exp(a d) - a d - 1, LINEX."""
    return np.exp(s["a"] * d) - s["a"] * d - 1.0
