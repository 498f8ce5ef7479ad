"""Looking at a model without changing it: for gradient checks, landscapes and finding the layer that broke."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeVar

import numpy as np

from mlp.layers.machinery.tree import Node, Tree
from mlp.typing import Array

Model = TypeVar("Model", bound=Tree[Any])


@contextmanager
def frozen_buffers(model: Model) -> Iterator[Model]:
    """Within this context forward passes change no buffer for good: the model's buffers are put back at its end.

    Probes (gradient checks, landscape plots) run training-mode forward passes that are not training steps. What these
    kept for backward stays; `layer.forget()` drops it.
    """
    saved = [
        (layer, name, getattr(layer, name), getattr(layer, name).copy())
        for _, layer in model.named_layers()
        for name in layer.buffer_names
    ]
    try:
        yield model
    finally:
        for layer, name, array, values in saved:
            if not isinstance(array, np.generic):  # a number cannot change, it can only be replaced
                array[...] = values
            setattr(layer, name, array)  # a layer may have made a new array instead of changing this one


@contextmanager
def frozen_gradients(model: Model) -> Iterator[Model]:
    """Within this context backward passes leave no trace: at its end every `grad` is put back, and nothing is kept."""
    saved = [(parameter.grad, parameter.grad.copy()) for parameter in model.parameters()]
    try:
        yield model
    finally:
        for array, values in saved:
            array[...] = values
        for _, layer in model.named_layers():
            layer.forget()


def observed(model: Tree[Node], see: Callable[[Node, Array, Array], object]) -> AbstractContextManager[object]:
    """Within this context `see(layer, inputs, outputs)` is called after each forward of a layer without children."""
    return _watched(model, "forward", see)


def observed_backward(model: Tree[Node], see: Callable[[Node, Array, Array], object]) -> AbstractContextManager[object]:
    """Within this context `see(layer, grad_outputs, grad_inputs)` is called after each backward of such a layer."""
    return _watched(model, "backward", see)


@contextmanager
def _watched(model: Tree[Node], method: str, see: Callable[[Node, Array, Array], object]) -> Iterator[object]:
    leaves = leaf_layers(model)
    before = [vars(layer).get(method) for layer in leaves]  # what an outer `observed` has put there, else None

    def watch(layer: Node) -> None:
        plain = getattr(layer, method)

        def watching(array: Array, *others: Any, **named: Any) -> Array:
            result = plain(array, *others, **named)
            see(layer, array, result)
            return result

        setattr(layer, method, watching)

    for layer in leaves:
        watch(layer)
    try:
        yield model
    finally:
        for layer, watching in zip(leaves, before, strict=True):
            delattr(layer, method)
            if watching is not None:
                setattr(layer, method, watching)


def leaf_layers(model: Tree[Node]) -> list[Node]:
    """Return the layers that are not made of others, in forward order."""
    return [layer for _, layer in model.named_layers() if not layer.children()]
