"""A second point, of another shape, for what could be an accident; and the smallest inputs that still fail."""

from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.random import Generator

from mlp.diagnostics.gradients.budget import affordable
from mlp.diagnostics.gradients.diagnoses.evidence import LARGEST_JACOBIAN, Evidence, Point
from mlp.diagnostics.gradients.finite_differences import Probe, norm, relative_error
from mlp.diagnostics.gradients.probes.backward_map import MOST_OUTPUTS
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array, Shape

MOST_VALUES = 1500  # of an array that is measured again
TRIES = 12  # smaller shapes that are tried
COORDINATES = 12
FAILS = 1e-4
RIGHT = 1e-6  # an error below which an array is not wrong at a point


def second_evidences(e: Evidence) -> Iterator[Evidence]:
    """Yield the evidence about the same array at other points where it is wrong, too: of other shapes, then of its own.

    A point that is too large for what was known at the first one is left out. They are measured when they are asked
    for, and kept for the next hypothesis.
    """
    if e.numeric.size > MOST_VALUES:
        return
    kept = e.point.others.setdefault(e.array, {})
    for shape in other_shapes(e.point.x.shape):
        if shape not in kept:
            kept[shape] = evidence_at(e, shape)
        other = kept[shape]
        if other is not None:
            yield other


def evidence_at(e: Evidence, shape: Shape) -> Evidence | None:
    """Return the evidence about an array for inputs of another shape; None if the layer does not take it, or is right.

    A parameter is measured with all arrays of the layer, with which some hypotheses compare it.
    """
    try:
        point = point_of(e.point, shape, "second")
        size = point.probe.arrays[e.array].size * point.outputs.size
        if size > LARGEST_JACOBIAN or point.outputs.size > max(MOST_OUTPUTS, e.point.outputs.size):
            return None
        names = (e.array,) if e.of_inputs else tuple(point.probe.arrays)
        if not affordable(point.probe.outputs, 2 * sum(point.probe.arrays[name].size for name in names)):
            return None
        point.numeric = {name: point.probe.differences(point.upstream, name) for name in names}
        point.wrong = [e.array]
        other = Evidence(point, e.array)
    except OWN_ERRORS:  # the layer does not take this shape
        return None
    return other if not other.error < RIGHT else None


def point_of(point: Point, shape: Shape, word: str) -> Point:
    """Return a point of the same layer and mode elsewhere, with the gradients of backward, and nothing measured."""
    rng = generator(point.seed + 1, "probe", word, point.mode)
    probe = random_probe(point.layer, shape, rng, training=point.probe.training)
    if point.probe.rewinders:
        probe.hold_randomness()
    outputs = probe.outputs()
    upstream = rng.standard_normal(outputs.shape)
    gradients = probe.backward(upstream) if point.gradients else {}  # it raises an exception, or gives none
    return Point(point.layer, probe, upstream, outputs, point.seed, gradients)


def point_elsewhere(point: Point, word: str) -> Point | None:
    """Return a point of another shape, see `point_of`; None if the layer takes none."""
    for shape in other_shapes(point.x.shape):
        try:
            return point_of(point, shape, word)
        except OWN_ERRORS:  # the layer does not take this shape
            continue
    return None


def other_shapes(shape: Shape) -> Iterator[Shape]:
    """Yield other shapes of inputs, the most different first."""
    N = shape[0] - 1 if shape[0] > 2 else shape[0] + 1
    if len(shape) == 4:
        yield (N, shape[1] + 1, shape[2] + 2, shape[3] + 3)
        yield (N, shape[1] + 1, shape[2] + 2, shape[3])
        yield (N, shape[1] + 2, shape[2], shape[3])
        yield (N, shape[1], shape[2] + 1, shape[3] + 2)
        yield (N, shape[1], shape[2] + 2, shape[3] + 4)
        yield (N, shape[1], shape[2] + 2, shape[3] + 2)
        yield (N, shape[1] + 2, shape[2] + 2, shape[3])
    elif len(shape) == 3:
        yield (N, shape[1] + 1, shape[2])
        yield (N, shape[1], shape[2] + 1)
    elif len(shape) == 2:
        yield (N, shape[1] + 1)
    yield (N, *shape[1:])
    yield shape


def worst_value(point: Point) -> str:
    """Return the value that is most wrong: where it stands, what backward gives, and what is right."""
    worst, text = -1.0, ""
    for name in point.wrong:
        given, right = point.gradients[name], point.numeric[name]
        difference = np.nan_to_num(np.abs(given - right))
        scale = norm(np.nan_to_num(right)) or 1.0
        if difference.size and difference.max() / scale > worst:
            worst = float(difference.max() / scale)
            index = np.unravel_index(int(difference.argmax()), difference.shape)
            place = ", ".join(str(int(i)) for i in index)
            text = f"worst at {name}[{place}]: backward gives {given[index]:.6g}, measured {right[index]:.6g}"
    return text


def smallest_failing(point: Point) -> str:
    """Return the two smallest shapes of inputs at which the same arrays are still wrong, as text."""
    shape = point.x.shape
    ranges = [range(1, size + 1) for size in shape[:-1]]
    smaller = sorted(((*sizes, shape[-1]) for sizes in product(*ranges)), key=lambda s: (int(np.prod(s)), s))
    failing: list[Shape] = []
    tried = 0
    for one in smaller:
        if one == shape or tried == TRIES or len(failing) == 2:
            break
        try:
            wrong = fails(point, one)
        except OWN_ERRORS:  # too small for the layer
            continue
        tried += 1
        if wrong:
            failing.append(one)
    if not failing:
        return ""
    return f"it is still wrong for inputs of shape {' and '.join(map(str, failing))}: check it by hand there"


def fails(point: Point, shape: Shape) -> bool:
    """Return whether one of the wrong arrays is wrong at a shape, too, in a few coordinates."""
    other = point_of(point, shape, "small")
    rng = generator(point.seed, "probe", "coordinates")
    for name in point.wrong:
        given, right = in_some_places(other.probe, other.upstream, (name, other.gradients[name]), rng)
        if relative_error(given, right, norm(right)) > FAILS:
            return True
    return False


def in_some_places(probe: Probe, upstream: Array, gradient: tuple[str, Array], rng: Generator) -> tuple[Array, Array]:
    """Return a gradient in a few random coordinates of its array, and what is measured there: 0 beside a kink.

    Args:
        gradient: the name of the array, and what backward gives for it.
    """
    name, given = gradient
    array = probe.arrays[name]
    indices = [np.unravel_index(i, array.shape) for i in rng.permutation(array.size)[:COORDINATES]]
    right = np.array([probe.difference(upstream, name, index) or 0.0 for index in indices])
    return np.array([given[index] for index in indices]), right
