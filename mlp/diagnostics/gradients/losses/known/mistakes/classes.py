"""The losses for classes, with their usual mistakes."""

import numpy as np

from mlp.diagnostics.gradients.losses.known.mistakes.focal import factor_wrong
from mlp.diagnostics.gradients.losses.known.mistakes.margins import MANY, MANY_SQUARED
from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Parts, Wrong, having
from mlp.diagnostics.gradients.losses.known.values.classes import (
    absolute_probabilities,
    brier,
    class_beside,
    columns_of_all,
    confident,
    cross_entropy,
    focal_softmax,
    generalized,
    largest_margin,
    log_of_outputs,
    log_softmax,
    margins,
    minus_output,
    of_softmax,
    poly,
    power_of_the_factor,
    rows_of_classes,
    smoothed,
    smoothing_added,
    smoothing_subtracted,
    squared_margins,
    temperature_outside,
    true,
    weighted_columns,
    weighted_softmax,
    weighted_true,
    without_logarithm,
)

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
    *factor_wrong(focal_softmax, power_of_the_factor),
    Wrong(
        "p_t in place of 1 - p_t",
        "the factor is p_t^gamma, and must be (1 - p_t)^gamma: easy samples must count less",
        lambda y, t, s, part: (
            -s.get("alpha", 1.0) * np.exp(true(log_softmax(y, part), t)) ** s["gamma"] * true(log_softmax(y, part), t)
        ),
    ),
)
PAST_ONE = (1.0, 0.5, 2.0)
CROSS_ENTROPY = KnownLoss("the cross-entropy of the softmax", cross_entropy, {}, OF_SOFTMAX)
CLASS_LOSSES: tuple[KnownLoss, ...] = (
    CROSS_ENTROPY,
    KnownLoss("the cross-entropy with label smoothing", cross_entropy, {"smoothing": (0.1, 0.2, 0.05)}, OF_SOFTMAX),
    KnownLoss(
        "the cross-entropy with label smoothing over the other classes",
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
    KnownLoss("the first Poly loss", poly, {"eps": (1.0, 2.0)}),
    KnownLoss("the Brier score", brier),
    KnownLoss("the mean absolute error of the probabilities", absolute_probabilities),
    KnownLoss("the multi-class hinge loss", margins, {"margin": PAST_ONE}, MANY),
    KnownLoss("the squared multi-class hinge loss", squared_margins, {"margin": PAST_ONE}, MANY_SQUARED),
    KnownLoss("the hinge loss of the largest margin", largest_margin, {"margin": PAST_ONE}, MANY),
)
