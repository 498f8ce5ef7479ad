"""Layers of other protocols, seen as a `Layer`, so that the checks can work on what a student wrote elsewhere.

    class of `mlp`          forward(x, training), backward(grad_outputs); Parameters as attributes
    without `training`      forward(x): it is called like this, with a remark: a model calls forward(x, training)
    a class of any kind     see `calls` and `arrays`: forward and backward under many names, weights and gradients in
                            attributes, lists, dictionaries, objects inside, or returned by backward
    stateless               fprop(inputs), bprop(inputs, outputs, grads_wrt_outputs), and for weights
                            grads_wrt_params(inputs, grads_wrt_outputs) and `params`, in one order

A class of any kind is told the mode by the argument that its forward has (training, train, mode ...), by its methods
train() and eval(), or by an attribute `training`.
"""

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from mlp.diagnostics.gradients.styles.arrays import copied
from mlp.diagnostics.gradients.styles.slots import without_slots
from mlp.diagnostics.gradients.styles.student_layer import StudentLayer
from mlp.errors import ConfigurationError
from mlp.layers.machinery.base import Layer
from mlp.typing import Array

INDICES = "the inputs are indices, which have no gradient: the gradients of the weights were checked."

MOVES = "backward moves the weights itself: their gradients were read from a step with the learning rate 1."


def adapt(layer: Any, input_shape: Sequence[int], indices: Array | None = None) -> tuple[Layer, list[str]]:
    """Return (a `Layer` that can be checked, remarks for the reader).

    Args:
        layer: a layer, an object of another protocol, or a class that needs no arguments; it stays as it is.
        input_shape: with the batch axis.
        indices: inputs that are whole numbers, or None.

    Raises:
        ConfigurationError: it has no forward and backward under any known name, or it is a class that needs arguments.
    """
    if inspect.isclass(layer):
        layer = instance_of(layer)
    if isinstance(layer, Layer):
        silent = [(path, child) for path, child in layer.named_layers() if not takes_mode(child.forward)]
        remarks = [remark(path, child) for path, child in silent]
        return (with_training(layer) if silent else layer), remarks
    student = StudentLayer(without_slots(copied(layer, {}))).learn(input_shape, indices)
    remarks = [INDICES] if student.whole is not None else []
    return student, [*remarks, *([MOVES] if "rate" in student.calls.takes else [])]


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
        inspect.signature(forward).bind("x", "training")
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
