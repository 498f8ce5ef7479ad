"""Other points for a change of a line: few steps for the search, another shape and other settings for what fits."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.budget import work_of
from mlp.diagnostics.gradients.diagnoses.evidence import Point, distance
from mlp.diagnostics.gradients.diagnoses.repeated.second_point import other_shapes, point_of
from mlp.diagnostics.gradients.probes.twins import of_other_sizes, other_settings
from mlp.own_code import OWN_ERRORS

REPAIRED = 1e-5
NOISE = 1e-7  # a smaller error is none
HARDLY = 1e-4  # an error below it is small: what repairs it leaves less
SMALL = 0.03  # a factor for inputs, with which epsilon counts
COORDINATES = 60  # to measure of each array at points that tell apart what is equal by accident
SECOND_POINT = 1.0  # of work for measuring at a second point


def smaller_point(point: Point) -> Point | None:
    """Return a point with few steps (N, T, D), at which the same gradients are wrong; None where there is none.

    The changes run faster there, and a wrong gate does not spread to all values through the steps.
    """
    shape = point.x.shape
    if len(shape) != 3 or not point.gradients:
        return None
    for steps in range(1, min(3, shape[1])):
        try:
            one = point_of(point, (shape[0], steps, shape[2]), "steps")
            one.numeric = {name: one.probe.differences(one.upstream, name) for name in one.probe.arrays}
            one.wrong = [name for name in one.numeric if not is_right(one.gradients[name], one, name)]
        except OWN_ERRORS:  # the layer does not take this shape
            continue
        kept_steps = one.outputs.ndim != 3 or one.outputs.shape[:2] == (shape[0], steps)  # else it was broadcast
        if set(one.wrong) >= set(point.wrong) and kept_steps and not was_broadcast(one, point):
            return one
    return None


def points_elsewhere(point: Point) -> list[Point]:
    """Return points that tell apart what is equal by accident, with the gradients measured that are wrong.

    They have other settings (a stride that equals a size), other sizes of all arrays (2 columns beside the 2 of a
    square), or small inputs (variances with and without epsilon).
    """
    found = []
    twins = [
        (SMALL, point.layer, point.x.shape),
        *((1.0, *twin) for twin in of_other_sizes(point.layer, point.x.shape)),
    ]
    twins += [(1.0, twin, point.x.shape) for twin in other_settings(point.layer, point.x)]
    for scale, twin, shape in twins:
        try:
            other = point_of(replace(point, layer=twin), shape, "settings")
            other.probe.x *= scale
            other.numeric = {name: some_differences(other, name) for name in point.wrong}
        except OWN_ERRORS:
            continue
        other.wrong = list(point.wrong)
        found.append(other)
    return found


def some_differences(point: Point, name: str) -> np.ma.MaskedArray:
    """Return the measured gradient of an array in a few random coordinates; the others, and kinks, are masked."""
    array = point.probe.arrays[name]
    measured = np.ma.array(np.zeros(array.shape), mask=True)
    for flat_index in np.random.default_rng(0).permutation(array.size)[:COORDINATES]:
        index = np.unravel_index(flat_index, array.shape)
        value = point.probe.difference(point.upstream, name, index)
        if value is not None:
            measured[index] = value
    return measured


def another_point(point: Point) -> Point | None:
    """Return a second point, of another shape if the layer takes one, with the same gradients measured.

    Where a layer is slow, shapes that would take too long are left out.
    """
    each = work_of(point.probe.outputs) / point.x.size  # for each input
    for shape in (*other_shapes(point.x.shape), (1, *point.x.shape[1:])):
        size = math.prod(shape)
        values = sum(size if name == "inputs" else point.numeric[name].size for name in point.wrong)
        if 2 * values * each * size > SECOND_POINT:
            continue
        try:
            other = point_of(point, shape, "repair")
            other.numeric = {name: other.probe.differences(other.upstream, name) for name in point.wrong}
        except OWN_ERRORS:  # the layer does not take this shape
            continue
        if was_broadcast(other, point):
            continue
        other.wrong = list(point.wrong)
        return other
    return None


def was_broadcast(other: Point, point: Point) -> bool:
    """Return whether the inputs of another shape were broadcast, to a mask perhaps: gradients lost their shapes."""
    return has_shapes(point.gradients, point) and not has_shapes(other.gradients, other)


def has_shapes(given: Mapping[str, Any], point: Point) -> bool:
    """Return whether gradients have the shapes of their arrays."""
    return all(name in given and np.shape(given[name]) == array.shape for name, array in point.numeric.items())


def is_right(given: Any, point: Point, name: str) -> bool:
    """Return whether a gradient is that of finite differences."""
    numeric = point.numeric[name]
    if given is None and not numeric.any() and not point.gradients:  # no weight, perhaps
        return True
    if not isinstance(given, np.ndarray) or given.shape != numeric.shape:
        return False
    was = point.gradients.get(name) if name in point.wrong else None
    was = was if was is not None and was.shape == numeric.shape else None
    if isinstance(numeric, np.ma.MaskedArray):
        measured = ~numeric.mask
        given, was, numeric = given[measured], was[measured] if was is not None else None, numeric.compressed()
    if was is not None and NOISE < distance(was, numeric) < HARDLY:
        return distance(given, numeric) < 0.1 * distance(was, numeric)  # wrong by an epsilon, perhaps
    return distance(given, numeric) < REPAIRED or nothing(given - numeric, point)


def nothing(error: Any, point: Point) -> bool:
    """Return whether the error of a gradient is only the rounding of the differences, as that of zeros is."""
    largest = max(float(np.abs(np.asarray(array)).max(initial=0.0)) for array in point.numeric.values())
    return bool(np.abs(error).max(initial=0.0) < 1e-8 * largest)
