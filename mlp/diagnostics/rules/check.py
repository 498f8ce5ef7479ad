"""Learning rules, checked against their formulas on single numbers.

    report = check_rule(Adam(learning_rate=1e-3))
    print(report)                  # the error after each step, and what is likely wrong
    report.raise_if_failed()

The rule gets a few parameters and a few steps of random gradients; the learning rate is halved on the way, as by a
schedule. The same numbers go through the formula written for one weight (`formulas`). If the two part, all known
faults are tried in the same way: each is a formula, too, and the one that leads to the same weights is the diagnosis.
Rules of another protocol work as well: initialise and update_params(gradients), or update(params, grads) with dicts.
"""

import copy
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.diagnoses.exceptions import place_of
from mlp.diagnostics.gradients.report import GradientReport
from mlp.diagnostics.rules.faults import ANY_RULE, ONE_RULE, rate_in_velocity
from mlp.diagnostics.rules.formulas import FORMULAS, Settings, Walk
from mlp.errors import ConfigurationError
from mlp.layers.machinery.parameter import Parameter
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

STEPS = 6
EPS = 1e-2  # large enough to show where it stands
UNKNOWN_EPS = 1e-4  # how much a small eps that is no attribute of the rule may change the steps

DEFAULTS = {"momentum": 0.9, "beta1": 0.9, "beta2": 0.999, "decay": 0.99, "eps": 1e-8}
DEFAULTS |= {"weight_decay": 0.0, "decoupled_weight_decay": 0.0}
ALIASES = {
    "learning_rate": ("learning_rate", "lr", "rate"),
    "momentum": ("momentum", "mom_coeff", "mu"),
    "beta1": ("beta1", "beta_1", "b1"),
    "beta2": ("beta2", "beta_2", "b2"),
    "decay": ("decay", "rho", "alpha", "decay_rate"),
    "eps": ("eps", "epsilon"),
    "weight_decay": ("weight_decay", "l2"),
    "decoupled_weight_decay": ("decoupled_weight_decay",),
}
NAMES = ("adam", "nesterov", "momentum", "rmsprop", "adagrad", "gradient_descent", "sgd")


def check_rule(
    rule: Any, formula: str | None = None, seed: int = 0, tolerance: float = 1e-9, **settings: float
) -> GradientReport:
    """Check several steps of a learning rule against its formula.

    Args:
        rule: a learning rule, of `mlp` or of another protocol, or a class that needs no arguments; it is copied.
        formula: one of `rule_formulas.FORMULAS`; None to tell by the name of its class.
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
    report = GradientReport(f"{type(rule).__name__} against {formula}", tolerance, kind="Rule check")
    for name in ("clip_norm", "clip_value"):
        if getattr(rule, name, None) is not None:
            setattr(rule, name, None)
            report.remarks.append(f"checked without {name}: the formula is that of the rule alone.")
    s, exact = read_settings(rule, settings)
    if not exact and formula in ("adam", "rmsprop", "adagrad"):
        report.tolerance = max(tolerance, UNKNOWN_EPS)
    rng = generator(seed, "probe", "rule")
    start = [rng.standard_normal((2, 3)), rng.standard_normal(4)]
    gradients = [[rng.standard_normal(w.shape) for w in start] for _ in range(STEPS)]
    rates = [s["learning_rate"] * (1.0 if t < STEPS // 2 else 0.5) for t in range(STEPS)]
    try:
        trail = walk_of(rule, report, start, gradients, rates)
    except ConfigurationError:
        raise
    except OWN_ERRORS as error:
        report.cause = error
        note = f"the rule raised {type(error).__name__}: {error}"
        report.add_fault("rule", "weights", (), note, "exception", note, place_of(error))
        return report
    decays = [
        not (getattr(rule, "no_decay", None) and re.search(rule.no_decay, name)) for name in ("0.weight", "0.bias")
    ]

    origin = np.concatenate([w.ravel() for w in start])
    moved = trail - origin  # (steps, weights)

    def walked(walk: Walk) -> Array:
        return np.stack([np.concatenate(step) for step in by_hand(walk, start, gradients, rates, s, decays)]) - origin

    right = walked(Walk(FORMULAS[formula]))
    if formula == "momentum" and distance(moved, walked(Walk(rate_in_velocity))) < report.tolerance:
        right = walked(Walk(rate_in_velocity))
        report.remarks.append(
            "the learning rate is part of the velocity (v <- mu v + h g), as in some books: a change of it acts slowly."
        )
    for t in range(STEPS):
        report.compare("rule", f"step {t + 1}", origin.shape, moved[t], right[t], 0.0)
    if any(not row.passed for row in report.rows if row.array.startswith("step")):
        report.diagnoses += list(explain(moved, walked, formula, report.tolerance)) or [unknown(report)]
    return report


def walk_of(
    rule: Any, report: GradientReport, start: list[Array], gradients: list[list[Array]], rates: list[float]
) -> Array:
    """Let the rule walk; return all weights after each step, (steps, weights)."""
    parameters = [Parameter(w.copy(), name) for w, name in zip(start, ("0.weight", "0.bias"), strict=True)]
    step = stepper(rule, parameters)
    attribute = next((name for name in ALIASES["learning_rate"] if hasattr(rule, name)), "learning_rate")
    trail, changed = [], False
    for rate, grads in zip(rates, gradients, strict=True):
        setattr(rule, attribute, rate)
        for parameter, grad in zip(parameters, grads, strict=True):
            parameter.grad = grad.copy()
        step()
        changed |= any(not np.array_equal(p.grad, g) for p, g in zip(parameters, grads, strict=True))
        trail.append(np.concatenate([parameter.data.ravel() for parameter in parameters]))
    if changed:
        note = "the rule changes the gradients in place"
        report.add_fault(
            "rule", "gradients", (), note, "gradients changed", f"{note}: hooks still read them; use a copy"
        )
    return np.stack(trail)


def stepper(rule: Any, parameters: list[Parameter]) -> Callable[[], Any]:
    """Return a function without arguments that makes one step of a rule of any known protocol."""
    for name in ("initialize", "initialise"):
        if callable(getattr(rule, name, None)):
            getattr(rule, name)(parameters if name == "initialize" else [p.data for p in parameters])
    if callable(getattr(rule, "update_params", None)):
        return lambda: rule.update_params([p.grad for p in parameters])
    if callable(getattr(rule, "initialize", None)) and callable(getattr(rule, "update", None)):
        return rule.update
    if callable(getattr(rule, "update", None)):
        return lambda: rule.update({p.name: p.data for p in parameters}, {p.name: p.grad for p in parameters})
    raise ConfigurationError(
        f"{type(rule).__name__} is no learning rule: it needs initialize(parameters) and update(), or "
        "initialise(params) and update_params(grads), or update(params, grads)."
    )


def by_hand(
    walk: Walk, start: list[Array], gradients: list[list[Array]], rates: list[float], s: Settings, decays: list[bool]
) -> Iterator[list[Array]]:
    """Yield the weights of each parameter after each step, every number by itself."""
    trails = []
    for i, w in enumerate(start):
        mine = s if decays[i] else {**s, "weight_decay": 0.0, "decoupled_weight_decay": 0.0}
        series = np.stack([grads[i].ravel() for grads in gradients])  # (steps, weights)
        trails.append(
            np.array([walk.weights(v, series[:, j].tolist(), rates, mine) for j, v in enumerate(w.ravel().tolist())]).T
        )
    for t in range(len(rates)):
        yield [trail[t] for trail in trails]


def explain(moved: Array, walked: Callable[[Walk], Array], formula: str, tolerance: float) -> Iterator[Diagnosis]:
    """Yield the faults that lead to the same weights."""
    plain = Walk(FORMULAS[formula])
    candidates = [(fault.name, fault.sentence, fault.of(plain)) for fault in (*ONE_RULE.get(formula, ()), *ANY_RULE)]
    for name, other in FORMULAS.items():
        candidates.append(("another rule", f"these are the steps of {name}, not of {formula}", Walk(other)))
    right = walked(plain)
    for name, sentence, walk in candidates:
        wrong = walked(walk)
        error = distance(moved, wrong)
        if error < tolerance and distance(wrong, right) > 10.0 * tolerance:
            evidence = f"error {distance(moved, right):.1e} against the formula, {error:.0e} against this one"
            yield Diagnosis(name, "weights", "rule", sentence, evidence)


def unknown(report: GradientReport) -> Diagnosis:
    """Return the diagnosis that is left: which step is the first to go wrong."""
    first = next(row.array for row in report.rows if not row.passed)
    text = "no known fault leads to these weights: look at what is remembered, and when it is brought up to date"
    if first == "step 1":
        text = "the first step is wrong already, where nothing is remembered yet: look at the formula itself"
    return Diagnosis("unknown", f"weights from {first} on", "rule", text)


def read_settings(rule: Any, given: dict[str, float]) -> tuple[Settings, bool]:
    """Return the settings of a rule from its attributes, and whether its eps is known; it is made large, to show."""
    s = dict(DEFAULTS)
    for name, aliases in ALIASES.items():
        attribute = next((alias for alias in aliases if isinstance(getattr(rule, alias, None), float | int)), None)
        if name == "eps":
            s[name] = EPS if attribute else s[name]
            if attribute:
                setattr(rule, attribute, EPS)
        elif attribute:
            s[name] = float(getattr(rule, attribute))
    s |= given
    if "learning_rate" not in s:
        raise ConfigurationError(
            f"{type(rule).__name__} has no learning_rate: give check_rule(..., learning_rate=0.1)."
        )
    return s, s["eps"] == EPS or "eps" in given


def name_of_formula(rule: Any) -> str:
    """Return the formula that the name of a class, or of one it derives from, speaks of."""
    for kind in type(rule).__mro__:
        plain = kind.__name__.lower().replace("_", "")
        for name in NAMES:
            if name.replace("_", "") in plain:
                return "gradient_descent" if name == "sgd" else name
    raise ConfigurationError(
        f"which rule is {type(rule).__name__}? Give check_rule(rule, formula=...): {', '.join(FORMULAS)}."
    )
