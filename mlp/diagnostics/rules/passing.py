"""The steps of a right rule: those of its formula, or of a legal form of it, also with other settings."""

import copy
import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.report import Findings, GradientRow, compared, fault
from mlp.diagnostics.rules.courses import Course, Trail, course_of, walk_of
from mlp.diagnostics.rules.formulas.by_name import FAMILIES
from mlp.diagnostics.rules.formulas.variants import centralized, legal_forms, literal_settings, with_schedules
from mlp.diagnostics.rules.formulas.walks import Walk
from mlp.diagnostics.rules.multiples import own_shares
from mlp.diagnostics.rules.settings import EPS, read_settings
from mlp.diagnostics.rules.subject import Subject
from mlp.typing import Array

UNKNOWN_EPS = 1e-4  # how much a small eps that is no attribute of the rule may change the steps
Changed = Callable[[Any], AbstractContextManager[Any]]
DIVIDES = ("adam", "rmsprop", "adagrad", "nadam", "adadelta", "adamax", "amsgrad")


def right_steps(trail: Trail, subject: Subject) -> Findings | None:
    """Return a row for each step of the formula or a legal form of it, or of its own eps; None if none fits."""
    formula, tolerance, moved = subject.formula, subject.tolerance, trail.moved
    right = trail.course.walked(Walk(FAMILIES[formula]))
    if distance(moved, right) < tolerance:
        return Findings(step_rows(moved, right, tolerance))
    for text, walk, changed in (
        *legal_forms(formula),
        *with_schedules(formula, trail.course.settings),
        *centralized(formula),
        *literal_settings(
            formula, moved, trail.course.gradients, trail.course.settings, with_rate=inspect.isfunction(subject.rule)
        ),
    ):
        legal = trail.course.walked(walk, **changed)
        if distance(moved, legal) < max(tolerance, UNKNOWN_EPS if changed else 0.0):
            return Findings(step_rows(moved, legal, max(tolerance, UNKNOWN_EPS)), remarks=(text,))
    shares = own_shares(subject.rule, subject.trails(trail), formula)
    if shares is not None:
        return Findings(step_rows(moved, shares[1], UNKNOWN_EPS), remarks=(shares[0],))
    return eps_inside(trail, subject)


def passes_whole(subject: Subject, changed: Changed = nullcontext) -> bool:
    """Return whether a rule passes the whole check: its steps, those with other settings, gradients of zero.

    Args:
        changed: function rule -> a context in which a changed rule takes its place.
    """
    for who in filter(None, (subject, subject.made_anew())):
        with changed(copy.deepcopy(who.rule)) as rule:
            mine = replace(who, rule=rule)
            trail, found = mine.trail(mine.seed)
            if not found.passed or right_steps(trail, mine) is None:
                return False
            if who is subject and mine.formula in DIVIDES and not zero_gradients(mine).passed:
                return False
    return True


def with_own_eps(trail: Trail, subject: Subject) -> Trail | None:
    """Return the trail of a rule with its own eps, if that of `trail` was made large; or None."""
    large = trail.course.settings["eps"] == EPS and subject.formula in DIVIDES
    return subject.trail(subject.seed, own_eps=True)[0] if large else None


def eps_inside(trail: Trail, subject: Subject) -> Findings | None:
    """Return a row for each step of a rule whose eps is a number inside it, whatever its attribute is; or None."""
    own = with_own_eps(trail, subject)
    if own is None or distance(trail.moved, own.moved) > UNKNOWN_EPS:
        return None
    its = own.course.walked(Walk(FAMILIES[subject.formula]))
    if not distance(own.moved, its) < UNKNOWN_EPS:
        return None
    remark = "eps stands in it as a number: the attribute of that name is not used."
    return Findings(step_rows(own.moved, its, UNKNOWN_EPS), remarks=(remark,))


def step_rows(moved: Array, right: Array, tolerance: float) -> tuple[GradientRow, ...]:
    """Return a row for each step."""
    rows = (compared(("rule", f"step {t + 1}"), moved[t], right[t], (0.0, tolerance)) for t in range(len(moved)))
    return tuple(replace(row, note=row.note.replace("the gradient", "the movement")) for row in rows)


def zero_gradients(subject: Subject) -> Findings:
    """Return a fault if weights that never get a gradient become NaN: 0 / 0, where eps is missing in the divisor."""
    rule = copy.deepcopy(subject.rule)
    s, _ = read_settings(rule, {}, subject.formula, keep_eps=True)
    course = course_of(rule, s, subject.seed)
    zeros = [[0.0 * g for g in step] for step in course.gradients]
    moved, _ = walk_of(rule, Course(course.start, zeros, course.rates, s, course.decays, subject.clip))
    if np.isfinite(moved).all():
        return Findings()
    text = (
        "weights whose gradient is zero become NaN: 0 / sqrt(0); eps is missing in the divisor, sqrt(v) + eps, which "
        "keeps it from being zero"
    )
    return fault(Diagnosis("eps missing", "weights", "rule", text), (), "NaN where the gradient is zero")
