"""Reshaping: the same numbers in another shape. Nothing is computed, so the gradient only gets its old shape back."""

import math
from collections.abc import Iterable, Sequence

from mlp.checks import at_least_one, shown
from mlp.errors import ConfigurationError, ShapeError
from mlp.layers.machinery.base import Layer
from mlp.typing import Array


class Flatten(Layer):
    """Turn each sample into one vector, (N, H, W, C) -> (N, H W C); the last axis (channels) varies fastest."""

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(x.shape)
        return x.reshape(len(x), math.prod(x.shape[1:]))

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs.reshape(self.take())


class Reshape(Layer):
    """Give each sample another shape, (N, ...) -> (N, *shape).

    Args:
        shape: of one sample, without the batch axis: Reshape((28, 28, 1)) makes images of vectors of 784.

    Raises:
        ConfigurationError: no sizes of at least 1. ShapeError (forward): the samples have another number of values.
    """

    def __init__(self, shape: Sequence[int]) -> None:
        if not isinstance(shape, Iterable):
            raise ConfigurationError(f"Reshape takes the shape of one sample, got {shown(shape)}: write ({shape},)")
        self.shape = tuple(at_least_one("each size of a shape", size) for size in shape)

    def forward(self, x: Array, training: bool = False) -> Array:
        if math.prod(x.shape[1:]) != math.prod(self.shape):
            raise ShapeError(
                f"{self.label()}: samples of shape {x.shape[1:]} have {math.prod(x.shape[1:])} values, "
                f"{self.shape} needs {math.prod(self.shape)}."
            )
        self.keep(x.shape)
        return x.reshape(len(x), *self.shape)

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs.reshape(self.take())

    def __repr__(self) -> str:
        return f"Reshape({self.shape})"
