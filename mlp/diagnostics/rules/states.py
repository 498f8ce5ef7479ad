"""What a rule remembers, beside what its formula remembers: which of its memories is wrong, from which step on.

The attributes of a rule that hold an array for each array of weights (a list, a dictionary) are looked at after each
step. One that equals a memory of the formula in all steps is right, whatever its name is. What is left of both is
compared by the order in which they were made.
"""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.report import Findings, fault
from mlp.diagnostics.rules.courses import SHAPES, Course, course_of, walk_of
from mlp.diagnostics.rules.formulas.averages import RIGHT_AVERAGES, WRONG_AVERAGES, AverageForm
from mlp.diagnostics.rules.formulas.by_name import FAMILIES
from mlp.diagnostics.rules.formulas.walks import Walk
from mlp.diagnostics.rules.function_steps import RATES
from mlp.diagnostics.rules.settings import read_settings
from mlp.diagnostics.rules.subject import Subject
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

SAME = 1e-6
AVERAGES = re.compile("ema|avg|average|shadow|swa|polyak")  # in names of averages of the weights
PARTS = 8  # positions in a tuple or names in a dictionary that one array of weights may have


def averages(subject: Subject) -> Findings:
    """Return a fault for each average of the weights that is kept in a wrong way."""
    rule, found = copy.deepcopy(subject.rule), Findings()
    s, _ = read_settings(rule, subject.given, subject.formula)
    for name, text in wrong_averages(rule, course_of(rule, s, subject.seed, SHAPES, subject.formula)):
        found += fault(Diagnosis(name, "weights", "rule", text), (), name)
    return found


def told_state(subject: Subject) -> str:
    """Return which memory of a rule is wrong, compared with those of its formula; or ""."""
    rule = copy.deepcopy(subject.rule)
    s, _ = read_settings(rule, subject.given, subject.formula)
    course = course_of(rule, s, subject.seed, SHAPES, subject.formula).clipped(subject.clip)
    return wrong_state(rule, course, Walk(FAMILIES[subject.formula]))


@np.errstate(all="ignore")
def wrong_state(rule: Any, course: Course, walk: Walk) -> str:
    """Return in words which memory of a rule is wrong and from which step on, or that all are right; or ""."""
    shapes = [w.shape for w in course.start]
    try:
        kept = by_steps(states_after(rule, course, t + 1, shapes) for t in range(len(course.rates)))
    except OWN_ERRORS:
        return ""
    theirs = by_steps(course.remembered(walk))
    if not kept or not theirs:
        return ""
    pairs = {mine: name for mine, a in kept.items() for name, b in theirs.items() if always_nearly(a, b)}
    right = " and ".join(f"`{mine}`" for mine in pairs)
    left = [mine for mine in kept if mine not in pairs]
    missing = [name for name in theirs if name not in pairs.values()]
    if not missing:
        return f"what it remembers, {right}, is right in all steps: the step that is made with it is wrong"
    if not left or len(left) != len(missing):
        return ""
    mine, other = kept[left[0]], theirs[missing[0]]
    t = next(t for t, (a, b) in enumerate(zip(mine, other, strict=True)) if not nearly(a, b))
    i = int(np.nan_to_num(np.abs(mine[t] - other[t]), nan=np.inf).argmax())
    also = f"; {right} is right in all steps" if right else ""
    return (
        f"what it remembers in `{left[0]}` is wrong from step {t + 1} on: for weight {i} it holds {mine[t][i]:.5g}, "
        f"and {other[t][i]:.5g} in the formula{also}"
    )


def by_steps(states: Iterable[dict[str, Array]]) -> dict[str, list[Array]]:
    """Return the values of each state after each step; without those that are missing after one of them."""
    seen = list(states)
    names = [name for name in seen[-1] if all(name in one for one in seen)]
    return {name: [one[name] for one in seen] for name in names}


def always_nearly(a: Sequence[Array], b: Sequence[Array]) -> bool:
    return all(nearly(one, other) for one, other in zip(a, b, strict=True))


def nearly(a: Array, b: Array) -> bool:
    return bool(np.allclose(a, b, rtol=SAME, atol=SAME * float(np.abs(b).max()), equal_nan=True))


def states_after(rule: Any, course: Course, steps: int, shapes: Sequence[tuple[int, ...]]) -> dict[str, Array]:
    """Return what a fresh copy of a rule remembers after some steps, in one row for each of its memories."""
    twin = copy.deepcopy(rule)
    walk_of(twin, course.begun(steps))
    found: dict[str, Array] = {}
    for name, value in getattr(twin, "__dict__", {}).items():
        items = list(value.values()) if isinstance(value, Mapping) else value
        if not isinstance(items, list | tuple) or len(items) != len(shapes):
            continue
        for part, arrays in states_in(f"self.{name}", items):
            if [np.shape(array) for array in arrays] == list(shapes):
                found[part] = np.concatenate([np.ravel(array) for array in arrays]).astype(float)
    return found


def states_in(name: str, items: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield a state, or the states that stand together for each array of weights: (m, v), {"m": m, "v": v}."""
    first = items[0]
    if isinstance(first, tuple | list):
        keys: list[Any] = list(range(min(len(first), PARTS)))
    elif isinstance(first, Mapping):
        keys = list(first)[:PARTS]
    else:
        yield name, list(items)
        return
    for key in keys:
        try:
            yield f"{name}[...][{key!r}]", [one[key] for one in items]
        except (KeyError, IndexError, TypeError):
            continue


def wrong_averages(rule: Any, course: Course) -> Iterator[tuple[str, str]]:
    """Yield (name, sentence) for each average of the weights that a rule keeps in a wrong way."""
    shapes = [w.shape for w in course.start]
    try:
        kept = by_steps(states_after(rule, course, t + 1, shapes) for t in range(len(course.rates)))
        weights = [course.origin, *(course.origin + walk_of(copy.deepcopy(rule), course)[0])]
    except OWN_ERRORS:
        return
    numbers = {name: v for name, v in getattr(rule, "__dict__", {}).items() if isinstance(v, float) and 0.0 < v < 1.0}
    shares = [v for name, v in numbers.items() if name not in RATES] or [0.5]
    for mine, series in kept.items():
        if not AVERAGES.search(mine.lower()) or any(is_form(form, series, weights, shares) for form in RIGHT_AVERAGES):
            continue
        for name, text, forms in WRONG_AVERAGES:
            if any(is_form(form, series, weights, shares) for form in forms):
                yield name, f"the average of the weights in `{mine}` {text}"
                break


def is_form(form: AverageForm, series: Sequence[Array], weights: Sequence[Array], shares: Sequence[float]) -> bool:
    """Return whether an average has a form, with one of the shares."""
    return any(always_nearly(series, list(form(weights, share))) for share in shares)
