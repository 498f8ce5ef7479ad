"""The line that is wrong: the one whose change makes all gradients right, at a second point, too.

This needs no idea of what the layer computes. The changes are those that undo usual slips (`edits`), and the right
gradients are known from finite differences, so each change costs one forward and one backward.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from types import FunctionType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Point
from mlp.diagnostics.gradients.finite_differences import restoring
from mlp.diagnostics.gradients.repairs.choice.right_changes import BARE_NUMBER
from mlp.diagnostics.gradients.repairs.edits import Edit
from mlp.diagnostics.gradients.repairs.kinds import COUNTED
from mlp.diagnostics.gradients.repairs.search.changes import Search, repairs
from mlp.diagnostics.gradients.repairs.search.influence import Compare, Influence
from mlp.diagnostics.gradients.repairs.search.points import (
    REPAIRED,
    another_point,
    is_right,
    points_elsewhere,
    smaller_point,
)
from mlp.diagnostics.gradients.repairs.search.replay import Replay
from mlp.diagnostics.gradients.repairs.sources import Source
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.diagnostics.gradients.styles.student_layer import code_of
from mlp.own_code import OWN_ERRORS

BY_ACCIDENT = " (right with these settings only: another value may be meant, which is equal here)"


def wrong_line(points: Sequence[Point], right_points: Sequence[Point]) -> Iterator[Diagnosis]:
    """Yield the change of one line of backward that makes all gradients of a layer right, also at a second point.

    Where no change does that, those that make some of the wrong ones right are the second best.

    Args:
        points: where gradients are wrong. right_points: where all are right, and must stay so.
    """
    point = smaller_point(points[0]) or points[0]
    to_stay = [replace(one, wrong=list(one.numeric)) for one in right_points]
    layer = point.probe.layer
    if layer.children() or not all(one.complete for one in points):
        return
    owner, forward, name = code_of(layer)
    written = owner.functions[0] if isinstance(owner, FunctionPair) else getattr(owner, forward)
    outcomes: dict[FunctionType, frozenset[str]] = {}
    try:
        replay = Replay(point.probe, point.upstream)
    except OWN_ERRORS:
        return

    def right(source: Source, function: FunctionType) -> bool:
        with source.replaced(function):
            outcomes[function] = mended(point, replay)
        return bool(outcomes[function])

    given = point.gradients or attempted(replay)
    if not point.gradients and given:
        point = replace(point, wrong=[name for name in point.numeric if not is_right(given[name], point, name)])
    search = Search(replay.backward, influence_on(point, given), frozenset(point.wrong))
    other = another_point(point)
    partly: dict[frozenset[str], Edit] = {}

    @cache
    def twins() -> list[Point]:
        return points_elsewhere(points[0])

    for source, edit, function in repairs(owner, (name,), written, right, search):
        arrays = outcomes[function]
        if arrays in partly or (other is not None and not holds(source, function, other, arrays)):
            continue
        if point is not points[0] and not holds(source, function, points[0], frozenset(points[0].wrong) & arrays):
            continue
        if not all(holds(source, function, one, frozenset(one.wrong)) for one in to_stay):
            continue  # it breaks the other mode
        by_accident = edit.kind == COUNTED or BARE_NUMBER.match(edit.text)  # two sizes are equal, or one is a number
        if by_accident and not all(holds(source, function, one, frozenset(one.wrong) & arrays) for one in twins()):
            continue
        if len(arrays) == len(point.wrong):
            search.found.add(source, edit, function)
        else:
            partly[arrays] = edit
    elsewhere = twins() if len(search.found.fits) > 1 else []
    best = search.found.best(
        lambda source, function: sum(holds(source, function, one, frozenset(one.wrong)) for one in elsewhere)
    )
    if best is not None:
        source, edit, function = best
        if edit.of_size and not all(holds(source, function, one, frozenset(one.wrong)) for one in twins()):
            edit = replace(edit, text=edit.text + BY_ACCIDENT)
        yield diagnosis_of(edit, ", ".join(point.wrong), modes_of(points, source, function))
    else:
        yield from partial_repairs(partly, point)


def attempted(replay: Replay) -> dict[str, Any]:
    """Return what backward gives, of any shape; nothing if it raises an exception."""
    try:
        return replay.backward()
    except OWN_ERRORS:
        return {}


def influence_on(point: Point, gradients: Mapping[str, Any]) -> Compare:
    """Return a function that says which gradients, and which shares of the wrong and right values, have moved."""
    given: dict[str, Any] = {name: gradients.get(name) for name in point.numeric}
    scale = max(float(np.abs(array).max(initial=0.0)) for array in point.numeric.values())
    wrong = {
        name: ~np.isclose(given[name], numeric, REPAIRED, 1e-8 * scale)
        if np.shape(given[name]) == numeric.shape and name in point.wrong
        else np.full(numeric.shape, name in point.wrong)
        for name, numeric in point.numeric.items()
    }
    counts = [max(1, sum(int((mask == which).sum()) for mask in wrong.values())) for which in (True, False)]

    def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Influence:
        moved = {}
        for name, mask in wrong.items():
            one, other = np.asarray(before[name]), np.asarray(after[name])
            alike = one.shape == other.shape == mask.shape
            moved[name] = one != other if alike else np.full(mask.shape, not np.array_equal(one, other))
        shares = [sum(int((moved[n] & (m == which)).sum()) for n, m in wrong.items()) for which in (True, False)]
        arrays = frozenset(name for name, mask in moved.items() if mask.any())
        return Influence(arrays, shares[0] / counts[0], shares[1] / counts[1])

    return compare


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
        edit.kind,
        arrays,
        mode,
        f"in line {edit.line}, `{edit.statement}`: {edit.text}",
        "with that line changed, all is right",
    )


def mended(point: Point, replay: Replay | None = None) -> frozenset[str]:
    """Return which of the wrong gradients of a point are right with backward as it is now.

    None of them is, if one that was right is wrong now. What backward changed is put back.
    """
    with restoring(point.probe.arrays.values()):
        given = replay.backward() if replay else point.probe.backward(point.upstream.copy())
        right = {name for name in point.numeric if is_right(given[name], point, name)}
    return frozenset(point.wrong) & right if right >= point.numeric.keys() - {*point.wrong} else frozenset()


def with_change(source: Source, function: FunctionType, point: Point) -> frozenset[str]:
    """Return which wrong gradients of another point, with a copy of the layer, are right with a change."""
    with source.of(point.probe.layer).replaced(function):
        return mended(point)
