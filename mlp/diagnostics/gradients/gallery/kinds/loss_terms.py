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


BUGS = [
    PlantedBug(OneHotBefore, "off by one", tuple, (5, 7)),
    PlantedBug(OneHotAfter, "off by one", tuple, (5, 7)),
    PlantedBug(ForProbabilities, "probabilities, not logits", tuple, (5, 7)),
    PlantedBug(SquaredErrorOfProbabilities, "derivative twice", tuple, (5, 7)),
    PlantedBug(TrueClassForgotten, "true class forgotten", tuple, (5, 7)),
    PlantedBug(OtherClassesForgotten, "other classes forgotten", tuple, (5, 7)),
    PlantedBug(OneHotTwice, "wrong coefficient", tuple, (5, 7)),
    PlantedBug(SignLost, "sign lost", tuple, (5, 7)),
]
