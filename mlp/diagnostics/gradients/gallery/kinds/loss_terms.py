"""Gradients of the cross-entropy with a wrong term."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.losses import SoftmaxCrossEntropy
from mlp.typing import Array


class CrossEntropyOfTerms(SoftmaxCrossEntropy):
    """The gradient is (p - q) / N, with the one-hot targets q."""

    def backward(self) -> Array:
        p, targets = self.take()
        N, K = p.shape
        return self.term(p, np.eye(K)[targets]) / N

    def term(self, p: Array, q: Array) -> Array:
        """Return what is divided by N."""
        return p - q


class OneHotBefore(CrossEntropyOfTerms):
    """The one-hot targets stand at the class before."""

    def term(self, p: Array, q: Array) -> Array:
        return p - np.roll(q, -1, axis=1)


class OneHotAfter(CrossEntropyOfTerms):
    """The one-hot targets stand at the class after."""

    def term(self, p: Array, q: Array) -> Array:
        return p - np.roll(q, 1, axis=1)


class ForProbabilities(CrossEntropyOfTerms):
    """It is the gradient for the probabilities."""

    def term(self, p: Array, q: Array) -> Array:
        return -q / p


class SquaredErrorOfProbabilities(CrossEntropyOfTerms):
    """The derivative of the softmax is multiplied in once more."""

    def term(self, p: Array, q: Array) -> Array:
        return (p - q) * p * (1.0 - p)


class TrueClassForgotten(CrossEntropyOfTerms):
    """The true class gets no gradient."""

    def term(self, p: Array, q: Array) -> Array:
        return p * (1.0 - q)


class OtherClassesForgotten(CrossEntropyOfTerms):
    """Only the true class gets a gradient."""

    def term(self, p: Array, q: Array) -> Array:
        return (p - q) * q


class OneHotTwice(CrossEntropyOfTerms):
    """The one-hot targets are subtracted twice."""

    def term(self, p: Array, q: Array) -> Array:
        return p - 2.0 * q


class SignLost(CrossEntropyOfTerms):
    """The gradient lost its sign."""

    def term(self, p: Array, q: Array) -> Array:
        return abs(p - q)


class PredictedClass(CrossEntropyOfTerms):
    """The one-hot vector stands at the predicted class."""

    def term(self, p: Array, q: Array) -> Array:
        return p - np.eye(p.shape[1])[p.argmax(axis=1)]


class SoftmaxOverEverything(SoftmaxCrossEntropy):
    """The softmax of backward divides by the sum over all samples."""

    def forward(self, outputs: Array, targets: Array) -> float:
        loss = super().forward(outputs, targets)
        exps = np.exp(outputs)
        self.keep(exps / exps.sum(), targets)
        return loss


class FirstCallKept(SoftmaxCrossEntropy):
    """Backward uses what the first call kept."""

    first: tuple[Array, Array] | None = None

    def forward(self, outputs: Array, targets: Array) -> float:
        loss = super().forward(outputs, targets)
        p, targets = self.take()
        if self.first is None or self.first[0].shape != outputs.shape:
            self.first = p, targets
        self.keep(self.first[0].copy(), self.first[1])
        return loss


class WeightedByConfidence(SoftmaxCrossEntropy):
    """Each sample's gradient is multiplied by the probability of its class."""

    def backward(self) -> Array:
        p, targets = self.take()
        self.keep(p, targets)
        return super().backward() * p[np.arange(len(targets)), targets][:, None]


BUGS = [
    PlantedBug(SoftmaxOverEverything, "sum over other axes", tuple, (5, 7)),
    PlantedBug(PredictedClass, "predicted class", tuple, (5, 7)),
    PlantedBug(FirstCallKept, "stale cache", tuple, (5, 7)),
    PlantedBug(WeightedByConfidence, "sign, factor or term", tuple, (5, 7)),
    PlantedBug(OneHotBefore, "wrong number", tuple, (5, 7)),
    PlantedBug(OneHotAfter, "wrong index", tuple, (5, 7)),
    PlantedBug(ForProbabilities, "inner derivative forgotten", tuple, (5, 7)),
    PlantedBug(SquaredErrorOfProbabilities, "derivative twice", tuple, (5, 7)),
    PlantedBug(TrueClassForgotten, "true class forgotten", tuple, (5, 7)),
    PlantedBug(OtherClassesForgotten, "other classes forgotten", tuple, (5, 7)),
    PlantedBug(OneHotTwice, "sign, factor or term", tuple, (5, 7)),
    PlantedBug(SignLost, "function or axis", tuple, (5, 7)),
]
