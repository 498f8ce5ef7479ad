"""The path that a gradient leaves out, or counts wrongly: the use of a value in forward through which it leads.

    g - n = r (n - h)      g  the gradient of backward along a direction      n  the right one
                           h  the right one with one use held fixed, so n - h comes through this use
    r = -1  left out       r = -2  with the wrong sign       r = 1  added twice       r = -1/2  half of it

The agreement is tested along several directions, for all arrays that are wrong, and at a second point of another shape.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.budget import now, seconds_left, spend, work_of
from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Point
from mlp.diagnostics.gradients.diagnoses.repeated.second_point import point_elsewhere
from mlp.diagnostics.gradients.paths.held import NONE, HeldUses, Uses, is_within, uses_of_forward
from mlp.diagnostics.gradients.repairs.search.slots import Slot, text_of
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

SECONDS = 1.0  # of work
HOW_MANY = 2
FITS = 1e-6  # of the gradient: the error of differences
COUNTS = 1e-3  # of the gradient: what comes through a use, and what comes past it, must be more
TOLD = {
    -1.0: "is left out: what comes back through it must be added",
    -2.0: "has the wrong sign",
    1.0: "is added twice: it must be added once",
    -0.5: "counts half of what it must",
}
SEVERAL = {
    -1.0: "are left out: what comes back through them must be added",
    -2.0: "have the wrong sign",
    1.0: "are added twice: they must be added once",
    -0.5: "count half of what they must",
}
MOST_ALIKE = 5  # uses of one value


class Directions:
    """A point with random directions of its arrays: what backward says along them, and what is right.

    Attributes:
        told, right: by the names of the arrays, a number for each direction.
    """

    def __init__(self, point: Point) -> None:
        self.point, rng = point, np.random.default_rng(2)
        self.moves = {name: rng.standard_normal((HOW_MANY, *a.shape)) for name, a in point.probe.arrays.items()}
        self.told = {name: slopes_told(self.moves[name], point.gradients[name]) for name in self.moves}
        self.right: dict[str, Array] = {}

    def slopes(self, uses: Uses, held: HeldUses, name: str) -> Array:
        """Return what is right along the directions of an array with some uses held."""
        probe, upstream = self.point.probe, self.point.upstream
        return np.array([uses.slope(probe, upstream, name, move, held) for move in self.moves[name]])

    def ratio(self, uses: Uses, held: HeldUses, name: str) -> float | None:
        """Return r, if an array is wrong by r times what comes through a use; None if it is not, or nothing does."""
        if name not in self.right:
            self.right[name] = self.slopes(uses, NONE, name)
        right, past = self.right[name], self.slopes(uses, held, name)
        through, scale, wrong = right - past, np.abs(right).max(), self.told[name] - right
        if np.abs(through).max() < COUNTS * scale or np.abs(past).max() < COUNTS * scale:
            return None
        return next((r for r in TOLD if np.abs(wrong - r * through).max() < FITS * scale), None)

    def moves_nothing(self, uses: Uses, held: HeldUses, name: str) -> bool:
        """Return whether nothing of an array comes through a use."""
        if name not in self.right:
            self.right[name] = self.slopes(uses, NONE, name)
        through = self.right[name] - self.slopes(uses, held, name)
        return bool(np.abs(through).max() < COUNTS * max(np.abs(self.right[name]).max(), 1e-12))


def slopes_told(moves: Array, gradient: Any) -> Array:
    """Return what a gradient says along some directions; NaN for a gradient of another shape."""
    if np.shape(gradient) != moves.shape[1:]:
        return np.full(len(moves), np.nan)
    return np.asarray((moves * gradient).reshape(len(moves), -1).sum(axis=1))


def wrong_uses(points: Sequence[Point]) -> Iterator[Diagnosis]:
    """Yield the use of a value whose path is left out or counted wrongly, if this explains all that is wrong."""
    point = points[0]
    layer = point.probe.layer
    if not all(one.searchable for one in points):
        return
    until = now() + SECONDS
    here = Directions(point)
    fits: list[tuple[Uses, list[Slot], float, bool]] = []
    second = point_elsewhere(point, "uses")
    others = [*([] if second is None else [replace(second, wrong=list(point.wrong))]), *points[1:]]
    for several in (False, True):
        for uses in uses_of_forward(layer) if not fits else ():
            for held, r in uses_that_fit(uses, here, until, several=several):
                if all(fits_there(uses, held, r, one) for one in others):
                    fits.append((uses, [uses.slots[number] for number in held], r, spoils(uses, held, here)))
    if fits:
        _, slots, r, _ = min(fits, key=lambda one: (one[3], *inside_another(one[1][0], [two[1][0] for two in fits])))
        name, modes = "path left out" if r == -1.0 else "path counted wrongly", ", ".join(one.mode for one in points)
        yield Diagnosis(name, ", ".join(point.wrong), modes, sentence_of(slots, r))


def uses_that_fit(uses: Uses, here: Directions, until: float, *, several: bool) -> Iterator[tuple[HeldUses, float]]:
    """Yield (uses, r) for each use that explains all wrong arrays with one r, or for several uses of one value."""
    probe, wrong = here.point.probe, here.point.wrong
    try:
        with uses.within(probe.layer):
            numbers, before, each = uses.record(probe), probe.outputs(), work_of(probe.outputs)
            for held in of_one_value(uses, numbers) if several else [frozenset([number]) for number in numbers]:
                spend((1 + 2 * HOW_MANY) * each)
                if now() > until or seconds_left() < 0.0:
                    return
                if not uses.unmoved(probe, held, before):
                    continue
                r = here.ratio(uses, held, wrong[0])
                if r is not None and all(here.ratio(uses, held, name) == r for name in wrong[1:]):
                    yield held, r
    except OWN_ERRORS:
        return


def of_one_value(uses: Uses, numbers: Sequence[int]) -> list[HeldUses]:
    """Return the pairs of uses that read alike, and all of them where there are more."""
    alike: dict[str, list[int]] = {}
    for number in numbers:
        alike.setdefault(ast.unparse(uses.slots[number].node), []).append(number)
    groups = [group for group in alike.values() if 1 < len(group) <= MOST_ALIKE]
    return [frozenset(pair) for group in groups for n in range(2, len(group)) for pair in combinations(group, n)] + [
        frozenset(group) for group in groups
    ]


def spoils(uses: Uses, held: HeldUses, here: Directions) -> bool:
    """Return whether something of a right array comes through a use, too: then a smaller one fits better."""
    right = [name for name in here.moves if name not in here.point.wrong]
    with uses.within(here.point.probe.layer):
        uses.record(here.point.probe)
        return not all(here.moves_nothing(uses, held, name) for name in right)


def fits_there(uses: Uses, held: HeldUses, r: float, other: Point) -> bool:
    """Return whether the same is true at another point."""
    there = Directions(other)
    try:
        with uses.within(other.probe.layer):
            uses.record(other.probe)
            return all(there.ratio(uses, held, name) == r for name in other.wrong)
    except OWN_ERRORS:
        return False


def inside_another(slot: Slot, others: Sequence[Slot]) -> tuple[bool, int]:
    """Return what sorts the largest expression first: whether it lies within another one, and its line."""
    return any(is_within(slot.node, one.node) for one in others), slot.line


def sentence_of(slots: Sequence[Slot], r: float) -> str:
    """Return what is wrong with a path, or with several of one value, in words."""
    slot, value = slots[0], text_of(slots[0].node)
    named = isinstance(slot.node, ast.Name | ast.Attribute | ast.Subscript)
    within = " and ".join(dict.fromkeys(f"`{text_of(one.parent)}`" for one in slots)) if named else ""
    what = "the one" if len(slots) == 1 else "those"
    return (
        f"in line {slot.line} of forward, `{slot.statement}`: the gradient has a term for each use of a value, and "
        f"{what} through `{value}`{within and f' in {within}'} {TOLD[r] if len(slots) == 1 else SEVERAL[r]}"
    )
