"""Steps of rules that are functions: f(w, dw, config) -> (w, config), f(w, dw, v) -> (w, v), f(w, dw) -> w."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.repairs.makers.of_settings import STEP_COUNTS
from mlp.diagnostics.gradients.styles.calls import required
from mlp.diagnostics.rules.holders.closures import fresh_function
from mlp.layers.parameter import Parameter
from mlp.own_code import OWN_ERRORS

RATES = ("learning_rate", "lr", "rate", "eta", "step_size", "current_learning_rate", "lr_", "current_lr", "lr_t")
SHARE = 0.5  # an alpha above is what a running mean keeps, and no learning rate
BASES = (
    *("initial_lr", "initial_learning_rate", "init_lr", "base_lr", "base_learning_rate", "lr0", "lr_0", "start_lr"),
    *("delta0", "delta_0", "initial_delta", "delta_init", "initial_step", "init_step", "step0"),  # of Rprop
)
OF_ALL = ("params", "parameters", "weights", "theta")  # a function's first argument, if it is a dictionary of arrays
CONFIGS = ("config", "cfg", "conf", "state", "cache", "options", "opts", "opt_state", "optim_state", "opt")


def rates_of(rule: Any) -> list[str]:
    """Return the attributes that hold the learning rate of a rule; alpha, as in Adam's paper, if there is no other."""
    found = [name for name in RATES if may_be_set(rule, name) and not is_count(getattr(rule, name))]
    if "eta" in found and getattr(rule, found[0]) != rule.eta:  # a coefficient beside the rate, as that of LARS
        found.remove("eta")
    numbers = {name: getattr(rule, name, None) for name in ("alpha", "stepsize")}
    return found or [name for name, v in numbers.items() if isinstance(v, float) and 0.0 < v < SHARE][:1]


def is_count(value: Any) -> bool:
    """Return whether a number is one of steps: the step_size of a decay in steps is no learning rate."""
    return type(value) is int and value > 1


def may_be_set(rule: Any, name: str) -> bool:
    """Return whether an object has an attribute of a name that is no method, and may be set."""
    if not hasattr(rule, name):
        return False
    held = inspect.getattr_static(rule, name, None)
    fixed = isinstance(held, property) and held.fset is None
    return not fixed and not callable(getattr(rule, name))


def all_rates_of(rule: Any) -> list[str]:
    """Return the attributes of a rule that a schedule changes."""
    bases = [name for name in BASES if may_be_set(rule, name)]
    return list(dict.fromkeys([*rates_of(rule), *bases])) or ["learning_rate"]


def set_rate(rule: Any, names: Sequence[str], rate: float, before: float | None) -> None:
    """Give a rule another learning rate, as a schedule does; one that the rule itself has changed is scaled.

    Args:
        names: of its attributes. before: the learning rate of the step before, None in the first step.
    """
    for name in names:
        held = getattr(rule, name, None)
        if before is None or not isinstance(held, float | int):
            setattr(rule, name, rate)
        elif rate != before:
            setattr(rule, name, held * (rate / before))


def with_grad(method: Callable[..., Any], parameter: Parameter, *more: Any, **by_word: Any) -> Any:
    """Return method(w, dw) with a new array dw; changes of it come back."""
    grad = parameter.grad.copy()
    result = method(parameter.data, grad, *more, **by_word)
    parameter.grad = grad
    return result


def function_step(
    rule: Callable[..., Any], parameters: Sequence[Parameter], rate: Callable[[], float]
) -> Callable[[], Any]:
    """Return a step of f(w, dw, config) -> (w, config), or of f(w, dw) -> w."""
    configs: list[Any] = [None for _ in parameters]
    given = inspect.signature(rule).parameters
    by_name = next((name for name in ("learning_rate", "lr", "rate", "eta", "step_size") if name in given), None)
    small = "alpha" in given and isinstance(given["alpha"].default, float) and given["alpha"].default < SHARE
    by_name = "alpha" if by_name is None and small else by_name
    states = required(rule)[2:]
    if states and not (len(states) == 1 and (states[0] in CONFIGS or states[0] == by_name)):
        return state_step(rule, parameters, rate, [name for name in states if name != by_name])
    takes_config = len(given) > 2 and by_name is None
    if next(iter(given)) in OF_ALL and takes_dictionary(rule, parameters[0], by_name):
        return step_of_all(rule, parameters, rate, by_name)

    def step() -> None:
        for i, parameter in enumerate(parameters):
            config = dict(configs[i] or {}) | {"learning_rate": rate(), "lr": rate()}
            more: tuple[Any, ...] = (config,) if takes_config else ()
            by_word = {by_name: rate()} if by_name else {}
            result = with_grad(rule, parameter, *more, **by_word)
            new, configs[i] = result if isinstance(result, tuple) and len(result) == 2 else (result, config)
            replace(parameter, new, sure=False)

    return step


def takes_dictionary(rule: Callable[..., Any], parameter: Parameter, by_name: str | None) -> bool:
    """Return whether f takes its weights and gradients as dictionaries of arrays, f({"w": w}, {"w": dw})."""
    values, by_word = {"w": parameter.data.copy()}, {by_name: 0.1} if by_name else {}
    try:
        result = fresh_function(rule)(values, {"w": np.ones_like(parameter.data)}, **by_word)
    except OWN_ERRORS:
        return False
    return isinstance(values if result is None else result, dict)


def step_of_all(
    rule: Callable[..., Any], parameters: Sequence[Parameter], rate: Callable[[], float], by_name: str | None
) -> Callable[[], Any]:
    """Return a step of f({"w": w, ..}, {"w": dw, ..}), which changes the first in place or returns a new one."""

    def step() -> None:
        values = {f"w{i}": parameter.data for i, parameter in enumerate(parameters)}
        grads = {f"w{i}": parameter.grad.copy() for i, parameter in enumerate(parameters)}
        result = rule(values, grads, **({by_name: rate()} if by_name else {}))
        new = values if result is None else result
        for name, parameter in zip(list(grads), parameters, strict=True):
            replace(parameter, new[name])

    return step


def state_step(
    rule: Callable[..., Any], parameters: Sequence[Parameter], rate: Callable[[], float], states: Sequence[str]
) -> Callable[[], Any]:
    """Return a step of f(w, dw, v) -> (w, v), also with several states, and a count of the steps, from 1."""
    given = inspect.signature(rule).parameters
    by_word = [name for name in given if name in RATES]
    held = [{name: np.zeros_like(p.data) for name in states if name not in STEP_COUNTS} for p in parameters]
    count = [0]

    def step() -> None:
        count[0] += 1
        for mine, parameter in zip(held, parameters, strict=True):
            counts = {name: count[0] for name in states if name in STEP_COUNTS}
            result = with_grad(rule, parameter, **mine, **counts, **{name: rate() for name in by_word})
            new, *kept = result if isinstance(result, tuple) else (result,)
            arrays = [one for one in kept if isinstance(one, np.ndarray)]
            mine |= dict(zip(mine, arrays, strict=False))
            replace(parameter, new, sure=False)

    return step


def replace(parameter: Parameter, new: Any, *, sure: bool = True) -> None:
    """Take a new array that a rule gives; one that it changed in place is there already.

    Args:
        sure: whether `new` stands for the weights; else what is no array (of what a method returned) is left alone.

    Raises:
        ValueError: it is no array of the weights' shape.
    """
    if new is parameter.data or not (sure or isinstance(new, np.ndarray)):
        return
    if not isinstance(new, np.ndarray) or new.shape != parameter.data.shape:
        what = f"an array of shape {new.shape}" if isinstance(new, np.ndarray) else f"a {type(new).__name__}"
        raise ValueError(f"the rule gives {what} for weights of shape {parameter.data.shape}")
    parameter.data = new.astype(parameter.data.dtype)
