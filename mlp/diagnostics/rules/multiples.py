"""Steps that are multiples of the right ones: by one number, or by another number in each step.

The gradients of a check are given, so a wrong learning rate changes nothing but the length of the steps. Its factors
c_1, c_2, ... are compared with the usual ones: powers of the rate h_t, of the count t, of the settings, a rate that
decays by itself.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.rules.courses import Course, Trail
from mlp.diagnostics.rules.formulas.by_name import FAMILIES
from mlp.diagnostics.rules.formulas.own_schedules import says_schedule
from mlp.diagnostics.rules.formulas.variants import legal_forms
from mlp.diagnostics.rules.formulas.walks import Walk
from mlp.typing import Array

CLOSE = 1e-6


def changed_rate(trails: Sequence[Trail], formula: str) -> Iterator[Diagnosis]:
    """Yield by which numbers all steps are multiplied."""
    for walk in (Walk(FAMILIES[formula]), *(form for _, form, _ in legal_forms(formula))):
        names = []
        for trail in trails:
            factors = factors_of(trail, walk)
            names.append(None if factors is None else told_factors(factors, trail.course))
        first = names[0]
        if first is not None and all(name is not None and name[0] == first[0] for name in names):
            yield Diagnosis(first[0], "weights", "rule", first[1])
            return


def factors_of(trail: Trail, walk: Walk) -> Array | None:
    """Return c with step t = c_t times that of the formula, (steps,); None if it is none."""
    mine, right = (np.diff(moved, axis=0, prepend=0.0) for moved in (trail.moved, trail.course.walked(walk)))
    squares = (right * right).sum(axis=1)
    if not np.isfinite(mine).all() or not squares.all():
        return None
    factors = (mine * right).sum(axis=1) / squares
    close = all(distance(c * b, a) < CLOSE for c, a, b in zip(factors, mine, right, strict=True) if a.any() or c)
    return factors if close and np.ptp(factors) + abs(factors[0] - 1.0) > CLOSE else None


def own_shares(rule: Any, trails: Sequence[Trail], formula: str) -> tuple[str, Array] | None:
    """Return a remark on the shares of the learning rate that a rule takes by itself, and its trail with them.

    None if it does not speak of a schedule, or its steps are not those of the formula times shares.
    """
    if not says_schedule(rule):
        return None
    for walk in (Walk(FAMILIES[formula]), *(form for _, form, _ in legal_forms(formula))):
        shares = [factors_of(trail, walk) for trail in trails]
        c = shares[0]
        if c is None or c.min() <= 0.0 or c.max() > 1.0 + CLOSE or np.ptp(c) < CLOSE:
            continue
        if all(other is not None and np.allclose(other, c, rtol=CLOSE) for other in shares[1:]):
            steps = np.diff(trails[0].course.walked(walk), axis=0, prepend=0.0)
            told = ", ".join(f"{share:.4g}" for share in c)
            text = f"it has a schedule of its own, which was not checked: the learning rate is multiplied by {told}."
            return text, np.cumsum(c[:, None] * steps, axis=0)
    return None


def told_factors(c: Array, course: Course) -> tuple[str, str] | None:
    """Return name and sentence for the factors of the steps."""
    h, t = np.array(course.rates), np.arange(1.0, len(c) + 1.0)
    if np.ptp(c) < CLOSE * abs(c[0]):
        return "factor", f"all steps are {c[0]:.5g} times those of the formula{how(float(c[0]), course)}"
    if np.abs(c[1:]).max() < CLOSE * abs(c[0]):
        return "only the first step", "the weights move in the first step alone"
    usual = {
        "h, the learning rate, once too often": h,
        "1/h: the learning rate is left out": 1.0 / h,
        "1/h^2: the step is divided by the learning rate": 1.0 / h**2,
        "1/sqrt(h): the root of the learning rate stands in its place": 1.0 / np.sqrt(h),
        "sqrt(h)": np.sqrt(h),
        "t, the number of the step": t,
        "1/t, t being the number of the step": 1.0 / t,
        "1/t^2": 1.0 / t**2,
        "1/(t + 1)": 1.0 / (t + 1.0),
        "1/sqrt(t)": 1.0 / np.sqrt(t),
        "sqrt(t)": np.sqrt(t),
        "h_1/h_t: it keeps the learning rate of the first step": h[0] / h,
        "the sign (-1)^t": (-1.0) ** t,
        "1/|g|: the gradient is always divided by its length, also where it is short": 1.0 / lengths(course),
    }
    for name in ("momentum", "beta1", "beta2", "decay"):
        b = course.settings[name]
        usual |= {f"{name}^t": b**t, f"{name}^(t - 1)": b ** (t - 1.0), f"1 - {name}^t": 1.0 - b**t}
        usual |= {f"1/(1 - {name}^t)": 1.0 / (1.0 - b**t), f"sqrt(1 - {name}^t)": np.sqrt(1.0 - b**t)}
    for text, values in usual.items():
        ratios = c / values
        if np.ptp(ratios) < CLOSE * abs(ratios[0]):
            number = "" if abs(ratios[0] - 1.0) < CLOSE else f"{ratios[0]:.5g} times "
            return "learning rate changed", f"step t is multiplied by {number}{text}; a rule multiplies by h alone"
    with np.errstate(all="ignore"):
        shares, slopes = c[1:] / c[:-1], np.diff(c[0] / c)
    if np.ptp(shares) < CLOSE:
        text = (
            f"the learning rate is multiplied by {shares[0]:.5g} in each step, inside: a schedule sets it, not the rule"
        )
        return "learning rate decays inside", text
    if np.ptp(slopes) < CLOSE:
        text = f"the learning rate is divided by 1 + {slopes[0]:.4g} (t - 1), inside: a schedule sets it, not the rule"
        return "learning rate decays inside", text
    listed = ", ".join(f"{value:.4g}" for value in c)
    return "another factor in each step", f"the steps are {listed} times those of the formula"


def lengths(course: Course) -> Array:
    """Return the length of the gradient of all arrays in each step."""
    return np.array([np.sqrt(sum(float((g * g).sum()) for g in step)) for step in course.gradients])


def how(f: float, course: Course) -> str:
    """Return in words what a constant factor is made of."""
    words = {
        2.0: "twice as long: is the step made twice, in place and again in what is returned",
        0.5: "half as long",
        -1.0: "the wrong way",
    }
    for name in ("momentum", "beta1", "beta2", "decay"):
        value = course.settings[name]
        words |= {1.0 - value: f"multiplied by 1 - {name}", value: f"multiplied by {name}"}
        words |= {1.0 / (1.0 - value): f"divided by 1 - {name}", 1.0 / value: f"divided by {name}"}
    found = next((text for size, text in words.items() if abs(abs(f) - abs(size)) < CLOSE * abs(size)), "")
    return f", {found}" if found else ""
