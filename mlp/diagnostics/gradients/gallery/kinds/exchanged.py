"""Learning rules whose memories or rates are taken for something else: means exchanged, rates transformed."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.diagnostics.gradients.gallery.rules import AdamStages
from mlp.learning_rules import AdaGrad, GradientDescent, Momentum, RMSProp
from mlp.typing import Array


class MeansExchanged(AdamStages):
    """m and v are exchanged in the step."""

    def step(self, m: Array, v: Array, corrections: tuple[float, float]) -> Array:
        return (v / corrections[1]) / (np.sqrt(np.abs(m / corrections[0])) + self.eps)


class MeansExchangedUnderTheRoot(AdamStages):
    """m and v are exchanged in the step, and the root of negative numbers is NaN."""

    def step(self, m: Array, v: Array, corrections: tuple[float, float]) -> Array:
        with np.errstate(invalid="ignore"):
            return (v / corrections[1]) / (np.sqrt(m / corrections[0]) + self.eps)


class OldMeansExchanged(AdamStages):
    """The mean of the gradients is brought up to date from the old mean of the squares."""

    def average(self, m: Array, v: Array, g: Array) -> None:
        m[...] = self.beta1 * v + (1.0 - self.beta1) * g
        v[...] = self.beta2 * v + (1.0 - self.beta2) * g**2


class CorrectionsExchanged(AdamStages):
    """Each mean is corrected with the beta of the other."""

    def step(self, m: Array, v: Array, corrections: tuple[float, float]) -> Array:
        return (m / corrections[1]) / (np.sqrt(v / corrections[0]) + self.eps)


class RootOfTheRate(GradientDescent):
    """The root of the learning rate is multiplied in."""

    def change(self, gradient: Array) -> Array:
        return np.sqrt(self.learning_rate) * gradient


class DividedByTheRate(Momentum):
    """The step is divided by the learning rate."""

    def change(self, gradient: Array) -> Array:
        return super().change(gradient) / self.learning_rate**2


class TimesTheCount(Momentum):
    """The learning rate is multiplied by the number of the step."""

    def change(self, gradient: Array) -> Array:
        return super().change(gradient) * self.steps


class DecaysInside(GradientDescent):
    """The learning rate decays by itself."""

    def change(self, gradient: Array) -> Array:
        return super().change(gradient) * 0.95**self.steps


class SquareOfTheSum(AdaGrad):
    """The sum of g is squared, where the squares have to be added up."""

    def change(self, gradient: Array) -> Array:
        s = self.moments["square_sum"]
        s += gradient
        return self.learning_rate * gradient / (np.sqrt(s**2) + self.eps)


class RootStored(RMSProp):
    """The root is stored back into the memory."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["square"]
        v[...] = np.sqrt(self.decay * v + (1.0 - self.decay) * gradient**2)
        return self.learning_rate * gradient / (v + self.eps)


class CorrectedForItsStart(RMSProp):
    """The squares are corrected for their start at zero."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["square"]
        v[...] = self.decay * v + (1.0 - self.decay) * gradient**2
        return self.learning_rate * gradient / (np.sqrt(v / (1.0 - self.decay**self.steps)) + self.eps)


class NoEps(RMSProp):
    """Weights without a gradient are divided by zero."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["square"]
        v[...] = self.decay * v + (1.0 - self.decay) * gradient**2
        with np.errstate(invalid="ignore"):
            return self.learning_rate * gradient / np.sqrt(v)


class ReturnsInTheLoop(GradientDescent):
    """Only the first array of weights moves."""

    def change(self, gradient: Array) -> Array:
        change = super().change(gradient)
        change[self.flat.offsets[1] :] = 0.0
        return change


BUGS = [
    PlantedBug(kind, expected)
    for kind, expected in (
        (MeansExchanged, "means exchanged"),
        (MeansExchangedUnderTheRoot, "means exchanged"),
        (OldMeansExchanged, "another array"),
        (CorrectionsExchanged, "betas exchanged in the correction"),
        (RootOfTheRate, "root of the learning rate"),
        (DividedByTheRate, "divided by the learning rate"),
        (TimesTheCount, "learning rate times the step count"),
        (DecaysInside, "learning rate decays inside"),
        (SquareOfTheSum, "gradients summed, not squares"),
        (RootStored, "factor or term missing"),
        (CorrectedForItsStart, "sign, factor or term"),
        (NoEps, "eps missing"),
        (ReturnsInTheLoop, "one array never moves"),
    )
]
