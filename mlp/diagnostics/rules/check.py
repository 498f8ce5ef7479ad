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
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.diagnoses.exceptions import place_of
from mlp.diagnostics.gradients.report import Findings, GradientReport, compared, fault
from mlp.diagnostics.rules.faults import ANY_RULE, FAMILIES, faults_of
from mlp.diagnostics.rules.formulas import FORMULAS, Settings, Walk, all_weights
from mlp.diagnostics.rules.protocols import stepper
from mlp.diagnostics.rules.settings import ALIASES, EPS, name_of_formula, read_settings
from mlp.diagnostics.rules.variants import legal_forms, literal_settings
from mlp.errors import ConfigurationError
from mlp.layers.machinery.parameter import Parameter
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

STEPS = 6
UNKNOWN_EPS = 1e-4  # how much a small eps that is not an attribute of the rule may change the steps


@dataclass(frozen=True)
class Course:
    """What all walks of a check share: the weights at the start, gradients, learning rates, settings."""

    start: Sequence[Array]
    gradients: Sequence[Sequence[Array]]
    rates: Sequence[float]
    settings: Settings
    decays: Sequence[bool]  # whether each parameter decays

    @property
    def origin(self) -> Array:
        return np.concatenate([w.ravel() for w in self.start])

    def walked(self, walk: Walk, **changed: float) -> Array:
        """Return how far all weights have moved after each step, (steps, weights)."""
        s = {**self.settings, **changed}
        bare = {**s, "weight_decay": 0.0, "decoupled_weight_decay": 0.0}
        mine = [s if decays else bare for decays in self.decays]
        rates = [s["learning_rate"]] * len(self.rates) if changed.get("learning_rate") else self.rates
        return all_weights(walk, self.start, self.gradients, rates, mine) - self.origin


def check_rule(
    rule: Any, formula: str | None = None, seed: int = 0, tolerance: float = 1e-9, **settings: float
) -> GradientReport:
    """Check several steps of a learning rule against its formula.

    Args:
        rule: a learning rule, of `mlp` or of another protocol, or a class that needs no arguments; it is copied.
        formula: one of `formulas.FORMULAS`; None to tell by the name of its class.
        seed: of weights and gradients.
        tolerance: the largest error of the weights' movement that passes.
        settings: momentum, beta1, beta2, decay, eps, weight_decay, where the rule has no attribute of that name.

    Returns:
        A `GradientReport` with a row for each step.

    Raises:
        ConfigurationError: the formula is not known, or the rule has no known protocol.
    """
    rule = rule() if isinstance(rule, type) else copy.deepcopy(rule)
    formula = name_of_formula(rule) if formula is None else formula
    if formula not in FORMULAS:
        raise ConfigurationError(f"formula must be one of {', '.join(FORMULAS)}, got {formula!r}")
    name = getattr(rule, "__name__", type(rule).__name__)
    found = Findings()
    for clip in ("clip_norm", "clip_value"):
        if getattr(rule, clip, None) is not None:
            setattr(rule, clip, None)
            found += Findings(remarks=(f"checked without {clip}: the formula is that of the rule alone.",))
    plain = copy.deepcopy(rule)
    s, exact = read_settings(rule, settings)
    if not exact and formula in ("adam", "rmsprop", "adagrad"):
        tolerance = max(tolerance, UNKNOWN_EPS)
    course = course_of(rule, s, seed)
    try:
        moved, more = walk_of(rule, course)
        found += more + steps_of(moved, formula, course, (rule, plain, seed), tolerance)
    except ConfigurationError:
        raise
    except OWN_ERRORS as error:
        note = f"the rule raised {type(error).__name__}: {error}"
        found += fault(Diagnosis("exception", "weights", "rule", note, place_of(error)), (), note, error)
    return GradientReport(
        f"{name} against {formula}",
        tolerance,
        kind="Rule check",
        rows=list(found.rows),
        diagnoses=list(found.diagnoses),
        remarks=list(found.remarks),
        cause=found.cause,
    )


def course_of(rule: Any, s: Settings, seed: int) -> Course:
    """Return the course of a check."""
    rng = generator(seed, "probe", "rule")
    start = [rng.standard_normal((2, 3)), rng.standard_normal(4)]
    gradients = [[rng.standard_normal(w.shape) for w in start] for _ in range(STEPS)]
    rates = [s["learning_rate"] * (1.0 if t < STEPS // 2 else 0.5) for t in range(STEPS)]
    spared = getattr(rule, "no_decay", None)
    decays = [not (spared and re.search(spared, name)) for name in ("0.weight", "0.bias")]
    return Course(start, gradients, rates, s, decays)


def walk_of(rule: Any, course: Course) -> tuple[Array, Findings]:
    """Let the rule walk; return how far all weights have moved after each step, (steps, weights), and faults."""
    names = ("0.weight", "0.bias")
    parameters = [Parameter(w.copy(), name) for w, name in zip(course.start, names, strict=True)]
    now = [course.rates[0]]
    attributes = [name for name in ALIASES["learning_rate"] if hasattr(rule, name)] or ["learning_rate"]
    step = stepper(rule, parameters, lambda: now[0])
    trail, changed = [], False
    for rate, grads in zip(course.rates, course.gradients, strict=True):
        now[0] = rate
        if not inspect.isfunction(rule):
            for attribute in attributes:
                setattr(rule, attribute, rate)
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = grad.copy()
        step()
        changed |= any(not np.array_equal(p.grad, g) for p, g in zip(parameters, grads, strict=True))
        trail.append(np.concatenate([parameter.data.ravel() for parameter in parameters]))
    found = Findings()
    if changed:
        note = "the rule changes the gradients in place"
        text = f"{note}: hooks still read them; use a copy"
        found = fault(Diagnosis("gradients changed", "gradients", "rule", text), (), note)
    return np.stack(trail) - course.origin, found


def steps_of(moved: Array, formula: str, course: Course, rules: tuple[Any, Any, int], tolerance: float) -> Findings:
    """Return a row for each step, compared with the formula or a legal form of it, and what is wrong if none fits.

    Args:
        rules: the rule that walked, one as it was given, and the seed.
    """
    right, remarks = course.walked(Walk(FAMILIES[formula])), tuple[str, ...]()
    if not distance(moved, right) < tolerance:
        for text, walk, changed in (
            *legal_forms(formula),
            *literal_settings(formula, moved, course.gradients, with_rate=inspect.isfunction(rules[0])),
        ):
            legal = course.walked(walk, **changed)
            if distance(moved, legal) < max(tolerance, UNKNOWN_EPS if changed else 0.0):
                right, remarks = legal, (text,)
                break
        else:
            return wrong_steps(moved, formula, course, rules, tolerance)
    loose = max(tolerance, UNKNOWN_EPS if remarks else 0.0)
    rows = tuple(compared(("rule", f"step {t + 1}"), moved[t], right[t], (0.0, loose)) for t in range(len(moved)))
    return Findings(rows, remarks=remarks)


def wrong_steps(moved: Array, formula: str, course: Course, rules: tuple[Any, Any, int], tolerance: float) -> Findings:
    """Return the rows of wrong steps and their diagnoses; or a pass with the own eps, if it is a number inside."""
    rule, plain, seed = rules
    right = course.walked(Walk(FORMULAS[formula]))
    rows = tuple(compared(("rule", f"step {t + 1}"), moved[t], right[t], (0.0, tolerance)) for t in range(len(moved)))
    found = list(explained(moved, formula, course, tolerance))
    if not found and course.settings["eps"] == EPS and formula in ("adam", "rmsprop", "adagrad"):
        s, _ = read_settings(plain, {}, keep_eps=True)
        own = course_of(plain, s, seed)
        steps, _ = walk_of(plain, own)
        if distance(steps, own.walked(Walk(FORMULAS[formula]))) < UNKNOWN_EPS:
            remark = "eps stands in it as a number: the attribute of that name is not used."
            right = own.walked(Walk(FORMULAS[formula]))
            rows = tuple(
                compared(("rule", f"step {t + 1}"), steps[t], right[t], (0.0, UNKNOWN_EPS)) for t in range(len(moved))
            )
            return Findings(rows, remarks=(remark,))
        found = list(explained(steps, formula, own, UNKNOWN_EPS))
    return Findings(rows, tuple(found or [unknown(rows, moved, right)]))


def explained(moved: Array, formula: str, course: Course, tolerance: float) -> Iterator[Diagnosis]:
    """Yield the faults that lead to the same weights: single ones, then other rules, then pairs of faults."""
    right = course.walked(Walk(FAMILIES[formula]))
    if not moved.any():
        text = (
            "the weights never move: w = w - h g makes a new array for a local name, and the weights stay as they are; "
            "change them in place, w -= h g, or return the new ones"
        )
        yield Diagnosis("weights never move", "weights", "rule", text)
        return
    plain = Walk(FAMILIES[formula])

    def matches(candidates: Iterator[tuple[str, str, Callable[[], Array]]]) -> Iterator[Diagnosis]:
        for name, sentence, walk in candidates:
            wrong = walk()
            error = distance(moved, wrong)
            if error < tolerance and distance(wrong, right) > 10.0 * tolerance:
                evidence = f"error {distance(moved, right):.1e} against the formula, {error:.0e} against this one"
                yield Diagnosis(name, "weights", "rule", sentence, evidence)

    single = list(
        matches((one.name, one.sentence, lambda one=one: course.walked(one.of(plain))) for one in faults_of(formula))  # type: ignore[misc]
    )
    if single:
        yield from single
        return
    for text, walk, changed in legal_forms(formula):  # the same faults around another form of the rule
        for one in ANY_RULE[:5]:
            if distance(moved, course.walked(one.of(walk), **changed)) < tolerance:
                yield Diagnosis(one.name, "weights", "rule", one.sentence, f"in the form in which {text.rstrip('.')}")
                return
    others = [
        (
            "another rule",
            f"these are the steps of {name}, not of {formula}",
            lambda other=other: course.walked(Walk(other)),
        )
        for name, other in FAMILIES.items()
    ]
    found = [*matches(iter(others)), *hidden_decay(moved, course, formula, tolerance), *scaled(moved, course, formula)]
    if not found:
        pairs = faults_of(formula, pairs=True)
        found = list(matches((one.name, one.sentence, lambda one=one: course.walked(one.of(plain))) for one in pairs))  # type: ignore[misc]
    yield from found[:1]


def hidden_decay(moved: Array, course: Course, formula: str, tolerance: float) -> Iterator[Diagnosis]:
    """A decay of the weights that no setting speaks of: its rate is read off the first step."""
    right = course.walked(Walk(FAMILIES[formula]))
    h, w = course.rates[0], course.origin
    rate = -float(((moved[0] - right[0]) * w).sum()) / (h * float((w * w).sum()))
    for name, key in (("coupled", "weight_decay"), ("decoupled", "decoupled_weight_decay")):
        if abs(rate) > 1e-9 and distance(moved, course.walked(Walk(FAMILIES[formula]), **{key: rate})) < tolerance:
            text = (
                f"a weight decay of {rate:.4g} is inside ({name}: a penalty on the weights), which no setting speaks of"
            )
            yield Diagnosis("hidden weight decay", "weights", "rule", text)
            return


def scaled(moved: Array, course: Course, formula: str) -> Iterator[Diagnosis]:
    """All steps are one number times those of the formula."""
    right = course.walked(Walk(FAMILIES[formula]))
    ends = np.cumsum([w.size for w in course.start])[:-1]
    shares = [
        float((a * b).sum() / (b * b).sum())
        for a, b in zip(np.split(moved, ends, axis=1), np.split(right, ends, axis=1), strict=True)
    ]
    each = np.repeat(shares, [w.size for w in course.start])
    divided = all(abs(f * w.size - 1.0) < 1e-6 for f, w in zip(shares, course.start, strict=True))
    if divided and distance(moved, each * right) < 1e-9:
        text = (
            "the steps of each array are divided by the number of its weights: a mean stands where the gradient belongs"
        )
        yield Diagnosis("factor", "weights", "rule", text)
        return
    f = float((moved * right).sum()) / float((right * right).sum())
    if distance(moved, f * right) > 1e-9:
        return
    sizes = {w.size: "the number of weights of an array" for w in course.start} | {course.origin.size: "all weights"}
    words = {1.0 / size: f"divided by {size}, {text}" for size, text in sizes.items()}
    for name in ("momentum", "beta1", "beta2", "decay"):
        value = course.settings[name]
        words |= {1.0 - value: f"multiplied by 1 - {name}", value: f"multiplied by {name}"}
        words |= {1.0 / (1.0 - value): f"divided by 1 - {name}", 1.0 / value: f"divided by {name}"}
    how = next((text for size, text in words.items() if abs(abs(f) - size) < 1e-6 * size), "")
    yield Diagnosis(
        "factor", "weights", "rule", f"all steps are {f:.5g} times those of the formula{how and ', ' + how}"
    )


def unknown(rows: Sequence[Any], moved: Array, right: Array) -> Diagnosis:
    """Return the diagnosis that is left: which step is the first to go wrong, and its worst weight."""
    t = next(i for i, row in enumerate(rows) if not row.passed)
    text = "no known fault leads to these weights: look at what is remembered, and when it is brought up to date"
    if t == 0:
        text = "the first step is wrong already, where nothing is remembered yet: look at the formula itself"
    worst = int(np.abs(moved[t] - right[t]).argmax())
    numbers = f"weight {worst} moved by {moved[t][worst]:.5g}, and by {right[t][worst]:.5g} in the formula"
    return Diagnosis("unknown", f"weights from step {t + 1} on", "rule", text, numbers)
