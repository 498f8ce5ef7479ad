"""Losses for classes: the cross-entropy of the softmax in its forms, focal, hinge, and others of the true class."""

from typing import Any

import numpy as np

from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Options, Parts, Value, Wrong, having
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


def smoothed(t: Array, s: Options) -> Array:
    """Return (1 - e) t + e / K, or with e / (K - 1) for the other classes."""
    e, K = s.get("smoothing", 0.0), t.shape[-1]
    if s.get("over_others") and K > 1:
        return np.asarray((1.0 - e) * t + e / (K - 1.0) * (1.0 - t))
    return np.asarray((1.0 - e) * t + e / K)


def cross_entropy(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """-sum t log softmax(z / T), weighted by the class."""
    log_p = log_softmax(y / s.get("temperature", 1.0), part, s.get("axis", -1))
    w = s.get("weights")
    over_batch = 1.0
    if w is None:
        weight: Any = 1.0
    elif s.get("each_class"):
        weight = w
    else:
        weight = true(w, t)
        over_batch = weight.mean() if s.get("by_weights") else 1.0
    return np.asarray(-(weight * smoothed(t, s) * log_p).sum(axis=-1, keepdims=True) / over_batch)


def class_beside(by: int) -> Value:
    """Return the cross-entropy of a class beside the true one."""
    return lambda y, t, s, part: cross_entropy(y, np.roll(t, by, axis=-1), s, part)


def weighted_columns(y: Array, t: Array, s: Options) -> Array:
    """w_k (p_k - t_k): each column with the weight of its own class."""
    p = np.exp(log_softmax(y / s.get("temperature", 1.0), Parts()))
    return np.asarray(s["weights"] * (p - smoothed(t, s)))


def weighted_true(y: Array, t: Array, s: Options) -> Array:
    """p_k - w_t t_k: only the one-hot targets with the weight."""
    p = np.exp(log_softmax(y / s.get("temperature", 1.0), Parts()))
    return np.asarray(p - s["weights"] * smoothed(t, s))


def weighted_softmax(y: Array, t: Array, s: Options) -> Array:
    """w_t p_k - t_k: only the softmax with the weight."""
    p = np.exp(log_softmax(y / s.get("temperature", 1.0), Parts()))
    return np.asarray(true(s["weights"], t) * p - smoothed(t, s))


def smoothing_subtracted(y: Array, t: Array, s: Options) -> Array:
    p = np.exp(log_softmax(y / s.get("temperature", 1.0), Parts()))
    return np.asarray(p - (1.0 - s["smoothing"]) * t)


def smoothing_added(y: Array, t: Array, s: Options) -> Array:
    p = np.exp(log_softmax(y / s.get("temperature", 1.0), Parts()))
    return np.asarray(p - t - s["smoothing"] / t.shape[-1])


def temperature_outside(y: Array, t: Array, s: Options) -> Array:
    """softmax(z) - t, over T: the softmax without T."""
    return np.asarray((np.exp(log_softmax(y, Parts())) - smoothed(t, s)) / s["temperature"])


def of_softmax(y: Array, s: Options) -> Array:
    return np.exp(log_softmax(y / s.get("temperature", 1.0), Parts()))


def columns_of_all(y: Array, t: Array, s: Options) -> Array:
    """p minus 1 in the columns of all classes that occur: p[:, t] -= 1."""
    return np.asarray(of_softmax(y, s) - (t.max(axis=0) > 0.5))


def rows_of_classes(y: Array, t: Array, s: Options) -> Array:
    """p minus 1 in the rows whose numbers are those of the classes: p[t] -= 1."""
    rows = np.zeros((len(y), 1))
    rows[[k for k in set(t.argmax(axis=1).tolist()) if k < len(y)]] = 1.0
    return np.asarray(of_softmax(y, s) - rows)


def without_logarithm(y: Array, t: Array, s: Options, part: Parts) -> Array:
    return -true(np.exp(log_softmax(y, part)), t)


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
    weight = 1.0 if s.get("weights") is None else true(s["weights"], t)
    factor = part(FACTOR, np.maximum(1.0 - np.exp(log_p), 0.0) ** s["gamma"])
    return np.asarray(-weight * s.get("alpha", 1.0) * factor * part("log p_t", log_p))


def generalized(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """(1 - p_t^q) / q."""
    return np.asarray((1.0 - np.exp(true(log_softmax(y, part), t)) ** s["q"]) / s["q"])


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


def violated(y: Array, t: Array, s: Options) -> Array:
    return np.asarray((margins(y, t, s, Parts()) > 0.0) * 1.0)


def hinge_minus_one(y: Array, t: Array, s: Options) -> Array:
    """1 for each violated margin, and -1 for the true class."""
    return np.asarray(violated(y, t, s) - t)


def hinge_all_others(y: Array, t: Array, s: Options) -> Array:
    """1 for all other classes, whether their margin is violated or not."""
    return np.asarray((1.0 - t) - t * (t.shape[-1] - 1.0))


def squared_hinge_slopes(y: Array, t: Array, s: Options) -> Array:
    """Margins above for the others, and the count of the violated ones for the true class."""
    beyond = margins(y, t, s, Parts())
    return np.asarray(2.0 * beyond - t * (beyond > 0.0).sum(axis=-1, keepdims=True))


WEIGHTS = "the weights of the classes"
OF_SOFTMAX: tuple[Wrong, ...] = (
    Wrong(
        "class weights forgotten",
        f"{WEIGHTS} are missing: each sample must be multiplied by the weight of its true class",
        having(cross_entropy, weights=None),
        needs="weights",
    ),
    Wrong(
        "class weights of the columns",
        f"{WEIGHTS} multiply the columns; each row must be multiplied by the weight of the sample's true class, w[t]",
        gradient=weighted_columns,
        needs="weights",
    ),
    Wrong(
        "class weights on the targets alone",
        "the weight of the class multiplies the one-hot targets alone; it multiplies the whole row, p - onehot(t)",
        gradient=weighted_true,
        needs="weights",
    ),
    Wrong(
        "class weights on the softmax alone",
        "the weight of the class multiplies p alone; it multiplies the whole row, p - onehot(t)",
        gradient=weighted_softmax,
        needs="weights",
    ),
    Wrong(
        "class weights twice",
        f"{WEIGHTS} are multiplied in twice",
        lambda y, t, s, part: cross_entropy(y, t, {**s, "weights": s["weights"] ** 2}, part),
        needs="weights",
    ),
    Wrong(
        "class weights inverted",
        f"it divides by {WEIGHTS}, where it must multiply by them",
        lambda y, t, s, part: cross_entropy(y, t, {**s, "weights": 1.0 / s["weights"]}, part),
        needs="weights",
    ),
    Wrong(
        "smoothing forgotten",
        "label smoothing is missing: it takes the hard one-hot targets, not the smoothed ones",
        having(cross_entropy, smoothing=0.0),
        needs="smoothing",
    ),
    Wrong(
        "smoothing over K - 1",
        "label smoothing is shared among K classes in one place and K - 1 in the other: both must use the same targets",
        lambda y, t, s, part: cross_entropy(y, t, {**s, "over_others": not s.get("over_others")}, part),
        needs="smoothing",
    ),
    Wrong(
        "smoothing not divided by K",
        "each class gets the whole smoothing e, not e / K: the targets of a sample must sum to 1",
        lambda y, t, s, part: cross_entropy(y, smoothed(t, s) + s["smoothing"] * (1.0 - 1.0 / t.shape[-1]), {}, part),
        needs="smoothing",
    ),
    Wrong(
        "smoothing of the true class alone",
        "the true class gets 1 - e, but the share e / K of all classes is missing",
        lambda y, t, s, part: cross_entropy(y, (1.0 - s["smoothing"]) * t, {}, part),
        needs="smoothing",
    ),
    Wrong(
        "smoothing of the true class alone",
        "the true class gets 1 - e, but the share e / K of all classes is missing",
        gradient=smoothing_subtracted,
        needs="smoothing",
    ),
    Wrong(
        "smoothing of the true class forgotten",
        "all classes get the share e / K, but the true class still counts as 1: it must be 1 - e + e / K",
        gradient=smoothing_added,
        needs="smoothing",
    ),
    Wrong(
        "temperature forgotten",
        "the softmax is taken of z, and must be taken of z / T with the temperature T",
        gradient=temperature_outside,
        needs="temperature",
    ),
    Wrong(
        "temperature forgotten",
        "the temperature is missing: z must be divided by it, in the softmax and once more by the chain rule",
        having(cross_entropy, temperature=1.0),
        needs="temperature",
    ),
    Wrong(
        "temperature multiplied",
        "z is multiplied by the temperature, and must be divided by it",
        lambda y, t, s, part: cross_entropy(y, t, {**s, "temperature": 1.0 / s["temperature"]}, part),
        needs="temperature",
    ),
    Wrong(
        "softmax over the batch",
        "the softmax runs over the batch (axis 0); it must run over the classes (axis 1)",
        having(cross_entropy, axis=-2),
    ),
    Wrong(
        "softmax over all outputs",
        "the softmax divides by the sum over all samples and classes; it must be the sum over the classes of each "
        "sample (axis=1, keepdims=True)",
        having(cross_entropy, axis=(-2, -1)),
    ),
    Wrong("off by one", "the one-hot targets stand at the class before the true one (off by one)", class_beside(-1)),
    Wrong("off by one", "the one-hot targets stand at the class after the true one (off by one)", class_beside(1)),
    Wrong(
        "columns of all samples",
        "p[:, t] -= 1 subtracts 1 from the columns of all samples; each has its own class: p[np.arange(N), t] -= 1",
        gradient=columns_of_all,
    ),
    Wrong(
        "rows in place of classes",
        "p[t] -= 1 subtracts 1 from whole rows, those with the numbers t; it must be p[np.arange(N), t] -= 1",
        gradient=rows_of_classes,
    ),
    Wrong(
        "true class set to -1",
        "the true class gets -1, and must get p_t - 1: subtract 1 from the softmax, p[np.arange(N), t] -= 1",
        gradient=lambda y, t, s: of_softmax(y, s) * (1.0 - t) - t,
    ),
    Wrong(
        "true class set to 0",
        "the true class gets 0, and must get p_t - 1: subtract 1 from the softmax, p[np.arange(N), t] -= 1",
        gradient=lambda y, t, s: of_softmax(y, s) * (1.0 - t),
    ),
    Wrong(
        "temperature not divided out",
        "the division by the temperature is missing: z / T stands in the loss, so the chain rule gives 1 / T",
        gradient=lambda y, t, s: of_softmax(y, s) - smoothed(t, s),
        needs="temperature",
    ),
    Wrong(
        "softmax twice",
        "the softmax is taken twice: of the probabilities, where the logits belong",
        lambda y, t, s, part: cross_entropy(np.exp(log_softmax(y, part)), t, s, Parts()),
    ),
    Wrong(
        "softmax forgotten",
        "the softmax is missing: it is the logarithm of the logits, where the probabilities belong",
        log_of_outputs,
    ),
    Wrong("softmax forgotten", "the softmax is missing: the logits are taken for log-probabilities", minus_output),
    Wrong("logarithm forgotten", "the logarithm of the probability is missing", without_logarithm),
)
FOCAL: tuple[Wrong, ...] = (
    Wrong(
        "focal factor forgotten",
        "it is the plain cross-entropy: the factor (1 - p_t)^gamma is missing",
        lambda y, t, s, part: focal_softmax(y, t, {**s, "gamma": 0.0}, part),
    ),
    Wrong(
        "gamma - 1",
        "the power of (1 - p_t) is gamma - 1, and must be gamma",
        lambda y, t, s, part: focal_softmax(y, t, {**s, "gamma": s["gamma"] - 1.0}, part),
    ),
    Wrong(
        "p_t in place of 1 - p_t",
        "the factor is p_t^gamma, and must be (1 - p_t)^gamma: easy samples must count less",
        lambda y, t, s, part: (
            -s.get("alpha", 1.0) * np.exp(true(log_softmax(y, part), t)) ** s["gamma"] * true(log_softmax(y, part), t)
        ),
    ),
)
HINGE: tuple[Wrong, ...] = (
    Wrong(
        "true class counted",
        "the true class is counted among the others: its margin must be set to 0",
        having(margins, all_classes=True),
    ),
    Wrong(
        "count of violated margins forgotten",
        "the true class gets -1; it must get minus the number of classes that violate the margin",
        gradient=hinge_minus_one,
    ),
    Wrong(
        "margin not asked for",
        "all other classes get a gradient, also those whose margin is kept: only where y_k - y_t + margin > 0",
        gradient=hinge_all_others,
    ),
    Wrong(
        "true class forgotten",
        "the true class gets no gradient: its score stands in every violated margin",
        gradient=violated,
    ),
    Wrong("margin forgotten", "the margin is missing: y_k - y_t + margin", having(margins, margin=0.0)),
    Wrong(
        "sign of the margin",
        "the margin is subtracted, and must be added: y_k - y_t + margin",
        lambda y, t, s, part: margins(y, t, {**s, "margin": -s["margin"]}, part),
    ),
    Wrong("largest margin alone", "only the class with the largest score gets a gradient", largest_margin),
    Wrong("squared", "the margins are squared", squared_margins),
)
SQUARED_HINGE: tuple[Wrong, ...] = (
    Wrong(
        "margin itself forgotten",
        "the derivative of margin^2 is 2 margin: the margin itself is missing",
        margins,
    ),
    Wrong(
        "count in place of the margins",
        "the true class gets the number of violated margins; it must get minus the sum of the others' gradients",
        gradient=squared_hinge_slopes,
    ),
    Wrong(
        "true class forgotten",
        "the true class gets no gradient: its score stands in every violated margin",
        gradient=lambda y, t, s: 2.0 * margins(y, t, s, Parts()),
    ),
    Wrong(
        "true class counted",
        "the true class is counted among the others: its margin must be set to 0",
        having(squared_margins, all_classes=True),
    ),
)
PAST_ONE = (1.0, 0.5, 2.0)
CROSS_ENTROPY = KnownLoss("the cross-entropy of the softmax", cross_entropy, {}, OF_SOFTMAX)
CLASS_LOSSES: tuple[KnownLoss, ...] = (
    CROSS_ENTROPY,
    KnownLoss("the cross-entropy with label smoothing", cross_entropy, {"smoothing": (0.1, 0.2, 0.05)}, OF_SOFTMAX),
    KnownLoss(
        "the cross-entropy with label smoothing",
        having(cross_entropy, over_others=True),
        {"smoothing": (0.1, 0.2, 0.05)},
        (
            Wrong(
                "smoothing over K - 1",
                "label smoothing is shared among K - 1 classes in forward and K in backward: both must use the same "
                "targets",
                cross_entropy,
            ),
            *(one for one in OF_SOFTMAX if one.name != "smoothing over K - 1"),
        ),
    ),
    KnownLoss("the cross-entropy with a temperature", cross_entropy, {"temperature": (2.0, 0.5)}, OF_SOFTMAX),
    KnownLoss("the weighted cross-entropy", cross_entropy, {"weights": ()}, OF_SOFTMAX),
    KnownLoss(
        "the weighted cross-entropy, divided by the sum of the weights",
        having(cross_entropy, by_weights=True),
        {"weights": ()},
        (
            Wrong(
                "not divided by the weights",
                "forward divides by the sum of the samples' weights, and backward by N: both must divide by the same",
                cross_entropy,
            ),
            *OF_SOFTMAX,
        ),
    ),
    KnownLoss(
        "the weighted cross-entropy of soft targets",
        having(cross_entropy, each_class=True),
        {"weights": ()},
        OF_SOFTMAX,
    ),
    KnownLoss("-log of the probability of the true class", log_of_outputs),
    KnownLoss("minus the log-probability of the true class", minus_output),
    KnownLoss("the cross-entropy with a penalty for confidence", confident, {"beta": (0.1,)}),
    KnownLoss("the focal loss", focal_softmax, {"gamma": (2.0, 1.0, 3.0)}, FOCAL),
    KnownLoss("the focal loss with weights", focal_softmax, {"gamma": (2.0, 1.0), "weights": ()}, FOCAL),
    KnownLoss("the generalized cross-entropy", generalized, {"q": (0.7,)}),
    KnownLoss("the Brier score", brier),
    KnownLoss("the mean absolute error of the probabilities", absolute_probabilities),
    KnownLoss("the multi-class hinge loss", margins, {"margin": PAST_ONE}, HINGE),
    KnownLoss("the squared multi-class hinge loss", squared_margins, {"margin": PAST_ONE}, SQUARED_HINGE),
    KnownLoss("the hinge loss of the largest margin", largest_margin, {"margin": PAST_ONE}, HINGE),
)
