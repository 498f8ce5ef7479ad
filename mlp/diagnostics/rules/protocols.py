"""How a learning rule is called: those of `mlp`, and the ways students write them.

initialize(parameters), update()                   a rule of `mlp`
initialise(params), update_params(grads)           the arrays change in place
update(params, grads), step(...), __call__(...)    dictionaries or lists; in place, or a new one is returned; also
                                                   update(params, grads, learning_rate)
update(w, dw)                                      one array after the other; returns the new one. A rule that
                                                   remembers one array alone is copied, one for each array
update(name, w, dw)                                the same, with a name for each array
f(w, dw, config) -> (w, config)                    a function; what it remembers stands in config, or around it
update_params(layer)                               layer.weights, layer.dweights, layer.biases, layer.dbiases
"""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.styles.calls import required
from mlp.diagnostics.rules.function_steps import (
    RATES,
    all_rates_of,
    function_step,
    replace,
    set_rate,
    with_grad,
)
from mlp.errors import ConfigurationError
from mlp.layers.parameter import Parameter
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

ONE_ARRAY = ("w", "W", "param", "x", "weight", "theta")  # how update calls its first argument, if it is one array
TRIED = 4  # steps, to see what a rule takes
UPDATES = ("update", "step", "apply", "apply_gradients", "optimize", "update_params", "__call__")


def stepper(rule: Any, parameters: Sequence[Parameter], rate: Callable[[], float]) -> Callable[[], Any]:
    """Return a function without arguments that makes one step of a rule of any known protocol.

    Args:
        rule: the rule. parameters: with data and grad. rate: gives the learning rate, for functions.
    """
    if callable(getattr(rule, "step_of_parameters", None)):
        rule.start(list(parameters))
        return lambda: rule.step_of_parameters()
    for name in ("initialize", "initialise"):
        if callable(getattr(rule, name, None)):
            getattr(rule, name)(list(parameters) if name == "initialize" else [p.data for p in parameters])
    if callable(getattr(rule, "update_params", None)):
        if "layer" in inspect.signature(rule.update_params).parameters:
            return layer_step(rule, parameters)
        if len(required(rule.update_params)) == 1:
            return lambda: with_grads(rule.update_params, parameters)
    if callable(getattr(rule, "initialize", None)) and callable(getattr(rule, "update", None)):
        return rule.update
    if inspect.isfunction(rule):
        return function_step(rule, parameters, rate)
    name = update_of(rule)
    other = any(callable(getattr(rule, method, None)) for method in ("forward", "backward", "grad", "fprop"))
    if name and not other and len(required(getattr(rule, name))) == 1:
        order = order_of_pairs(rule, name, parameters)
        return lambda: getattr(rule, name)([pair[::order] for pair in pairs_of(parameters)])
    if other or not name or not 1 < len(required(getattr(rule, name))) < 4:
        raise ConfigurationError(
            f"{type(rule).__name__} is not a learning rule: it needs initialize(parameters) and update(), or "
            "initialise(params) and update_params(grads), or update(params, grads), or step([(w, dw), ...]), or get "
            "its parameters when it is made, or be a function (w, dw, config) -> (w, config) or (w, dw, v) -> (w, v)."
        )
    method = getattr(rule, name)
    if required(method)[0] in ONE_ARRAY:
        if remembers_one_array(rule, name, parameters):
            return OneRuleEach(rule, name, parameters, rate)
        return lambda: array_step([with_rate(method, rate())] * len(parameters), parameters)
    if len(required(method)) == 3 and required(method)[1] in ONE_ARRAY:
        return lambda: array_step([partial(method, p.name) for p in parameters], parameters)
    step = list_step if takes_lists(rule, name, parameters) else dictionary_step
    return lambda: step(with_rate(method, rate()), parameters)


def with_grads(method: Callable[[list[Array]], Any], parameters: Sequence[Parameter]) -> Any:
    """Return method(gradients): new arrays in each step, as those of a student's backward; also changes come back."""
    grads = [p.grad.copy() for p in parameters]
    result = method(grads)
    for parameter, grad in zip(parameters, grads, strict=True):
        parameter.grad = grad
    return result


def array_step(methods: Sequence[Callable[..., Any]], parameters: Sequence[Parameter]) -> None:
    """Call method(w, dw) for one array after the other."""
    for method, parameter in zip(methods, parameters, strict=True):
        new = with_grad(method, parameter)
        replace(parameter, new, sure=False)


def update_of(rule: Any) -> str:
    """Return the name of the method that makes a step, or ""."""
    return next((name for name in UPDATES if callable(getattr(rule, name, None))), "")


def pairs_of(parameters: Sequence[Parameter]) -> list[tuple[Array, Array]]:
    """Return (weights, gradient) of each array."""
    return [(p.data, p.grad.copy()) for p in parameters]


def order_of_pairs(rule: Any, name: str, parameters: Sequence[Parameter]) -> int:
    """Return 1 for a method that takes pairs (weights, gradient), -1 for (gradient, weights); tried on copies."""
    twin, pairs = copy.deepcopy(rule), [(p.data.copy(), np.ones_like(p.data)) for p in parameters]
    with suppress(*OWN_ERRORS):
        getattr(twin, name)([pair[::-1] for pair in pairs])
        if all((gradient == 1.0).all() for _, gradient in pairs):
            return -1
    return 1


def remembers_one_array(rule: Any, name: str, parameters: Sequence[Parameter]) -> bool:
    """Return whether method(w, dw) of a rule takes each array alone, but not one after the other; tried on copies."""

    def works(arrays: Sequence[Parameter]) -> bool:
        twin = copy.deepcopy(rule)
        try:
            for array in arrays:
                with_rate(getattr(twin, name), 1.0)(array.data.copy(), np.ones_like(array.data))
        except OWN_ERRORS:
            return False
        return True

    return not works(parameters) and all(works([one]) for one in parameters)


class OneRuleEach:
    """A step of a rule that remembers one array: each array has a copy of the rule."""

    def __init__(self, rule: Any, name: str, parameters: Sequence[Parameter], rate: Callable[[], float]) -> None:
        self.name, self.parameters, self.rate = name, parameters, rate
        self.twins = [copy.deepcopy(rule) for _ in parameters]
        self.before: float | None = None
        self.names = all_rates_of(rule)

    def __call__(self) -> None:
        rate = self.rate()
        for twin in self.twins:
            set_rate(twin, self.names, rate, self.before)
        self.before = rate
        array_step([with_rate(getattr(twin, self.name), rate) for twin in self.twins], self.parameters)


def dictionary_step(method: Callable[..., Any], parameters: Sequence[Parameter]) -> None:
    """Call method(params, grads) with dictionaries; take what it returns or leaves in them."""
    params = {p.name: p.data for p in parameters}
    result = with_grads(lambda grads: method(params, dict(zip(params, grads, strict=True))), parameters)
    new = result if isinstance(result, Mapping) and set(result) == set(params) else params
    for parameter in parameters:
        replace(parameter, new[parameter.name])


def list_step(method: Callable[..., Any], parameters: Sequence[Parameter]) -> None:
    """Call method(params, grads) with lists; take what it returns or leaves in them."""
    params = [p.data for p in parameters]
    result = with_grads(lambda grads: method(params, grads), parameters)
    new = result if isinstance(result, list | tuple) and len(result) == len(params) else params
    for parameter, array in zip(parameters, new, strict=True):
        replace(parameter, array)


def with_rate(method: Callable[..., Any], rate: float) -> Callable[..., Any]:
    """Return method(params, grads); one that needs a third argument gets the learning rate, if it is called that."""
    names = required(method)
    return partial(method, **{names[2]: rate}) if len(names) == 3 and names[2] in RATES else method


def takes_lists(rule: Any, name: str, parameters: Sequence[Parameter]) -> bool:
    """Return whether a method that fails with dictionaries works with lists, or looks for number 0; tried on copies."""
    positions = False
    for step in (dictionary_step, list_step):
        twin, copies = copy.deepcopy(rule), [Parameter(p.data.copy(), p.name) for p in parameters]
        for one in copies:
            one.grad = np.ones_like(one.data)
        try:
            for _ in range(TRIED):  # some gather gradients first
                step(with_rate(getattr(twin, name), 1.0), copies)
        except OWN_ERRORS as error:
            positions = positions or (isinstance(error, KeyError) and error.args == (0,))
            continue
        return step is list_step
    return positions


def layer_step(rule: Any, parameters: Sequence[Parameter]) -> Callable[[], Any]:
    """Return a step of update_params(layer)."""
    weight, bias = parameters
    layer = SimpleNamespace(weights=weight.data, biases=bias.data)

    def step() -> None:
        layer.dweights, layer.dbiases = weight.grad, bias.grad
        getattr(rule, "pre_update_params", lambda: None)()
        rule.update_params(layer)
        getattr(rule, "post_update_params", lambda: None)()
        replace(weight, layer.weights)
        replace(bias, layer.biases)

    return step
