"""Losses of other protocols as a `Loss`."""

import copy
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.styles.calls import parameters, required
from mlp.diagnostics.gradients.styles.further_arguments import FurtherArguments
from mlp.diagnostics.gradients.styles.left_out import reads_as_target
from mlp.diagnostics.gradients.styles.slots import without_slots
from mlp.errors import ConfigurationError
from mlp.losses import Loss
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array, Shape

VALUES = ("error", "forward", "loss", "compute", "calculate", "__call__")
GRADIENTS = ("grad", "backward", "gradient", "derivative", "prime", "delta", "bprop")


class LossPair:
    """Two functions of (outputs, targets) in either order, mse for the value and mse_prime for the gradient."""

    def __init__(self, value: Callable[..., Any], gradient: Callable[..., Any]) -> None:
        self.__name__ = f"{value.__name__}, {gradient.__name__}"
        self.functions = value, gradient
        for function in self.functions:
            setattr(self, function.__name__, function)


def is_loss_pair(value: Callable[..., Any], gradient: Callable[..., Any]) -> bool:
    """Return whether two functions are a `LossPair`: both take the same, targets among it."""
    names = required(value)
    return len(names) > 1 and names == required(gradient) and any(map(reads_as_target, names))


class StudentLoss(Loss):
    """An object with a method for the value and one for the gradient, under any of the usual names.

    The gradient may take (outputs, targets), or (targets, outputs) if forward does, or nothing; it may stand in
    `dinputs`. A function, or the method for the value, may return both, (loss, gradient).

    Raises:
        ConfigurationError: the methods are missing.
    """

    def __init__(self, student: Any) -> None:
        self.student = student
        self.value: Any = next((m for n in VALUES if callable(m := getattr(student, n, None))), None)
        self.gradient: Any = next((m for n in GRADIENTS if callable(m := getattr(student, n, None))), None)
        if inspect.isfunction(student):
            self.value = student
        if isinstance(student, LossPair):
            self.value, self.gradient = student.functions
        if self.value is None or (self.gradient is None and not returns_both(self.value)):
            raise ConfigurationError(
                f"{type(student).__name__} is not a loss: it needs forward(outputs, targets) and backward(), or "
                "__call__(outputs, targets) and grad(outputs, targets), or to return (loss, gradient)."
            )
        self.further = FurtherArguments(self.value, getattr(student, "__name__", type(student).__name__))

    def around(self, student: Any) -> "StudentLoss":
        """Return another object or function of the same kind as a loss."""
        twin = StudentLoss(student)
        twin.further.kinds = self.further.kinds
        return twin

    def find_arguments(self, shape: Shape, targets: Array | None) -> None:
        """Find what forward takes besides outputs and targets."""
        self.further.find(self.forward, shape, targets)

    def forward(self, outputs: Array, targets: Array) -> float:
        result = self.value(*self.ordered(self.value, outputs, targets), *self.further.values(outputs.shape))
        self.keep(outputs, targets, None)
        if isinstance(result, tuple) and len(result) == 2:
            self.keep(outputs, targets, result[1])
            return result[0]
        return result

    def backward(self) -> Array:
        outputs, targets, returned = self.take()
        if returned is not None and self.gradient is None:
            return returned
        if self.gradient is None:
            name = getattr(self.student, "__name__", type(self.student).__name__)
            raise ConfigurationError(f"{name} returns its value alone: give its gradient, too, ({name}, {name}_prime)")
        count = len([p for p in parameters(self.gradient).values() if p.default is p.empty])
        given: tuple[Any, ...] = self.ordered(self.gradient, outputs, targets) if count > 1 else (1.0,)[:count]
        more = self.further.values(outputs.shape) if count > 2 else ()
        result = self.gradient(*given, *more)
        gradient: Any = getattr(self.student, "dinputs", None) if result is None else result
        return gradient

    def ordered(self, method: Any, outputs: Array, targets: Array) -> tuple[Array, Array]:
        """Return outputs and targets in the order that a method takes them."""
        names = [name.lower() for name in parameters(method)]
        swapped = bool(names) and (names[0] in ("t", "targets", "target", "labels", "y_true", "true"))
        return (targets, outputs) if swapped else (outputs, targets)


def returns_both(value: Any) -> bool:
    """Return whether a function or method of a loss may return (loss, gradient): functions are believed."""
    if inspect.isfunction(value):
        return True
    outputs = np.full((3, 2), 0.4)
    for targets in (np.array([0, 1, 0]), np.full((3, 2), 0.5), np.array([0.5, 0.5, 0.5])):
        try:
            result = copy.deepcopy(value)(outputs[: len(targets)], targets)
        except OWN_ERRORS:
            continue
        return isinstance(result, tuple) and len(result) == 2
    return False


def adapt_loss(loss: Any) -> Any:
    """Return a loss with forward and backward: a copy of `loss`, or an adapter around one.

    A class is called without arguments, and a pair of functions becomes a `LossPair`.
    """
    if isinstance(loss, tuple) and len(loss) == 2:
        loss = LossPair(*loss)
    loss = without_slots(copy.deepcopy(loss() if isinstance(loss, type) else loss))
    ours = callable(getattr(loss, "forward", None)) and callable(getattr(loss, "backward", None))
    two = ours and len(required(loss.forward)) < 3
    if two and not parameters(loss.backward) and not hasattr(loss, "dinputs"):
        return loss if returns_number(loss) else StudentLoss(loss)
    return StudentLoss(loss)


def returns_number(loss: Any) -> bool:
    """Return whether a loss of another class follows the protocol of `Loss` to the letter."""
    return isinstance(loss, Loss) or list(inspect.signature(loss.forward).parameters)[:1] not in (["targets"], ["t"])


def as_number(value: Any) -> Any:
    """Return the value of a loss; an array of one number as a number."""
    return value.item() if isinstance(value, np.ndarray) and value.size == 1 and value.ndim == 0 else value
