"""Learning rules, checked against their formulas.

    report = check_rule(Adam(learning_rate=1e-3))
    print(report)                  # the error after each step, and what is likely wrong
    report.raise_if_failed()

The rule gets a few parameters and a few steps of random gradients; the learning rate is halved on the way, as by a
schedule. The same numbers go through the formula (`formulas`). If the two part, all known faults are tried in the same
way: each is a formula, too, and the one that leads to the same weights is the diagnosis. Rules of other protocols work
as well, see `protocols`.
"""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.diagnoses.exceptions import SHAPE_WORDS, place_of
from mlp.diagnostics.gradients.report import Findings, GradientReport, GradientRow, fault
from mlp.diagnostics.gradients.styles.slots import open_kind, without_slots
from mlp.diagnostics.rules.clips import RIGHT_CLIPS, kinds_of, wrong_clips
from mlp.diagnostics.rules.courses import ARRAYS, SHAPES, Trail, apart
from mlp.diagnostics.rules.explanations import explained, smallest
from mlp.diagnostics.rules.formulas.by_name import FAMILIES
from mlp.diagnostics.rules.formulas.variants import legal_forms
from mlp.diagnostics.rules.formulas.walks import Walk
from mlp.diagnostics.rules.holders.inner import with_inner
from mlp.diagnostics.rules.made_with import made_alone, made_with_parameters, takes_parameters, with_own_parameters
from mlp.diagnostics.rules.passing import DIVIDES, UNKNOWN_EPS, right_steps, step_rows, with_own_eps, zero_gradients
from mlp.diagnostics.rules.repairs.lines import NOT_COPIED, OF_THE_LINE_ALONE, line_of_rule
from mlp.diagnostics.rules.settings import (
    OTHER_NAMES,
    UNKNOWN,
    given_as_meant,
    name_of_formula,
    name_of_setting,
    read_settings,
)
from mlp.diagnostics.rules.states import averages, told_state
from mlp.diagnostics.rules.subject import Subject
from mlp.diagnostics.rules.unknown import formulas_meant, of_no_formula
from mlp.errors import ConfigurationError
from mlp.learning_rules import LearningRule
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

UNKNOWN_FAULT = "unknown"
VAGUE = ("factor", "another factor in each step", "another rule", "not finite")  # diagnoses that say less than a line


def check_rule(
    rule: Any, formula: str | None = None, seed: int = 0, tolerance: float = 1e-9, **settings: float
) -> GradientReport:
    """Check several steps of a learning rule against its formula.

    Args:
        rule: a learning rule, of `mlp` or of another protocol, or a class that needs no arguments; it is copied.
        formula: one of `by_name.FAMILIES`; None to tell by the name of its class.
        seed: of weights and gradients.
        tolerance: the largest error of the weights' movement that passes.
        settings: momentum, beta1, beta2, decay, eps, weight_decay, where the rule has no attribute of that name.

    Returns:
        A `GradientReport` with a row for each step.

    Raises:
        ConfigurationError: the formula is not known, or the rule has no known protocol.
    """
    rule = open_kind(rule) if isinstance(rule, type) else rule
    if takes_parameters(rule):
        rule = made_with_parameters(rule)
    rule = with_inner(
        made_alone(rule) if isinstance(rule, type) else without_slots(copy.deepcopy(with_own_parameters(rule)))
    )
    settings = given_as_meant(rule, formula, settings)
    formula = name_of_formula(rule) if formula is None else OTHER_NAMES.get(formula, formula)
    if formula not in (*FAMILIES, UNKNOWN):
        raise ConfigurationError(f"formula must be one of {', '.join(FAMILIES)}, got {formula!r}")
    found = Findings()
    for clip in ("clip_norm", "clip_value") if isinstance(rule, LearningRule) else ():
        if getattr(rule, clip, None) is not None:
            setattr(rule, clip, None)
            found += Findings(remarks=(f"checked without {clip}: the formula is that of the rule alone.",))
    _, exact = read_settings(copy.deepcopy(rule), settings)
    if formula == UNKNOWN or (not exact and formula in DIVIDES):
        tolerance = max(tolerance, UNKNOWN_EPS)
    subject = Subject(rule, formula, seed, settings, tolerance)
    try:
        against, more = of_no_formula(subject) if formula == UNKNOWN else of_one_formula(subject)
        found += more + (averages(subject) if more.passed else Findings())
    except ConfigurationError:
        raise
    except OWN_ERRORS as error:
        against = "" if formula == UNKNOWN else formula
        found += raised(error, subject)
    return GradientReport(
        f"{subject.name} against {against}" if against else f"{subject.name} without a formula",
        tolerance,
        kind="Rule check",
        rows=list(found.rows),
        diagnoses=list(found.diagnoses),
        remarks=list(found.remarks),
        cause=found.cause,
    )


def of_one_formula(subject: Subject) -> tuple[str, Findings]:
    """Return the first formula that a rule may mean and that tells what is wrong, and what was found; or the last."""
    for one in formulas_meant(subject):
        against, found = of_formula(one)
        if found.passed or found.diagnoses[0].name != UNKNOWN_FAULT:
            break
    return against, found


def of_formula(subject: Subject) -> tuple[str, Findings]:
    """Return the formula of a rule, and its steps compared with those of the formula."""
    trail, found = subject.trail(subject.seed)
    found += clipped_steps(trail, subject) if trail.course.settings.get("clip") else steps_of(trail, subject)
    other = subject.made_anew() if found.passed and not trail.course.settings.get("clip") else None
    if other is not None:
        more = steps_of(other.trail(subject.seed)[0], other)
        found = found if more.passed else more
    if found.passed and subject.formula in DIVIDES:
        found += zero_gradients(subject)
    return subject.formula, found


def steps_of(trail: Trail, subject: Subject) -> Findings:
    """Return a row for each step, compared with the formula or a legal form of it, and what is wrong if none fits."""
    return right_steps(trail, subject) or wrong_steps(trail, subject)


def clipped_steps(trail: Trail, subject: Subject) -> Findings:
    """Return the rows of a rule that clips its gradients: in a right way, in a wrong one, or wrong elsewhere."""
    words = f"{subject.name} {name_of_setting(subject.rule, 'clip')}"
    documentation = getattr(subject.rule, "its_kind", subject.rule).__doc__ or ""
    kinds, tolerance = kinds_of(words, documentation), max(subject.tolerance, UNKNOWN_EPS)
    choices = [replace(subject, clip=RIGHT_CLIPS[kind], tolerance=tolerance) for kind in kinds]
    for chosen in choices:
        found = right_steps(Trail(trail.course.clipped(chosen.clip), trail.moved), chosen)
        if found is not None and chosen.clip is not None:
            return found + Findings(remarks=(f"{chosen.clip.sentence}.",))
    both, plain = subject.trails(trail), Walk(FAMILIES[subject.formula])
    for wrong in wrong_clips(kinds):
        for walk in (plain, *(walk for _, walk, _ in legal_forms(subject.formula))):
            if all(apart(one.moved, one.course.clipped(wrong).walked(walk)) < tolerance for one in both):
                rows = step_rows(trail.moved, trail.course.clipped(choices[0].clip).walked(plain), tolerance)
                return Findings(rows, (Diagnosis(wrong.name, "weights", "rule", wrong.sentence),))
    return wrong_steps(Trail(trail.course.clipped(choices[0].clip), trail.moved), choices[0])


def wrong_steps(trail: Trail, subject: Subject) -> Findings:
    """Return the rows of wrong steps and their diagnoses."""
    right = trail.course.walked(Walk(FAMILIES[subject.formula]))
    rows = step_rows(trail.moved, right, subject.tolerance)
    found = faults_with_line(trail, with_own_eps(trail, subject), subject)
    return Findings(rows, tuple(found or [unknown(rows, trail.moved, right, subject)]))


def faults_with_line(trail: Trail, own: Trail | None, subject: Subject) -> list[Diagnosis]:
    """Return the faults that lead to the same steps, with the line of the rule that is wrong; own has its own eps."""
    both = subject.trails(trail)
    found = explained(both, subject.formula, subject.tolerance)
    known = bool(found) and found[0].name not in VAGUE
    lines = list(line_of_rule(subject, known=known))
    if lines and lines[0].name == NOT_COPIED:  # other names for it are traces
        return lines
    if lines and known and found[0].name in OF_THE_LINE_ALONE:
        return [replace(found[0], sentence=lines[0].sentence, evidence=lines[0].evidence)]
    if lines and known:
        first = replace(found[0], sentence=f"{lines[0].sentence}; {found[0].sentence}", evidence=lines[0].evidence)
        return [first]
    if lines or found:
        return lines or found
    return [] if own is None else explained(subject.trails(own, own_eps=True), subject.formula, UNKNOWN_EPS)


def unknown(rows: Sequence[GradientRow], moved: Array, right: Array, subject: Subject) -> Diagnosis:
    """Return the diagnosis that is left: which step is the first to go wrong, its worst weight, the smallest arrays."""
    t = next(i for i, row in enumerate(rows) if not row.passed)
    text = "no known fault leads to these weights: look at what is remembered, and when it is brought up to date"
    if t == 0:
        text = "the first step is wrong already, where nothing is remembered yet: look at the formula itself"
    worst = int(np.nan_to_num(np.abs(moved[t] - right[t]), nan=np.inf).argmax())
    numbers = f"weight {worst} moved by {moved[t][worst]:.5g}, and by {right[t][worst]:.5g} in the formula"
    evidence = "; ".join(filter(None, (numbers, smallest(subject.somewhere, subject.formula))))
    return Diagnosis(UNKNOWN_FAULT, f"weights from step {t + 1} on", "rule", told_state(subject) or text, evidence)


def raised(error: BaseException, subject: Subject) -> Findings:
    """Return the findings of a rule that raised an exception: does it walk with one array of weights alone?"""
    note = f"the rule raised {type(error).__name__}: {error}"
    name, text = "exception", note
    alone = subject.somewhere(SHAPES[:1])
    if alone is not None and any(word in str(error) for word in SHAPE_WORDS):
        name = "one memory for all arrays"
        text = (
            f"with one array of weights it runs, with two ({ARRAYS[0]} and {ARRAYS[1]}, of other shapes) it fails: "
            f"what it remembers is the same for all arrays, and each needs its own ({type(error).__name__}: {error})"
        )
    return fault(Diagnosis(name, "weights", "rule", text, place_of(error)), (), note, error)
