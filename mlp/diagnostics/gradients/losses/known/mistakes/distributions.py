"""The losses between distributions, counts and directions, with their usual mistakes."""

import numpy as np

from mlp.diagnostics.gradients.losses.known.protocol import Gradient, KnownLoss, Options, Parts, Wrong
from mlp.diagnostics.gradients.losses.known.values.classes import log_softmax
from mlp.diagnostics.gradients.losses.known.values.distributions import (
    cosine_similarity,
    distillation,
    divergence,
    divergence_of_logs,
    divergence_of_probabilities,
    log_of_targets,
    p_minus_t,
    poisson,
    poisson_of_rates,
    reverse,
    reverse_of_logs,
    reverse_of_probabilities,
    soft_cross_entropy,
    soft_targets,
)
from mlp.diagnostics.gradients.losses.known.values.sets import one_minus
from mlp.typing import Array

OF_DIVERGENCE: tuple[Wrong, ...] = (
    Wrong(
        "logarithms in place of the probabilities",
        "the logarithms are subtracted, log p - log t; the gradient for logits is p - t, with the softmax p",
        gradient=lambda y, t, s: log_softmax(y, Parts()) - np.log(t),
    ),
    Wrong(
        "logits in place of the softmax",
        "it is y - t; the softmax of the logits belongs there: p - t",
        gradient=lambda y, t, s: y - t,
    ),
    Wrong(
        "log-probabilities, not logits",
        "it is -t, the gradient for log-probabilities; through the softmax of the logits it is p - t",
        gradient=lambda y, t, s: -t + 0.0 * y,
    ),
    Wrong(
        "probabilities, not logits",
        "it is -t / p, the gradient for probabilities; through the softmax of the logits it is p - t",
        gradient=lambda y, t, s: -t / np.exp(log_softmax(y, Parts())),
    ),
    Wrong("other direction", "it is the gradient of the other direction, sum p log(p / t)", reverse),
    Wrong(
        "logarithm forgotten",
        "the derivative of t log(t / p) is not the logarithm of the ratio, but -t / p, through the softmax",
        gradient=lambda y, t, s: np.log(t) - log_softmax(y, Parts()),
    ),
)
OF_LOGS: tuple[Wrong, ...] = (
    Wrong(
        "logits in place of log-probabilities",
        "it is softmax(y) - t, the gradient for logits; the outputs are log-probabilities here, so it is -t alone",
        gradient=p_minus_t,
    ),
    Wrong(
        "probabilities in place of logarithms",
        "it is -t / y; the outputs are logarithms already: -t",
        gradient=lambda y, t, s: -t / y,
    ),
    Wrong(
        "exponential too many",
        "it is exp(y) - t; the outputs are log-probabilities: -t",
        gradient=lambda y, t, s: np.exp(y) - t,
    ),
    Wrong(
        "difference of the logarithms",
        "it is the loss's own difference log t - y; its derivative is -t",
        gradient=lambda y, t, s: np.log(t) - y,
    ),
    Wrong(
        "difference of the logarithms",
        "it is y - log t; the derivative of t (log t - y) is -t",
        gradient=lambda y, t, s: y - np.log(t),
    ),
)
OF_PROBABILITIES: tuple[Wrong, ...] = (
    Wrong(
        "logits, not probabilities",
        "it is y - t, the gradient for logits under a softmax; for probabilities it is -t / y",
        gradient=lambda y, t, s: y - t,
    ),
    Wrong(
        "probabilities forgotten",
        "the division by y is missing: the derivative of log y is 1 / y",
        gradient=lambda y, t, s: -t + 0.0 * y,
    ),
    Wrong("targets forgotten", "the factor t is missing: -t / y", gradient=lambda y, t, s: -1.0 / y + 0.0 * t),
    Wrong(
        "the logarithm itself",
        "it is the logarithm of t / y itself; its derivative is -t / y",
        gradient=lambda y, t, s: np.log(t / y),
    ),
    Wrong(
        "the logarithm itself",
        "it is the logarithm of y / t itself; the derivative of t log(t / y) is -t / y",
        gradient=lambda y, t, s: np.log(y / t),
    ),
    Wrong(
        "other direction",
        "it is log(y / t) + 1, the gradient of the other direction, sum y log(y / t)",
        reverse_of_probabilities,
    ),
)
REVERSE: tuple[Wrong, ...] = (
    Wrong(
        "mean forgotten",
        "the loss itself, the sum over the classes, must be subtracted: p (log(p / t) - sum p log(p / t))",
        gradient=lambda y, t, s: np.exp(log_softmax(y, Parts())) * (log_softmax(y, Parts()) - log_of_targets(t, s)),
    ),
    Wrong(
        "mean forgotten",
        "the loss itself, the sum over the classes, must be subtracted: p (log(p / t) - sum p log(p / t))",
        gradient=lambda y, t, s: (
            np.exp(log_softmax(y, Parts())) * (log_softmax(y, Parts()) - log_of_targets(t, s) + 1.0)
        ),
    ),
    Wrong("other direction", "it is p - t, the gradient of the other direction, sum t log(t / p)", divergence),
)
REVERSE_OF_P: tuple[Wrong, ...] = (
    Wrong(
        "1 forgotten",
        "the derivative of y log(y / t) is log(y / t) + 1 (product rule): the 1 is missing",
        gradient=lambda y, t, s: np.log(y) - log_of_targets(t, s),
    ),
    Wrong(
        "other direction",
        "it is -t / y, the gradient of the other direction, sum t log(t / y)",
        divergence_of_probabilities,
    ),
)
REVERSE_OF_LOGS: tuple[Wrong, ...] = (
    Wrong(
        "1 forgotten",
        "the derivative of q log(q / t) is log(q / t) + 1 (product rule): the 1 is missing",
        gradient=lambda y, t, s: np.exp(y) * (y - log_of_targets(t, s)),
    ),
)
POISSON: tuple[Wrong, ...] = (
    Wrong("exponential forgotten", "the derivative of exp(y) is exp(y), not y", gradient=lambda y, t, s: y - t),
    Wrong(
        "exponential forgotten", "the derivative of exp(y) is exp(y), not 1", gradient=lambda y, t, s: 1.0 - t + 0.0 * y
    ),
    Wrong(
        "rates, not logarithms",
        "it is 1 - t / y, the gradient for rates; the outputs are their logarithms: exp(y) - t",
        gradient=lambda y, t, s: 1.0 - t / y,
    ),
    Wrong(
        "targets forgotten",
        "the targets have to be subtracted: exp(y) - t",
        gradient=lambda y, t, s: np.exp(y) + 0.0 * t,
    ),
    Wrong(
        "logarithm too many",
        "it is exp(y) - t y; the derivative of t y is t",
        gradient=lambda y, t, s: np.exp(y) - t * y,
    ),
    Wrong(
        "sign of the targets",
        "it is exp(y) + t: the targets have to be subtracted",
        gradient=lambda y, t, s: np.exp(y) + t,
    ),
)
POISSON_RATES: tuple[Wrong, ...] = (
    Wrong(
        "logarithms, not rates",
        "it is exp(y) - t, the gradient for logarithms of rates; for rates it is 1 - t / y",
        poisson,
    ),
    Wrong(
        "division forgotten", "the derivative of t log y is t / y, not t", gradient=lambda y, t, s: 1.0 - t + 0.0 * y
    ),
    Wrong("ratio the wrong way round", "it is 1 - y / t; it must be 1 - t / y", gradient=lambda y, t, s: 1.0 - y / t),
    Wrong("1 forgotten", "the term y of the loss has a derivative, too: 1 - t / y", gradient=lambda y, t, s: -t / y),
    Wrong(
        "logarithm handed on",
        "it is 1 - t log y; the derivative of log y is 1 / y",
        gradient=lambda y, t, s: 1.0 - t * np.log(y),
    ),
)


def lengths_of(y: Array, t: Array) -> tuple[Array, Array]:
    """Return |y| and |t| of each sample."""
    norm, length = (np.sqrt((a * a).sum(axis=-1, keepdims=True)) for a in (y, t))
    return np.asarray(norm), np.asarray(length)


def cosine_slopes(power: float, sign: float = 1.0) -> Gradient:
    """Return -(t / (|y| |t|) - sign cos y / |y|^power)."""

    def gradient(y: Array, t: Array, s: Options) -> Array:
        norm, length = lengths_of(y, t)
        cos = (y * t).sum(axis=-1, keepdims=True) / (norm * length)
        return np.asarray(-(t / (norm * length) - sign * cos * y / norm**power))

    return gradient


RIGHT = "the gradient of cos is t / (|y| |t|) - cos y / |y|^2"
COSINE: tuple[Wrong, ...] = (
    Wrong(
        "norm as a constant",
        "the length |y| is treated as a constant, and depends on y: the term - cos y / |y|^2 is missing",
        gradient=cosine_slopes(2.0, 0.0),
    ),
    Wrong(
        "division by the length forgotten",
        f"the division by |y| is missing: {RIGHT}",
        gradient=lambda y, t, s: -t / lengths_of(y, t)[1] + 0.0 * y,
    ),
    Wrong("lengths forgotten", f"it is -t, without any length: {RIGHT}", gradient=lambda y, t, s: -t + 0.0 * y),
    Wrong("power of the length", f"cos y is divided by |y|: {RIGHT}", gradient=cosine_slopes(1.0)),
    Wrong("power of the length", f"cos y is divided by |y|^3: {RIGHT}", gradient=cosine_slopes(3.0)),
    Wrong("division by the length forgotten", f"cos y is not divided by |y|^2: {RIGHT}", gradient=cosine_slopes(0.0)),
    Wrong("sign of the second term", f"the second term has the wrong sign: {RIGHT}", gradient=cosine_slopes(2.0, -1.0)),
    Wrong(
        "product without the lengths",
        "the division by the lengths is missing: it is -y t",
        lambda y, t, s, part: -y * t,
    ),
)
TINY_EPS = {"eps": (0.0, 1e-6, 1e-8, 1e-5)}
DISTRIBUTION_LOSSES: tuple[KnownLoss, ...] = (
    KnownLoss("the Kullback-Leibler divergence of logits", divergence, {}, OF_DIVERGENCE),
    KnownLoss("the Kullback-Leibler divergence of log-probabilities", divergence_of_logs, {}, OF_LOGS),
    KnownLoss("the Kullback-Leibler divergence of probabilities", divergence_of_probabilities, {}, OF_PROBABILITIES),
    KnownLoss("the cross-entropy of probabilities", soft_targets, {}, OF_PROBABILITIES),
    KnownLoss("the reverse Kullback-Leibler divergence of logits", reverse, TINY_EPS, REVERSE),
    KnownLoss(
        "the reverse Kullback-Leibler divergence of probabilities", reverse_of_probabilities, TINY_EPS, REVERSE_OF_P
    ),
    KnownLoss(
        "the reverse Kullback-Leibler divergence of log-probabilities", reverse_of_logs, TINY_EPS, REVERSE_OF_LOGS
    ),
    KnownLoss("the distillation loss", distillation, {"temperature": (1.0, 2.0)}),
    KnownLoss("the distillation loss, as a cross-entropy", soft_cross_entropy, {"temperature": (1.0, 2.0)}),
    KnownLoss("the Poisson loss", poisson, {}, POISSON),
    KnownLoss("the Poisson loss of rates", poisson_of_rates, {}, POISSON_RATES),
    KnownLoss("1 - cos", one_minus(cosine_similarity), {}, COSINE),
    KnownLoss("minus the cosine", cosine_similarity, {}, COSINE),
)
