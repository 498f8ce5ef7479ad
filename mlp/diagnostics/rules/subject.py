"""The rule under check, and how it walks on fresh courses."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlp.diagnostics.gradients.report import Findings
from mlp.diagnostics.rules.clips import Clip
from mlp.diagnostics.rules.courses import OTHER_SHAPES, SHAPES, Trail, course_of, walk_of
from mlp.diagnostics.rules.settings import read_settings
from mlp.own_code import OWN_ERRORS
from mlp.typing import Shape


@dataclass(frozen=True)
class Subject:
    """What is checked: the rule as it was given, its formula, the seed, what is known of its settings."""

    rule: Any
    formula: str
    seed: int
    given: dict[str, float]
    tolerance: float
    clip: Clip | None = None  # how it should clip the gradients

    def trail(self, seed: int, shapes: Sequence[Shape] = SHAPES, *, own_eps: bool = False) -> tuple[Trail, Findings]:
        """Return how a fresh copy of the rule walks; eps is made large, so that it shows, or stays its own."""
        rule = copy.deepcopy(self.rule)
        s, _ = read_settings(rule, {} if own_eps else self.given, keep_eps=own_eps)
        course = course_of(rule, s, seed, shapes).clipped(self.clip)
        moved, found = walk_of(rule, course)
        return Trail(course, moved), found

    def trails(self, first: Trail, *, own_eps: bool = False) -> list[Trail]:
        """Return a trail and a second one, of arrays of other shapes, if the rule can walk there."""
        try:
            return [first, self.trail(self.seed + 1, OTHER_SHAPES, own_eps=own_eps)[0]]
        except OWN_ERRORS:
            return [first]

    def somewhere(self, shapes: tuple[Shape, ...]) -> Trail | None:
        """Return the trail for arrays of some shapes, or None if the rule cannot walk there."""
        try:
            return self.trail(self.seed, shapes)[0]
        except OWN_ERRORS:
            return None
