"""The settings of a learning rule, read from its attributes."""

import inspect
from typing import Any

from mlp.diagnostics.rules.formulas import FORMULAS, Settings
from mlp.errors import ConfigurationError

EPS = 1e-2  # large enough to show where it stands
FUNCTION_RATE = 1e-2  # the learning rate that functions get

DEFAULTS = {"momentum": 0.9, "beta1": 0.9, "beta2": 0.999, "decay": 0.99, "eps": 1e-8}
DEFAULTS |= {"weight_decay": 0.0, "decoupled_weight_decay": 0.0}
ALIASES = {
    "learning_rate": ("learning_rate", "lr", "rate", "eta", "step_size", "current_learning_rate", "lr_"),
    "momentum": ("momentum", "mom_coeff", "mu"),
    "beta1": ("beta1", "beta_1", "b1"),
    "beta2": ("beta2", "beta_2", "b2"),
    "decay": ("decay", "rho", "alpha", "decay_rate"),
    "eps": ("eps", "epsilon"),
    "weight_decay": ("weight_decay", "l2"),
    "decoupled_weight_decay": ("decoupled_weight_decay",),
}
NAMES = ("nadam", "adadelta", "adamax", "adam", "nesterov", "momentum", "rmsprop", "adagrad", "gradient_descent", "sgd")


def read_settings(rule: Any, given: dict[str, float], *, keep_eps: bool = False) -> tuple[Settings, bool]:
    """Return the settings of a rule from its attributes, and whether its eps is known; it is made large, to show."""
    s = dict(DEFAULTS)
    for name, aliases in ALIASES.items():
        attribute = next((alias for alias in aliases if isinstance(getattr(rule, alias, None), float | int)), None)
        if name == "eps" and attribute and not keep_eps:
            s[name] = EPS
            setattr(rule, attribute, EPS)
        elif attribute:
            s[name] = float(getattr(rule, attribute))
    if is_adamw(rule) and not hasattr(rule, "decoupled_weight_decay"):
        s["decoupled_weight_decay"], s["weight_decay"] = s["weight_decay"], 0.0
    s |= given
    if "learning_rate" not in s and "adadelta" in getattr(rule, "__name__", type(rule).__name__).lower():
        s["learning_rate"] = 1.0
    if "learning_rate" not in s:
        if not inspect.isfunction(rule):
            raise ConfigurationError(
                f"{type(rule).__name__} has no learning_rate: give check_rule(..., learning_rate=0.1)."
            )
        s["learning_rate"] = FUNCTION_RATE
    return s, s["eps"] == EPS or "eps" in given


def is_adamw(rule: Any) -> bool:
    """Return whether a rule is called AdamW, whose weight decay is decoupled."""
    return "adamw" in getattr(rule, "__name__", type(rule).__name__).lower()


def name_of_formula(rule: Any) -> str:
    """Return the formula that the name of a class or function, or of one it derives from, speaks of."""
    kinds = (rule,) if inspect.isfunction(rule) else type(rule).__mro__
    for kind in kinds:
        plain = kind.__name__.lower().replace("_", "")
        for name in NAMES:
            if name.replace("_", "") in plain:
                return "gradient_descent" if name == "sgd" else name
    raise ConfigurationError(
        f"which rule is {kinds[0].__name__}? Give check_rule(rule, formula=...): {', '.join(FORMULAS)}."
    )
