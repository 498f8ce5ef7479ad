"""Mistakes in several lines, of backward or of its helpers: each line that is mended makes more values right.

A change stays if all values that were right stay right, and some more are; of all such changes the one that makes the
most values right. So two slices of a fold are found one after the other, though the gradient is wrong until both are
mended. No line is named unless all is right in the end, at a second point as well.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from types import FunctionType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Point
from mlp.diagnostics.gradients.finite_differences import restoring
from mlp.diagnostics.gradients.repairs.edits import Edit
from mlp.diagnostics.gradients.repairs.search.changes import Search, repairs
from mlp.diagnostics.gradients.repairs.search.points import REPAIRED
from mlp.diagnostics.gradients.repairs.search.replay import Replay
from mlp.diagnostics.gradients.repairs.sources import Source, beside, helpers, source_of
from mlp.diagnostics.gradients.repairs.wrong_line import influence_on, mended
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

MOST_CHANGES = 3
STEP_SECONDS = 1.0  # of work for one change
GAIN = 0.03  # of the wrong values: what a change must make right


class ChangedParts:
    """A backward and its helpers, as they are changed so far.

    Attributes:
        sources: the functions with their changed trees. edits: the changes.
    """

    def __init__(self, point: Point, sources: Sequence[Source]) -> None:
        self.point, self.replay = point, Replay(point.probe, point.upstream)
        self.sources = [replace(one, tree=copy.deepcopy(one.tree)) for one in sources]
        self.functions = [one.compiled() for one in self.sources]
        self.edits: list[Edit] = []

    def run(self) -> dict[str, Any]:
        """Return the gradients that all functions give as they are now."""
        with ExitStack() as stack:
            for source, function in zip(self.sources, self.functions, strict=True):
                stack.enter_context(source.replaced(function))
            with restoring(self.point.probe.arrays.values()), np.errstate(all="ignore"):
                return dict(self.replay.backward())

    def right(self, source: Source | None = None, function: FunctionType | None = None) -> Array:
        """Return which values of all gradients are right, with another function in the place of one."""
        before = list(self.functions)
        if function is not None:
            self.functions = [function if one is source else own for one, own in zip(self.sources, before, strict=True)]
        try:
            given = self.run()
        finally:
            self.functions = before
        return np.concatenate([right_values(given[name], array).ravel() for name, array in self.point.numeric.items()])

    def change(self, forward: Any) -> bool:
        """Make the change that makes the most values right; return whether there is one."""
        before = self.right()
        missing, best = int((~before).sum()), 0

        def gain(source: Source, function: FunctionType) -> int:
            now = self.right(source, function)
            return int(now.sum() - before.sum()) if (now >= before).all() else 0

        def better(source: Source, function: FunctionType) -> bool:
            return gain(source, function) > max(best, GAIN * missing)

        compare, wrong = influence_on(self.point, self.run()), frozenset(self.point.wrong)
        search = Search(lambda: dict(self.replay.backward()), compare, wrong, STEP_SECONDS, more=self.sources)
        changed: tuple[int, Source, FunctionType, Edit] | None = None
        for source, edit, function in repairs(None, (), forward, better, search):
            best = gain(source, function)
            changed = self.sources.index(source), replace(source, tree=copy.deepcopy(source.tree)), function, edit
            if best == missing:
                break
        if changed is None:
            return False
        at, self.sources[changed[0]], self.functions[changed[0]], edit = changed
        self.edits.append(edit)
        return True

    def hold_at(self, point: Point) -> bool:
        """Return whether all wrong gradients are right at another point, with a copy of the layer."""
        try:
            with ExitStack() as stack:
                for source, function in zip(self.sources, self.functions, strict=True):
                    stack.enter_context(source.of(point.probe.layer).replaced(function))
                with np.errstate(all="ignore"):
                    return mended(point) >= frozenset(point.wrong)
        except OWN_ERRORS:
            return False


def right_values(given: Any, numeric: Array) -> Array:
    """Return which values of a gradient are right."""
    if np.shape(given) != numeric.shape:
        return np.zeros(numeric.shape, dtype=bool)
    scale = float(np.abs(numeric).max(initial=0.0))
    return np.asarray(np.isclose(given, numeric, REPAIRED, 1e-7 * scale))


def changes_by_parts(point: Point, owner: Any, forward: Source, backward: Source) -> ChangedParts | None:
    """Return a backward and helpers with two or three changes with which all is right at the point; None for none."""
    parts = ChangedParts(point, [backward, *helping(owner, forward, backward)])
    for _ in range(MOST_CHANGES):
        if not parts.change(forward.function):
            return None
        if parts.right().all():
            return parts
    return None


def helping(owner: Any, forward: Source, backward: Source) -> Iterator[Source]:
    """Yield the functions that backward calls, and forward does not."""
    known = set(helpers(owner, forward.tree))
    for name in helpers(owner, backward.tree):
        source = None if name in known else source_of(owner, name)
        if source is not None:
            yield source
    yield from beside(backward, forward.tree)
