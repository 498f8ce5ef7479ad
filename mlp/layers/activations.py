"""Activations: the same scalar function for every value, so that layers together are more than one affine map.

    LeakyReLU   y = x where x > 0, else a x            dL/dx = dL/dy where x > 0, else a dL/dy
    ReLU        y = x where x > 0, else 0              dL/dx = dL/dy where x > 0, else 0

For a slope 0 <= a <= 1 the forward formula is y = max(x, a x): above zero x is the larger of the two, below it a x.
At the kink x = 0 the derivative from the left is used, as PyTorch does. Both keep x.

Reference: Maas et al., Rectifier nonlinearities improve neural network acoustic models, 2013.
"""

from mlp.backend import get_array_module
from mlp.checks import number
from mlp.errors import ConfigurationError
from mlp.layers.machinery.base import Layer
from mlp.typing import Array


class LeakyReLU(Layer):
    """Leaky rectifier, any shape.

    Args:
        negative_slope: a, the slope below zero, 0 <= a <= 1.

    Raises:
        ConfigurationError: a slope outside 0 .. 1.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        if not 0 <= number("negative_slope", negative_slope) <= 1:
            raise ConfigurationError(f"negative_slope must lie in 0 .. 1, got {negative_slope}")
        self.negative_slope = float(negative_slope)

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(x)
        y = self.negative_slope * x
        return get_array_module(x).maximum(x, y, out=y)

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()
        xp = get_array_module(x)
        slope = xp.maximum(x > 0, self.negative_slope, dtype=x.dtype)  # dy/dx: max(1, a) = 1, or max(0, a) = a
        return xp.multiply(slope, grad_outputs, out=slope)

    def branches(self, x: Array) -> Array:
        return x > 0

    def __repr__(self) -> str:
        return f"LeakyReLU({self.negative_slope})"


class ReLU(Layer):
    """Rectifier, any shape."""

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(x)
        return get_array_module(x).maximum(x, 0.0)

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()
        return grad_outputs * (x > 0)

    def branches(self, x: Array) -> Array:
        return x > 0
