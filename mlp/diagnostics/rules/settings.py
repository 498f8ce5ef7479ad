"""The settings of a learning rule, read from its attributes."""

import copy
import inspect
import re
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.styles.calls import required
from mlp.diagnostics.rules.formulas.by_name import FAMILIES, settings_of_means
from mlp.diagnostics.rules.formulas.own_schedules import of_schedule, with_schedule
from mlp.diagnostics.rules.formulas.walks import Settings
from mlp.diagnostics.rules.function_steps import BASES, RATES, rates_of
from mlp.diagnostics.rules.holders.closures import Closure, fresh_function, numbers_around
from mlp.diagnostics.rules.holders.inner import inner_of
from mlp.diagnostics.rules.protocols import UPDATES, update_of
from mlp.errors import ConfigurationError
from mlp.own_code import OWN_ERRORS

EPS = 1e-2  # large enough to show where it stands
UNKNOWN = "no known formula"
FUNCTION_RATE = 1e-2  # the learning rate that functions get

DEFAULTS = {"momentum": 0.9, "beta1": 0.9, "beta2": 0.999, "decay": 0.99, "eps": 1e-8}
DEFAULTS |= {"dampening": 0.0, "weight_decay": 0.0, "decoupled_weight_decay": 0.0, "inner_decay": 0.0, "trust": 1e-3}
ALIASES = {
    "learning_rate": RATES,
    "momentum": ("momentum", "mom_coeff", "mu", "mom", "beta", "gamma"),
    "dampening": ("dampening", "damp"),
    "beta1": ("beta1", "beta_1", "b1"),
    "beta2": ("beta2", "beta_2", "b2", "nu"),
    "decay": ("rho", "decay_rate", "decay", "alpha", "beta", "gamma", "beta2", "nu"),
    "eps": ("eps", "epsilon"),
    "weight_decay": ("weight_decay", "l2", "wd", "lam", "lambda_", "reg", "l2_reg", "l2_lambda"),
    "decoupled_weight_decay": ("decoupled_weight_decay",),
    "trust": ("trust", "trust_coefficient", "trust_coef", "trust_coeff", "eta", "coefficient", "tc"),
    "grow": ("eta_plus", "etaplus", "grow", "inc", "increase", "up", "eta_up", "factor_up"),
    "shrink": ("eta_minus", "etaminus", "shrink", "dec", "decrease", "down", "eta_down", "factor_down"),
    "accumulation": ("accumulation", "accumulation_steps", "accumulate", "accum_steps", "accumulate_steps", "every"),
    "warmup": ("warmup", "warmup_steps", "warm_up", "warm_up_steps", "warmup_iters", "num_warmup_steps", "n_warmup"),
    "rate_decay": ("lr_decay", "learning_rate_decay", "rate_decay"),
    "total": ("total", "total_steps", "t_max", "T_max", "max_steps", "max_iters", "num_training_steps", "n_steps", "T"),
    "lowest": ("min_lr", "lr_min", "eta_min", "end_lr", "final_lr", "lowest_lr", "min_learning_rate"),
    "slow_every": ("k", "slow_every", "sync_every", "sync_period", "la_steps", "slow_step"),
    "slow_share": ("alpha", "slow_share", "slow_lr", "la_alpha", "slow_step_size"),
    "clip": (
        *("max_norm", "clip", "clip_norm", "clipnorm", "limit", "clip_value", "clipvalue", "clip_threshold"),
        *("threshold", "bound", "max_grad_norm", "grad_clip", "max_value", "clip_at", "clip_limit"),
    ),
}
OF_MOMENTUM = ("momentum", "mom_coeff", "mu", "mom", "beta")  # of a mean, where a formula has no momentum of its own
SHORTER = {"accumulation": 2, "warmup": 4, "slow_every": 3}  # so that a course of a few steps shows them
PAIRS = {  # attributes that hold two settings
    "betas": ("beta1", "beta2"),
    "beta": ("beta1", "beta2"),
    "etas": ("shrink", "grow"),
}
NAMES = (
    "signum",
    "signsgd",
    "yogi",
    "adabelief",
    "radam",
    "lars",
    "lamb",
    "rprop",
    "nadam",
    "adadelta",
    "adamax",
    "amsgrad",
    "adam",
    "lion",
    "rmsprop",
    "nesterov",
    "momentum",
    "adagrad",
    "gradient_descent",
    "sgd",
    "heavyball",
)
OTHER_NAMES = {"sgd": "gradient_descent", "gd": "gradient_descent", "adamw": "adam", "heavyball": "momentum"}


def read_settings(
    rule: Any, given: dict[str, float], formula: str = "", *, keep_eps: bool = False
) -> tuple[Settings, bool]:
    """Return the settings of a rule from its attributes, and whether its eps is known; it is made large, to show."""
    s, of_function = dict(DEFAULTS), config_of(rule) if inspect.isfunction(rule) else {}
    for name in ALIASES:
        attribute = attribute_of(rule, name, formula)
        key = next((alias for alias in aliases_of(name, formula) if alias in of_function), None)
        if key and name != "learning_rate":
            s[name] = of_function[key]
        elif name == "eps" and attribute and not keep_eps:
            s[name] = EPS
            setattr(rule, attribute, EPS)
        elif attribute:
            if name in SHORTER and getattr(rule, attribute) > SHORTER[name] and may_be_slow(rule, name):
                setattr(rule, attribute, SHORTER[name])
            s[name] = float(getattr(rule, attribute))
    for name, settings in PAIRS.items():
        both = getattr(rule, name, None)
        if isinstance(both, tuple | list) and len(both) == 2 and all(map(is_number, both)):
            s |= {setting: float(value) for setting, value in zip(settings, both, strict=True)}
    if not may_be_slow(rule, "slow_every"):
        s = {name: value for name, value in s.items() if not name.startswith("slow_")}
    s = with_schedule(rule, s)
    decay = decay_of(rule)
    if decay != "weight_decay" and not hasattr(rule, "decoupled_weight_decay"):
        s[decay], s["weight_decay"] = s["weight_decay"], 0.0
    s |= given
    if "learning_rate" not in given:
        s["learning_rate"] = rate_of(rule, s)
    return s, s["eps"] == EPS or "eps" in given


def rate_of(rule: Any, s: Settings) -> float:
    """Return the learning rate of a rule: that of its start, if it keeps it."""
    holder = Closure(rule) if inspect.isfunction(rule) else rule
    names = [*(name for name in BASES if hasattr(holder, name)), *rates_of(holder)]
    held = next((getattr(holder, name) for name in names if is_number(getattr(holder, name))), s.get("learning_rate"))
    if held is None and "adadelta" in plain_name(rule):
        held = 1.0
    method = getattr(rule, update_of(rule) or "__class__")
    if held is None and not inspect.isfunction(rule) and not {*RATES} & {*required(method)}:
        raise ConfigurationError(
            f"{type(rule).__name__} has no learning_rate: give check_rule(..., learning_rate=0.1)."
        )
    return FUNCTION_RATE if held is None else float(held)


def may_be_slow(rule: Any, name: str) -> bool:
    """Return whether a rule may have a setting: slow weights are those of Lookahead alone."""
    return not name.startswith("slow_") or "lookahead" in plain_name(rule)


def aliases_of(name: str, formula: str) -> tuple[str, ...]:
    """Return what a setting may be called: mu is the share of the first mean where a formula has no momentum."""
    borrows = name in ("beta1", "decay") and "momentum" not in settings_of_means(formula)
    return (*ALIASES[name], *(OF_MOMENTUM if borrows else ()))


def attribute_of(rule: Any, name: str, formula: str = "") -> str | None:
    """Return the name of the attribute that holds a setting of a rule, or None."""
    taken = () if name == "learning_rate" else (*rates_of(rule), *of_schedule(rule))
    names = aliases_of(name, formula)
    return next((one for one in names if one not in taken and is_number(getattr(rule, one, None))), None)


def name_of_setting(rule: Any, name: str) -> str | None:
    """Return what a rule calls a setting: its attribute, or an argument of a function; None if it has none."""
    of_function = config_of(rule) if inspect.isfunction(rule) else {}
    return attribute_of(rule, name) or next((alias for alias in ALIASES[name] if alias in of_function), None)


def is_number(value: Any) -> bool:
    return isinstance(value, float | int) and not isinstance(value, bool)


def config_of(rule: Any) -> dict[str, float]:
    """Return the numbers that a function rule(w, dw, config) writes into its config by itself, or finds around it."""
    parameters = inspect.signature(rule).parameters
    numbers = {name: p.default for name, p in parameters.items() if is_number(p.default)} or numbers_around(rule)
    if len(parameters) > 2 and not numbers:
        try:
            result = fresh_function(rule)(np.ones(2), np.zeros(2), {})
        except OWN_ERRORS:
            return {}
        config = result[1] if isinstance(result, tuple) and len(result) == 2 else None
        numbers = {k: v for k, v in config.items() if is_number(v)} if isinstance(config, dict) else {}
    return {name: float(value) for name, value in numbers.items()}


def decay_of(rule: Any) -> str:
    """Return which weight decay a rule has by its name: AdamW's and Lion's is decoupled, LAMB's stands inside it."""
    plain = plain_name(rule)
    if "lamb" in plain:
        return "inner_decay"
    return "decoupled_weight_decay" if re.search("adamw|sgdw|lion|decoupled", plain) else "weight_decay"


def given_as_meant(rule: Any, formula: str | None, given: dict[str, float]) -> dict[str, float]:
    """Return the settings that a user gave; a weight decay is what the rule or the formula makes of it (AdamW)."""
    decay = "decoupled_weight_decay" if formula == "adamw" else decay_of(rule)
    if decay == "weight_decay" or ("weight_decay" not in given and formula != "adamw"):
        return given
    held, _ = read_settings(copy.deepcopy(rule), {})
    return given | {decay: given.get("weight_decay", held["weight_decay"] or held[decay]), "weight_decay": 0.0}


def name_of_formula(rule: Any) -> str:
    """Return the formula that the name of a class or function, or of one it derives from, speaks of."""
    kinds = (rule,) if inspect.isfunction(rule) else type(rule).__mro__
    for kind in kinds:
        plain = kind.__name__.lower().replace("_", "").replace("optimizer", "")  # Optimizer_Adam is no RAdam
        for name in NAMES:
            if name.replace("_", "") in plain:
                return of_attributes(rule, OTHER_NAMES.get(name, name))
    if "lookahead" in plain_name(rule):
        around = UNKNOWN if inner_of(rule) is None else name_of_formula(inner_of(rule))
        inner = "adam" if attribute_of(rule, "beta2") or hasattr(rule, "betas") else "gradient_descent"
        return of_attributes(rule, inner) if around == UNKNOWN else around
    if any(callable(getattr(rule, name, None)) for name in UPDATES):
        return UNKNOWN
    raise ConfigurationError(
        f"which rule is {kinds[0].__name__}? Give check_rule(rule, formula=...): {', '.join(FAMILIES)}."
    )


def of_attributes(rule: Any, formula: str) -> str:
    """Return "momentum" or "nesterov" for a rule of gradient descent that has a momentum, else its formula."""
    names = ("momentum", "mu", "mom", "mom_coeff")
    if formula == "momentum" and getattr(rule, "nesterov", False) is True:
        return "nesterov"
    if formula == "gradient_descent" and any(
        is_number(getattr(rule, name, None)) and getattr(rule, name) > 0 for name in names
    ):
        return "nesterov" if getattr(rule, "nesterov", False) is True else "momentum"
    if formula == "signsgd" and any(is_number(getattr(rule, name, None)) for name in ALIASES["momentum"]):
        return "signum"
    if formula == "adam" and getattr(rule, "amsgrad", False) is True:
        return "amsgrad"
    if formula == "rmsprop" and (getattr(rule, "centered", False) is True or "centered" in plain_name(rule)):
        return "rmsprop_centered"
    if formula == "rmsprop" and any(is_number(value) and value > 0 for value in (getattr(rule, n, 0) for n in names)):
        return "rmsprop_momentum"
    return formula


def plain_name(rule: Any) -> str:
    """Return the name of a rule's class, or of a function, in small letters without underscores."""
    return str(getattr(rule, "__name__", type(rule).__name__)).lower().replace("_", "")
