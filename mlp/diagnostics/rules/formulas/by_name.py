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

BETAS = ("beta1", "beta2")
OF_MEANS: dict[str, tuple[str, ...]] = {  # the settings with which a formula remembers; most have two means
    **dict.fromkeys(("gradient_descent", "signsgd", "adagrad", "rprop"), ()),
    **dict.fromkeys(("momentum", "nesterov", "signum", "lars"), ("momentum",)),
    **dict.fromkeys(("rmsprop", "rmsprop_centered", "adadelta"), ("decay",)),
    "rmsprop_momentum": ("momentum", "decay"),
}


def settings_of_means(formula: str) -> tuple[str, ...]:
    """Return the settings with which a formula remembers; all of them, if the formula is not known."""
    return OF_MEANS.get(formula, BETAS) if formula in FAMILIES else ("momentum", *BETAS, "decay")


def changed(family: Formula, change: dict[str, Any]) -> Formula:
    """Return a family with other choices."""
    assert isinstance(family, Velocity | Adaptive | Delta | Signs)
    return replace(family, **change)
