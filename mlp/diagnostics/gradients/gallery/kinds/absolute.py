"""Wrong derivatives of |d|, which is the sign of d: of a layer y = |x|, and of the mean absolute error."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.layers import Layer
from mlp.losses import Loss
from mlp.typing import Array


class AbsoluteValue(Layer):
    """y = |x|, dx = g sign(x)."""

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(x)
        return np.abs(x)

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs * np.sign(self.take())


class HandedOn(AbsoluteValue):
    """The upstream gradient is handed on, whatever the sign of x."""

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs.copy()


class TimesTheOutputs(AbsoluteValue):
    """The upstream gradient is multiplied by |x| itself."""

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs * np.abs(self.take())


class NotAtZero(AbsoluteValue):
    """x / |x| is 0 / 0 where x is 0."""

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()
        return grad_outputs * x / np.abs(x)


class AbsoluteLoss(Loss):
    """L = (1/N) sum |y - t|, dL/dy = sign(y - t) / N."""

    def forward(self, outputs: Array, targets: Array) -> float:
        self.keep(outputs - targets, len(outputs))
        return float(np.abs(outputs - targets).sum() / len(outputs))

    def slope(self, d: Array) -> Array:
        """Return what stands in the gradient where sign(d) belongs."""
        return np.sign(d)

    def backward(self) -> Array:
        d, N = self.take()
        return np.asarray(self.slope(d) / N)


class AbsHandedOn(AbsoluteLoss):
    """|d| itself stands in the gradient."""

    def slope(self, d: Array) -> Array:
        return np.abs(d)


class DifferenceItself(AbsoluteLoss):
    """d stands in the gradient, as for d^2 / 2."""

    def slope(self, d: Array) -> Array:
        return d


class AlwaysOne(AbsoluteLoss):
    """1 stands in the gradient, on both sides of the target."""

    def slope(self, d: Array) -> Array:
        return np.ones_like(d)


class SignByDivision(AbsoluteLoss):
    """d / |d| is 0 / 0 where an output hits its target."""

    def slope(self, d: Array) -> Array:
        return d / np.abs(d)


class ClippedTooEarly(AbsoluteLoss):
    """A Huber loss, d^2 / 2 for |d| < 1, whose gradient is not clipped."""

    def forward(self, outputs: Array, targets: Array) -> float:
        super().forward(outputs, targets)
        size = np.abs(outputs - targets)
        return float(np.where(size < 1.0, 0.5 * size**2, size - 0.5).sum() / len(outputs))

    def slope(self, d: Array) -> Array:
        return d


BUGS = [
    PlantedBug(HandedOn, "upstream handed on", tuple, (4, 5)),
    PlantedBug(TimesTheOutputs, "sign forgotten", tuple, (4, 5)),
    PlantedBug(NotAtZero, "not finite", tuple, (4, 5)),
    PlantedBug(AbsHandedOn, "loss handed on", tuple, (5, 4)),
    PlantedBug(DifferenceItself, "function or sign", tuple, (5, 4)),
    PlantedBug(AlwaysOne, "sign lost", tuple, (5, 4)),
    PlantedBug(SignByDivision, "not finite", tuple, (5, 4)),
    PlantedBug(ClippedTooEarly, "linear part forgotten", tuple, (5, 4)),
]
