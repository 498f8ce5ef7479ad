"""The courses that a rule is let to walk: weights at the start, gradients, learning rates; and how far it walks.

One course tells a right rule from a wrong one. What is likely wrong is said only if it fits on a second course, too,
with other numbers and arrays of other shapes.
"""

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.report import Findings, fault
from mlp.diagnostics.gradients.styles.arrays import vars_of
from mlp.diagnostics.rules.clips import Clip
from mlp.diagnostics.rules.formulas.walks import Settings, Walk, all_weights
from mlp.diagnostics.rules.function_steps import RATES, all_rates_of, may_be_set, set_rate
from mlp.diagnostics.rules.holders.closures import Closure, fresh_function
from mlp.diagnostics.rules.protocols import OneRuleEach, stepper
from mlp.diagnostics.rules.settings import plain_name
from mlp.layers.parameter import Parameter
from mlp.rng import generator
from mlp.typing import Array, Shape

STEPS = 6
LENGTHS = {  # of the gradients, for formulas that tell little of gradients of one length
    "amsgrad": (1.0, 0.01, 0.01, 0.01, 3.0, 0.01),  # the mean of the squares falls, rises above its maximum, and falls
    "lion": (3.0, 0.3, 0.1, 0.3, 0.1, 0.1),  # what is remembered decides on some signs
}
SHAPES: tuple[Shape, ...] = ((2, 3), (4,))
OTHER_SHAPES: tuple[Shape, ...] = ((3, 2), (5,))
ARRAYS = ("0.weight", "0.bias")
SCHEDULES = re.compile("sched|decay|anneal|warm|lr|rate")  # names of attributes that give the rate of a step


@dataclass(frozen=True)
class Course:
    """What all walks of a check share: the weights at the start, gradients, learning rates, settings."""

    start: Sequence[Array]
    gradients: Sequence[Sequence[Array]]
    rates: Sequence[float]
    settings: Settings
    decays: Sequence[bool]  # whether each parameter decays
    clip: Clip | None = None  # how the gradients are clipped first

    @property
    def origin(self) -> Array:
        return np.concatenate([w.ravel() for w in self.start])

    def clipped(self, clip: Clip | None) -> "Course":
        """Return the course with another clipping."""
        return replace(self, clip=clip)

    def begun(self, steps: int) -> "Course":
        """Return the first steps of the course."""
        return replace(self, gradients=self.gradients[:steps], rates=self.rates[:steps])

    def prepared(self, **changed: float) -> tuple[Sequence[Sequence[Array]], list[Settings]]:
        """Return the gradients of each step after their clipping, and the settings of each array."""
        s, gradients = {**self.settings, **changed}, self.gradients
        if self.clip is not None:
            with np.errstate(all="ignore"):
                pairs = zip(self.gradients, self.rates, strict=True)
                gradients = [self.clip.apply(step, s["clip"], rate) for step, rate in pairs]
        bare = {**s, "weight_decay": 0.0, "decoupled_weight_decay": 0.0, "inner_decay": 0.0}
        return gradients, [s if decays else bare for decays in self.decays]

    def walked(self, walk: Walk, **changed: float) -> Array:
        """Return how far all weights have moved after each step, (steps, weights)."""
        gradients, mine = self.prepared(**changed)
        rates = [mine[0]["learning_rate"]] * len(self.rates) if changed.get("learning_rate") else self.rates
        return all_weights(walk, self.start, gradients, rates, mine) - self.origin

    def remembered(self, walk: Walk) -> list[dict[str, Array]]:
        """Return what a formula remembers of all weights after each step, one row for each of its memories."""
        gradients, mine = self.prepared()
        parts: list[list[dict[str, Any]]] = [[] for _ in self.start]
        for i, w in enumerate(self.start):
            walk.weights(w, [step[i] for step in gradients], self.rates, mine[i], parts[i])
        found = []
        for memories in zip(*parts, strict=True):
            names = [name for name, value in memories[0].items() if np.ndim(value)]
            found.append({name: np.concatenate([np.ravel(one[name]) for one in memories]) for name in names})
        return found

    def of_array(self, i: int) -> "Course":
        """Return the course of one array alone."""
        steps = [[step[i]] for step in self.gradients]
        return Course([self.start[i]], steps, self.rates, self.settings, [self.decays[i]], self.clip)


@dataclass(frozen=True)
class Trail:
    """A course, and how far a rule has moved all weights on it after each step, (steps, weights)."""

    course: Course
    moved: Array

    def of_array(self, i: int) -> "Trail":
        """Return the trail of one array alone."""
        ends = np.cumsum([0, *(w.size for w in self.course.start)])
        return Trail(self.course.of_array(i), self.moved[:, ends[i] : ends[i + 1]])

    def apart(self, walk: Walk, **changed: float) -> float:
        """Return how far the trail is from that of a formula, see `apart`."""
        return apart(self.moved, self.course.walked(walk, **changed))


def apart(moved: Array, other: Array) -> float:
    """Return the distance of two trails where both are finite; infinity unless the same weights are finite in both."""
    there = np.isfinite(other)
    if not there.any() or not np.array_equal(there, np.isfinite(moved)):
        return float("inf")
    return distance(moved[there], other[there])


def course_of(rule: Any, s: Settings, seed: int, shapes: Sequence[Shape] = SHAPES, formula: str = "") -> Course:
    """Return a course for a rule; its learning rate is halved on the way, as by a schedule."""
    rng = generator(seed, "probe", "rule")
    start = [rng.standard_normal(shape) for shape in shapes]
    gradients = [[rng.standard_normal(w.shape) for w in start] for _ in range(STEPS)]
    if s.get("clip"):  # lengths above and below the bound in turn
        lengths = [np.sqrt(sum(float((g * g).sum()) for g in step)) for step in gradients]
        shares = [(0.4 if t % 2 else 3.0) * s["clip"] / length for t, length in enumerate(lengths)]
        gradients = [[share * g for g in step] for share, step in zip(shares, gradients, strict=True)]
    if formula in LENGTHS:
        gradients = [[length * g for g in step] for length, step in zip(LENGTHS[formula], gradients, strict=True)]
    half = 1.0 if has_no_rate(rule) or has_schedule(rule) else 0.5  # as by a schedule
    rates = [s["learning_rate"] * (1.0 if t < STEPS // 2 else half) for t in range(STEPS)]
    spared = getattr(rule, "no_decay", None)
    decays = [not (spared and re.search(spared, name)) for name in ARRAYS[: len(shapes)]]
    return Course(start, gradients, rates, s, decays)


def has_schedule(rule: Any) -> bool:
    """Return whether a rule holds a schedule that it calls for the learning rate of each step."""
    held = {} if inspect.isfunction(rule) else vars_of(rule)
    return any(callable(value) and SCHEDULES.search(name) for name, value in held.items())


def has_no_rate(rule: Any) -> bool:
    """Return whether a rule is AdaDelta without a learning rate, as in the paper."""
    return "adadelta" in plain_name(rule) and not any(may_be_set(rule, name) for name in RATES)


def walk_of(rule: Any, course: Course) -> tuple[Array, Findings]:
    """Let the rule walk; return how far all weights have moved after each step, (steps, weights), and faults."""
    parameters = [Parameter(w.copy(), name) for w, name in zip(course.start, ARRAYS, strict=False)]
    now = [course.rates[0]]
    rule = fresh_function(rule) if inspect.isfunction(rule) else rule
    step = stepper(rule, parameters, lambda: now[0])
    holder = Closure(rule) if inspect.isfunction(rule) else rule
    trail, changed, before, names = [], False, None, all_rates_of(holder)
    for rate, grads in zip(course.rates, course.gradients, strict=True):
        now[0] = rate
        set_rate(holder, names, rate, before)
        before = rate
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = grad.copy()
        with np.errstate(all="ignore"):
            step()
        changed |= any(not np.array_equal(p.grad, g) for p, g in zip(parameters, grads, strict=True))
        trail.append(np.concatenate([parameter.data.ravel() for parameter in parameters]))
    found = Findings()
    if isinstance(step, OneRuleEach):
        found += Findings(remarks=("it remembers one array of weights, so each array had a rule of its own.",))
    if changed:
        note = "the rule changes the gradients in place"
        text = f"{note}: hooks still read them; use a copy"
        found += fault(Diagnosis("gradients changed", "gradients", "rule", text), (), note)
    return np.stack(trail) - course.origin, found
