"""Usual mistakes in known losses that no change of one line undoes.

A mistake in one place is found as a line of the student's own code. Those here need several changes, or a line that is
missing.
"""

from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.pointwise import sigmoid
from mlp.diagnostics.gradients.losses.known.protocol import Options, Parts, Wrong, gradient_of, having
from mlp.diagnostics.gradients.losses.known.values.bits import binary, signs, unchanged
from mlp.diagnostics.gradients.losses.known.values.classes import (
    cross_entropy,
    log_of_outputs,
    log_softmax,
    margins,
    smoothed,
    squared_margins,
    true,
    weights_of,
)
from mlp.diagnostics.gradients.losses.known.values.differences import at_d, of_d, quantile
from mlp.diagnostics.gradients.losses.known.values.distributions import log_of_targets
from mlp.typing import Array

# --- classes --------------------------------------------------------------------------------------------------------


def of_softmax(y: Array, s: Options) -> Array:
    """Return softmax(z / T)."""
    return np.exp(log_softmax(y / s.get("temperature", 1.0), Parts()))


def columns_of_all(y: Array, t: Array, s: Options) -> Array:
    """p minus 1 in the columns of all classes that occur: p[:, t] -= 1."""
    return np.asarray(of_softmax(y, s) - (t.max(axis=0) > 0.5))


def power_for_classes(y: Array, t: Array, s: Options) -> Array:
    """The gradient with gamma (1 - p_t)^gamma where gamma (1 - p_t)^(gamma - 1) belongs."""
    p_t = true(of_softmax(y, {}), t)
    weight = s.get("alpha", 1.0) if s.get("weights") is None else true(weights_of(s, t), t)
    return np.asarray(weight * by_p_with_the_power(p_t, s["gamma"]) * p_t * (t - of_softmax(y, {})))


def by_p_with_the_power(p_t: Array, gamma: float) -> Array:
    """Return (1 - p_t)^gamma (gamma log p_t - 1 / p_t)."""
    return np.asarray((1.0 - p_t) ** gamma * (gamma * np.log(p_t) - 1.0 / p_t))


def violated(y: Array, t: Array, s: Options) -> Array:
    """Return 1 for each margin that is violated."""
    return np.asarray((margins(y, t, s, Parts()) > 0.0) * 1.0)


def counted_margins(y: Array, t: Array, s: Options) -> Array:
    """Margins above for the others, and minus the count of the violated ones for the true class."""
    return np.asarray(2.0 * margins(y, t, s, Parts()) - t * violated(y, t, s).sum(axis=-1, keepdims=True))


OF_SOFTMAX: tuple[Wrong, ...] = (
    Wrong(
        "class weights forgotten",
        "the weights of the classes are missing: each sample must be multiplied by the weight of its true class",
        having(cross_entropy, weights=None),
        needs="weights",
    ),
    Wrong(
        "smoothing not divided by K",
        "each class gets the whole smoothing e, not e / K: the targets of a sample must sum to 1",
        lambda y, t, s, part: cross_entropy(y, smoothed(t, s) + s["smoothing"] * (1.0 - 1.0 / t.shape[-1]), {}, part),
        needs="smoothing",
    ),
    Wrong(
        "softmax over the batch",
        "the softmax runs over the batch (axis 0); it must run over the classes (axis 1)",
        having(cross_entropy, axis=-2),
    ),
    Wrong(
        "softmax forgotten",
        "the softmax is missing: it is the logarithm of the logits, where the probabilities belong",
        log_of_outputs,
    ),
    Wrong(
        "one-hot forgotten",
        "it is the softmax p alone: the one-hot targets have to be subtracted",
        gradient=lambda y, t, s: of_softmax(y, s),
    ),
    Wrong(
        "columns of all samples",
        "p[:, t] -= 1 subtracts 1 from the columns of all samples; each has its own class: p[np.arange(N), t] -= 1",
        gradient=columns_of_all,
    ),
)
POWER = "power of the inner derivative", "the derivative of (1 - p_t)^gamma has the power gamma - 1; here it is gamma"
FOCAL_OF_CLASSES = (Wrong(*POWER, gradient=power_for_classes),)
TRUE_CLASS = "true class counted", "the true class is counted among the others: its margin must be set to 0"
MARGINS: tuple[Wrong, ...] = (
    Wrong(*TRUE_CLASS, having(margins, all_classes=True)),
    Wrong(
        "count of violated margins forgotten",
        "the true class gets -1; it must get minus the number of classes that violate the margin",
        gradient=lambda y, t, s: violated(y, t, s) - t,
    ),
)
SQUARED_MARGINS: tuple[Wrong, ...] = (
    Wrong(
        "count in place of the margins",
        "the true class gets the number of violated margins; it must get minus the sum of the others' gradients",
        gradient=counted_margins,
    ),
    Wrong(*TRUE_CLASS, having(squared_margins, all_classes=True)),
)

# --- two classes ----------------------------------------------------------------------------------------------------

POSITIVE = (
    "weight of the positive class forgotten",
    "the weight of the positive class is missing: it multiplies the values with t = 1",
)
ON_BOTH = "weight of the positive class on both"


def on_both(of: Any) -> Wrong:
    """Return the mistake of a weight that multiplies the values with t = 0, too, with p = of(y)."""
    text = "the weight of the positive class multiplies all values, and must multiply those with t = 1 alone"
    plain = binary(of)
    return Wrong(ON_BOTH, text, None, lambda y, t, s: s["pos_weight"] * gradient_of(plain, y, t, {}), "pos_weight")


def in_one_term(of: Any) -> tuple[Wrong, ...]:
    """Return the mistakes in one of the terms t log p and (1 - t) log(1 - p), with p = of(y)."""
    first, second = "the term t log p", "the term (1 - t) log(1 - p)"
    return (
        Wrong("one term forgotten", f"{second} is missing: values with t = 0 count, too", binary(of, 1.0, 0.0)),
        Wrong("one term forgotten", f"{first} is missing: values with t = 1 count, too", binary(of, 0.0, 1.0)),
        Wrong("sign of one term", f"{second} has the wrong sign", binary(of, 1.0, -1.0)),
        Wrong("sign of one term", f"{first} has the wrong sign", binary(of, -1.0, 1.0)),
    )


OF_LOGITS: tuple[Wrong, ...] = (
    *in_one_term(sigmoid),
    Wrong(*POSITIVE, having(binary(sigmoid), pos_weight=1.0), needs="pos_weight"),
    on_both(sigmoid),
    Wrong(
        "weight of the positive class on the targets alone",
        "the weight of the positive class multiplies t alone: the gradient is (1 + (w - 1) t) sigmoid(z) - w t",
        gradient=lambda y, t, s: sigmoid(y) - s["pos_weight"] * t,
        needs="pos_weight",
    ),
)
OF_PROBABILITIES: tuple[Wrong, ...] = (
    Wrong(*POSITIVE, having(binary(unchanged), pos_weight=1.0), needs="pos_weight"),
    on_both(unchanged),
    Wrong(
        "logits, not probabilities",
        "it is the gradient for logits, where a sigmoid follows; the outputs y are probabilities, so it has to be "
        "divided by y (1 - y)",
        gradient=lambda y, t, s: y - t,
    ),
    *in_one_term(unchanged),
)


def power_for_logits(y: Array, t: Array, s: Options) -> Array:
    """The same for logits of two classes."""
    p = sigmoid(y)
    return np.asarray(power_for_probabilities(p, t, s) * p * (1.0 - p))


def power_for_probabilities(p: Array, t: Array, s: Options) -> Array:
    """The same for probabilities p."""
    alpha = s.get("alpha")
    weight = 1.0 if alpha is None else alpha * t + (1.0 - alpha) * (1.0 - t)
    return np.asarray(weight * by_p_with_the_power(t * p + (1.0 - t) * (1.0 - p), s["gamma"]) * signs(t))


FOCAL_OF_LOGITS = (Wrong(*POWER, gradient=power_for_logits),)
FOCAL_OF_PROBABILITIES = (Wrong(*POWER, gradient=power_for_probabilities),)
EXPONENTIAL = (
    Wrong(
        "targets forgotten",
        "the factor t is missing: the derivative of exp(-t y) is -t exp(-t y)",
        gradient=lambda y, t, s: -np.exp(-t * y),
    ),
)

# --- differences, distributions -------------------------------------------------------------------------------------

HUBER: tuple[Wrong, ...] = (
    Wrong(
        "linear part forgotten",
        "it is d everywhere: where |d| > delta the gradient is delta sign(d)",
        gradient=at_d(lambda d, s: d),
    ),
    Wrong(
        "delta not divided out",
        "the quadratic part is d^2 / (2 delta): its gradient is d / delta, the division by delta is missing",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], s["delta"] * d, s["delta"] * np.sign(d))),
    ),
    Wrong(
        "linear part not joined",
        "the linear part is delta |d|, and must be delta (|d| - delta/2), so that both parts meet at |d| = delta",
        of_d(lambda d, s: np.where(np.abs(d) <= s["delta"], 0.5 * d * d, s["delta"] * np.abs(d))),
    ),
    Wrong(
        "linear part not joined",
        "the linear part is delta |d| - delta/2, and must be delta (|d| - delta/2) = delta |d| - delta^2/2",
        of_d(lambda d, s: np.where(np.abs(d) <= s["delta"], 0.5 * d * d, s["delta"] * (np.abs(d) - 0.5))),
    ),
)
QUANTILE: tuple[Wrong, ...] = (
    Wrong(
        "sides exchanged",
        "the two sides are exchanged: where the target is larger the gradient is -q, elsewhere 1 - q",
        of_d(lambda d, s: quantile(d, {"q": 1.0 - s["q"]})),
    ),
    Wrong(
        "q on both sides",
        "both sides have the weight q: where the output is larger it must be 1 - q",
        of_d(lambda d, s: s["q"] * np.abs(d)),
    ),
)
OF_DIVERGENCE = (
    Wrong(
        "logarithms in place of the probabilities",
        "the logarithms are subtracted, log p - log t; the gradient for logits is p - t, with the softmax p",
        gradient=lambda y, t, s: log_softmax(y, Parts()) - np.log(t),
    ),
)
MEAN = (
    "mean forgotten",
    "the loss itself, the sum over the classes, must be subtracted: p (log(p / t) - sum p log(p / t))",
)
REVERSE: tuple[Wrong, ...] = (
    Wrong(*MEAN, gradient=lambda y, t, s: of_softmax(y, {}) * (log_softmax(y, Parts()) - log_of_targets(t, s))),
    Wrong(*MEAN, gradient=lambda y, t, s: of_softmax(y, {}) * (log_softmax(y, Parts()) - log_of_targets(t, s) + 1.0)),
)
REVERSE_OF_LOGS = (
    Wrong(
        "1 forgotten",
        "the derivative of q log(q / t) is log(q / t) + 1 (product rule): the 1 is missing",
        gradient=lambda y, t, s: np.exp(y) * (y - log_of_targets(t, s)),
    ),
)
