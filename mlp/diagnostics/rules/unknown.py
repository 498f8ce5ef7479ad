"""A rule whose formula is not known: which known rule is it, or what must hold for any rule?

If its steps are those of a known rule, that is said. Else a few things are checked that nearly all rules keep: the
first step goes against the gradient, a smaller learning rate makes smaller steps, each array is changed by its own
gradient, and weights without a gradient stay.
"""

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.report import Findings, GradientRow
from mlp.diagnostics.rules.courses import Course, Trail, course_of, walk_of
from mlp.diagnostics.rules.formulas.by_name import FAMILIES, settings_of_means
from mlp.diagnostics.rules.formulas.variants import legal_forms
from mlp.diagnostics.rules.formulas.walks import Walk
from mlp.diagnostics.rules.passing import passes_whole
from mlp.diagnostics.rules.settings import attribute_of, read_settings
from mlp.diagnostics.rules.subject import Subject
from mlp.typing import Array

CLOSE = 1e-4  # a small eps that is not known may change the steps by this much
RICHER = {"rmsprop": "rmsprop_centered", "adam": "amsgrad"}
Property = tuple[str, str, bool]  # what is checked, what is wrong if it does not hold, whether it holds


def of_no_formula(subject: Subject) -> tuple[str, Findings]:
    """Return the known rule whose steps these are, or "", and what was found: of its steps, or of any rule's."""
    trail = walked(subject)
    known = same_steps(trail, subject)
    if known:
        row = GradientRow("rule", f"steps of {known}", (), 0.0, passed=True)
        remark = f"its name speaks of no rule that is known here; its steps are those of {known}."
        return known, Findings((row,), remarks=(remark,))
    rows, diagnoses = [], []
    for what, wrong, holds in properties(subject, trail):
        rows.append(GradientRow("rule", what, (), 0.0 if holds else float("inf"), holds, "" if holds else wrong))
        diagnoses += [] if holds else [Diagnosis("no rule", "weights", "rule", wrong)]
    remark = (
        "its formula is not known here, and its steps are those of no known rule: only what holds for any rule was "
        "checked. If it is one of them, say which: check_rule(rule, formula=...), one of " + ", ".join(FAMILIES) + "."
    )
    return "", Findings(tuple(rows), tuple(diagnoses), (remark,))


def formulas_meant(subject: Subject) -> list[Subject]:
    """Return a rule with the formulas that it may mean.

    The only share of RMSProp may be a momentum, or its decay. A rule may be a richer one than its name says: these have
    a memory more, which nobody keeps by mistake.
    """
    richer = RICHER.get(subject.formula)
    if richer is not None:
        more = replace(subject, formula=richer)
        return [more] if not passes_whole(subject) and passes_whole(more) else [subject]
    if subject.formula != "rmsprop_momentum" or attribute_of(subject.rule, "decay", subject.formula) is not None:
        return [subject]
    both = [subject, replace(subject, formula="rmsprop")]
    return [one for one in both if passes_whole(one)] or both


def walked(subject: Subject, change: Any = None) -> Trail:
    """Return the trail of a copy of a rule, on a course that `change` may have changed."""
    twin = copy.deepcopy(subject.rule)
    s, _ = read_settings(twin, subject.given, keep_eps=True)
    course = course_of(twin, s, subject.seed)
    course = course if change is None else change(course)
    return Trail(course, walk_of(twin, course)[0])


def same_steps(trail: Trail, subject: Subject) -> str:
    """Return the known rule that makes these steps, or ""; its settings are what it makes of their names."""
    for name, family in FAMILIES.items():
        s, _ = read_settings(copy.deepcopy(subject.rule), subject.given, name, keep_eps=True)
        means = {setting: s[setting] for setting in settings_of_means(name)}
        for walk in (Walk(family), *(form for _, form, _ in legal_forms(name))):
            if trail.apart(walk, **means) < CLOSE:
                return name
    return ""


def with_gradients(course: Course, change: Any) -> Course:
    """Return a course with each step's gradients changed."""
    steps = [change(step) for step in course.gradients]
    return Course(course.start, steps, course.rates, course.settings, course.decays)


def properties(subject: Subject, trail: Trail) -> Iterator[Property]:
    """Yield what is checked of any rule."""
    first = trail.moved[0]
    g = np.concatenate([array.ravel() for array in trail.course.gradients[0]])
    moves = "the weights never move: change them in place, w -= h g, or return the new ones"
    yield "the weights move", moves, bool(trail.moved.any())
    yield "they stay finite", "weights become NaN or infinite", bool(np.isfinite(trail.moved).all())
    climbs = "the first step goes up: it must go against the gradient"
    yield "the first step goes down", climbs, not float((first * g).sum()) > 0.0
    size = trail.course.start[0].size

    def only_first(step: list[Array]) -> list[Array]:
        return [step[0], *(0.0 * array for array in step[1:])]

    alone = walked(subject, lambda course: with_gradients(course, only_first))
    mixed = "the first array of weights is changed by the gradients of another array: each needs its own state"
    same = np.allclose(alone.moved[:, :size], trail.moved[:, :size], rtol=1e-6, equal_nan=True)
    yield "each array has its own state", mixed, bool(same or trail.course.settings.get("clip"))
