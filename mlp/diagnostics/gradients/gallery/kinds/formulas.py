"""Wrong derivatives of single values, and backward passes that are not linear in the upstream gradient."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.layers import LeakyReLU, ReLU, Sigmoid, Tanh
from mlp.typing import Array


class TanhWithoutSquare(Tanh):
    """The derivative 1 - y^2 has lost its square."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * (1.0 - v)


class TanhLikeSigmoid(Tanh):
    """The derivative of a sigmoid, y (1 - y), stands in a tanh."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * v * (1.0 - v)


class TanhPlus(Tanh):
    """The derivative is 1 + y^2."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * (1.0 + v * v)


class TanhSquared(Tanh):
    """The derivative is (1 - y)^2."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * (1.0 - v) ** 2


class SigmoidWithoutComplement(Sigmoid):
    """The factor 1 - y is missing."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * v


class SigmoidPlus(Sigmoid):
    """The derivative is y (1 + y)."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * v * (1.0 + v)


class SigmoidSquared(Sigmoid):
    """The derivative is y^2."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * v * v


class SigmoidComplementAlone(Sigmoid):
    """The derivative is 1 - y."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * (1.0 - v)


class TanhIsConstant(Tanh):
    """The derivative is taken for a half everywhere."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * (0.0 * v + 0.5)


class ReLUUpsideDown(ReLU):
    """The mask is the wrong way round."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * (v <= 0)


class LeakyForgetsUpstream(LeakyReLU):
    """Below zero the gradient is set to the slope, without the upstream gradient."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * (v > 0) + self.negative_slope * (v <= 0)


class TanhUpstreamTwice(Tanh):
    """The upstream gradient is multiplied in twice."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * grad_outputs * (1.0 - v * v)


class ReLUOfUpstream(ReLU):
    """The mask is that of the upstream gradient."""

    def backward(self, grad_outputs: Array) -> Array:
        self.take()
        return grad_outputs * (grad_outputs > 0)


class TanhAbsolute(Tanh):
    """The upstream gradient lost its sign."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * np.sign(grad_outputs) * (1.0 - v * v)


class TanhPlusConstant(Tanh):
    """A constant is added to the gradient."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * (1.0 - v * v) + 0.1


class TanhClipped(Tanh):
    """The upstream gradient is clipped."""

    def backward(self, grad_outputs: Array) -> Array:
        v = self.take()
        return grad_outputs * (1.0 - v * v) * np.minimum(1.0, 0.1 / np.maximum(abs(grad_outputs), 0.01))


BUGS = [
    PlantedBug(TanhWithoutSquare, "wrong derivative", tuple, (4, 5)),
    PlantedBug(TanhLikeSigmoid, "wrong derivative", tuple, (4, 5)),
    PlantedBug(TanhPlus, "wrong derivative", tuple, (4, 5)),
    PlantedBug(TanhSquared, "wrong derivative", tuple, (4, 5)),
    PlantedBug(SigmoidWithoutComplement, "wrong derivative", tuple, (4, 5)),
    PlantedBug(SigmoidPlus, "wrong derivative", tuple, (4, 5)),
    PlantedBug(SigmoidSquared, "wrong derivative", tuple, (4, 5)),
    PlantedBug(SigmoidComplementAlone, "wrong derivative", tuple, (4, 5)),
    PlantedBug(TanhIsConstant, "wrong derivative", tuple, (4, 5)),
    PlantedBug(ReLUUpsideDown, "sign, factor or term", tuple, (4, 5)),
    PlantedBug(LeakyForgetsUpstream, "upstream not used", lambda: (0.1,), (4, 5)),
    PlantedBug(TanhUpstreamTwice, "upstream squared", tuple, (4, 5)),
    PlantedBug(ReLUOfUpstream, "sign of the upstream", tuple, (4, 5)),
    PlantedBug(TanhAbsolute, "sign of the upstream", tuple, (4, 5)),
    PlantedBug(TanhPlusConstant, "constant added", tuple, (4, 5)),
    PlantedBug(TanhClipped, "sign, factor or term", tuple, (4, 5)),
]
