"""Losses between distributions, counts and directions: Kullback-Leibler, Poisson, cosine."""

import numpy as np

from mlp.diagnostics.gradients.losses.known.protocol import Options, Parts
from mlp.diagnostics.gradients.losses.known.values.classes import log_softmax
from mlp.typing import Array

NORM = "the length |y| of the outputs"
DOT = "the product y t"


def entropies(t: Array) -> Array:
    """Return t log t, 0 for t = 0."""
    return np.asarray(t * np.log(np.where(t > 0.0, t, 1.0)))


def divergence(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """sum t log(t / softmax(y))."""
    return entropies(t) - t * log_softmax(y, part)


def divergence_of_logs(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """sum t (log t - y) of log-probabilities y."""
    return entropies(t) - t * y


def divergence_of_probabilities(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """sum t log(t / y)."""
    return entropies(t) - t * np.log(y)


def soft_targets(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """-sum t log y."""
    return -t * np.log(y)


def distillation(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """T^2 sum q log(q / p) with p = softmax(y / T), q = softmax(t / T)."""
    T = s["temperature"]
    log_p, log_q = log_softmax(y / T, part), log_softmax(t / T, Parts())
    return np.asarray(T**2 * np.exp(log_q) * (log_q - log_p))


def soft_cross_entropy(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """-T^2 sum q log p with p = softmax(y / T), q = softmax(t / T)."""
    T = s["temperature"]
    return np.asarray(-(T**2) * np.exp(log_softmax(t / T, Parts())) * log_softmax(y / T, part))


def log_of_targets(t: Array, s: Options) -> Array:
    """Return log(t + eps)."""
    return np.asarray(np.log(t + s.get("eps", 0.0)))


def reverse(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """sum p log(p / t), p = softmax(y)."""
    log_p = log_softmax(y, part)
    return part("the weights p", np.exp(log_p)) * part("log(p / t)", log_p - log_of_targets(t, s))


def reverse_of_probabilities(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """sum y log(y / t)."""
    return part("the weights y", y) * part("log(y / t)", np.log(y) - log_of_targets(t, s))


def reverse_of_logs(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """sum q log(q / t), q = exp(y)."""
    return part("the weights q", np.exp(y)) * part("log(q / t)", y - log_of_targets(t, s))


def poisson(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """exp(y) - t y."""
    return part("exp(y)", np.exp(y)) - t * y


def poisson_of_rates(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """y - t log y."""
    return y - t * part("log y", np.log(y))


def cosine_similarity(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """-y t / (|y| |t|)."""
    dot = part(DOT, (y * t).sum(axis=-1, keepdims=True))
    norm = part(NORM, np.sqrt((y * y).sum(axis=-1, keepdims=True)))
    return -dot / (norm * np.sqrt((t * t).sum(axis=-1, keepdims=True)))
