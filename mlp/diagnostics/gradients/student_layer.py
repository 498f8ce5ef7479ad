"""A layer of another protocol, seen as a `Layer`: its arrays become parameters, its methods forward and backward."""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from mlp.errors import ConfigurationError, ShapeError
from mlp.layers.machinery.base import Layer
from mlp.layers.machinery.parameter import Parameter
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

MODES = ("training", "stochastic", "train", "is_training")  # names that arguments for the mode have
GRADIENT_NAMES = ("d{}", "{}_grad", "grad_{}", "d_{}", "grad{}", "grads_wrt_{}")


class StudentLayer(Layer):
    """An object with forward and backward, or fprop and bprop, as a `Layer`.

    Args:
        student: the object; its arrays become parameters in place, it is not copied.

    Raises:
        ConfigurationError: the methods are missing.
    """

    def __init__(self, student: Any) -> None:
        self.student = student
        self.stateless = hasattr(student, "fprop")
        wanted = ("fprop", "bprop") if self.stateless else ("forward", "backward")
        missing = [name for name in wanted if not callable(getattr(student, name, None))]
        if missing:
            raise ConfigurationError(
                f"{type(student).__name__} has no {' and no '.join(missing)}: a layer has forward(x, training=False) "
                "and backward(grad_outputs), or fprop(inputs) and bprop(inputs, outputs, grads_wrt_outputs)."
            )
        names = inspect.signature(getattr(student, wanted[0])).parameters
        self.mode_name = next((name for name in MODES if name in names), None)
        self.pairs: dict[str, str] = {}  # weights that are attributes, and the attributes of their gradients
        self.wrapped: dict[str, Parameter] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> "StudentLayer":
        twin = StudentLayer(copy.deepcopy(self.student, memo))
        twin.pairs = dict(self.pairs)
        return twin

    def with_pairs(self, input_shape: Sequence[int]) -> Self:
        """Find attributes W with a gradient dW beside them, which may not exist before the first backward."""
        self._convert(lambda array: array.astype(np.float64))
        if not self.stateless and not hasattr(self.student, "params"):
            trial = copy.deepcopy(self)
            try:
                trial.backward(np.ones(trial.forward(np.ones(input_shape), True).shape))
            except OWN_ERRORS:  # the check will run into it again, and report it
                trial = self
            names = vars(trial.student)
            for name, value in vars(self.student).items():
                gradient = next((g.format(name) for g in GRADIENT_NAMES if g.format(name) in names), None)
                if isinstance(value, np.ndarray) and gradient is not None:
                    self.pairs[name] = gradient
        return self

    def arrays(self) -> dict[str, Array]:
        """Return the student's weights, by name."""
        if not hasattr(self.student, "params"):
            return {name: getattr(self.student, name) for name in self.pairs}
        params = self.student.params() if callable(self.student.params) else self.student.params
        if isinstance(params, Mapping):
            return dict(params)
        names = {id(value): name for name, value in vars(self.student).items()}
        return {names.get(id(array), f"params[{i}]"): array for i, array in enumerate(params)}

    def own_parameters(self) -> list[tuple[str, Parameter]]:
        own = [(name, value) for name, value in vars(self.student).items() if isinstance(value, Parameter)]
        if own:
            return own
        for name, array in self.arrays().items():
            if name not in self.wrapped or self.wrapped[name].data is not array:
                self.wrapped[name] = Parameter(array, name)
        return list(self.wrapped.items())

    def forward(self, x: Array, training: bool = False) -> Array:
        mode = {self.mode_name: training} if self.mode_name else {}
        if not mode and isinstance(getattr(self.student, "training", None), bool):
            self.student.training = training
        y = self.student.fprop(x, **mode) if self.stateless else self.student.forward(x, **mode)
        self.keep(x, y)
        return y

    def backward(self, grad_outputs: Array) -> Array:
        x, y = self.take()
        if self.stateless:
            grad_inputs = self.student.bprop(x, y, grad_outputs)
            gradients = self.stateless_gradients(x, grad_outputs)
        else:
            grad_inputs = self.student.backward(grad_outputs)
            gradients = self.gradients()
        for name, parameter in self.wrapped.items():
            if name in gradients:
                parameter.grad = gradients[name]
        return grad_inputs

    def stateless_gradients(self, x: Array, grad_outputs: Array) -> dict[str, Any]:
        """Return what grads_wrt_params gives, by the names of the weights."""
        weights = list(self.arrays())
        if not weights:
            return {}
        given = self.student.grads_wrt_params(x, grad_outputs)
        if isinstance(given, np.ndarray):
            raise ShapeError("grads_wrt_params returned one array: return a list, [grad].")
        gradients = list(given)
        if len(gradients) != len(weights):
            raise ShapeError(f"grads_wrt_params returned {len(gradients)} arrays for the {len(weights)} of params.")
        return dict(zip(weights, gradients, strict=True))

    def gradients(self) -> dict[str, Any]:
        """Return the gradients that backward left in the student's attributes."""
        if not hasattr(self.student, "params"):
            return {name: getattr(self.student, gradient, None) for name, gradient in self.pairs.items()}
        grads = getattr(self.student, "grads", {})
        grads = grads() if callable(grads) else grads
        return dict(grads) if isinstance(grads, Mapping) else dict(zip(self.arrays(), grads, strict=False))

    def _convert(self, function: Callable[[Array], Array]) -> Self:
        """Convert the floating-point arrays among the student's attributes, those in lists and dicts, too."""
        done: dict[int, tuple[Array, Array]] = {}  # an array in two places stays one

        def once(array: Array) -> Array:
            return done.setdefault(id(array), (array, function(array)))[1]

        for name, value in list(vars(self.student).items()):
            vars(self.student)[name] = converted(value, once)
        self.wrapped.clear()
        return self

    def __repr__(self) -> str:
        plain = type(self.student).__repr__ is object.__repr__
        return type(self.student).__name__ if plain else repr(self.student)


def converted(value: Any, function: Callable[[Array], Array]) -> Any:
    """Return `value` with all floating-point arrays in it converted."""
    if isinstance(value, np.ndarray):
        return function(value) if value.dtype.kind == "f" else value
    if isinstance(value, Parameter):
        value.replace(function(value.data))
    if isinstance(value, dict):
        return {key: converted(item, function) for key, item in value.items()}
    return [converted(item, function) for item in value] if type(value) is list else value
