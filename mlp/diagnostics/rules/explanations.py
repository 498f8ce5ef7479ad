"""What is likely wrong with a rule: which known fault leads to the same weights?

Tried in this order: single faults, also around another form of the formula; another rule; a decay that is inside; a
learning rate that is changed from step to step; the arrays one by one. Each must fit on all courses that the rule has
walked.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.rules.courses import ARRAYS, Trail
from mlp.diagnostics.rules.faults import OF_GATHERED, OF_SLOW, Fault, faults_of
from mlp.diagnostics.rules.formulas.by_name import FAMILIES
from mlp.diagnostics.rules.formulas.schedules import wrong_schedules
from mlp.diagnostics.rules.formulas.variants import legal_forms, literals_of
from mlp.diagnostics.rules.formulas.walks import Settings, Walk
from mlp.diagnostics.rules.multiples import changed_rate
from mlp.typing import Array

Trails = Sequence[Trail]
DIFFERENCES = {
    ("adagrad", "rmsprop"): ": the squares decay, and AdaGrad only adds them up",
    ("rmsprop", "adagrad"): ": the squares are only added up; RMSProp takes their running mean",
    ("nadam", "adam"): ": the look ahead is missing",
    ("adam", "nadam"): ": Adam does not look ahead",
    ("adam", "rmsprop"): ": the mean of the gradients and the bias correction are missing",
    ("adam", "amsgrad"): ": it keeps the largest mean of the squares",
    ("nesterov", "momentum"): ": the look ahead is missing",
    ("momentum", "nesterov"): ": plain momentum does not look ahead",
    ("momentum", "gradient_descent"): ": the velocity is computed and not used, or not carried over",
    ("nesterov", "gradient_descent"): ": the velocity is computed and not used, or not carried over",
}  # (the right rule, the one it is): what makes the difference


def explained(trails: Trails, formula: str, tolerance: float) -> list[Diagnosis]:
    """Return the faults that lead to the same weights on all courses, most likely first."""
    if not trails[0].moved.any():
        text = (
            "the weights never move: if w = w - h g makes a new array for a local name, the weights stay as they are; "
            "change them in place, w -= h g, or return the new ones. If they are changed in place, the step is 0"
        )
        return [Diagnosis("weights never move", "weights", "rule", text)]
    s = trails[0].course.settings
    single = list(matches(trails, formula, tolerance, chain(faults_around(s), faults_of(formula))))
    if single:
        return single[:1]
    for look in (in_another_form, another_rule, hidden_decay, with_literals):
        found = next(look(trails, formula, tolerance), None)
        if found is not None:
            return [found]
    several = list(changed_rate(trails, formula)) or list(by_array(trails, formula, tolerance))
    return several or list(not_finite(trails))


def matches(trails: Trails, formula: str, tolerance: float, faults: Iterator[Fault]) -> Iterator[Diagnosis]:
    """Yield the faults that lead to the same weights, and not to those of the formula."""
    plain = Walk(FAMILIES[formula])
    right = [trail.course.walked(plain) for trail in trails]
    for one in faults:
        walk = one.of(plain)
        error = trails[0].apart(walk)
        if not error < tolerance:
            continue
        differs = Trail(trails[0].course, right[0]).apart(walk) > 10.0 * tolerance
        if differs and all(trail.apart(walk) < tolerance for trail in trails[1:]):
            evidence = f"error {trails[0].apart(plain):.1e} against the formula, {error:.0e} against this one"
            yield Diagnosis(one.name, "weights", "rule", one.said(trails[0].course.settings), evidence)


def in_another_form(trails: Trails, formula: str, tolerance: float) -> Iterator[Diagnosis]:
    """Yield the same faults around a form of the formula that is right, too."""
    for text, form, changed in legal_forms(formula):
        for one in chain(faults_around(trails[0].course.settings), faults_of(formula, form.formula)):
            if all(trail.apart(one.of(form), **changed) < tolerance for trail in trails):
                yield Diagnosis(
                    one.name,
                    "weights",
                    "rule",
                    one.said(trails[0].course.settings),
                    f"in the form in which {text.rstrip('.')}",
                )


def faults_around(s: Settings) -> list[Fault]:
    """Return the faults of what a rule does around its formula, with its settings."""
    gathered = OF_GATHERED if s.get("accumulation", 1.0) > 1.0 else ()
    schedules = [Fault(name, text, {"schedule": one}) for name, text, one in wrong_schedules(s)]
    return [*gathered, *(OF_SLOW if s.get("slow_every") else ()), *schedules]


def another_rule(trails: Trails, formula: str, tolerance: float) -> Iterator[Diagnosis]:
    """Yield the rule whose steps these are."""
    for name, other in FAMILIES.items():
        if name == formula:
            continue
        for chosen in ({}, *literals_of(name)):
            if all(trail.apart(Walk(other), **chosen) < tolerance for trail in trails):
                numbers = ", ".join(f"{key} = {value:g}" for key, value in chosen.items())
                what = DIFFERENCES.get((formula, name), "")
                text = f"these are the steps of {name}{numbers and f' with {numbers}'}, not of {formula}{what}"
                yield Diagnosis("another rule", "weights", "rule", text)


def with_literals(trails: Trails, formula: str, tolerance: float) -> Iterator[Diagnosis]:
    """Yield the single faults of a rule that has usual numbers written into it where its settings belong."""
    plain = Walk(FAMILIES[formula])
    for chosen in literals_of(formula):
        for one in faults_of(formula):
            if all(trail.apart(one.of(plain), **chosen) < tolerance for trail in trails):
                numbers = ", ".join(f"{name} = {value:g}" for name, value in chosen.items())
                yield Diagnosis(one.name, "weights", "rule", one.said(trails[0].course.settings), f"with {numbers}")


def hidden_decay(trails: Trails, formula: str, tolerance: float) -> Iterator[Diagnosis]:
    """Yield a decay of the weights that no setting speaks of: its rate is read off the first step."""
    plain, course = Walk(FAMILIES[formula]), trails[0].course
    if course.settings["weight_decay"] or course.settings["decoupled_weight_decay"]:
        return
    h, w = course.rates[0], course.origin
    extra = trails[0].moved[0] - course.walked(plain)[0]
    penalties: tuple[tuple[str, str, Array], ...] = (
        ("coupled", "weight_decay", w),
        ("decoupled", "decoupled_weight_decay", w),
    )
    for name, key, of in penalties:
        rate = -float((extra * of).sum()) / (h * float((of * of).sum()))
        if abs(rate) > 1e-9 and all(trail.apart(plain, **{key: rate}) < tolerance for trail in trails):
            text = (
                f"a weight decay of {rate:.4g} is inside ({name}: a penalty on the weights), which no setting speaks of"
            )
            yield Diagnosis("hidden weight decay", "weights", "rule", text)


def by_array(trails: Trails, formula: str, tolerance: float) -> Iterator[Diagnosis]:
    """Yield what is wrong with one array alone, or with each array by itself."""
    count = len(trails[0].course.start)
    if count < 2:
        return
    parts = [[trail.of_array(i) for trail in trails] for i in range(count)]
    plain = Walk(FAMILIES[formula])
    wrong = [i for i in range(count) if not parts[i][0].apart(plain) < tolerance]
    found = {i: explained(parts[i], formula, tolerance) for i in wrong}
    if len(wrong) < count:
        for i in wrong:
            which = "first" if i == 0 else "last"
            if not parts[i][0].moved.any():
                text = (
                    f"only the {which} array of weights never moves, the others do: does the loop end too early (a "
                    "return inside it), or start too late?"
                )
                yield Diagnosis("one array never moves", ARRAYS[i], "rule", text)
            for one in found[i]:
                text = f"only the {which} array of weights is wrong: {one.sentence}"
                yield replace(one, array=ARRAYS[i], sentence=text)
        return
    names = [{one.name for one in some} for some in found.values()]
    for one in found[0]:
        if all(one.name in some for some in names):
            yield one


def not_finite(trails: Trails) -> Iterator[Diagnosis]:
    """Yield that the weights become NaN, and when."""
    there = np.isfinite(trails[0].moved).all(axis=1)
    if not there.all():
        t = int(np.argmin(there)) + 1
        text = (
            f"weights become NaN or infinite in step {t}: a root of negative numbers (of a mean that is not one of "
            "squares?), or a division by zero"
        )
        yield Diagnosis("not finite", "weights", "rule", text)


def smallest(fails: Callable[[tuple[tuple[int, ...], ...]], Trail | None], formula: str) -> str:
    """Return the two smallest arrays on which a rule is wrong, with the numbers of the first, as text.

    Args:
        fails: function shapes -> the trail of the rule there, or None if it cannot walk there.
    """
    failing: list[str] = []
    numbers = ""
    for shapes in (((1, 1), (1,)), ((1, 2), (1,)), ((2, 2), (2,)), ((2, 3), (2,))):
        trail = fails(shapes)
        if trail is None or len(failing) == 2:
            continue
        right = trail.course.walked(Walk(FAMILIES[formula]))
        wrong = ~np.isclose(trail.moved, right, rtol=1e-4, atol=1e-12).all(axis=1)
        if not wrong.any():
            continue
        t = int(np.argmax(wrong))
        if not failing:
            i = int(np.argmax(~np.isclose(trail.moved[t], right[t], rtol=1e-4, atol=1e-12)))
            given = [float(np.concatenate([g.ravel() for g in step])[i]) for step in trail.course.gradients[: t + 1]]
            listed = ", ".join(f"{g:.4g}" for g in given)
            numbers = (
                f"by hand: a weight of {trail.course.origin[i]:.4g} with the gradients {listed} and the learning rate "
                f"{trail.course.rates[t]:.4g} has moved by {trail.moved[t, i]:.5g} after step {t + 1}, and by "
                f"{right[t, i]:.5g} in the formula"
            )
        failing.append(f"{' and '.join(map(str, shapes))} from step {t + 1} on")
    return f"still wrong for arrays of shapes {'; '.join(failing)}; {numbers}" if failing else ""
