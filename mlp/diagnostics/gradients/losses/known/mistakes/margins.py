"""The usual mistakes in losses with a margin, and in their smooth kin."""

import numpy as np

from mlp.diagnostics.gradients.diagnoses.pointwise import sigmoid
from mlp.diagnostics.gradients.losses.known.protocol import Parts, Wrong, having
from mlp.diagnostics.gradients.losses.known.values.bits import contrastive_of_others, exponential, hinge
from mlp.diagnostics.gradients.losses.known.values.classes import (
    hinge_all_others,
    hinge_minus_one,
    largest_margin,
    margins,
    squared_hinge_slopes,
    squared_margins,
    violated,
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
MANY: tuple[Wrong, ...] = (
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
MANY_SQUARED: tuple[Wrong, ...] = (
    Wrong("margin itself forgotten", "the derivative of margin^2 is 2 margin: the margin itself is missing", margins),
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
