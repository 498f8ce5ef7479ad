"""Which well-known loss is it? By its values at all points, or by its gradients there, up to a mean and a number."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import distance
from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Options, Parts, Value, gradient_of
from mlp.diagnostics.gradients.losses.known.table import LOSSES
from mlp.diagnostics.gradients.losses.points import LossPoint
from mlp.typing import Array

SAME_LOSS = 1e-4  # a small eps inside a logarithm may shift a value by this much
BY_DIFFERENCES = 1e-7  # the error of gradients by differences
ENOUGH = 3  # points: of two shapes
LARGEST = 600  # outputs: a form costs as many values for each of them


@dataclass(frozen=True)
class Place:
    """A point as the known losses see it: outputs and targets (N, K), and the student's numbers.

    Attributes:
        axis, counted: of the classes where each pixel or step has one, and which of them count: these are the rows.
        over_all: whether their mean may be that over all places, also over those that do not count.
    """

    point: LossPoint
    y: Array
    t: Array
    axis: int = -1
    counted: Array | None = None
    over_all: bool = True

    @property
    def sizes(self) -> tuple[float, float]:
        return float(self.y.shape[0]), float(self.y.shape[1])

    @property
    def divisors(self) -> tuple[float, ...]:
        """What the sum of the losses may be divided by, in the same order at each place."""
        n, k = self.sizes
        batch, places = float(len(self.point.outputs)), self.point.outputs.size / k
        if not self.over_all and self.counted is not None:
            return (n, n, n)
        return (1.0, n, n * k, k) if self.counted is None else (1.0, n, n * k, k, batch, places)

    def rows(self, gradient: Array) -> Array:
        """Return a gradient as an array (N, K)."""
        if self.counted is None:
            return gradient.reshape(self.y.shape)
        return np.asarray(np.moveaxis(gradient, self.axis, -1)[self.counted])


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
        if not point.classes and point.targets.dtype.kind in "iu" and point.targets.shape != point.outputs.shape:
            found += list(by_pixels(point))
            continue
        y = point.outputs.reshape(len(point.outputs), -1)
        t = point.one_hot if point.classes else np.asarray(point.targets, float)
        each = any(np.shape(value) == y.shape[1:] for value in point.settings.values())  # a quantile for each column
        outputs = (1, 2, y.shape[1]) if each else (1, 2)  # of one target; 2 are a mean and a spread
        if y.size <= LARGEST and y.size in [n * t.size for n in outputs]:
            found.append(Place(point, y, t.reshape(len(y), -1)))
    return found if found and found[0].point is points[0] else []


def by_pixels(point: LossPoint) -> Iterator[Place]:
    """Yield the place of a loss of classes of pixels or steps.

    Targets that are no class do not count, nor do those without any gradient, as a class for padding.
    """
    y, t = point.outputs, point.targets
    gradient = point.right if point.right.any() else point.given
    for axis in (1, -1):
        if t.shape == tuple(np.delete(y.shape, axis)):
            rows = np.moveaxis(y, axis, -1)
            counted = (t >= 0) & (t < rows.shape[-1]) & np.moveaxis(gradient, axis, -1).any(axis=-1)
            if counted.any() and counted.sum() * rows.shape[-1] <= LARGEST:
                yield Place(point, rows[counted], np.eye(rows.shape[-1])[t[counted]], axis, counted)
                return


def settings_tried(known: KnownLoss, point: LossPoint) -> Iterator[Options]:
    """Yield the settings that the student's loss may have: its own numbers first, then the usual ones."""
    own = list(dict.fromkeys(v for v in point.settings.values() if isinstance(v, float)))
    arrays = [v for v in point.settings.values() if isinstance(v, np.ndarray)]
    choices: list[list[Any]] = []
    for name, numbers in known.usual.items():
        if name == "weights":
            choices.append(arrays)
        else:
            choices.append([*dict.fromkeys([*own, *numbers]), *(arrays if name == "q" else [])])
    for values in product(*choices):
        yield dict(zip(known.usual, values, strict=True))


def scales_of(ratios: Sequence[float], places: Sequence[Place]) -> tuple[float, bool]:
    """Return (c, True) if the ratios are c over one of the divisors at all points; c is 0 if they are not."""
    for divisors in zip(*(place.divisors for place in places), strict=False):
        freed = [ratio * divisor for ratio, divisor in zip(ratios, divisors, strict=True)]
        if np.ptp(freed) < SAME_LOSS * abs(freed[0]):
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
                return multiple(place.rows(place.point.right), mine)
            total = float(value(place.y, place.t, s, Parts()).sum())
    except (ValueError, ArithmeticError):  # weights of another number of classes; a setting that is zero divides
        return None
    return place.point.value / total if np.isfinite(total) and abs(total) > 1e-12 else None


def multiple(a: Array, b: Array) -> float | None:
    """Return f with a = f b, or None."""
    square = float((b * b).sum())
    if not np.isfinite(square) or square == 0.0 or not np.isfinite(a).all():
        return None
    f = float((a * b).sum()) / square
    return f if f and distance(a, f * b) < SAME_LOSS else None


def the_loss(points: Sequence[LossPoint]) -> tuple[list[Place], Identified | None]:
    """Return the points and the known loss that forward is, by its values or else by its gradients."""
    places = places_of(points)[:ENOUGH]
    if len(places) < 2:
        return places, None
    by_value = next(identified(places, by_gradient=False), None)
    return places, by_value or next(identified(places, by_gradient=True), None)


def exact_but_for_eps(points: Sequence[LossPoint]) -> bool:
    """Return whether the gradients are those of a known loss, and the loss differs from it by a tiny eps alone."""
    if any(distance(point.given, point.right) > SAME_LOSS for point in points):
        return False
    with np.errstate(all="ignore"):
        places, loss = the_loss(points)
        if loss is None:
            return False
        for place, scale in zip(places, loss.scales, strict=True):
            exact = gradient_of(loss.known.value, place.y, place.t, loss.settings)
            given = place.rows(place.point.given)
            factor = multiple(given, scale * exact)
            if (
                factor is None
                or abs(factor - 1.0) > SAME_LOSS
                or distance(given, factor * scale * exact) > BY_DIFFERENCES
            ):
                return False
    return True
