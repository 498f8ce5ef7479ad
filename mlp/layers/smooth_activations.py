"""Smooth activations: their derivative is a function of their own output, so that is what they keep.

    Sigmoid   y = 1 / (1 + exp(-x))                  dy/dx = y (1 - y)
    Tanh      y = tanh x                             dy/dx = 1 - y^2
    ELU       y = x for x > 0, a (exp x - 1) else    dy/dx = 1 for x > 0, y + a else

Where |x| is large, the derivatives of sigmoid and tanh are close to 0: the unit saturates, and hardly any gradient
passes. Sigmoid's never exceeds 1/4, so each one leaves a quarter of the gradient at most. Only large weights could make
up for that, and they saturate the units. ELU is smooth for a = 1; for other a its slope jumps at 0, from a to 1.

For very negative x, exp(-x) overflows in the formula of the sigmoid; y = (1 + tanh(x/2)) / 2 is the same function and
does not.

Reference: Clevert et al., Fast and accurate deep network learning by exponential linear units, 2016.
"""

from mlp.backend import get_array_module
from mlp.checks import positive
from mlp.layers.machinery.base import Layer
from mlp.typing import Array


class Sigmoid(Layer):
    """1 / (1 + exp(-x)), any shape."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y = (get_array_module(x).tanh(x * 0.5) + 1.0) * 0.5
        self.keep(y)
        return y

    def backward(self, grad_outputs: Array) -> Array:
        y = self.take()
        return grad_outputs * y * (1.0 - y)


class Tanh(Layer):
    """tanh x, any shape."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y = get_array_module(x).tanh(x)
        self.keep(y)
        return y

    def backward(self, grad_outputs: Array) -> Array:
        y = self.take()
        return grad_outputs * (1.0 - y * y)


class ELU(Layer):
    """Exponential linear unit, any shape.

    Args:
        alpha: a > 0; the outputs stay above -a.

    Raises:
        ConfigurationError: alpha is not above 0.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = positive("alpha", alpha)

    def forward(self, x: Array, training: bool = False) -> Array:
        xp = get_array_module(x)
        y = xp.maximum(x, 0.0) + self.alpha * xp.expm1(xp.minimum(x, 0.0))  # one of the two terms is 0
        self.keep(y)
        return y

    def backward(self, grad_outputs: Array) -> Array:
        y = self.take()
        xp = get_array_module(y)
        slope = (y > 0).astype(y.dtype) + (xp.minimum(y, 0.0) + self.alpha) * (y <= 0)
        return grad_outputs * slope

    def branches(self, x: Array) -> Array:
        return x > 0

    def __repr__(self) -> str:
        return f"ELU({self.alpha})"
