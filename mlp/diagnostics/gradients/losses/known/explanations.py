"""Which known loss is it, and which wrong form of it is the gradient, or the loss itself?

A loss is known by its values at all points, or by its gradients there, up to a mean and a constant. Then each wrong
form is compared with the gradient under test at all points; one that fits them all is the diagnosis.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import distance
from mlp.diagnostics.gradients.losses.factors import Found
from mlp.diagnostics.gradients.losses.known.bits import BIT_LOSSES
from mlp.diagnostics.gradients.losses.known.classes import CLASS_LOSSES
from mlp.diagnostics.gradients.losses.known.differences import DIFFERENCE_LOSSES
from mlp.diagnostics.gradients.losses.known.distributions import DISTRIBUTION_LOSSES
from mlp.diagnostics.gradients.losses.known.forms import WrongForm, fitting, of_inputs, of_parts, usual
from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Options, Parts, Value, gradient_of
from mlp.diagnostics.gradients.losses.points import LossPoint
from mlp.typing import Array

LOSSES = (*DIFFERENCE_LOSSES, *CLASS_LOSSES, *BIT_LOSSES, *DISTRIBUTION_LOSSES)
CLOSE = 1e-5  # a small eps inside a logarithm may shift a value by this much
ENOUGH = 3  # points: of two shapes
LARGEST = 600  # outputs: a form costs as many values for each of them


@dataclass(frozen=True)
class Place:
    """A point as the known losses see it: outputs and targets (N, K), and the student's numbers."""

    point: LossPoint
    y: Array
    t: Array

    @property
    def sizes(self) -> tuple[float, float]:
        return float(self.y.shape[0]), float(self.y.shape[1])


@dataclass(frozen=True)
class Identified:
    """A known loss with its settings; at each point it is `scale` times the sum of its losses."""

    known: KnownLoss
    settings: Options
    scales: tuple[float, ...]
    constant: float  # what is left of the scales without N and K


def places_of(points: Sequence[LossPoint]) -> list[Place]:
    """Return the points that known losses can be compared at; nothing if the first is none."""
    found = []
    for point in points:
        y = point.outputs.reshape(len(point.outputs), -1)
        t = point.one_hot if point.classes else np.asarray(point.targets, float)
        if t.size == y.size and y.size <= LARGEST:
            found.append(Place(point, y, t.reshape(y.shape)))
    return found if found and found[0].point is points[0] else []


def settings_tried(known: KnownLoss, point: LossPoint) -> Iterator[Options]:
    """Yield the settings that the student's loss may have: its own numbers first, then the usual ones."""
    own = list(dict.fromkeys(v for v in point.settings.values() if isinstance(v, float)))
    arrays = [v for v in point.settings.values() if isinstance(v, np.ndarray)]
    choices: list[list[Any]] = []
    for name, numbers in known.usual.items():
        if name == "weights":
            choices.append(arrays)
        else:
            choices.append(list(dict.fromkeys([*own, *numbers])))
    for values in product(*choices):
        yield dict(zip(known.usual, values, strict=True))


def scales_of(ratios: Sequence[float], places: Sequence[Place]) -> tuple[float, bool]:
    """Return (c, True) if the ratios are c, c / N, c / K or c / (N K) at all points; c is 0 if they are not."""
    for a, b in ((0, 0), (1, 0), (1, 1), (0, 1)):
        freed = [r * n**a * k**b for r, (n, k) in zip(ratios, (place.sizes for place in places), strict=True)]
        if np.ptp(freed) < CLOSE * abs(freed[0]):
            return float(freed[0]), True
    return 0.0, False


def identified(places: Sequence[Place], *, by_gradient: bool) -> Iterator[Identified]:
    """Yield the known losses that have the same values, or the same gradients, at all points."""
    for known in LOSSES:
        for s in settings_tried(known, places[0].point):
            ratios = []
            for place in places:
                ratio = ratio_at(place, known.value, s, by_gradient=by_gradient)
                if ratio is None:
                    break
                ratios.append(ratio)
            if len(ratios) < len(places):
                continue
            constant, same = scales_of(ratios, places)
            if same and constant:
                yield Identified(known, s, tuple(ratios), constant)


def ratio_at(place: Place, value: Value, s: Options, *, by_gradient: bool) -> float | None:
    """Return what the student's loss is times a known one at a point; None if there is no such number."""
    try:
        with np.errstate(all="ignore"):
            if by_gradient:
                mine = gradient_of(value, place.y, place.t, s)
                return multiple(place.point.right.reshape(mine.shape), mine)
            total = float(value(place.y, place.t, s, Parts()).sum())
    except ValueError:  # weights of another number of classes
        return None
    return place.point.value / total if np.isfinite(total) and abs(total) > 1e-12 else None


def multiple(a: Array, b: Array) -> float | None:
    """Return f with a = f b, or None."""
    square = float((b * b).sum())
    if not np.isfinite(square) or square == 0.0 or not np.isfinite(a).all():
        return None
    f = float((a * b).sum()) / square
    return f if f and distance(a, f * b) < CLOSE else None


def the_loss(points: Sequence[LossPoint]) -> tuple[list[Place], Identified | None]:
    """Return the points and the known loss that forward is, by its values or else by its gradients."""
    places = places_of(points)[:ENOUGH]
    if len(places) < 2:
        return places, None
    by_value = next(identified(places, by_gradient=False), None)
    return places, by_value or next(identified(places, by_gradient=True), None)


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
    given = [place.point.given.reshape(place.y.shape) for place in places]
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
            if all(abs(f - sign * v) < CLOSE * abs(v) for f, v in zip(factors, values, strict=True)):
                return "".join(f"; {one}" for one in (text, turned) if one)
    return None


# --- the loss itself ---------------------------------------------------------------------------------------------

FAMILY_OF_NAME: tuple[
    tuple[tuple[str, ...], tuple[str, ...]], ...
] = (  # words in a name; words in the names of its losses
    (("rmsle",), ("root of the squared error of log",)),
    (("msle", "squaredlog"), ("error of logarithms",)),
    (("rmse", "rootmean"), ("root mean",)),
    (("mape", "percentage"), ("the percentage error",)),
    (("huber", "smoothl1"), ("the Huber", "pseudo-Huber", "modified Huber")),
    (("logcosh",), ("log-cosh",)),
    (("quantile", "pinball"), ("quantile",)),
    (("bce", "binarycross", "binary_cross"), ("binary cross-entropy",)),
    (("focal",), ("focal",)),
    (("svm", "hinge"), ("hinge",)),
    (("kldiv", "kullback", "klloss"), ("Kullback",)),
    (("poisson",), ("Poisson",)),
    (("dice",), ("Dice",)),
    (("iou", "jaccard"), ("Jaccard",)),
    (("tversky",), ("Tversky",)),
    (("mse", "meansquare", "l2loss"), ("mean squared",)),
    (("mae", "l1loss", "meanabs"), ("mean absolute",)),
    (("crossentropy", "softmaxloss", "softmaxce"), ("cross-entropy of the softmax", "cross-entropy with")),
)
LOGARITHMS = {"log10": 1.0 / np.log(10.0), "log2": 1.0 / np.log(2.0)}


def wrong_value(name: str, points: Sequence[LossPoint]) -> Found | None:
    """Return what is wrong with the loss itself: a wrong form of the one that its name speaks of, or None."""
    plain = name.lower().replace("_", "")
    words = next((of for told, of in FAMILY_OF_NAME if any(one in plain for one in told)), ())
    family = [known for known in LOSSES if any(word in known.name for word in words)]
    places = places_of(points)[:ENOUGH]
    if not family or len(places) < 2:
        return None
    for loss in identified(places, by_gradient=False):
        if loss.known in family:
            return badly_scaled(loss)
    for known in family:
        for s in settings_tried(known, places[0].point):
            for one in fitting(known, s):
                if one.value is None:
                    continue
                ratios = [ratio_at(place, one.value, s, by_gradient=False) for place in places]
                if None in ratios:
                    continue
                constant, same = scales_of(ratios, places)  # type: ignore[arg-type]
                if same and min(abs(constant - c) for c in (1.0, 0.5, 2.0)) < CLOSE:
                    return one.name, f"in forward: {one.sentence}", f"its values, compared with those of {known.name}"
    return None


def badly_scaled(loss: Identified) -> Found | None:
    """Return the wrong sign or the wrong logarithm of a loss that is right otherwise."""
    c = loss.constant
    if c < 0.0:
        return "sign of the loss", "in forward: the loss has the wrong sign: it would be made large", ""
    if "entropy" in loss.known.name:
        for text, number in LOGARITHMS.items():
            if abs(c - number) < CLOSE * number:
                return "logarithm to another base", f"in forward: it takes {text}; take np.log, to the base e", ""
    return None
