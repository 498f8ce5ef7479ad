"""Wrong softmax cross-entropies: L = -(1/N) sum log p_t, dL/dz = (p - onehot(t)) / N."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.losses import SoftmaxCrossEntropy
from mlp.typing import Array


class NotDividedByN(SoftmaxCrossEntropy):
    """The gradient is that of the sum over the batch."""

    def backward(self) -> Array:
        gradient = super().backward()
        return gradient * len(gradient)


class DividedTwice(SoftmaxCrossEntropy):
    """The gradient is divided by N twice."""

    def backward(self) -> Array:
        gradient = super().backward()
        return gradient / len(gradient)


class SumInForward(SoftmaxCrossEntropy):
    """The loss is the sum over the batch, its gradient that of the mean."""

    def forward(self, outputs: Array, targets: Array) -> float:
        return super().forward(outputs, targets) * len(targets)


class WrongSign(SoftmaxCrossEntropy):
    """The gradient points uphill."""

    def backward(self) -> Array:
        return -super().backward()


class TargetForgotten(SoftmaxCrossEntropy):
    """The gradient is p / N: the one-hot targets are not subtracted."""

    def backward(self) -> Array:
        probabilities, targets = self.take()
        return probabilities / len(targets)


class TargetAdded(SoftmaxCrossEntropy):
    """The one-hot targets are added."""

    def backward(self) -> Array:
        probabilities, targets = self.take()
        self.keep(probabilities, targets)
        grad = super().backward()
        grad[np.arange(len(targets)), targets] += 2.0 / len(targets)
        return grad


class LogitsForProbabilities(SoftmaxCrossEntropy):
    """The gradient takes the logits for the probabilities."""

    def forward(self, outputs: Array, targets: Array) -> float:
        loss = super().forward(outputs, targets)
        self.keep(outputs.copy(), targets)
        return loss


class OverTheBatch(SoftmaxCrossEntropy):
    """In backward the softmax runs over the batch."""

    def forward(self, outputs: Array, targets: Array) -> float:
        loss = super().forward(outputs, targets)
        exps = np.exp(outputs)
        self.keep(exps / exps.sum(axis=0), targets)
        return loss


class ChangesLogits(SoftmaxCrossEntropy):
    """The largest logit is subtracted in place."""

    def forward(self, outputs: Array, targets: Array) -> float:
        outputs -= outputs.max(axis=1, keepdims=True)
        return super().forward(outputs, targets)


class GradientInFloat32(SoftmaxCrossEntropy):
    """The gradient is float32, whatever the logits are."""

    def backward(self) -> Array:
        return super().backward().astype(np.float32)


BUGS = [
    PlantedBug(kind, expected, shape=(4, 5))
    for kind, expected in (
        (NotDividedByN, "division by N"),
        (DividedTwice, "mean over the batch"),
        (SumInForward, "mean forgotten in forward"),
        (WrongSign, "sign"),
        (TargetForgotten, "one-hot forgotten"),
        (TargetAdded, "one-hot added"),
        (LogitsForProbabilities, "wrong term"),
        (OverTheBatch, "wrong term"),
        (ChangesLogits, "inputs changed"),
        (GradientInFloat32, "wrong dtype"),
    )
]
