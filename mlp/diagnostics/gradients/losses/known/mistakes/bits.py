"""The losses for two classes, with their usual mistakes."""

from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.pointwise import sigmoid
from mlp.diagnostics.gradients.losses.known.mistakes.focal import factor_wrong
from mlp.diagnostics.gradients.losses.known.mistakes.margins import CONTRASTIVE, EXPONENTIAL, LOGISTIC, hinge_wrong
from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Options, Wrong
from mlp.diagnostics.gradients.losses.known.values.bits import (
    binary,
    contrastive,
    contrastive_of_others,
    exponential,
    focal,
    hinge,
    hinge_embedding,
    logistic,
    modified_huber,
    of_signs,
    perceptron,
    savage,
    signs,
    smooth_hinge,
    squared,
    unchanged,
)
from mlp.typing import Array

POSITIVE = Wrong(
    "weight of the positive class forgotten",
    "the weight of the positive class is missing: it multiplies the values with t = 1",
    lambda y, t, s, part: binary(sigmoid)(y, t, {}, part),
    needs="pos_weight",
)
OF_LOGITS: tuple[Wrong, ...] = (
    POSITIVE,
    Wrong(
        "sign in the sigmoid",
        "it takes sigmoid(-z), which is 1 - p, and must take p = sigmoid(z): the sign in the exponent is wrong",
        gradient=lambda y, t, s: sigmoid(-y) - t,
    ),
    Wrong(
        "weight of the positive class everywhere",
        "the weight of the positive class multiplies all values, and must multiply those with t = 1 alone",
        lambda y, t, s, part: s["pos_weight"] * binary(sigmoid)(y, t, {}, part),
        needs="pos_weight",
    ),
    Wrong(
        "weight of the positive class on the targets alone",
        "the weight of the positive class multiplies t alone: the gradient is (1 + (w - 1) t) sigmoid(z) - w t",
        gradient=lambda y, t, s: sigmoid(y) - s["pos_weight"] * t,
        needs="pos_weight",
    ),
    Wrong(
        "weight of the wrong class",
        "the weight multiplies the values with t = 0; it belongs to those with t = 1",
        lambda y, t, s, part: binary(sigmoid)(-y, 1.0 - t, s, part),
        needs="pos_weight",
    ),
    Wrong(
        "sigmoid forgotten",
        "the sigmoid of the logits belongs there: sigmoid(z) - t, not z - t",
        gradient=lambda y, t, s: y - t,
    ),
    Wrong(
        "tanh in place of the sigmoid",
        "it takes tanh(z), and must take sigmoid(z)",
        gradient=lambda y, t, s: np.tanh(y) - t,
    ),
    Wrong(
        "sigmoid derivative twice",
        "the factor sigmoid'(z) = p (1 - p) is one too many: it cancels against the derivative of the logarithm",
        gradient=lambda y, t, s: (sigmoid(y) - t) * sigmoid(y) * (1.0 - sigmoid(y)),
    ),
    Wrong(
        "probabilities, not logits",
        "it is the gradient for probabilities p; the outputs are logits, so it must go through the sigmoid, too",
        gradient=lambda y, t, s: (sigmoid(y) - t) / (sigmoid(y) * (1.0 - sigmoid(y))),
    ),
    Wrong("sigmoid twice", "the sigmoid is taken twice", gradient=lambda y, t, s: sigmoid(sigmoid(y)) - t),
    Wrong(
        "one term forgotten",
        "the term (1 - t) log(1 - p) is missing: values with t = 0 count, too",
        binary(sigmoid, 1.0, 0.0),
    ),
    Wrong("one term forgotten", "the term t log p is missing: values with t = 1 count, too", binary(sigmoid, 0.0, 1.0)),
    Wrong("sign of one term", "the term (1 - t) log(1 - p) has the wrong sign", binary(sigmoid, 1.0, -1.0)),
    Wrong("sign of one term", "the term t log p has the wrong sign", binary(sigmoid, -1.0, 1.0)),
    Wrong(
        "sigmoid forgotten",
        "the sigmoid is missing: the logarithms are taken of the outputs themselves",
        binary(unchanged),
    ),
)
OF_PROBABILITIES: tuple[Wrong, ...] = (
    Wrong(
        "logits, not probabilities",
        "it is the gradient for logits, where a sigmoid follows; the outputs y are probabilities, so it has to be "
        "divided by y (1 - y)",
        gradient=lambda y, t, s: y - t,
    ),
    Wrong(
        "second term forgotten",
        "the term (1 - t) log(1 - y) of the loss is missing: (1 - t) / (1 - y)",
        binary(unchanged, 1.0, 0.0),
    ),
    Wrong("first term forgotten", "the term t log y of the loss is missing: -t / y", binary(unchanged, 0.0, 1.0)),
    Wrong(
        "sign of one term",
        "the term (1 - t) / (1 - y) has the wrong sign: the derivative of log(1 - y) is -1 / (1 - y)",
        binary(unchanged, 1.0, -1.0),
    ),
    Wrong("sign of one term", "the term t / y has the wrong sign", binary(unchanged, -1.0, 1.0)),
    Wrong(
        "division forgotten",
        "it divides by y alone, and must divide by y (1 - y)",
        gradient=lambda y, t, s: (y - t) / y,
    ),
    Wrong(
        "division forgotten",
        "it divides by 1 - y alone, and must divide by y (1 - y)",
        gradient=lambda y, t, s: (y - t) / (1.0 - y),
    ),
    Wrong(
        "multiplied by y (1 - y)",
        "it multiplies by y (1 - y), where it must divide by it",
        gradient=lambda y, t, s: (y - t) * y * (1.0 - y),
    ),
    Wrong("sigmoid too many", "the outputs are probabilities already: no sigmoid belongs there", binary(sigmoid)),
)


def focal_wrong(of: Any) -> tuple[Wrong, ...]:
    """Return the usual mistakes in the focal loss."""
    value = focal(of)

    def power(y: Array, t: Array, s: Options) -> Array:
        p, gamma, alpha = of(y), s["gamma"], s.get("alpha")
        p_t = t * p + (1.0 - t) * (1.0 - p)
        weight = 1.0 if alpha is None else alpha * t + (1.0 - alpha) * (1.0 - t)
        by_p = (1.0 - p_t) ** gamma * (gamma * np.log(p_t) - 1.0 / p_t) * signs(t)
        return np.asarray(weight * by_p * (p * (1.0 - p) if of is sigmoid else 1.0))

    return (
        *factor_wrong(value, power),
        Wrong(
            "alpha forgotten",
            "the weight alpha is missing: alpha where t = 1, 1 - alpha where t = 0",
            lambda y, t, s, part: value(y, t, {**s, "alpha": None}, part),
            needs="alpha",
        ),
        Wrong(
            "alpha on all values",
            "alpha multiplies all values; it is alpha where t = 1, and 1 - alpha where t = 0",
            lambda y, t, s, part: value(y, t, {**s, "alpha_everywhere": s["alpha"]}, part),
            needs="alpha",
        ),
        Wrong(
            "alpha exchanged",
            "alpha and 1 - alpha are exchanged: alpha belongs where t = 1",
            lambda y, t, s, part: value(y, t, {**s, "alpha": 1.0 - s["alpha"]}, part),
            needs="alpha",
        ),
        Wrong(
            "p in place of p_t",
            "the factor is (1 - p)^gamma, and must be (1 - p_t)^gamma: p_t is 1 - p where t = 0",
            lambda y, t, s, part: (1.0 - of(y)) ** s["gamma"] * value(y, t, {**s, "gamma": 0.0}, part),
        ),
        Wrong(
            "p_t in place of 1 - p_t",
            "the factor is p_t^gamma, and must be (1 - p_t)^gamma: easy values count less",
            lambda y, t, s, part: (
                (t * of(y) + (1.0 - t) * (1.0 - of(y))) ** s["gamma"] * value(y, t, {**s, "gamma": 0.0}, part)
            ),
        ),
    )


SQUARED: tuple[Wrong, ...] = (
    Wrong(
        "sigmoid derivative forgotten",
        "the derivative of the sigmoid, p (1 - p), is missing",
        gradient=lambda y, t, s: 2.0 * (sigmoid(y) - t),
    ),
    Wrong(
        "sigmoid derivative of p",
        "the derivative of the sigmoid is taken at p, and must be taken at z: p (1 - p)",
        gradient=lambda y, t, s: 2.0 * (sigmoid(y) - t) * sigmoid(sigmoid(y)) * (1.0 - sigmoid(sigmoid(y))),
    ),
    Wrong(
        "sigmoid derivative of z",
        "the derivative of the sigmoid is p (1 - p), not z (1 - z)",
        gradient=lambda y, t, s: 2.0 * (sigmoid(y) - t) * y * (1.0 - y),
    ),
)


GAMMAS = (2.0, 1.0, 3.0)
MARGINS = (1.0, 0.5, 2.0)
WITH_ALPHA = {"gamma": GAMMAS, "alpha": (0.25, 0.75)}
BIT_LOSSES: tuple[KnownLoss, ...] = (
    KnownLoss("the binary cross-entropy of logits", binary(sigmoid), {}, OF_LOGITS),
    KnownLoss("the weighted binary cross-entropy of logits", binary(sigmoid), {"pos_weight": ()}, OF_LOGITS),
    KnownLoss("the binary cross-entropy of probabilities", binary(unchanged), {}, OF_PROBABILITIES),
    KnownLoss(
        "the weighted binary cross-entropy of probabilities",
        binary(unchanged),
        {"pos_weight": ()},
        (
            Wrong(
                "weight of the positive class forgotten",
                POSITIVE.sentence,
                lambda y, t, s, part: binary(unchanged)(y, t, {}, part),
            ),
            *OF_PROBABILITIES,
        ),
    ),
    KnownLoss("minus the logarithm of the probability where t = 1", binary(unchanged, 1.0, 0.0)),
    KnownLoss("the focal loss of logits", focal(sigmoid), {"gamma": GAMMAS}, focal_wrong(sigmoid)),
    KnownLoss("the focal loss of logits", focal(sigmoid), WITH_ALPHA, focal_wrong(sigmoid)),
    KnownLoss("the focal loss of probabilities", focal(unchanged), {"gamma": GAMMAS}, focal_wrong(unchanged)),
    KnownLoss("the focal loss of probabilities", focal(unchanged), WITH_ALPHA, focal_wrong(unchanged)),
    KnownLoss("the squared error of the sigmoid", squared(sigmoid), {}, SQUARED),
    KnownLoss("the squared error of tanh", squared(np.tanh)),
    *(
        KnownLoss(name, change(value), usual, wrong)
        for change in (lambda value: value, of_signs)
        for name, value, usual, wrong in (
            ("the hinge loss", hinge(1.0), {"margin": MARGINS}, hinge_wrong(1.0)),
            ("the squared hinge loss", hinge(2.0), {"margin": MARGINS}, hinge_wrong(2.0)),
            ("the logistic loss", logistic, {}, LOGISTIC),
            ("the exponential loss", exponential, {}, EXPONENTIAL),
            ("the modified Huber loss", modified_huber, {}, ()),
            ("the smooth hinge loss", smooth_hinge, {}, ()),
            ("the Savage loss", savage, {}, ()),
            ("the perceptron loss", perceptron, {}, ()),
        )
    ),
    KnownLoss("the contrastive loss", contrastive, {"margin": MARGINS}, CONTRASTIVE),
    KnownLoss("the contrastive loss", contrastive_of_others, {"margin": MARGINS}),
    KnownLoss("the embedding loss with a margin", hinge_embedding, {"margin": MARGINS}),
)
