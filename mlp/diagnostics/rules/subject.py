"""The rule under check, and how it walks on fresh courses."""

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlp.diagnostics.gradients.report import Findings
from mlp.diagnostics.rules.clips import Clip
from mlp.diagnostics.rules.courses import OTHER_SHAPES, SHAPES, Trail, course_of, walk_of
from mlp.diagnostics.rules.formulas.by_name import settings_of_means
from mlp.diagnostics.rules.function_steps import rates_of
from mlp.diagnostics.rules.holders.dictionaries import all_settings
from mlp.diagnostics.rules.made_with import made_with_parameters, names_after
from mlp.diagnostics.rules.settings import aliases_of, attribute_of, read_settings
from mlp.own_code import OWN_ERRORS
from mlp.typing import Shape

OTHER_SETTINGS = {"momentum": 0.6, "beta1": 0.7, "beta2": 0.85, "decay": 0.75}  # settings of another course


@dataclass(frozen=True)
class Subject:
    """What is checked: the rule as it was given, its formula, the seed, what is known of its settings."""

    rule: Any
    formula: str
    seed: int
    given: dict[str, float]
    tolerance: float
    clip: Clip | None = None  # how it should clip the gradients

    @property
    def name(self) -> str:
        return str(getattr(self.rule, "__name__", type(self.rule).__name__))

    def trail(self, seed: int, shapes: Sequence[Shape] = SHAPES, *, own_eps: bool = False) -> tuple[Trail, Findings]:
        """Return how a fresh copy of the rule walks; eps is made large, so that it shows, or stays its own."""
        rule = copy.deepcopy(self.rule)
        s, _ = read_settings(rule, {} if own_eps else self.given, self.formula, keep_eps=own_eps)
        course = course_of(rule, s, seed, shapes, self.formula).clipped(self.clip)
        moved, found = walk_of(rule, course)
        return Trail(course, moved), found

    def trails(self, first: Trail, *, own_eps: bool = False) -> list[Trail]:
        """Return a trail and a second one, of arrays of other shapes, if the rule can walk there."""
        try:
            return [first, self.trail(self.seed + 1, OTHER_SHAPES, own_eps=own_eps)[0]]
        except OWN_ERRORS:
            return [first]

    def with_other_settings(self) -> "Subject":
        """Return the rule with other numbers for its settings: made anew (others may follow from them), or changed."""
        made = self.made_anew()
        if made is not None:
            return made
        rule = copy.deepcopy(self.rule)
        for name in settings_of_means(self.formula) if not inspect.isfunction(rule) and not self.given else ():
            attribute = attribute_of(rule, name, self.formula)
            if attribute and 0.0 < getattr(rule, attribute) < 1.0:
                setattr(rule, attribute, OTHER_SETTINGS[name])
        return replace(self, rule=rule)

    def made_anew(self) -> "Subject | None":
        """Return a new rule of the same class that was made with other settings; None if that is not possible."""
        if inspect.isfunction(self.rule) or self.given:
            return None
        kept, with_parameters = all_settings(self.rule), hasattr(self.rule, "step_of_parameters")
        kind = getattr(self.rule, "its_kind", type(self.rule))
        given = names_after(kind) if with_parameters else inspect.signature(kind).parameters
        names = [name for name in given if name in kept]
        rates = rates_of(self.rule)
        arguments = {name: kept[name] if name in rates else self.other_number(name, kept[name]) for name in names}
        if all(value is kept[name] for name, value in arguments.items()):
            return None
        try:
            rule = made_with_parameters(kind, (), arguments) if with_parameters else kind(**arguments)
            return replace(self, rule=rule)
        except OWN_ERRORS:
            return None

    def other_number(self, name: str, value: Any) -> Any:
        """Return another number for a setting (another pair for betas), the same if it is no mean's of the formula."""
        if name == "betas" and isinstance(value, tuple) and len(value) == 2:
            return OTHER_SETTINGS["beta1"], OTHER_SETTINGS["beta2"]
        means = settings_of_means(self.formula)
        setting = next((one for one in means if name in aliases_of(one, self.formula)), None)
        return OTHER_SETTINGS[setting] if setting and isinstance(value, float) and 0.0 < value < 1.0 else value

    def somewhere(self, shapes: tuple[Shape, ...]) -> Trail | None:
        """Return the trail for arrays of some shapes, or None if the rule cannot walk there."""
        try:
            return self.trail(self.seed, shapes)[0]
        except OWN_ERRORS:
            return None
