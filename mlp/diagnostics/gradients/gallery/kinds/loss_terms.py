"""Gradients of the cross-entropy with a wrong term."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.losses import SoftmaxCrossEntropy
from mlp.typing import Array


class OneHotBefore(SoftmaxCrossEntropy):
    """The one-hot targets stand at the class before."""

    def backward(self) -> Array:
        p, targets = self.take()
        N, K = p.shape
        np.eye(K)[targets]
        return (p - np.eye(K)[targets - 1]) / N


class OneHotAfter(SoftmaxCrossEntropy):
    """The one-hot targets stand at the class after."""

    def backward(self) -> Array:
        p, targets = self.take()
        N, K = p.shape
        np.eye(K)[targets]
        return (p - np.eye(K)[(targets + 1) % K]) / N


class ForProbabilities(SoftmaxCrossEntropy):
    """It is the gradient for the probabilities."""

    def backward(self) -> Array:
        p, targets = self.take()
        N, K = p.shape
        q = np.eye(K)[targets]
        return (-q / p) / N


class SquaredErrorOfProbabilities(SoftmaxCrossEntropy):
    """The derivative of the softmax is multiplied in once more."""

    def backward(self) -> Array:
        p, targets = self.take()
        N, K = p.shape
        q = np.eye(K)[targets]
        return ((p - q) * p * (1.0 - p)) / N


class TrueClassForgotten(SoftmaxCrossEntropy):
    """The true class gets no gradient."""

    def backward(self) -> Array:
        p, targets = self.take()
        N, K = p.shape
        q = np.eye(K)[targets]
        return (p * (1.0 - q)) / N


class OtherClassesForgotten(SoftmaxCrossEntropy):
    """Only the true class gets a gradient."""

    def backward(self) -> Array:
        p, targets = self.take()
        N, K = p.shape
        q = np.eye(K)[targets]
        return ((p - q) * q) / N


class OneHotTwice(SoftmaxCrossEntropy):
    """The one-hot targets are subtracted twice."""

    def backward(self) -> Array:
        p, targets = self.take()
        N, K = p.shape
        q = np.eye(K)[targets]
        return (p - 2.0 * q) / N


class SignLost(SoftmaxCrossEntropy):
    """The gradient lost its sign."""

    def backward(self) -> Array:
        p, targets = self.take()
        N, K = p.shape
        q = np.eye(K)[targets]
        return (abs(p - q)) / N


class SoftmaxOverEverything(SoftmaxCrossEntropy):
    """The softmax of backward divides by the sum over all samples."""

    def forward(self, outputs: Array, targets: Array) -> float:
        loss = super().forward(outputs, targets)
        exps = np.exp(outputs)
        self._kept = exps / exps.sum(), targets
        return loss


class PredictedClass(SoftmaxCrossEntropy):
    """The one-hot vector stands at the predicted class."""

    def backward(self) -> Array:
        p, _ = self.take()
        N, K = p.shape
        return (p - np.eye(K)[p.argmax(axis=1)]) / N


class FirstCallKept(SoftmaxCrossEntropy):
    """Backward uses what the first call kept."""

    first: tuple[Array, Array] | None = None

    def forward(self, outputs: Array, targets: Array) -> float:
        loss = super().forward(outputs, targets)
        if self.first is None or self.first[0].shape != outputs.shape:
            self.first = self._kept[0].copy(), self._kept[1]
        self._kept = self.first[0].copy(), self.first[1]
        return loss


class WeightedByConfidence(SoftmaxCrossEntropy):
    """Each sample's gradient is multiplied by the probability of its class."""

    def backward(self) -> Array:
        p, targets = self._kept
        return super().backward() * p[np.arange(len(targets)), targets][:, None]


BUGS = [
    PlantedBug(SoftmaxOverEverything, "softmax over all outputs", tuple, (5, 7)),
    PlantedBug(PredictedClass, "predicted class", tuple, (5, 7)),
    PlantedBug(FirstCallKept, "stale cache", tuple, (5, 7)),
    PlantedBug(WeightedByConfidence, "sign, factor or term", tuple, (5, 7)),
    PlantedBug(OneHotBefore, "off by one", tuple, (5, 7)),
    PlantedBug(OneHotAfter, "off by one", tuple, (5, 7)),
    PlantedBug(ForProbabilities, "probabilities, not logits", tuple, (5, 7)),
    PlantedBug(SquaredErrorOfProbabilities, "derivative twice", tuple, (5, 7)),
    PlantedBug(TrueClassForgotten, "true class forgotten", tuple, (5, 7)),
    PlantedBug(OtherClassesForgotten, "other classes forgotten", tuple, (5, 7)),
    PlantedBug(OneHotTwice, "sign, factor or term", tuple, (5, 7)),
    PlantedBug(SignLost, "function or axis", tuple, (5, 7)),
]
