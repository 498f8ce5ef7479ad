"""Layers of other protocols, seen as a `Layer`, so that the checks can work on what a student wrote elsewhere.

    class of `mlp`          forward(x, training), backward(grad_outputs); Parameters as attributes
    without `training`      forward(x): called so, with a remark, because a model calls forward(x, training)
    a class of any kind     forward(x), backward(grad_outputs); weights W with gradients dW (or W_grad, grad_W) as
                            attributes, or `params` and `grads`, two lists or two dicts
    stateless               fprop(inputs), bprop(inputs, outputs, grads_wrt_outputs), and for weights
                            grads_wrt_params(inputs, grads_wrt_outputs) and `params`, in one order

The third and fourth kind are told the mode by the argument that their forward has (training, train, is_training or
stochastic), or by an attribute `training`.
"""

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np

from mlp.errors import ConfigurationError, ShapeError
from mlp.layers.base import Layer
from mlp.layers.lost_parts import leaves
from mlp.layers.parameter import Parameter
from mlp.typing import Array

MODES = ("training", "stochastic", "train", "is_training")  # names that arguments for the mode have
GRADIENT_NAMES = ("d{}", "{}_grad", "grad_{}", "d_{}", "grads_wrt_{}")


def adapt(layer: Any, input_shape: Sequence[int]) -> tuple[Layer, list[str]]:
    """Return (a `Layer` that can be checked, remarks for the reader).

    Args:
        layer: a layer, an object of another protocol, or a class that needs no arguments; it stays as it is.
        input_shape: with the batch axis.

    Raises:
        ConfigurationError: it has no forward and backward under any known name, or it is a class that needs arguments.
    """
    if inspect.isclass(layer):
        layer = instance_of(layer)
    if isinstance(layer, Layer):
        silent = [(path, child) for path, child in layer.named_layers() if not takes_mode(child.forward)]
        remarks = [remark(path, child) for path, child in silent] + list(plain_arrays(layer))
        return (with_training(layer) if silent else layer), remarks
    return StudentLayer(copy.deepcopy(layer)).with_pairs(input_shape), []


def instance_of(kind: type) -> Any:
    """Return kind(); an error that says what to type if it needs arguments."""
    try:
        return kind()
    except TypeError as error:
        raise ConfigurationError(
            f"{kind.__name__} is a class, and making one failed ({error}): give a layer, {kind.__name__}(...)."
        ) from error


def takes_mode(forward: Callable[..., Any]) -> bool:
    """Return whether forward(x, training) is a legal call."""
    try:
        inspect.signature(forward).bind(None, True)
    except TypeError:
        return False
    except ValueError:  # compiled code without a signature
        pass
    return True


def remark(path: str, layer: Layer) -> str:
    """Return what to tell the writer of a forward that has no `training`."""
    label = f"{type(layer).__name__}{f' {path!r}' if path else ''}"
    if next(iter(inspect.signature(type(layer).forward).parameters), "") in ("x", "inputs", "training"):
        return f"{label}.forward has no self: write def forward(self, x, training=False)."
    return (
        f"{label}.forward takes no `training`, and was called without it; in a model it will be called as "
        "forward(x, training): write def forward(self, x, training=False)."
    )


def plain_arrays(layer: Layer) -> Iterator[str]:
    """Yield a remark for each array of a layer of one's own that is neither a parameter nor a buffer."""
    for _, child in layer.named_layers():
        for name, value in vars(child).items():
            weights = name != "_kept" and any(is_weight(leaf) for leaf in leaves(value))
            if weights and name not in child.buffer_names and not type(child).__module__.startswith("mlp."):
                yield (
                    f"{type(child).__name__}.{name} {is_plain(value)}, which is neither trained nor checked nor saved: "
                    f"a weight is a Parameter({name}), and what is saved, but not trained, stands in buffer_names."
                )


def is_weight(value: Any) -> bool:
    """Return whether a value could be weights: an array of floating-point numbers."""
    return isinstance(value, np.ndarray) and value.ndim > 0 and value.dtype.kind == "f"


def is_plain(value: Any) -> str:
    """Return "is a plain array", or "holds a plain array" of a list."""
    return f"{'is' if isinstance(value, np.ndarray) else 'holds'} a plain array"


def with_training(layer: Layer) -> Layer:
    """Return a copy of a model in which every forward can be called with `training`."""
    layer = copy.deepcopy(layer)
    for _, child in layer.named_layers():
        kind = type(child)
        if not takes_mode(child.forward):
            child.__class__ = type(
                kind.__name__, (kind,), {"forward": ignoring_mode(kind.forward), "__module__": kind.__module__}
            )
    return layer


def ignoring_mode(plain: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method `forward(self, x, training)` that calls `plain(self, x)`."""

    def forward(self: Layer, x: Array, training: bool = False) -> Array:
        return plain(self, x)

    return forward


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
            except Exception:  # the check will run into it again, and report it
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
