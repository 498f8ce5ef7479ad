"""Rules and losses in which a line stands in the wrong place, a value is not kept, or two names are exchanged."""

from collections.abc import Iterable

import numpy as np

from mlp.diagnostics.gradients.gallery.kinds.class_losses import probabilities
from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.diagnostics.gradients.gallery.rules import AdamStages
from mlp.layers.parameter import Parameter
from mlp.learning_rules import AdaGrad, Nesterov, RMSProp
from mlp.losses import Loss
from mlp.typing import Array


class MaximumNotKept(AdamStages):
    """AMSGrad: the maximum is taken and never stored."""

    amsgrad = True

    def initialize(self, parameters: Iterable[Parameter]) -> None:
        super().initialize(parameters)
        self.largest = np.zeros_like(self.moments["square"])

    def step(self, m: Array, v: Array, corrections: tuple[float, float]) -> Array:
        largest = np.maximum(self.largest, v)
        return super().step(m, largest, corrections)


class VelocitiesExchanged(Nesterov):
    """The old and the new velocity are exchanged in the step."""

    def change(self, gradient: Array) -> Array:
        before = self.moments["velocity"].copy()
        after = self.momentum * before + gradient
        self.moments["velocity"][...] = after
        return self.learning_rate * ((1.0 + self.momentum) * before - self.momentum * after)


class LooksAheadTooEarly(Nesterov):
    """The look ahead is made before the velocity is brought up to date."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["velocity"]
        step = gradient + self.momentum * v
        v *= self.momentum
        v += gradient
        return self.learning_rate * step


class OldVelocityNotCopied(Nesterov):
    """The old velocity is kept without a copy, and changes with the new one."""

    before: Array

    def change(self, gradient: Array) -> Array:
        v = self.moments["velocity"]
        self.before = v
        v *= self.momentum
        v += gradient
        return self.learning_rate * ((1.0 + self.momentum) * v - self.momentum * self.before)


class SquaresAfterTheStep(AdaGrad):
    """The step is made before the new squares come in."""

    def change(self, gradient: Array) -> Array:
        s = self.moments["square_sum"]
        step = self.learning_rate * gradient / (np.sqrt(s) + self.eps)
        s += gradient**2
        return step


class CentredMeanNotSquared(RMSProp):
    """RMSProp, centred: the mean of the gradients is not squared."""

    centered = True
    mean: Array | float = 0.0

    def change(self, gradient: Array) -> Array:
        v = self.moments["square"]
        v[...] = self.decay * v + (1.0 - self.decay) * gradient**2
        self.mean = self.decay * self.mean + (1.0 - self.decay) * gradient
        return self.learning_rate * gradient / (np.sqrt(v - self.mean) + self.eps)


class SmoothL1WithoutBeta(Loss):
    """d^2 / (2 beta) where |d| < beta: the division by beta is forgotten in the gradient."""

    beta = 0.5

    def forward(self, outputs: Array, targets: Array) -> float:
        d = outputs - targets
        self.keep(d)
        size = np.abs(d)
        return float(np.where(size < self.beta, 0.5 * d * d / self.beta, size - 0.5 * self.beta).mean())

    def backward(self) -> Array:
        d = self.take()
        return np.where(np.abs(d) < self.beta, d, np.sign(d)) / d.size


class CrossEntropyMeanOfAll(Loss):
    """The loss is the mean over all N K values; the gradient is that of the mean over the N samples."""

    def forward(self, outputs: Array, targets: Array) -> float:
        p, q = probabilities(outputs), np.eye(outputs.shape[1])[targets]
        self.keep(p, q)
        return float(np.mean(-q * np.log(p)))

    def backward(self) -> Array:
        p, q = self.take()
        return (p - q) / len(p)


class IgnoredClassCounts(Loss):
    """Samples of odd classes do not count in the loss, and get a gradient."""

    def forward(self, outputs: Array, targets: Array) -> float:
        p, q = probabilities(outputs), np.eye(outputs.shape[1])[targets]
        counts = targets % 2 == 0
        self.keep(p, q, counts)
        return float(-((q * np.log(p)).sum(axis=1) * counts).sum() / counts.sum())

    def backward(self) -> Array:
        p, q, counts = self.take()
        return (p - q) / counts.sum()


class CountedBeforeTheTrueClass(Loss):
    """The violated margins are counted before that of the true class is set to 0."""

    def forward(self, outputs: Array, targets: Array) -> float:
        rows = np.arange(len(outputs))
        margins = np.maximum(0.0, outputs - outputs[rows, targets][:, None] + 1.0)
        count = (margins > 0.0).sum(axis=1)
        margins[rows, targets] = 0.0
        self.keep(margins, count, targets)
        return float(margins.sum() / len(outputs))

    def backward(self) -> Array:
        margins, count, targets = self.take()
        slopes = (margins > 0.0) * 1.0
        slopes[np.arange(len(slopes)), targets] = -count
        return slopes / len(slopes)


BUGS = [
    *(
        PlantedBug(kind, expected)
        for kind, expected in (
            (MaximumNotKept, "no maximum"),
            (VelocitiesExchanged, "names exchanged"),
            (LooksAheadTooEarly, "order of lines"),
            (OldVelocityNotCopied, "not copied"),
            (SquaresAfterTheStep, "order of lines"),
            (CentredMeanNotSquared, "function or sign"),
        )
    ),
    *(
        PlantedBug(kind, expected, tuple, (4, 5))
        for kind, expected in (
            (SmoothL1WithoutBeta, "delta not divided out"),
            (CrossEntropyMeanOfAll, "mean over the classes"),
            (IgnoredClassCounts, "mask forgotten"),
            (CountedBeforeTheTrueClass, "order of lines"),
        )
    ),
]
