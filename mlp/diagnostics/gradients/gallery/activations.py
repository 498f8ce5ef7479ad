"""Wrong activations: dL/dx = dL/dy f'(x), each value by itself."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.layers import Layer, LeakyReLU, ReLU, Sigmoid, Tanh
from mlp.typing import Array


class DerivativeForgotten(ReLU):
    """The gradient is handed on as it came."""

    def backward(self, grad_outputs: Array) -> Array:
        self.take()
        return grad_outputs.copy()


class BranchesExchanged(LeakyReLU):
    """The small slope is taken above zero, and 1 below."""

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs * np.where(self.take() > 0, self.negative_slope, 1.0)


class SlopeForgotten(LeakyReLU):
    """Below zero the slope is taken for 0."""

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs * (self.take() > 0)


class SignOfTheUpstream(ReLU):
    """Not x but dL/dy is compared with zero."""

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()
        return grad_outputs * (x > 0) * (grad_outputs > 0)


class Climbing(Tanh):
    """The gradient has the wrong sign."""

    def backward(self, grad_outputs: Array) -> Array:
        return -super().backward(grad_outputs)


class SigmoidOfInputs(Sigmoid):
    """The derivative v (1 - v) is taken of the inputs, and holds for the outputs."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y = super().forward(x, training)
        self.keep(x)
        return y

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()
        return grad_outputs * x * (1.0 - x)


class TanhAtTheOutputs(Tanh):
    """The derivative 1 - tanh(x)^2 is computed with the outputs in place of x."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y = super().forward(x, training)
        self.keep(y)
        return y

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs * (1.0 - np.tanh(self.take()) ** 2)


class SmoothedReLU(Layer):
    """A ReLU that is a parabola where |x| < 0.5, and whose backward does not know it."""

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(x)
        return np.where(abs(x) < 0.5, 0.5 * (x + 0.5) ** 2, np.maximum(x, 0.0))

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs * (self.take() > 0)


class LateBorder(Layer):
    """y = max(-1, min(1, x)), whose backward takes the borders for -2 and 2."""

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(x)
        return np.clip(x, -1.0, 1.0)

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs * (abs(self.take()) < 2.0)


class WrongInTraining(Tanh):
    """In training, and only there, the derivative is multiplied by 1 + x^2."""

    def forward(self, x: Array, training: bool = False) -> Array:
        self.factor = 1.0 + x * x if training else 1.0
        return super().forward(x, training)

    def backward(self, grad_outputs: Array) -> Array:
        return super().backward(grad_outputs) * self.factor


class SquareWithoutTwo(Layer):
    """y = x^2 with the derivative x."""

    def forward(self, x: Array, training: bool = False) -> Array:
        self.keep(x)
        return x * x

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs * self.take()


class SoftmaxDiagonal(Layer):
    """A softmax whose backward takes p (1 - p) for the whole derivative."""

    def forward(self, x: Array, training: bool = False) -> Array:
        exps = np.exp(x - x.max(axis=1, keepdims=True))
        p = exps / exps.sum(axis=1, keepdims=True)
        self.keep(p)
        return p

    def backward(self, grad_outputs: Array) -> Array:
        p = self.take()
        return grad_outputs * p * (1.0 - p)


class SoftmaxSumUnweighted(SoftmaxDiagonal):
    """A softmax whose backward subtracts the sum of dL/dy, not weighted with p."""

    def backward(self, grad_outputs: Array) -> Array:
        p = self.take()
        return p * (grad_outputs - grad_outputs.sum(axis=1, keepdims=True))


class OneFactorOnly(Layer):
    """y = x sigmoid(x), of which only the first factor is differentiated."""

    def forward(self, x: Array, training: bool = False) -> Array:
        gate = 1.0 / (1.0 + np.exp(-x))
        self.keep(gate)
        return x * gate

    def backward(self, grad_outputs: Array) -> Array:
        return grad_outputs * self.take()


BUGS = [
    PlantedBug(DerivativeForgotten, "upstream handed on", tuple, (4, 5)),
    PlantedBug(BranchesExchanged, "function or axis", lambda: (0.1,), (4, 5)),
    PlantedBug(SlopeForgotten, "wrong branch", lambda: (0.01,), (4, 5)),
    PlantedBug(SignOfTheUpstream, "sign of the upstream", tuple, (4, 5)),
    PlantedBug(Climbing, "sign", tuple, (4, 5)),
    PlantedBug(SigmoidOfInputs, "inputs in place of outputs", tuple, (4, 5)),
    PlantedBug(TanhAtTheOutputs, "outputs in place of inputs", tuple, (4, 5)),
    PlantedBug(SmoothedReLU, "kink", tuple, (4, 5)),
    PlantedBug(LateBorder, "wrong number", tuple, (4, 5)),
    PlantedBug(WrongInTraining, "sign, factor or term", tuple, (4, 5)),
    PlantedBug(SquareWithoutTwo, "factor 2", tuple, (4, 5)),
    PlantedBug(SoftmaxDiagonal, "only the diagonal", tuple, (4, 5)),
    PlantedBug(SoftmaxSumUnweighted, "softmax sum", tuple, (4, 5)),
    PlantedBug(OneFactorOnly, "product rule", tuple, (4, 5)),
]
