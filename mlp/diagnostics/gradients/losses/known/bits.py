"""Losses for two classes, each output by itself: binary cross-entropy and its kin, hinge, logistic, exponential."""

from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.pointwise import sigmoid
from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Options, Parts, Value, Wrong
from mlp.typing import Array

PROBABILITY = "the probability p"


def unchanged(y: Array) -> Array:
    return y


def tanh_half(y: Array) -> Array:
    """(1 + tanh(y)) / 2."""
    return np.asarray(0.5 * (1.0 + np.tanh(y)))


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
        weight = weight if s.get("alpha_everywhere") is None else s["alpha_everywhere"]
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


POSITIVE = Wrong(
    "weight of the positive class forgotten",
    "the weight of the positive class is missing: it multiplies the values with t = 1",
    lambda y, t, s, part: binary(sigmoid)(y, t, {}, part),
    needs="pos_weight",
)
OF_LOGITS: tuple[Wrong, ...] = (
    POSITIVE,
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
FACTOR_ALONE = "the factor (1 - p_t)^gamma"


def focal_wrong(of: Any) -> tuple[Wrong, ...]:
    """Return the usual mistakes in the focal loss."""
    value = focal(of)
    return (
        Wrong(
            "focal factor forgotten",
            f"it is the plain cross-entropy: {FACTOR_ALONE} is missing",
            lambda y, t, s, part: value(y, t, {**s, "gamma": 0.0}, part),
        ),
        Wrong(
            "gamma - 1",
            "the power of (1 - p_t) is gamma - 1, and must be gamma",
            lambda y, t, s, part: value(y, t, {**s, "gamma": s["gamma"] - 1.0}, part),
        ),
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


def hinge_wrong(power: float) -> tuple[Wrong, ...]:
    """Return the usual mistakes in max(0, m - t y) to a power."""
    of_its_own: tuple[Wrong, ...] = (
        Wrong(
            "margin itself forgotten",
            "the derivative of margin^2 is 2 margin: the margin m - t y itself is missing",
            hinge(1.0),
        ),
    )
    if power == 1.0:
        of_its_own = (Wrong("squared", "it is the gradient of the squared hinge loss", hinge(2.0)),)
    return (
        *of_its_own,
        Wrong(
            "margin forgotten",
            "the gradient stands where t y < 0 alone; all with t y < margin need it",
            lambda y, t, s, part: hinge(power)(y, t, {"margin": 0.0}, part),
        ),
        Wrong(
            "margin forgotten",
            "the gradient stands where t y < 0 alone; all with t y < margin need it",
            gradient=lambda y, t, s: -t * (t * y < 0.0) * (power * (s["margin"] - t * y) if power > 1.0 else 1.0),
        ),
        Wrong(
            "margin not asked for",
            "all values get a gradient, also those beyond the margin: only where t y < margin",
            gradient=lambda y, t, s: -t * (power * (s["margin"] - t * y) if power > 1.0 else 1.0),
        ),
        Wrong(
            "side of the margin",
            "the gradient stands where t y > margin; it belongs where t y < margin",
            gradient=lambda y, t, s: (
                -t * (t * y > s["margin"]) * (power * (s["margin"] - t * y) if power > 1.0 else 1.0)
            ),
        ),
        Wrong(
            "targets forgotten",
            "the factor t is missing: the derivative of m - t y is -t",
            gradient=lambda y, t, s: (
                -1.0 * (t * y < s["margin"]) * (power * (s["margin"] - t * y) if power > 1.0 else 1.0)
            ),
        ),
        Wrong(
            "outputs in place of the targets",
            "it is -y; the derivative of m - t y with respect to y is -t",
            gradient=lambda y, t, s: (
                -y * (t * y < s["margin"]) * (power * (s["margin"] - t * y) if power > 1.0 else 1.0)
            ),
        ),
        Wrong(
            "targets not asked for",
            "it asks where y < margin, and must ask where t y < margin",
            gradient=lambda y, t, s: -t * (y < s["margin"]) * (power * (s["margin"] - t * y) if power > 1.0 else 1.0),
        ),
        Wrong(
            "maximum forgotten",
            "the maximum with 0 is missing: max(0, margin - t y)",
            lambda y, t, s, part: s["margin"] - t * y,
        ),
        Wrong(
            "sign inside",
            "it is max(0, margin + t y), and must be max(0, margin - t y)",
            lambda y, t, s, part: hinge(power)(-y, t, s, part),
        ),
        Wrong(
            "targets of 0 and 1",
            "targets 0 and 1 must be made -1 and 1 first: 2 t - 1",
            lambda y, t, s, part: hinge(power)(y, (t + 1.0) / 2.0, s, part),
        ),
    )


LOGISTIC: tuple[Wrong, ...] = (
    Wrong(
        "sign in the sigmoid",
        "it takes sigmoid(t y), and must take sigmoid(-t y)",
        gradient=lambda y, t, s: -t * sigmoid(t * y),
    ),
    Wrong(
        "targets forgotten",
        "the factor t is missing: the derivative of -t y is -t",
        gradient=lambda y, t, s: -sigmoid(-t * y),
    ),
    Wrong("exponential", "it is the gradient of exp(-t y): the division by 1 + exp(-t y) is missing", exponential),
    Wrong(
        "inner derivative forgotten",
        "1 / (1 + exp(-t y)) is the derivative of the logarithm alone: times -t exp(-t y)",
        gradient=lambda y, t, s: sigmoid(t * y),
    ),
)
EXPONENTIAL: tuple[Wrong, ...] = (
    Wrong(
        "targets forgotten",
        "the factor t is missing: the derivative of exp(-t y) is -t exp(-t y)",
        gradient=lambda y, t, s: -np.exp(-t * y),
    ),
    Wrong(
        "sign in the exponent",
        "it takes exp(t y), and must take exp(-t y)",
        gradient=lambda y, t, s: -t * np.exp(t * y),
    ),
    Wrong(
        "outputs in place of the targets",
        "it is -y exp(-t y); the derivative of -t y with respect to y is -t",
        gradient=lambda y, t, s: -y * np.exp(-t * y),
    ),
    Wrong(
        "exponential forgotten",
        "the derivative of exp(-t y) is -t exp(-t y): the exponential is missing",
        gradient=lambda y, t, s: -t + 0.0 * y,
    ),
)
CONTRASTIVE: tuple[Wrong, ...] = (
    Wrong(
        "pairs exchanged",
        "equal and unequal pairs are exchanged: t d^2 + (1 - t) max(0, m - d)^2",
        contrastive_of_others,
    ),
    Wrong(
        "maximum forgotten",
        "unequal pairs beyond the margin must get 0",
        gradient=lambda y, t, s: 2.0 * t * y - 2.0 * (1.0 - t) * (s["margin"] - y),
    ),
    Wrong(
        "sign of the unequal pairs",
        "the sign for unequal pairs is wrong: -2 (m - d), which drives them apart",
        gradient=lambda y, t, s: 2.0 * t * y + 2.0 * (1.0 - t) * np.maximum(s["margin"] - y, 0.0),
    ),
    Wrong(
        "margin itself forgotten",
        "the derivative of (m - d)^2 is -2 (m - d): the margin itself is missing",
        gradient=lambda y, t, s: 2.0 * t * y - 2.0 * (1.0 - t) * (y < s["margin"]),
    ),
    Wrong("unequal pairs forgotten", "unequal pairs get no gradient", gradient=lambda y, t, s: 2.0 * t * y),
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
        )
    ),
    KnownLoss("the contrastive loss", contrastive, {"margin": MARGINS}, CONTRASTIVE),
    KnownLoss("the contrastive loss", contrastive_of_others, {"margin": MARGINS}),
)
