"""Which wrong form of a known loss is a gradient? One that fits at all points is the diagnosis."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mlp.diagnostics.gradients.losses.factors import Found
from mlp.diagnostics.gradients.losses.known.forms import WrongForm, of_inputs, of_parts, usual
from mlp.diagnostics.gradients.losses.known.identity import SAME_LOSS, Identified, Place, multiple, the_loss
from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Options, gradient_of
from mlp.diagnostics.gradients.losses.points import LossPoint
from mlp.typing import Array


def explain_known(points: Sequence[LossPoint], *, usual_alone: bool) -> list[Found]:
    """Return the wrong forms of the known loss that the gradient is at all points, the simplest first.

    Args:
        usual_alone: whether only the usual mistakes in this loss are looked for, not those that any loss can have.
    """
    with np.errstate(all="ignore"):
        places, loss = the_loss(points)
        found = (
            []
            if loss is None
            else list(wrong_forms(places, loss, (usual,) if usual_alone else (usual, of_parts, of_inputs)))
        )
    return [one for _, one in sorted(found, key=lambda pair: pair[0])]


Look = Callable[[KnownLoss, Array, Array, Options], Iterator[WrongForm]]


def wrong_forms(places: Sequence[Place], loss: Identified, looks: Sequence[Look]) -> Iterator[tuple[bool, Found]]:
    """Yield the wrong forms that fit at all places, and whether there is a second mistake in them."""
    given = [place.rows(place.point.given) for place in places]
    right = gradient_of(loss.known.value, places[0].y, places[0].t, loss.settings)
    for look in looks:
        forms = [look(loss.known, place.y, place.t, loss.settings) for place in places]
        for at_points in zip(*forms, strict=False):
            name, sentence, first = at_points[0]
            factors = [
                multiple(a, scale * form) for a, scale, (_, _, form) in zip(given, loss.scales, at_points, strict=True)
            ]
            if None in factors or (look is not usual and multiple(first, right) is not None):
                continue
            also = factor_in_words(factors, places, loss)  # type: ignore[arg-type]
            if also is not None:
                yield also != "", (name, f"{sentence}{also}", f"the loss is {loss.known.name}")


def factor_in_words(factors: Sequence[float], places: Sequence[Place], loss: Identified) -> str | None:
    """Return what else is wrong if a form is off by these factors at the points; None if they are none of the usual."""
    usual: list[tuple[str, list[float]]] = [("", [1.0] * len(places))]
    sizes = [place.sizes for place in places]
    usual += [
        ("it is also not divided by N", [n for n, _ in sizes]),
        ("it is also divided by N once too often", [1.0 / n for n, _ in sizes]),
        ("it is also not divided by the number of values", [n * k for n, k in sizes]),
        ("it is also divided by K, the outputs of a sample, once too often", [1.0 / k for _, k in sizes]),
        ("it is also not divided by K, the outputs of a sample", [k for _, k in sizes]),
        ("it is also twice as large as it should be", [2.0] * len(places)),
        ("it is also half as large as it should be", [0.5] * len(places)),
    ]
    usual += [
        (f"it is also {value:g} times too large", [value] * len(places))
        for value in loss.settings.values()
        if isinstance(value, float) and value > 0.0
    ]
    for text, values in usual:
        for sign, turned in ((1.0, ""), (-1.0, "its sign is wrong, too")):
            if all(abs(f - sign * v) < SAME_LOSS * abs(v) for f, v in zip(factors, values, strict=True)):
                return "".join(f"; {one}" for one in (text, turned) if one)
    return None
