"""The line of a rule's own source that is wrong: the one whose change makes all steps right, on several courses."""

import copy
import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from types import FunctionType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.repairs.choice.right_changes import complexity
from mlp.diagnostics.gradients.repairs.copied import everywhere
from mlp.diagnostics.gradients.repairs.edits import Edit, tried
from mlp.diagnostics.gradients.repairs.kinds import KINDS, OF_FACTORS, OF_ITSELF, OF_MEMORY, Maker
from mlp.diagnostics.gradients.repairs.makers.of_settings import missing_eps, missing_shares, powers
from mlp.diagnostics.gradients.repairs.search.changes import Search, Test, of_one_kind, repairs
from mlp.diagnostics.gradients.repairs.search.moves import not_copied
from mlp.diagnostics.gradients.repairs.search.second_terms import scaled_terms, squared_distances
from mlp.diagnostics.gradients.repairs.sources import Source, source_of
from mlp.diagnostics.gradients.repairs.wrong_line import diagnosis_of
from mlp.diagnostics.rules.courses import OTHER_SHAPES, SHAPES, Course, apart, course_of, walk_of
from mlp.diagnostics.rules.formulas.by_name import FAMILIES
from mlp.diagnostics.rules.formulas.variants import legal_forms, with_schedules
from mlp.diagnostics.rules.formulas.walks import Walk
from mlp.diagnostics.rules.function_steps import RATES
from mlp.diagnostics.rules.passing import passes_whole
from mlp.diagnostics.rules.protocols import UPDATES
from mlp.diagnostics.rules.repairs.memory_edits import largest_kept, largest_used, own_maxima, written_always
from mlp.diagnostics.rules.settings import read_settings
from mlp.diagnostics.rules.subject import Subject
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

RULE_SECONDS = 3.5, 1.5  # of work that the search may take
DISTANCES: tuple[tuple[Maker, str], ...] = (
    (lambda slot, s: squared_distances(slot, s.arrays, s.values), "square of another value"),
)
SCALED: tuple[tuple[Maker, str], ...] = ((lambda slot, s: scaled_terms(slot, s.arrays, s.values), "term missing"),)
SMALL: tuple[tuple[Maker, str], ...] = ((lambda slot, s: missing_eps(slot, s.values), "eps missing"),)
EVERYWHERE: tuple[tuple[Maker, str], ...] = ((lambda slot, s: everywhere(slot, s.arrays, s.values), "another array"),)
POWERS: tuple[tuple[Maker, str], ...] = ((lambda slot, s: powers(slot, s.values), "power"),)
SHARES: tuple[tuple[Maker, str], ...] = (
    (lambda slot, s: missing_shares(slot, s.values, s.arrays), "factor or term missing"),
)
STEPS_ARE_RIGHT = "with that line changed, all steps are right"
NOT_COPIED = "not copied"
FIRST: tuple[tuple[Maker, str], ...] = (*Search.first, (lambda slot, _: written_always(slot), "set only once"))
OF_MAXIMA: tuple[tuple[Maker, str], ...] = (
    (lambda slot, _: largest_kept(slot), "no maximum"),
    (lambda slot, s: largest_used(slot, s.tree), "no maximum"),
)
OF_COPIES: tuple[tuple[Maker, str], ...] = ((lambda slot, _: not_copied(slot), NOT_COPIED),)
LATE = [name for _, name in KINDS].index("division by the wrong number")
BRACKETS = [kind for kind in KINDS if kind[1] == "brackets"]  # mu * (v + g) is a whole rule with another velocity
ORDER = (
    *OF_COPIES,
    *OF_MAXIMA,
    *POWERS,
    *SMALL,
    *OF_ITSELF,
    *OF_MEMORY,
    *EVERYWHERE,
    *DISTANCES,
    *KINDS[:LATE],
    *SHARES,
)
OF_RULES = tuple(
    kind
    for kind in dict.fromkeys((*(one for one in ORDER if one not in BRACKETS), *BRACKETS, *KINDS[LATE:], *SCALED))
    if kind not in OF_FACTORS
)  # the likeliest first
OF_THE_LINE_ALONE = (
    "weights never move",
    "state reset",
    "another rule",
    "learning rate changed",
    "no looking ahead",
)  # say less
FEW = 2  # steps that most wrong changes do not survive
LOOSE = 1e-4  # a small eps that is not known may change the steps by this much
CourseToPass = tuple[Any, Course, list[Array]]  # a rule, a course, and the right walks there


def line_of_rule(subject: Subject, *, known: bool) -> Iterator[Diagnosis]:
    """Yield the change of one line of the rule that makes all steps right, on all courses.

    Args:
        known: whether it is known already what is wrong: the line is looked for not so long then.
    """
    places = list(courses_to_pass(subject))
    if not places:
        return
    begun = places[0][0], places[0][1].begun(FEW), [walk[:FEW] for walk in places[0][2]]
    names = [subject.name] if inspect.isfunction(subject.rule) else methods_of(subject.rule)

    def right(source: Source, function: FunctionType) -> bool:
        fitting = range(len(places[0][2]))  # the right walks that fit so far: the formula, its other forms
        for rule, course, walks in (begun, *places):
            moved = changed_walk(source, function, rule, course)
            fitting = [i for i in fitting if apart(moved, walks[i]) < max(subject.tolerance, LOOSE)]  # type: ignore[assignment]
            if not fitting:
                return False
        return passes_whole(subject, lambda rule: rule_changed(source, function, rule))

    def run() -> dict[str, Array]:
        return {"weights": walk_of(copy.deepcopy(places[0][0]), places[0][1])[0]}

    own = own_maximum(subject, names, right)
    if own is not None:
        yield replace(diagnosis_of(own, "weights", "rule"), evidence=STEPS_ARE_RIGHT)
        return
    first = getattr(type(subject.rule), "__init__", None)
    begin = first if inspect.isfunction(first) and not inspect.isfunction(subject.rule) else None
    search = Search(
        run, seconds=RULE_SECONDS[known], runs=0.25, kinds=OF_RULES, first=FIRST
    )  # a wrong step ends a test
    found: list[tuple[bool, int, int, Edit]] = []
    for source, edit in of_one_kind(repairs(subject.rule, names, begin, right, search)):
        unlikely = edit.text.startswith("the difference `1 - ")  # 1 - b is what a rule has
        line = edit.line if edit.kind == SHARES[0][1] else 0  # a factor is missing where a value is made
        if any(f"`self.{rate}`" in edit.text for rate in RATES):  # the learning rate, where the step is made
            line = -line
        found.append((unlikely, complexity(source.tree), line, edit))
    if found:
        edit = min(found, key=lambda one: one[:3])[3]
        yield replace(diagnosis_of(edit, "weights", "rule"), evidence=STEPS_ARE_RIGHT)


def own_maximum(subject: Subject, names: Sequence[str], right: Test) -> Edit | None:
    """Return the line whose maximum belongs in an array of its own, if all is right with that; or None."""
    for source in filter(None, (source_of(subject.rule, name) for name in names)):
        for slot, others in own_maxima(source.tree):
            for edit in tried(slot, "maximum overwrites the mean", others):
                with suppress(*OWN_ERRORS), np.errstate(all="ignore"):
                    if right(source, source.compiled()):
                        return edit
    return None


def courses_to_pass(subject: Subject) -> Iterator[CourseToPass]:
    """Yield where a changed rule has to be right: two courses with arrays of two shapes, one with other settings."""
    other = subject.with_other_settings()
    for who, seed, shapes in ((subject, 0, SHAPES), (subject, 1, OTHER_SHAPES), (other, 2, SHAPES)):
        rule = copy.deepcopy(who.rule)
        with suppress(*OWN_ERRORS):
            s, _ = read_settings(rule, who.given, who.formula)
            course = course_of(rule, s, who.seed + seed, shapes, who.formula).clipped(who.clip)
            more = (*legal_forms(who.formula), *with_schedules(who.formula, s))
            forms = [Walk(FAMILIES[who.formula]), *(form for _, form, _ in more)]
            yield rule, course, [course.walked(form) for form in forms]


def changed_walk(source: Source, function: FunctionType, rule: Any, course: Course) -> Array:
    """Return how far a rule moves the weights with a changed function in the place of a source; NaN if it may not."""
    with rule_changed(source, function, copy.deepcopy(rule)) as changed:
        moved, found = walk_of(changed, course)
    return moved if found.passed else np.full_like(moved, np.nan)


@contextmanager
def rule_changed(source: Source, function: FunctionType, rule: Any) -> Iterator[Any]:
    """Within this context a rule has a changed function in the place of a source; get the rule."""
    if inspect.isfunction(source.owner):
        yield function
    else:
        with replace(source, owner=source.owner and rule).replaced(function):
            yield rule


def methods_of(rule: Any) -> Sequence[str]:
    """Return the names of the methods that make a step."""
    return [name for name in ("change", "update_params", *UPDATES) if callable(getattr(rule, name, None))]
