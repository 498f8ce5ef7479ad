"""Looking at a model without changing it: for gradient checks, landscapes and finding the layer that broke."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from mlp.typing import Array

if TYPE_CHECKING:
    from mlp.layers.machinery.base import Layer


@contextmanager
def frozen_buffers(model: "Layer") -> Iterator["Layer"]:
    """Within this context forward passes leave no trace: the model's buffers are put back at its end.

    Probes (gradient checks, landscape plots) run training-mode forward passes that are no training steps.
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
def frozen_gradients(model: "Layer") -> Iterator["Layer"]:
    """Within this context backward passes leave no trace: at its end every `grad` is put back, and nothing is kept."""
    saved = [(parameter.grad, parameter.grad.copy()) for parameter in model.parameters()]
    try:
        yield model
    finally:
        for array, values in saved:
            array[...] = values
        for _, layer in model.named_layers():
            layer._kept = None


def observed(model: "Layer", see: Callable[["Layer", Array, Array], object]) -> AbstractContextManager["Layer"]:
    """Within this context `see(layer, inputs, outputs)` is called after each forward of a layer without children."""
    return _watched(model, "forward", see)


def observed_backward(
    model: "Layer", see: Callable[["Layer", Array, Array], object]
) -> AbstractContextManager["Layer"]:
    """Within this context `see(layer, grad_outputs, grad_inputs)` is called after each backward of such a layer."""
    return _watched(model, "backward", see)


@contextmanager
def _watched(model: "Layer", method: str, see: Callable[["Layer", Array, Array], object]) -> Iterator["Layer"]:
    leaves = leaf_layers(model)

    before = [vars(layer).get(method) for layer in leaves]  # that of a context around this one, else None

    def watch(layer: "Layer") -> None:
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


def leaf_layers(model: "Layer") -> list["Layer"]:
    """Return the layers that are not made of others, in forward order."""
    return [layer for _, layer in model.named_layers() if not layer.children()]
