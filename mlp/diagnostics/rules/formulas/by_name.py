"""All formulas by the names of their rules."""

from dataclasses import replace
from typing import Any

from mlp.diagnostics.rules.formulas.families import Adaptive, Delta, Signs, Velocity
from mlp.diagnostics.rules.formulas.others import WITHOUT_CHOICES
from mlp.diagnostics.rules.formulas.walks import Formula

FAMILIES: dict[str, Formula] = {
    "gradient_descent": Velocity(step="g"),
    "momentum": Velocity(),
    "nesterov": Velocity(step="g + mu v"),
    "adagrad": Adaptive(first_mean=False, square="sum", correct=("never", "never"), step="g"),
    "rmsprop": Adaptive(first_mean=False, correct=("never", "never"), step="g"),
    "adam": Adaptive(),
    "nadam": Adaptive(step="b m + (1 - b) g / (1 - b^t)"),
    "adadelta": Delta(),
    "adamax": Adaptive(of="|g|", square="largest", root="v + eps", correct=("once", "never")),
    "amsgrad": Adaptive(largest="v'"),
    "adabelief": Adaptive(of="(g - m)^2"),
    "lion": Signs(),
    "yogi": Adaptive(square="yogi"),
    "signum": Velocity(step="sign(v)"),
    "signsgd": Velocity(step="sign(g)"),
    **WITHOUT_CHOICES,
}


def changed(family: Formula, change: dict[str, Any]) -> Formula:
    """Return a family with other choices."""
    assert isinstance(family, Velocity | Adaptive | Delta | Signs)
    return replace(family, **change)
