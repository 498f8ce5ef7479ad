"""Losses that are not what their names say, or jump, and lines of losses and rules that are missing."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.learning_rules import Momentum, RMSProp
from mlp.losses import Loss
from mlp.typing import Array


class LogCoshWithoutTwo(Loss):
    """The stable form has exp(-|d|), where exp(-2 |d|) belongs; the gradient is its own."""

    def forward(self, outputs: Array, targets: Array) -> float:
        d = outputs - targets
        size = np.abs(d)
        self.keep(d)
        return float(np.mean(size + np.log1p(np.exp(-size)) - np.log(2.0)))

    def backward(self) -> Array:
        d = self.take()
        return np.sign(d) / (1.0 + np.exp(-np.abs(d))) / d.size


class SmoothL1OfOneScale(Loss):
    """The quadratic part is not divided by beta, in the loss and in its gradient."""

    beta = 0.5

    def forward(self, outputs: Array, targets: Array) -> float:
        d = outputs - targets
        self.keep(d)
        size = np.abs(d)
        return float(np.where(size < self.beta, 0.5 * d * d, size - 0.5 * self.beta).mean())

    def backward(self) -> Array:
        d = self.take()
        return np.where(np.abs(d) < self.beta, d, np.sign(d)) / d.size


class PinballWithTheWrongSign(Loss):
    """The side of the larger outputs is (1 - tau) e, and must be (tau - 1) e; the gradient is its own."""

    tau = 0.7

    def forward(self, outputs: Array, targets: Array) -> float:
        e = targets - outputs
        self.keep(e)
        return float(np.where(e >= 0.0, self.tau * e, (1.0 - self.tau) * e).mean())

    def backward(self) -> Array:
        e = self.take()
        return np.where(e >= 0.0, -self.tau, self.tau - 1.0) / e.size


class WingThatJumps(Loss):
    """w log(1 + |d| / e) up to w, then |d| - w: the constant that joins both is missing."""

    w, e = 1.0, 0.5

    def forward(self, outputs: Array, targets: Array) -> float:
        d = outputs - targets
        self.keep(d)
        size = np.abs(d)
        return float(np.where(size < self.w, self.w * np.log(1.0 + size / self.e), size - self.w).mean())

    def backward(self) -> Array:
        d = self.take()
        size = np.abs(d)
        return np.sign(d) * np.where(size < self.w, self.w / (self.e + size), 1.0) / d.size


class PairsOneSided(Loss):
    """Each pair of neighbours gives its gradient to the second of them alone."""

    def forward(self, outputs: Array, targets: Array) -> float:
        d = outputs - targets
        steps = np.diff(outputs, axis=1)
        self.keep(d, np.sign(steps))
        return float((d * d).mean() + 0.1 * np.abs(steps).sum())

    def backward(self) -> Array:
        d, signs = self.take()
        gradient = 2.0 * d / d.size
        gradient[:, 1:] += 0.1 * signs
        return gradient


class BracketsInTheWrongPlace(Loss):
    """The gradient is 0.3 exp(y) - 1, and must be 0.3 (exp(y) - 1)."""

    def forward(self, outputs: Array, targets: Array) -> float:
        self.keep(outputs)
        return float((0.3 * (np.exp(outputs) - outputs) + 0.0 * targets).mean())

    def backward(self) -> Array:
        y = self.take()
        return (0.3 * np.exp(y) - 1) / y.size


class LargestMarginEverywhere(Loss):
    """Samples beyond the margin get a gradient, too: it shows where outputs are large."""

    def forward(self, outputs: Array, targets: Array) -> float:
        rows = np.arange(len(targets))
        others = outputs.copy()
        others[rows, targets] = -np.inf
        best = others.argmax(axis=1)
        gap = 1.0 + outputs[rows, best] - outputs[rows, targets]
        self.keep(rows, targets, best, gap, outputs.shape)
        return float(np.maximum(0.0, gap).mean())

    def backward(self) -> Array:
        rows, targets, best, gap, shape = self.take()
        d, active = np.zeros(shape), np.ones(gap.shape)
        d[rows, best] += active
        d[rows, targets] -= active
        return d / len(rows)


class AnotherForward(Loss):
    """A sign in the value of a lopsided loss is wrong; the gradient is right."""

    low = 0.2

    def forward(self, outputs: Array, targets: Array) -> float:
        e = targets - outputs
        self.keep(e)
        return float((np.maximum(self.low * e, (1 - self.low) * e) + 0.1 * e * e).mean())

    def backward(self) -> Array:
        e = self.take()
        return (np.where(e > 0, -self.low, 1 - self.low) - 0.2 * e) / e.size


class RMSPropSharesExchanged(RMSProp):
    """The decay and 1 - decay are exchanged in the running mean."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["square"]
        v[...] = (1.0 - self.decay) * v + self.decay * gradient**2
        return self.learning_rate * gradient / (np.sqrt(v) + self.eps)


class MomentumNotKept(Momentum):
    """The new velocity is not written back."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["velocity"]
        v = self.momentum * v + gradient
        return self.learning_rate * v


BUGS = [
    *(
        PlantedBug(kind, expected, tuple, (4, 5))
        for kind, expected in (
            (LogCoshWithoutTwo, "another loss than its name says"),
            (SmoothL1OfOneScale, "another loss than its name says"),
            (PinballWithTheWrongSign, "another loss than its name says"),
            (WingThatJumps, "the loss jumps"),
            (PairsOneSided, "line missing"),
            (BracketsInTheWrongPlace, "brackets"),
            (AnotherForward, "sign, factor or term"),
        )
    ),
    PlantedBug(LargestMarginEverywhere, "mask forgotten", tuple, (9, 3)),
    PlantedBug(RMSPropSharesExchanged, "decay exchanged", lambda: (0.1,)),
    PlantedBug(MomentumNotKept, "state reset", lambda: (0.1,)),
]
