"""Losses for numbers and sets that `mlp.losses` does not have, each with a mistake in its gradient or in its value."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.losses import Loss
from mlp.typing import Array

TINY = 1e-300  # its logarithm is finite


class HuberRight(Loss):
    """d^2/2 where |d| <= delta, delta (|d| - delta/2) elsewhere."""

    delta = 0.5

    def forward(self, outputs: Array, targets: Array) -> float:
        d = outputs - targets
        self.keep(d)
        size = np.abs(d)
        return float(np.where(size <= self.delta, 0.5 * d * d, self.delta * (size - 0.5 * self.delta)).mean())

    def backward(self) -> Array:
        d = self.take()
        return np.clip(d, -self.delta, self.delta) / d.size


class HuberDeltaForgotten(HuberRight):
    """The linear part has the sign alone."""

    def backward(self) -> Array:
        d = self.take()
        return np.where(np.abs(d) <= self.delta, d, np.sign(d)) / d.size


class HuberNotJoined(HuberRight):
    """The linear part of the loss is delta |d|, so that the loss jumps."""

    def forward(self, outputs: Array, targets: Array) -> float:
        super().forward(outputs, targets)
        d = outputs - targets
        return float(np.where(np.abs(d) <= self.delta, 0.5 * d * d, self.delta * np.abs(d)).mean())


class QuantileRight(Loss):
    """max(q (t - y), (q - 1) (t - y))."""

    q = 0.8

    def forward(self, outputs: Array, targets: Array) -> float:
        d = outputs - targets
        self.keep(d)
        return float(np.maximum(-self.q * d, (1.0 - self.q) * d).mean())

    def backward(self) -> Array:
        d = self.take()
        return np.where(d > 0.0, 1.0 - self.q, -self.q) / d.size


class QuantileOnBothSides(QuantileRight):
    """Both sides have the weight q."""

    def backward(self) -> Array:
        d = self.take()
        return self.q * np.sign(d) / d.size


class CosineRight(Loss):
    """1 - cos(y, t)."""

    def forward(self, outputs: Array, targets: Array) -> float:
        t = np.eye(outputs.shape[1])[targets]
        norm = np.linalg.norm(outputs, axis=1, keepdims=True)
        cos = (outputs * t).sum(axis=1, keepdims=True) / norm
        self.keep(outputs, t, norm, cos)
        return float((1.0 - cos).mean())

    def backward(self) -> Array:
        y, t, norm, cos = self.take()
        return -(t / norm - cos * y / norm**2) / len(y)


class CosineNormConstant(CosineRight):
    """The length of the outputs is a constant."""

    def backward(self) -> Array:
        y, t, norm, _ = self.take()
        return -t / norm / len(y)


class DiceRight(Loss):
    """1 - 2 sum(p t) / (sum p + sum t), p = sigmoid(z)."""

    def forward(self, outputs: Array, targets: Array) -> float:
        t = np.eye(outputs.shape[1])[targets]
        p = 1.0 / (1.0 + np.exp(-outputs))
        both, total = (p * t).sum(), p.sum() + t.sum()
        self.keep(p, t, both, total)
        return float(1.0 - 2.0 * both / total)

    def backward(self) -> Array:
        p, t, both, total = self.take()
        return -(2.0 * t * total - 2.0 * both) / total**2 * p * (1.0 - p)


class DiceDenominatorConstant(DiceRight):
    """The denominator is a constant."""

    def backward(self) -> Array:
        p, t, _, total = self.take()
        return -2.0 * t / total * p * (1.0 - p)


class DiceWithSlopesOfSquares(DiceRight):
    """The denominator of the gradient is that of the form with sum p^2 + sum t^2."""

    def backward(self) -> Array:
        p, t, both, total = self.take()
        return -(2.0 * t * total - 2.0 * both * 2.0 * p) / total**2 * p * (1.0 - p)


class DiceForProbabilities(DiceRight):
    """The derivative of the sigmoid is missing."""

    def backward(self) -> Array:
        _, t, both, total = self.take()
        return -(2.0 * t * total - 2.0 * both) / total**2


class RootMeanSquareRight(Loss):
    """sqrt(mean d^2)."""

    def forward(self, outputs: Array, targets: Array) -> float:
        d = outputs - np.eye(outputs.shape[1])[targets]
        self.keep(d)
        return float(np.sqrt((d * d).mean()))

    def backward(self) -> Array:
        d = self.take()
        return d / d.size / np.sqrt((d * d).mean())


class RmseRootForgotten(RootMeanSquareRight):
    """The loss has no root."""

    def forward(self, outputs: Array, targets: Array) -> float:
        return super().forward(outputs, targets) ** 2


class SmoothedRight(Loss):
    """-mean_n sum_k q_nk log p_nk with the targets q = (1 - e) onehot(t) + e / K."""

    smoothing = 0.1

    def targets_of(self, one_hot: Array) -> Array:
        return (1.0 - self.smoothing) * one_hot + self.smoothing / one_hot.shape[1]

    def forward(self, outputs: Array, targets: Array) -> float:
        q, z = self.targets_of(np.eye(outputs.shape[1])[targets]), outputs - outputs.max(axis=1, keepdims=True)
        log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
        self.keep(np.exp(log_p), q)
        return float(-(q * log_p).sum() / len(outputs))

    def backward(self) -> Array:
        p, q = self.take()
        return (p - q) / len(p)


class SmoothedTooMuch(SmoothedRight):
    """e / (K - 1) goes to all K classes."""

    def targets_of(self, one_hot: Array) -> Array:
        return (1.0 - self.smoothing) * one_hot + self.smoothing / (one_hot.shape[1] - 1)


RIGHT_LOSSES = (HuberRight, QuantileRight, CosineRight, DiceRight, RootMeanSquareRight, SmoothedRight)
BUGS = [
    PlantedBug(kind, expected, tuple, (4, 5))
    for kind, expected in (
        (HuberDeltaForgotten, "factor or term missing"),
        (HuberNotJoined, "linear part not joined"),
        (QuantileOnBothSides, "q on both sides"),
        (CosineNormConstant, "part as a constant"),
        (DiceDenominatorConstant, "part as a constant"),
        (DiceWithSlopesOfSquares, "sign, factor or term"),
        (DiceForProbabilities, "inner derivative forgotten"),
        (RmseRootForgotten, "another loss than its name says"),
        (SmoothedTooMuch, "targets do not sum to 1"),
    )
]
