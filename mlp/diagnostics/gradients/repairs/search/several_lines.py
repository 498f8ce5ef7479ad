"""Mistakes in several lines: one after the other is mended, as the values inside of backward become right.

Where no change of one line makes all gradients right, a change may still make one value right that was wrong, dz or a
gradient, and spoil none. It stays, and the next value is looked at, until all gradients are right.
"""

import ast
import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Point
from mlp.diagnostics.gradients.finite_differences import restoring
from mlp.diagnostics.gradients.repairs.edits import Edit
from mlp.diagnostics.gradients.repairs.search.changes import Search, repairs
from mlp.diagnostics.gradients.repairs.search.inside import INSERTED, Inside, values_inside, with_right_value
from mlp.diagnostics.gradients.repairs.search.points import another_point, is_right, smaller_point
from mlp.diagnostics.gradients.repairs.search.replay import Replay
from mlp.diagnostics.gradients.repairs.search.slots import short
from mlp.diagnostics.gradients.repairs.sources import Source, source_of
from mlp.diagnostics.gradients.repairs.terms.by_parts import changes_by_parts
from mlp.diagnostics.gradients.repairs.values import values_in
from mlp.diagnostics.gradients.repairs.wrong_line import holds, influence_on
from mlp.diagnostics.gradients.styles.student_layer import code_of
from mlp.own_code import OWN_ERRORS

MOST_LINES = 3
SECONDS = 1.2  # of work for one line


class BackwardRuns:
    """What a backward gives at a point: its gradients, and its values inside.

    Attributes:
        inside: the values that were measured. gradients, held: what the last run gave, and what its names held.
    """

    def __init__(self, point: Point, inside: Sequence[Inside], forward: Source) -> None:
        self.point, self.inside, self.forward = point, inside, forward
        self.replay = Replay(point.probe, point.upstream)
        self.gradients: dict[str, Any] = {}
        self.held: dict[str, Any] = {}

    def right(self, source: Source, function: FunctionType) -> frozenset[str]:
        """Return the names of all that is right with a function in the place of backward; keep what it gave."""

        def run() -> None:
            self.gradients = dict(self.replay.backward())

        with source.replaced(function), restoring(self.point.probe.arrays.values()):
            held = values_in({"backward": function.__code__}, run)["backward"]
        self.held = held
        arrays = {name for name in self.point.numeric if is_right(self.gradients.get(name), self.point, name)}
        return frozenset(arrays | {f"inside {one.name}" for one in self.inside if one.is_right(held.get(one.name))})


def wrong_lines(points: Sequence[Point]) -> Iterator[Diagnosis]:
    """Yield the changes of two or three lines of backward that make all gradients right, also at a second point."""
    point = smaller_point(points[0]) or points[0]
    if not all(one.searchable for one in points):
        return
    owner, *names = code_of(point.probe.layer)
    forward, backward = (source_of(owner, name) for name in names)
    if forward is None or backward is None:
        return
    try:
        values = BackwardRuns(point, values_inside(point, forward, backward), forward)
        edits, changed, whole = lines_of(values, backward)
    except OWN_ERRORS:
        return
    others = [one for one in (another_point(point), points[0]) if one is not None]
    if not whole:
        parts = changes_by_parts(point, owner, forward, backward)
        if parts is not None and all(parts.hold_at(one) for one in [*others, *points[1:]]):
            yield several(parts.edits, point)
        else:
            yield from first_wrong_value(values, backward)
    elif len(edits) > 1 and all(holds(changed, changed.compiled(), one, frozenset(one.wrong)) for one in others):
        yield several(edits, point)


def several(edits: Sequence[Edit], point: Point) -> Diagnosis:
    """Return what changes say with which all is right."""
    told = [f"in line {edit.line}, `{edit.statement}`: {edit.text}" for edit in edits]
    text, evidence = f"{len(told)} lines are wrong: {'; and '.join(told)}", "with these lines changed, all is right"
    if len(told) == 1:
        text, evidence = told[0], "with that line changed, all is right"
    return Diagnosis("several wrong lines", ", ".join(point.wrong), point.mode, text, evidence)


def lines_of(values: BackwardRuns, backward: Source) -> tuple[list[Edit], Source, bool]:
    """Return the changes of lines, backward with all of them, and whether all gradients are right then."""
    edits: list[Edit] = []
    current = replace(backward, tree=copy.deepcopy(backward.tree))
    right = values.right(current, current.compiled())
    for _ in range(MOST_LINES):
        wanted = [f"inside {one.name}" for one in values.inside if f"inside {one.name}" not in right]
        wanted += [name for name in values.point.wrong if name not in right]
        tried = (next_line(values, current, right, name) for name in wanted[:2])
        found = next((one for one in tried if one is not None), None)
        if found is None:
            break
        edits.append(found[0])
        current = replace(current, tree=found[1])
        right = values.right(current, current.compiled())
        if right >= values.point.numeric.keys():
            return edits, current, True
    return edits, current, False


def next_line(
    values: BackwardRuns, current: Source, right: frozenset[str], wanted: str
) -> tuple[Edit, ast.FunctionDef] | None:
    """Return the simplest change that makes one more value right, with backward's new tree; None if there is none."""
    function, point = current.compiled(), values.point
    wrong = frozenset(point.numeric.keys() - right)
    trees: dict[FunctionType, ast.FunctionDef] = {}

    def fits(source: Source, changed: FunctionType) -> bool:
        now = values.right(source, changed)
        return wanted in now and now >= right

    def run() -> dict[str, Any]:
        return dict(values.replay.backward())

    with current.replaced(function):
        given = run()
    compare = influence_on(replace(point, wrong=sorted(wrong)), given)
    search = Search(run, compare, wrong, SECONDS, more=[current])
    for source, edit, changed in repairs(current.owner, (), values.forward.function, fits, search):
        if source is current:
            search.found.add(source, edit, changed)
            trees[changed] = copy.deepcopy(source.tree)
    best = search.found.best()
    return None if best is None else (best[1], trees[best[2]])


def first_wrong_value(values: BackwardRuns, backward: Source) -> Iterator[Diagnosis]:
    """Yield the first value inside of backward that is wrong, if more is right with the right value in its place."""
    right, point = values.right(backward, backward.compiled()), values.point
    held, space = dict(values.held), backward.function.__globals__
    for one in values.inside:
        given: Any = held.get(one.name)
        changed = with_right_value(backward.tree, one.name)
        if f"inside {one.name}" in right or one.whole is None or changed is None or np.shape(given) != one.shape:
            continue
        tree, line = changed
        space[INSERTED] = one.whole
        try:
            source = replace(backward, tree=tree)
            now = values.right(source, source.compiled())
        finally:
            del space[INSERTED]
        if not now > right or not (now - right) - {f"inside {one.name}"}:
            continue
        index = np.unravel_index(int(np.abs(given - one.whole).argmax()), one.shape)
        place, better = ", ".join(str(int(i)) for i in index), [name for name in point.wrong if name in now]
        text = (
            f"in line {line.lineno}, `{short(line)}`: this is the first line whose value is wrong. {one.name}[{place}] "
            f"is {given[index]:.5g}, and dL/d({one.of})[{place}] is {one.whole[index]:.5g}"
        )
        evidence = f"with the right {one.name}, {', '.join(better) or 'what comes after it'} is right"
        yield Diagnosis("first wrong value", ", ".join(point.wrong), point.mode, text, evidence)
        return
