"""Losses for classes: the cross-entropy of the softmax in its forms, focal, hinge, and others of the true class."""

from typing import Any

import numpy as np

from mlp.diagnostics.gradients.losses.known.protocol import Options, Parts
from mlp.typing import Array

DENOMINATOR = "the logarithm of the softmax's denominator"
PROBABILITIES = "the probabilities p"
FACTOR = "the factor (1 - p_t)^gamma"


def log_softmax(z: Array, part: Parts, axis: Any = -1) -> Array:
    """Return z - log sum exp z; its parts are the logarithm of the sum, and the probabilities."""
    largest = z.max(axis=axis, keepdims=True)
    total = part(DENOMINATOR, largest + np.log(np.exp(z - largest).sum(axis=axis, keepdims=True)))
    return np.asarray(np.log(part(PROBABILITIES, np.exp(z - total))))


def true(values: Array, t: Array) -> Array:
    """Return the value of the true class of each sample, (..., N, 1)."""
    return np.asarray((values * t).sum(axis=-1, keepdims=True))


def weights_of(s: Options, t: Array) -> Array:
    """Return the weight of each class, 1 for classes that the student's weights do not have."""
    w, K = np.asarray(s["weights"]), t.shape[-1]
    return np.concatenate([w, np.ones(K - len(w))]) if len(w) < K else w


def smoothed(t: Array, s: Options) -> Array:
    """Return (1 - e) t + e / K, or with e / (K - 1) for the other classes."""
    e, K = s.get("smoothing", 0.0), t.shape[-1]
    if s.get("over_others") and K > 1:
        return np.asarray((1.0 - e) * t + e / (K - 1.0) * (1.0 - t))
    return np.asarray((1.0 - e) * t + e / K)


def cross_entropy(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """-sum t log softmax(z / T), weighted by the class."""
    log_p = log_softmax(y / s.get("temperature", 1.0), part, s.get("axis", -1))
    w = None if s.get("weights") is None else weights_of(s, t)
    over_batch = 1.0
    if w is None:
        weight: Any = 1.0
    elif s.get("each_class"):
        weight = w
    else:
        weight = true(w, t)
        over_batch = weight.mean() if s.get("by_weights") else 1.0
    return np.asarray(-(weight * smoothed(t, s) * log_p).sum(axis=-1, keepdims=True) / over_batch)


def log_of_outputs(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """-log y_t of probabilities y."""
    return -true(np.log(y), t)


def minus_output(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """-y_t of log-probabilities y."""
    return -true(y, t)


def confident(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """Cross-entropy - beta H(p), a penalty for confidence."""
    log_p = log_softmax(y, part)
    entropy = part("the entropy", -(np.exp(log_p) * log_p).sum(axis=-1, keepdims=True))
    return np.asarray(-true(log_p, t) - s["beta"] * entropy)


def focal_softmax(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """-alpha (1 - p_t)^gamma log p_t."""
    log_p = true(log_softmax(y, part), t)
    weight = 1.0 if s.get("weights") is None else true(weights_of(s, t), t)
    factor = part(FACTOR, np.maximum(1.0 - np.exp(log_p), 0.0) ** s["gamma"])
    return np.asarray(-weight * s.get("alpha", 1.0) * factor * part("log p_t", log_p))


def generalized(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """(1 - p_t^q) / q."""
    return np.asarray((1.0 - np.exp(true(log_softmax(y, part), t)) ** s["q"]) / s["q"])


def poly(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """-log p_t + eps (1 - p_t)."""
    log_p = true(log_softmax(y, part), t)
    return np.asarray(s["eps"] * (1.0 - np.exp(log_p)) - log_p)


def brier(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """(p - t)^2 of the softmax."""
    return (np.exp(log_softmax(y, part)) - t) ** 2


def absolute_probabilities(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """|p - t| of the softmax."""
    return np.abs(np.exp(log_softmax(y, part)) - t)


def margins(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """max(0, y_k - y_t + m) for the other classes; also for the true one with `all_classes`."""
    reach = np.maximum(part("the margin", y - part("the score of the true class", true(y, t)) + s["margin"]), 0.0)
    return np.asarray(reach if s.get("all_classes") else reach * (1.0 - t))


def squared_margins(y: Array, t: Array, s: Options, part: Parts) -> Array:
    return margins(y, t, s, part) ** 2


def largest_margin(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """max(0, m + max_k y_k - y_t), the form of Crammer and Singer."""
    rest = np.where(t > 0.5, -np.inf, y).max(axis=-1, keepdims=True)
    return np.maximum(rest - part("the score of the true class", true(y, t)) + s["margin"], 0.0)
