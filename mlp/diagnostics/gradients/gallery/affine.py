"""Wrong affine layers: y = x W + b, dL/dW = x^T dL/dy, dL/db = sum dL/dy, dL/dx = dL/dy W^T."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug, Spoiled
from mlp.layers import Affine, Parameter
from mlp.typing import Array


class WeightGradientAveraged(Spoiled, Affine):
    """The weight's gradient is divided by the batch size, which the loss has done already."""

    def spoil(self, grad_outputs: Array) -> None:
        self.weight.grad /= len(grad_outputs)


class BiasGradientAveraged(Spoiled, Affine):
    """The bias's gradient is the mean over the batch, not the sum."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad = grad_outputs.mean(axis=0)


class BiasOfTheLastSample(Spoiled, Affine):
    """In a loop over the batch the bias's gradient is overwritten, not added to."""

    def spoil(self, grad_outputs: Array) -> None:
        for row in grad_outputs:
            self.bias.grad = row


class BiasNotSummed(Spoiled, Affine):
    """The bias's gradient is dL/dy itself, one row for each sample."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad = grad_outputs


class BiasZero(Spoiled, Affine):
    """The bias's gradient is zero."""

    def spoil(self, grad_outputs: Array) -> None:
        self.bias.grad = np.zeros_like(self.bias.grad)


class BiasForgotten(Affine):
    """The bias's gradient is never written."""

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()
        self.weight.grad = x.T @ grad_outputs
        return grad_outputs @ self.weight.data.T


class WeightNotTransposed(Affine):
    """The inputs' gradient takes W for its transpose, which fits where D_in = D_out."""

    def backward(self, grad_outputs: Array) -> Array:
        super().backward(grad_outputs)
        return grad_outputs @ self.weight.data


class WeightGradientTransposed(Affine):
    """The weight's gradient is dL/dy^T x, the transpose of the right one."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()
        self.bias.grad = grad_outputs.sum(axis=0)
        self.weight.grad = grad_outputs.T @ x
        return grad_outputs @ self.weight.data.T


class WeightGradientReshaped(Affine):
    """The transpose of the weight's gradient is brought into shape by reshape."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()
        self.bias.grad = grad_outputs.sum(axis=0)
        self.weight.grad = (grad_outputs.T @ x).reshape(self.weight.data.shape)
        return grad_outputs @ self.weight.data.T


class GradientAddsUp(Affine):
    """The weight's gradient is added to that of the call before."""

    def backward(self, grad_outputs: Array) -> Array:
        before = self.weight.grad.copy()
        grad_inputs = super().backward(grad_outputs)
        self.weight.grad += before
        return grad_inputs


class UpstreamIgnored(Affine):
    """The weight's gradient is that of the sum of the outputs: dL/dy is not used."""

    bias: Parameter

    def backward(self, grad_outputs: Array) -> Array:
        x = self.take()
        self.bias.grad = grad_outputs.sum(axis=0)
        self.weight.grad = x.T @ np.ones_like(grad_outputs)
        return grad_outputs @ self.weight.data.T


class FirstInputsKept(Affine):
    """The inputs are kept once and never renewed."""

    first: Array | None = None

    def forward(self, x: Array, training: bool = False) -> Array:
        self.first = x.copy() if self.first is None else self.first
        return super().forward(x, training)

    def backward(self, grad_outputs: Array) -> Array:
        self.take()
        self.keep(self.first)
        return super().backward(grad_outputs)


class APerMilleTooMuch(Affine):
    """All gradients are a thousandth too large."""

    def backward(self, grad_outputs: Array) -> Array:
        return super().backward(grad_outputs * 1.001)


class MaskForgotten(Affine):
    """A ReLU is built into forward, and backward does not know it."""

    def forward(self, x: Array, training: bool = False) -> Array:
        return np.maximum(super().forward(x, training), 0.0)


def bug(kind: type, expected: str, outputs: int = 4) -> PlantedBug:
    """Return the entry of one class; D_out may be D_in."""
    return PlantedBug(kind, expected, lambda: (3, outputs), (5, 3))


BUGS = [
    bug(WeightGradientAveraged, "mean over the batch"),
    bug(BiasGradientAveraged, "mean over the batch"),
    bug(BiasOfTheLastSample, "contributions overwritten"),
    bug(BiasNotSummed, "not summed"),
    bug(BiasZero, "gradient is zero"),
    bug(BiasForgotten, "never written"),
    bug(WeightNotTransposed, "transposed", outputs=3),
    bug(WeightNotTransposed, "matrix product", outputs=4),
    bug(WeightGradientTransposed, "transposed", outputs=3),
    bug(WeightGradientTransposed, "transposed", outputs=4),
    bug(WeightGradientReshaped, "reshaped, not transposed"),
    bug(GradientAddsUp, "accumulates"),
    bug(UpstreamIgnored, "upstream ignored"),
    bug(FirstInputsKept, "stale cache"),
    bug(APerMilleTooMuch, "sign, factor or term"),
    bug(MaskForgotten, "activation left out"),
]
