"""Rules that get their parameters when they are made, as in PyTorch: opt = SGD(params, lr=0.1); opt.step().

The parameters may be a list or a dictionary, of arrays (the gradients come with the step, or beside them), of objects
that have both or of pairs; or a model of layers with W and dW. Settings may stand in dictionaries, as in PyTorch's
param_groups. A rule is made anew for the parameters of each check, and keeps the numbers that it has as attributes.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.styles.calls import required
from mlp.diagnostics.rules.holders.dictionaries import WithDictionaries, all_settings
from mlp.diagnostics.rules.protocols import TRIED
from mlp.errors import ConfigurationError
from mlp.layers.parameter import Parameter
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

FIRST = ("params", "parameters", "model_params", "weights", "variables", "param_list", "model_parameters")
MODELS = ("model", "net", "network", "mlp", "nn")
GRADIENTS = ("grads", "gradients", "dparams", "grad", "grad_list", "grads_list", "param_grads", "d_params", "dweights")
SOME = (3, "0.weight"), (2, "0.bias")  # lengths and names of a few parameters
STEPS = ("step", "update", "update_params", "apply_gradients", "apply", "__call__")


class Weights:
    """A parameter under the names that students have for its values and its gradient."""

    def __init__(self, parameter: Parameter) -> None:
        self.parameter, self.name = parameter, parameter.name

    @property
    def data(self) -> Array:
        return self.parameter.data

    @data.setter
    def data(self, new: Array) -> None:
        self.parameter.data = new

    @property
    def grad(self) -> Array:
        return self.parameter.grad

    @grad.setter
    def grad(self, new: Array) -> None:
        if new is not None:  # zero_grad of some
            self.parameter.grad = new

    value, w = data, data
    gradient, dw = grad, grad


class LayerOfWeights:
    """A layer with the first parameter as its weights and the second as its bias, under the usual names."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        vars(self)["held"] = list(parameters)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "held" not in vars(self):
            raise AttributeError(name)
        parameter = self.held[re.search(r"(b|bias|biases)$", name) is not None]
        return parameter.grad if re.match(r"d|grad", name) else parameter.data

    def __setattr__(self, name: str, new: Array) -> None:
        if isinstance(new, np.ndarray) and not re.match(r"d|grad", name):
            self.held[re.search(r"(b|bias|biases)$", name) is not None].data = new


class ModelOfWeights:
    """A model of one layer, which hands out its parameters as well."""

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        self.layers = [LayerOfWeights(parameters)]
        self.its = [Weights(parameter) for parameter in parameters]

    def parameters(self) -> list[Weights]:
        return self.its

    params = parameters


Container = Callable[[Sequence[Parameter]], Any]
CONTAINERS: tuple[tuple[Container, Container], ...] = (  # what the rule is made with, and what comes with a step
    (lambda ps: [Weights(p) for p in ps], lambda ps: [p.grad.copy() for p in ps]),
    (lambda ps: [p.data for p in ps], lambda ps: [p.grad.copy() for p in ps]),
    (lambda ps: {p.name: Weights(p) for p in ps}, lambda ps: {p.name: p.grad.copy() for p in ps}),
    (lambda ps: {p.name: p.data for p in ps}, lambda ps: {p.name: p.grad.copy() for p in ps}),
    (lambda ps: [(p.data, p.grad) for p in ps], lambda ps: [p.grad.copy() for p in ps]),
    (ModelOfWeights, lambda ps: [p.grad.copy() for p in ps]),
)
OF_GRADIENTS: tuple[Container, ...] = (lambda ps: [p.grad for p in ps], lambda ps: {p.name: p.grad for p in ps})


def takes_parameters(kind: Any) -> bool:
    """Return whether a class gets the parameters first when it is made."""
    return inspect.isclass(kind) and bool(required(kind)) and required(kind)[0].lower() in (*FIRST, *MODELS)


def made_with_parameters(kind: Any, positional: Sequence[Any] = (), named: Mapping[str, Any] | None = None) -> Any:
    """Return a rule of a class that gets its parameters when it is made; the other arguments follow them.

    Raises:
        ConfigurationError: it takes them in none of the usual forms.
    """
    errors, still = [], None
    for forms in CONTAINERS:
        rule = partial(subclass_of, kind, forms, positional, named or {})
        try:
            if moves_them(rule(), [Parameter(np.ones(n), name) for n, name in SOME]):
                return rule()
        except OWN_ERRORS as error:
            errors.append(f"{type(error).__name__}: {error}")
            continue
        errors.append("the weights did not move")
        still = rule if still is None and uses_gradients(rule()) else still
    if still is not None:
        return still()
    raise ConfigurationError(
        f"{kind.__name__} takes its parameters when it is made: a list of arrays (then step(grads)), or of objects "
        f"with data and grad, is expected; {errors[0]}"
    )


def moves_them(rule: Any, parameters: Sequence[Any]) -> bool:
    """Return whether a few steps of a rule move any of the parameters."""
    for one in parameters:
        one.grad[...] = 0.5
    rule.start(parameters)
    for _ in range(TRIED):
        rule.step_of_parameters()
    return any((one.data != 1.0).any() for one in parameters)


def uses_gradients(rule: Any) -> bool:
    """Return whether a rule that moves nothing takes the gradients: those of another shape let it fail."""
    with suppress(*OWN_ERRORS):
        moves_them(rule, [SimpleNamespace(data=np.ones(n), grad=np.ones(n + 4), name=name) for n, name in SOME])
        return False
    return True


def subclass_of(
    kind: Any, forms: tuple[Container, Container], positional: Sequence[Any], named: Mapping[str, Any]
) -> Any:
    """Return a rule of a subclass that can be made anew for other parameters."""

    class Made(WithDictionaries, kind):  # type: ignore[misc]
        its_kind = kind

        def start(self, parameters: Sequence[Parameter]) -> None:
            held = all_settings(self)
            numbers = {name: value for name, value in held.items() if isinstance(value, float | int | tuple)}
            kind.__init__(self, *first_arguments(kind, forms[0], parameters), *positional, **named)
            for name, value in numbers.items():
                setattr(self, name, value)
            self.its_parameters = list(parameters)

        def step_of_parameters(self) -> None:
            method = next(getattr(self, name) for name in STEPS if callable(getattr(self, name, None)))
            method(*([forms[1](self.its_parameters)] if required(method) else []))

    Made.__name__ = Made.__qualname__ = kind.__name__
    some = [Parameter(np.ones(n), name) for n, name in SOME]
    return Made(*first_arguments(kind, forms[0], some), *positional, **named)


def first_names(kind: Any) -> list[str]:
    """Return the names of what a rule is made with first: its parameters, and their gradients if it takes them, too."""
    first = list(inspect.signature(kind).parameters)[:2]
    return first if first[-1].lower() in GRADIENTS else first[:1]


def first_arguments(kind: Any, container: Container, parameters: Sequence[Parameter]) -> list[Any]:
    """Return what a rule is made with first."""
    given = container(parameters)
    return [given, OF_GRADIENTS[isinstance(given, dict)](parameters)][: len(first_names(kind))]


def names_after(kind: Any) -> list[str]:
    """Return the names of what a rule is made with after its parameters."""
    return list(inspect.signature(kind).parameters)[len(first_names(kind)) :]


def with_own_parameters(rule: Any) -> Any:
    """Return a rule that holds its parameters as one that can be made for others; any other rule as it is."""
    kind = type(rule)
    if not takes_parameters(kind) or hasattr(rule, "step_of_parameters"):
        return rule
    held = all_settings(rule)
    return made_with_parameters(kind, (), {name: held[name] for name in names_after(kind) if name in held})


def made_alone(kind: Any) -> Any:
    """Return kind().

    Raises:
        ConfigurationError: it needs arguments.
    """
    needed = required(kind)
    if needed:
        raise ConfigurationError(
            f"{kind.__name__} needs {', '.join(needed)}: give an object, check_rule({kind.__name__}(...)); or let it "
            "take its parameters first, as params, a list of arrays or of objects with data and grad"
        )
    return kind()
