"""Losses between distributions, counts and sets: Kullback-Leibler, Poisson, cosine, Dice, Jaccard, Tversky."""

from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.pointwise import sigmoid
from mlp.diagnostics.gradients.losses.known.classes import log_softmax
from mlp.diagnostics.gradients.losses.known.protocol import Gradient, KnownLoss, Options, Parts, Value, Wrong, having
from mlp.typing import Array

NORM = "the length |y| of the outputs"
DOT = "the product y t"
OVERLAP = "the overlap sum(p t)"
UNDER = "the denominator"
PROBABILITY = "the probability p"


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


def reverse(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """sum p log(p / t), p = softmax(y)."""
    log_p = log_softmax(y, part)
    return part("the weights p", np.exp(log_p)) * part("log(p / t)", log_p - np.log(t))


def reverse_of_probabilities(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """sum y log(y / t)."""
    return part("the weights y", y) * part("log(y / t)", np.log(y) - np.log(t))


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


def times(number: float, value: Value) -> Value:
    """Return a multiple of a loss."""
    return lambda y, t, s, part: number * value(y, t, s, part)


def exchanged(value: Value) -> Value:
    """Return a loss with alpha and beta exchanged."""
    return lambda y, t, s, part: value(y, t, {**s, "alpha": s["beta"], "beta": s["alpha"]}, part)


def one_minus(value: Value) -> Value:
    """Return 1 - a similarity, for each sample or for all."""

    def loss(y: Array, t: Array, s: Options, part: Parts) -> Array:
        return np.asarray(1.0 + value(y, t, s, part))

    return loss


def overlap(of: Any, axes: Any, *, squares: bool = False) -> Value:
    """Return -(2 sum(p t) + s) / (sum p + sum t + s), Dice."""

    def value(y: Array, t: Array, s: Options, part: Parts) -> Array:
        p, smooth = part(PROBABILITY, of(y)), s.get("smooth", 0.0)
        both = part(OVERLAP, (p * t).sum(axis=axes, keepdims=True))
        under = (p * p if squares else p).sum(axis=axes, keepdims=True) + (t * t).sum(axis=axes, keepdims=True)
        above = 2.0 * both + (0.0 if s.get("below_alone") else smooth)
        return np.asarray(-above / part(UNDER, under + smooth))

    return value


def jaccard(of: Any, axes: Any) -> Value:
    """Return -(sum(p t) + s) / (sum p + sum t - sum(p t) + s)."""

    def value(y: Array, t: Array, s: Options, part: Parts) -> Array:
        p, smooth = part(PROBABILITY, of(y)), s.get("smooth", 0.0)
        both = part(OVERLAP, (p * t).sum(axis=axes, keepdims=True))
        united = (p + t).sum(axis=axes, keepdims=True) - part("the overlap inside the union", both)
        return np.asarray(-(both + (0.0 if s.get("below_alone") else smooth)) / part(UNDER, united + smooth))

    return value


def tversky(of: Any, axes: Any) -> Value:
    """Return -(TP + s) / (TP + a FP + b FN + s)."""

    def value(y: Array, t: Array, s: Options, part: Parts) -> Array:
        p, smooth = part(PROBABILITY, of(y)), s.get("smooth", 0.0)
        both = part(OVERLAP, (p * t).sum(axis=axes, keepdims=True))
        false = s["alpha"] * (p * (1.0 - t)).sum(axis=axes, keepdims=True)
        missed = s["beta"] * ((1.0 - p) * t).sum(axis=axes, keepdims=True)
        return np.asarray(-(both + smooth) / part(UNDER, both + false + missed + smooth))

    return value


def p_minus_t(y: Array, t: Array, s: Options) -> Array:
    return np.asarray(np.exp(log_softmax(y, Parts())) - t)


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
        gradient=lambda y, t, s: np.exp(log_softmax(y, Parts())) * (log_softmax(y, Parts()) - np.log(t)),
    ),
    Wrong(
        "mean forgotten",
        "the loss itself, the sum over the classes, must be subtracted: p (log(p / t) - sum p log(p / t))",
        gradient=lambda y, t, s: np.exp(log_softmax(y, Parts())) * (log_softmax(y, Parts()) - np.log(t) + 1.0),
    ),
    Wrong("other direction", "it is p - t, the gradient of the other direction, sum t log(t / p)", divergence),
)
REVERSE_OF_P: tuple[Wrong, ...] = (
    Wrong(
        "1 forgotten",
        "the derivative of y log(y / t) is log(y / t) + 1 (product rule): the 1 is missing",
        gradient=lambda y, t, s: np.log(y / t),
    ),
    Wrong(
        "other direction",
        "it is -t / y, the gradient of the other direction, sum t log(t / y)",
        divergence_of_probabilities,
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
FORMS = (
    (plain_name, of, axes_name, axes)
    for plain_name, of in ((" of probabilities", lambda y: y), ("", sigmoid))
    for axes_name, axes in ((" of each sample", -1), ("", (-2, -1)))
)
SMOOTH = {"smooth": (0.0, 1.0, 0.5, 1e-6)}


def set_losses() -> list[KnownLoss]:
    """Return Dice, Jaccard and Tversky, of probabilities or logits, of each sample or of all values."""
    found = []
    for which, of, samples, axes in FORMS:
        name = f"{samples}{which}"
        dice, square, union = overlap(of, axes), overlap(of, axes, squares=True), jaccard(of, axes)
        other = -1 if axes != -1 else (-2, -1)
        of_dice = (
            Wrong("squares in the denominator", "it has p^2 in the denominator, where p belongs", square),
            Wrong("another overlap", "it is the gradient of the Jaccard loss (IoU)", union),
            Wrong(
                "1 - forgotten",
                "it is the overlap itself, which would be made small: 1 - is missing",
                times(-1.0, dice),
            ),
            Wrong(
                "factor 2 forgotten",
                "the factor 2 above is missing: 2 sum(p t) / (sum p + sum t)",
                one_minus(times(0.5, dice)),
            ),
            Wrong(
                "other sums",
                "the sums run over the values of each sample in one place and over all values in the other",
                overlap(of, other),
            ),
            Wrong(
                "smoothing below alone",
                "the smoothing term stands in the denominator alone; it must stand above, too",
                having(dice, below_alone=True),
                needs="smooth",
            ),
        )
        of_union = (
            Wrong("another overlap", "it is the gradient of the Dice loss", dice),
            Wrong(
                "other sums",
                "the sums run over the values of each sample in one place and over all values in the other",
                jaccard(of, other),
            ),
            Wrong(
                "overlap counted twice",
                "the union is sum p + sum t - sum(p t): the overlap is not subtracted",
                times(0.5, dice),
            ),
        )
        weights = {"alpha": (0.3, 0.7, 0.5), "beta": (0.7, 0.3, 0.5), **SMOOTH}
        one = tversky(of, axes)
        of_tversky = (
            Wrong(
                "alpha and beta exchanged",
                "alpha and beta are exchanged",
                exchanged(one),
            ),
            Wrong("another overlap", "it is the gradient of the Dice loss", dice),
        )
        found += [
            KnownLoss(f"the Dice loss{name}", one_minus(dice), SMOOTH, of_dice),
            KnownLoss(
                f"the Dice loss{name} with squares",
                one_minus(square),
                SMOOTH,
                (Wrong("square forgotten", "the denominator has p, where p^2 belongs", dice),),
            ),
            KnownLoss(f"the Jaccard loss (IoU){name}", one_minus(union), SMOOTH, of_union),
            KnownLoss(f"the Tversky loss{name}", one_minus(one), weights, of_tversky),
        ]
    return found


DISTRIBUTION_LOSSES: tuple[KnownLoss, ...] = (
    KnownLoss("the Kullback-Leibler divergence of logits", divergence, {}, OF_DIVERGENCE),
    KnownLoss("the Kullback-Leibler divergence of log-probabilities", divergence_of_logs, {}, OF_LOGS),
    KnownLoss("the Kullback-Leibler divergence of probabilities", divergence_of_probabilities, {}, OF_PROBABILITIES),
    KnownLoss("the cross-entropy of probabilities", soft_targets, {}, OF_PROBABILITIES),
    KnownLoss("the reverse Kullback-Leibler divergence of logits", reverse, {}, REVERSE),
    KnownLoss("the reverse Kullback-Leibler divergence of probabilities", reverse_of_probabilities, {}, REVERSE_OF_P),
    KnownLoss("the Poisson loss", poisson, {}, POISSON),
    KnownLoss("the Poisson loss of rates", poisson_of_rates, {}, POISSON_RATES),
    KnownLoss("1 - cos", one_minus(cosine_similarity), {}, COSINE),
    KnownLoss("minus the cosine", cosine_similarity, {}, COSINE),
    *set_losses(),
)
