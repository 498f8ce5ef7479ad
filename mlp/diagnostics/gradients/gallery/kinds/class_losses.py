"""Well-known losses for classes, each with a mistake in its gradient or in the loss itself."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.losses import Loss
from mlp.typing import Array

TINY = 1e-300  # its logarithm is finite


def probabilities(z: Array) -> Array:
    """Return the softmax of each row."""
    exps = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(exps / exps.sum(axis=1, keepdims=True))


class FocalRight(Loss):
    """-(1 - p_t)^gamma log p_t of the softmax."""

    gamma = 2.0

    def forward(self, outputs: Array, targets: Array) -> float:
        p, q = probabilities(outputs), np.eye(outputs.shape[1])[targets]
        p_t = np.maximum((p * q).sum(axis=1, keepdims=True), TINY)
        self.keep(p, q, p_t)
        return float(-((1.0 - p_t) ** self.gamma * np.log(p_t)).mean())

    def backward(self) -> Array:
        p, q, p_t = self.take()
        rest = 1.0 - p_t
        by_p = self.gamma * rest ** (self.gamma - 1.0) * np.log(p_t) - rest**self.gamma / p_t
        return by_p * p_t * (q - p) / len(p)


class FocalFactorConstant(FocalRight):
    """Only the logarithm is differentiated."""

    def backward(self) -> Array:
        p, q, p_t = self.take()
        return (1.0 - p_t) ** self.gamma * (p - q) / len(p)


class FocalPower(FocalRight):
    """The inner derivative has the power gamma."""

    def backward(self) -> Array:
        p, q, p_t = self.take()
        rest = 1.0 - p_t
        return (self.gamma * rest**self.gamma * np.log(p_t) - rest**self.gamma / p_t) * p_t * (q - p) / len(p)


class WeightedRight(Loss):
    """The cross-entropy, each sample with the weight of its class."""

    weights = np.array([0.5, 2.0, 1.0, 3.0, 1.5])

    def forward(self, outputs: Array, targets: Array) -> float:
        p, q = probabilities(outputs), np.eye(outputs.shape[1])[targets]
        w = self.weights[targets][:, None]
        self.keep(p, q, w)
        return float(-(w * q * np.log(np.maximum(p, TINY))).sum() / len(p))

    def backward(self) -> Array:
        p, q, w = self.take()
        return w * (p - q) / len(p)


class WeightsOfColumns(WeightedRight):
    """The weights multiply the columns."""

    def backward(self) -> Array:
        p, q, _ = self.take()
        return self.weights * (p - q) / len(p)


class WeightsForgotten(WeightedRight):
    """The weights are not in the gradient."""

    def backward(self) -> Array:
        p, q, _ = self.take()
        return (p - q) / len(p)


class ColumnsOfAll(WeightedRight):
    """1 is subtracted from the columns of all samples."""

    weights = np.ones(5)

    def backward(self) -> Array:
        p, q, _ = self.take()
        p = p.copy()
        p[:, q.argmax(axis=1)] -= 1.0
        return p / len(p)


class BrierRight(Loss):
    """(p - onehot(t))^2 of the softmax."""

    def forward(self, outputs: Array, targets: Array) -> float:
        p, q = probabilities(outputs), np.eye(outputs.shape[1])[targets]
        self.keep(p, q)
        return float(((p - q) ** 2).sum() / len(p))

    def backward(self) -> Array:
        p, q = self.take()
        by_p = 2.0 * (p - q)
        return p * (by_p - (by_p * p).sum(axis=1, keepdims=True)) / len(p)


class BrierDiagonal(BrierRight):
    """Only the diagonal of the softmax's Jacobian is taken."""

    def backward(self) -> Array:
        p, q = self.take()
        return 2.0 * (p - q) * p * (1.0 - p) / len(p)


class SvmRight(Loss):
    """max(0, y_k - y_t + 1) of the other classes."""

    def forward(self, outputs: Array, targets: Array) -> float:
        rows = np.arange(len(outputs))
        margins = np.maximum(0.0, outputs - outputs[rows, targets][:, None] + 1.0)
        margins[rows, targets] = 0.0
        self.keep(margins, targets)
        return float(margins.sum() / len(outputs))

    def backward(self) -> Array:
        margins, targets = self.take()
        slopes = (margins > 0.0) * 1.0
        slopes[np.arange(len(slopes)), targets] = -slopes.sum(axis=1)
        return slopes / len(slopes)


class SvmCountsTheTrueClass(SvmRight):
    """The loss counts the margin of the true class."""

    def forward(self, outputs: Array, targets: Array) -> float:
        return super().forward(outputs, targets) + 1.0


class SvmMinusOne(SvmRight):
    """The true class gets -1."""

    def backward(self) -> Array:
        margins, targets = self.take()
        slopes = (margins > 0.0) * 1.0
        slopes[np.arange(len(slopes)), targets] = -1.0
        return slopes / len(slopes)


RIGHT_LOSSES = (FocalRight, WeightedRight, BrierRight, SvmRight)
BUGS = [
    PlantedBug(kind, expected, tuple, (4, 5))
    for kind, expected in (
        (FocalFactorConstant, "part as a constant"),
        (FocalPower, "power of the inner derivative"),
        (WeightsOfColumns, "class weights of the columns"),
        (WeightsForgotten, "class weights forgotten"),
        (ColumnsOfAll, "columns of all samples"),
        (BrierDiagonal, "only the diagonal"),
        (SvmCountsTheTrueClass, "true class counted"),
        (SvmMinusOne, "count of violated margins forgotten"),
    )
]
