"""A layer of another protocol, seen as a `Layer`: its arrays become parameters, its methods forward and backward."""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np

from mlp.diagnostics.gradients.like_given import like_given
from mlp.diagnostics.gradients.styles.arrays import (
    converted,
    copied,
    is_constant,
    leaves_of,
    paired,
    put,
    reset_gradients,
    short_name,
    single_numbers,
    unique,
)
from mlp.diagnostics.gradients.styles.calls import Calls, calls_of, inputs_gradient, outputs_and_cache
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.diagnostics.gradients.styles.pairing import matched, others_in_order, paired_by_name, step_undone
from mlp.diagnostics.gradients.styles.whole_inputs import WholeInputs, gradients_of_weights, wants_indices, whole_inputs
from mlp.errors import ConfigurationError, ShapeError
from mlp.layers.machinery.base import Layer
from mlp.layers.parameter import Parameter
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array


class StudentLayer(Layer):
    """An object with forward and backward, under any of the names in `calls`, as a `Layer`.

    Args:
        student: the object; its arrays become parameters in place, it is not copied.

    Attributes:
        pairs: paths of weights, and of their gradients. returned: weights whose gradients backward returns.
        integers: paths of weights that were whole numbers. guessed: paths of what may be weights, where backward raises
            an exception and shows none. whole: what stands for inputs that are indices, or None.

    Raises:
        ConfigurationError: the methods are missing.
    """

    def __init__(self, student: Any) -> None:
        self.student = student
        calls = calls_of(student)
        if isinstance(calls, str):
            raise ConfigurationError(calls)
        self.calls: Calls = calls
        self.stateless = calls.forward == "fprop" and callable(getattr(student, "grads_wrt_params", None))
        self.pairs: dict[str, str] = {}
        self.returned: list[str] = []
        self.integers: list[str] = []
        self.guessed: list[str] = []
        self.whole: WholeInputs | None = None
        self.wrapped: dict[str, Parameter] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> "StudentLayer":
        twin = StudentLayer(copied(self.student, memo))
        twin.pairs, twin.returned, twin.integers = dict(self.pairs), list(self.returned), list(self.integers)
        twin.guessed, twin.whole = list(self.guessed), self.whole
        return twin

    # --- which arrays are weights ---------------------------------------------------------------------------------

    def learn(self, input_shape: Sequence[int], indices: Array | None = None) -> Self:
        """Find the weights and their gradients by one trial, in which weights may be made that were not there."""
        self._convert(lambda array: array.astype(np.float64))
        x = like_given(np.linspace(-1.0, 1.0, int(np.prod(input_shape)))).reshape(input_shape)
        given = getattr(self.student, "whole", None) if indices is None else indices
        if wants_indices(self, x, given):
            self.whole = whole_inputs(self.student, given)
        trial = copy.deepcopy(self)
        try:
            trial.learn_from_trial(x)
        except OWN_ERRORS:  # the check will run into it again, and report it
            floats = {path: array for path, array in leaves_of(self.student).items() if array.dtype.kind == "f"}
            self.guessed = [path for path in unique(list(floats), floats, ()) if not is_constant(path)]
            return self
        self.pairs, self.returned, self.integers = trial.pairs, trial.returned, trial.integers
        mine = leaves_of(self.student)
        for path in self.integers:
            put(self.student, path, mine[path].astype(np.float64))
        if any(path not in mine for path in (*self.pairs, *self.returned)):  # made in the first forward
            self.student = trial.student
        return self

    def learn_from_trial(self, x: Array) -> None:
        """Run forward and backward once, and see which arrays backward writes or returns."""
        before = set(leaves_of(self.student))
        y = np.asarray(self.forward(x, training=True))
        there = leaves_of(self.student)
        values = {path: array.copy() for path, array in there.items()}
        again = {path: array.copy() for path, array in leaves_of(self.after_another_forward(x)).items()}
        _, others = self.call_backward(np.ones(y.shape))
        after = {**leaves_of(self.student), **single_numbers(self.student)}
        weights = [
            path
            for path in there
            if path in again and np.array_equal(values[path], again[path]) and not np.may_share_memory(there[path], x)
        ]
        if isinstance(self.student, FunctionPair):  # what it keeps is no weight, though it may depend on weights alone
            weights = [path for path in weights if path.startswith("params.")]
        weights = unique([path for path in weights if path in before or path in after], there, before)
        shapes = {path: there[path].shape for path in weights}
        written = {path: a for path, a in after.items() if path not in there or a is not there[path]}
        written |= {path: a for path, a in after.items() if path not in written and not np.array_equal(values[path], a)}
        if not self.declared():
            self.pairs = paired_by_name(weights, {**there, **written}, shapes)
            known = {*self.pairs, *self.pairs.values()}
            rest = [path for path in weights if path not in known and path not in written]
            nameless = {path: array for path, array in written.items() if path not in known}
            self.pairs |= paired(rest, nameless, shapes)
        if others is not None:
            self.returned = matched(others, [path for path in weights if path not in self.pairs], shapes)
        kinds = {path: array.dtype.kind for path, array in there.items()}
        self.integers = [path for path in (*self.pairs, *self.returned) if kinds.get(path) in ("i", "u")]

    def after_another_forward(self, x: Array) -> Any:
        """Return a copy of the student that has seen other inputs: what changed is not a weight."""
        twin = copy.deepcopy(self)
        twin.call_forward(2.0 * x + 0.5, training=True)
        return twin.student

    def declared(self) -> bool:
        """Return whether the student's class says which arrays are its weights: `params` as a list or a method.

        Objects in it, with the array and its gradient inside, are looked for like all others.
        """
        params = getattr(self.student, "params", None)
        if isinstance(params, Mapping):
            return False
        given = params() if callable(params) else params
        items = list(given.values() if isinstance(given, Mapping) else given) if given is not None else [None]
        return all(isinstance(one, np.ndarray) for one in items)

    def arrays(self) -> dict[str, Array]:
        """Return the student's weights, by name."""
        if self.declared():
            params = self.student.params
            params = params() if callable(params) else params
            if isinstance(params, Mapping):
                return dict(params)
            names = {id(value): name for name, value in vars(self.student).items()}
            return {names.get(id(array), f"params[{i}]"): array for i, array in enumerate(params)}
        there = leaves_of(self.student)
        chosen = [path for path in there if path in self.pairs or path in self.returned or path in self.guessed]
        if isinstance(getattr(self.student, "params", None), Mapping):  # all of it are weights, also the forgotten ones
            known = {id(there[path]) for path in chosen}
            chosen += [path for path in there if path.startswith("params.") and id(there[path]) not in known]
        return {short_name(path): there[path] for path in chosen}

    def own_parameters(self) -> list[tuple[str, Parameter]]:
        own = [(name, value) for name, value in vars(self.student).items() if isinstance(value, Parameter)]
        if own:
            return own
        for name, array in self.arrays().items():
            if name not in self.wrapped or self.wrapped[name].data is not array:
                self.wrapped[name] = Parameter(array, name)
        return list(self.wrapped.items())

    # --- the two formulas -----------------------------------------------------------------------------------------

    def call_forward(self, x: Array, *, training: bool) -> tuple[Any, Any]:
        """Return (outputs, cache) of the student's forward."""
        calls, student = self.calls, self.student
        mode = calls.set_mode(student, training=training)
        if self.whole is not None:
            x = self.whole.of_shape(x.shape)
        result = getattr(student, calls.forward)(x, **mode)
        return outputs_and_cache(result, student, wants_cache="cache" in calls.takes)

    def call_backward(self, grad_outputs: Array) -> tuple[Any, Any]:
        """Return (dx, the other gradients that backward returns) of the student's backward."""
        x, y, cache = self.take()
        indices = None if self.whole is None else self.whole.of_shape(x.shape)
        given = {"x": x if indices is None else indices, "y": y, "g": grad_outputs, "cache": cache, "rate": 1.0}
        moves = "rate" in self.calls.takes  # backward moves the weights itself
        reset_gradients(self.student)
        before = {path: (array, array.copy()) for path, array in leaves_of(self.student).items()} if moves else {}
        result = getattr(self.student, self.calls.backward)(*(given[role] for role in self.calls.takes))
        if indices is not None:
            return np.zeros(x.shape), gradients_of_weights(result)
        grad_inputs, others = inputs_gradient(result, x, self.student)
        return grad_inputs, (step_undone(self.student, before, self.returned) if moves else others)

    def forward(self, x: Array, training: bool = False) -> Array:
        y, cache = self.call_forward(x, training=training)
        self.keep(x, y, cache)
        return y

    def backward(self, grad_outputs: Array) -> Array:
        x = self._kept[0] if self._kept else None
        grad_inputs, others = self.call_backward(grad_outputs)
        gradients = self.stateless_gradients(x, grad_outputs) if self.stateless else self.gradients(others)
        for name, parameter in self.wrapped.items():
            if gradients.get(name) is not None:
                parameter.grad = gradients[name]
        return grad_inputs

    # --- where the gradients are ----------------------------------------------------------------------------------

    def stateless_gradients(self, x: Any, grad_outputs: Array) -> dict[str, Any]:
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

    def gradients(self, others: Any) -> dict[str, Any]:
        """Return the gradients that backward returned, or left in the student's attributes."""
        there = {**leaves_of(self.student), **single_numbers(self.student)}
        pairs, returned = self.pairs, self.returned
        if self.guessed:
            shapes = {path: there[path].shape for path in self.guessed}
            pairs = paired_by_name(self.guessed, there, shapes)
            rest = [path for path in self.guessed if path not in pairs]
            returned = [] if others is None else matched(others, rest, shapes)
        found = {short_name(path): there.get(gradient) for path, gradient in pairs.items()}
        for path, gradient in zip(returned, others_in_order(others, returned), strict=False):
            found[short_name(path)] = gradient
        if self.declared() and not self.returned:
            grads = getattr(self.student, "grads", {})
            grads = grads() if callable(grads) else grads
            found |= dict(grads) if isinstance(grads, Mapping) else dict(zip(self.arrays(), grads, strict=False))
        return found

    def _convert(self, function: Callable[[Array], Array]) -> Self:
        """Convert the floating-point arrays that the student holds, however deep; one in two places stays one."""
        for _, parameter in [pair for pair in vars(self.student).items() if isinstance(pair[1], Parameter)]:
            parameter.replace(function(parameter.data))
        done: dict[int, tuple[Array, Array]] = {}

        def once(array: Array) -> Array:
            return done.setdefault(id(array), (array, function(array)))[1]

        vars(self.student).update({name: converted(value, once) for name, value in vars(self.student).items()})
        self.wrapped.clear()
        return self

    def __repr__(self) -> str:
        written: Any = type(self.student).__repr__
        return type(self.student).__name__ if written is object.__repr__ else repr(self.student)


def code_of(layer: Layer) -> tuple[Any, str, str]:
    """Return whose code a layer runs, its own or that of the object inside, and the names of forward and backward."""
    if isinstance(layer, StudentLayer):
        return layer.student, layer.calls.forward, layer.calls.backward
    return layer, "forward", "backward"
