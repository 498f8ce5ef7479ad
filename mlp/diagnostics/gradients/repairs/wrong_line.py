"""The line that is wrong: the one whose change makes all gradients right, at a second point, too.

This needs no idea of what the layer computes. The changes are those that undo usual slips (`edits`), and the right
gradients are known from finite differences, so each change costs one forward and one backward.
"""

import ast
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import FunctionType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses import GENERAL, UNCERTAIN
from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Point, distance
from mlp.diagnostics.gradients.diagnoses.repeated.second_point import other_shapes, point_of
from mlp.diagnostics.gradients.repairs.edits import Edit, additions, edits
from mlp.diagnostics.gradients.repairs.names import names_in
from mlp.diagnostics.gradients.repairs.sources import Source, beside, helpers, source_of, tree_of
from mlp.diagnostics.gradients.repairs.values import Values, values_in
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.diagnostics.gradients.styles.student_layer import StudentLayer
from mlp.own_code import OWN_ERRORS

REPAIRED = 1e-5
SECONDS = 3.5  # of CPU for all changes of one layer
A_MOMENT = 0.6  # where it is known already what is wrong, and only the line is looked for
Test = Callable[[Source, FunctionType], bool]  # whether all is right with a function in the place of a source


def with_line(likely: list[Diagnosis], wrong: Sequence[Point], right: Sequence[Point]) -> list[Diagnosis]:
    """Return what is likely, with the line that is wrong: before what is not sure, else as a part of it.

    Args:
        wrong, right: points (one a mode) where gradients are wrong, and where all are right.
    """
    unsure = not likely or likely[0].name in (*GENERAL, *UNCERTAIN)
    long = unsure or likely[0].name == "not linear"  # that says little without the line
    lines = list(wrong_line(wrong, SECONDS if long else A_MOMENT, right))
    if unsure and likely and lines and likely[0].name == "factor 2" and "`2`" in lines[0].sentence:
        unsure = False
    if unsure or not lines:
        return [*lines, *likely]
    if "all is right" not in lines[0].evidence:  # a part of the wrong gradients alone
        return [*likely, *lines]
    first = replace(likely[0], sentence=f"{likely[0].sentence}. With one change all is right: {lines[0].sentence}")
    return [first, *likely[1:]]


def wrong_line(
    points: Sequence[Point], seconds: float = SECONDS, right_points: Sequence[Point] = ()
) -> Iterator[Diagnosis]:
    """Yield the change of one line of backward that makes all gradients of a layer right, also at a second point.

    Where no change does that, those that make some of the wrong ones right are the second best.

    Args:
        points: where gradients are wrong. seconds: of CPU that the search may take.
        right_points: where all are right, and must stay so.
    """
    point = points[0]
    to_stay = [replace(one, wrong=list(one.numeric)) for one in right_points]
    layer = point.probe.layer
    if layer.children() or not all(one.complete for one in points):
        return
    owner = layer.student if isinstance(layer, StudentLayer) else layer
    name = layer.calls.backward if isinstance(layer, StudentLayer) else "backward"
    outcomes: list[frozenset[str]] = []

    def right(source: Source, function: FunctionType) -> bool:
        with source.replaced(function):
            outcomes.append(mended(point))
        return bool(outcomes[-1])

    def run() -> None:
        with suppress(*OWN_ERRORS):
            point.probe.backward(point.upstream.copy())

    other = another_point(point)
    partly: dict[frozenset[str], Edit] = {}
    for source, edit, function in repairs(owner, (name,), forward_of(layer, owner), right, run, seconds):
        arrays = outcomes[-1]
        if arrays in partly or (other is not None and not holds(source, function, other, arrays)):
            continue
        if not all(holds(source, function, one, frozenset(one.wrong)) for one in to_stay):
            continue  # it breaks the other mode
        if len(arrays) == len(point.wrong):
            yield diagnosis_of(edit, ", ".join(point.wrong), modes_of(points, source, function))
            return
        partly[arrays] = edit
    yield from partial_repairs(partly, point)


def partial_repairs(partly: dict[frozenset[str], Edit], point: Point) -> Iterator[Diagnosis]:
    """Yield the changes that make some arrays right, the most first, and no array twice."""
    done: set[str] = set()
    for arrays, edit in sorted(partly.items(), key=lambda pair: -len(pair[0])):
        if not arrays & done:
            done |= arrays
            names = ", ".join(name for name in point.wrong if name in arrays)
            yield replace(diagnosis_of(edit, names, point.mode), evidence=f"with that line changed, {names} is right")


def modes_of(points: Sequence[Point], source: Source, function: FunctionType) -> str:
    """Return the modes in which a change makes all gradients right."""
    also = [one.mode for one in points[1:] if holds(source, function, one, frozenset(one.wrong))]
    return ", ".join([points[0].mode, *also])


def holds(source: Source, function: FunctionType, point: Point, arrays: frozenset[str]) -> bool:
    """Return whether a change makes some gradients right at another point, too."""
    try:
        with np.errstate(all="ignore"):
            return with_change(source, function, point) >= arrays
    except OWN_ERRORS:  # it fails there
        return False


def diagnosis_of(edit: Edit, arrays: str, mode: str) -> Diagnosis:
    """Return what a change that makes everything right says."""
    return Diagnosis(
        edit.kind, arrays, mode, f"in `{edit.statement}`: {edit.text}", "with that line changed, all is right"
    )


def forward_of(layer: Any, owner: Any) -> Callable[..., Any]:
    """Return the user's own forward."""
    if isinstance(owner, FunctionPair):
        return owner.functions[0]
    found: Callable[..., Any] = getattr(owner, layer.calls.forward if isinstance(layer, StudentLayer) else "forward")
    return found


def repairs(
    owner: Any,
    names: Sequence[str],
    forward: Callable[..., Any] | None,
    right: Test,
    run: Callable[[], Any] | None = None,
    seconds: float = SECONDS,
) -> Iterator[tuple[Source, Edit, FunctionType]]:
    """Yield (source, what is wrong, the changed function) for each change of one line with which all is right.

    Args:
        owner: an object. names: of its methods that may be wrong; those that they call are looked at, too.
        forward: the function whose settings and arrays may be missing in them, or None.
        right: whether all is right with a function in the place of a source.
        run: calls all of them, to see what their names hold; None where that is not known.
        seconds: of CPU that the search may take.
    """
    sources = list(filter(None, (source_of(owner, name) for name in names)))
    others = dict.fromkeys(helper for source in sources for helper in helpers(owner, source.tree))
    sources += filter(None, (source_of(owner, helper) for helper in others if helper not in names))
    tree = None if forward is None else tree_of(forward)
    sources += [other for source in sources for other in beside(source, tree)]
    codes = {source.name: source.function.__code__ for source in sources}
    values = {} if run is None else values_in(codes, run)
    start = time.process_time()
    for source, edit in edits_of(sources, tree, values):
        if time.process_time() - start > seconds:
            return
        try:
            function = source.compiled()
            with np.errstate(all="ignore"):
                fits = right(source, function)
        except (*OWN_ERRORS, RecursionError):
            continue
        if fits:
            yield source, edit, function


def edits_of(
    sources: Sequence[Source], forward: ast.FunctionDef | None, values: Mapping[str, Values]
) -> Iterator[tuple[Source, Edit]]:
    """Yield the edits of all sources: first those of what is there, then those that add what may be missing."""
    held = [values.get(source.name, {}) for source in sources]
    names = [names_in(source.tree, forward, one) for source, one in zip(sources, held, strict=True)]
    for source, (arrays, _), one in zip(sources, names, held, strict=True):
        yield from ((source, edit) for edit in edits(source.tree, arrays, one, forward))
    for source, (arrays, factors) in zip(sources, names, strict=True):
        yield from ((source, edit) for edit in additions(source.tree, arrays, factors))


def mended(point: Point) -> frozenset[str]:
    """Return which of the wrong gradients of a point are right with backward as it is now.

    None of them is, if one that was right is wrong now. What backward changed is put back.
    """
    saved = {name: array.copy() for name, array in point.probe.arrays.items()}
    try:
        given = point.probe.backward(point.upstream.copy())
        right = {name for name in point.numeric if is_right(given[name], point, name)}
    finally:
        for name, array in point.probe.arrays.items():
            array[...] = saved[name]
    return frozenset(point.wrong) & right if right >= point.numeric.keys() - {*point.wrong} else frozenset()


def is_right(given: Any, point: Point, name: str) -> bool:
    """Return whether a gradient is that of finite differences."""
    numeric = point.numeric[name]
    if not isinstance(given, np.ndarray) or given.shape != numeric.shape:
        return False
    return distance(given, numeric) < REPAIRED or nothing(given, point, name)


def nothing(given: Any, point: Point, name: str) -> bool:
    """Return whether a gradient is zero where it should be, up to the rounding of the differences."""
    largest = max(float(np.abs(array).max(initial=0.0)) for array in point.numeric.values())
    return bool(np.abs(given - point.numeric[name]).max(initial=0.0) < 1e-8 * largest)


def with_change(source: Source, function: FunctionType, point: Point) -> frozenset[str]:
    """Return which wrong gradients of another point, with a copy of the layer, are right with a change."""
    layer = point.probe.layer
    owner = layer.student if isinstance(layer, StudentLayer) else layer
    with Source(source.owner and owner, source.name, source.function, source.tree).replaced(function):
        return mended(point)


def another_point(point: Point) -> Point | None:
    """Return a second point, of another shape if the layer takes one, with the same gradients measured."""
    for shape in other_shapes(point.x.shape):
        try:
            other = point_of(point, shape, "repair")
            other.numeric = {name: other.probe.differences(other.upstream, name) for name in point.wrong}
        except OWN_ERRORS:  # the layer does not take this shape
            continue
        other.wrong = list(point.wrong)
        return other
    return None
