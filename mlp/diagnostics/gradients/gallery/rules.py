"""Wrong learning rules: momentum, Adam and their relatives."""

from typing import Any

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.learning_rules import Adam, AdamW, GradientDescent, Momentum, Nesterov, RMSProp
from mlp.typing import Array


class RateTwice(GradientDescent):
    """The learning rate is multiplied in twice."""

    def change(self, gradient: Array) -> Array:
        return self.learning_rate * super().change(gradient)


class Uphill(GradientDescent):
    """The weights go up the slope."""

    def change(self, gradient: Array) -> Array:
        return -super().change(gradient)


class RateOfTheFirstStep(GradientDescent):
    """The learning rate is read once, so that schedules have no effect."""

    first: float | None = None

    def change(self, gradient: Array) -> Array:
        self.first = self.learning_rate if self.first is None else self.first
        return self.first * gradient


class VelocityForgotten(Momentum):
    """The velocity is set to zero before each step."""

    def change(self, gradient: Array) -> Array:
        self.moments["velocity"][...] = 0.0
        return super().change(gradient)


class VelocitySubtracted(Momentum):
    """The old velocity is subtracted."""

    def change(self, gradient: Array) -> Array:
        self.moments["velocity"] *= -1.0
        return super().change(gradient)


class VelocityAveraged(Momentum):
    """The gradient comes in times 1 - mu."""

    def change(self, gradient: Array) -> Array:
        return super().change((1.0 - self.momentum) * gradient)


class StepBeforeVelocity(Momentum):
    """The step is made with the velocity of the step before."""

    def change(self, gradient: Array) -> Array:
        before = self.moments["velocity"].copy()
        super().change(gradient)
        return self.learning_rate * before


class WithoutLookingAhead(Nesterov):
    """Nesterov's rule takes the step of plain momentum."""

    def change(self, gradient: Array) -> Array:
        super().change(gradient)
        return self.learning_rate * self.moments["velocity"]


class NoRoot(RMSProp):
    """The gradient is divided by its mean square, not by the root of it."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["square"]
        v *= self.decay
        v += (1.0 - self.decay) * (gradient * gradient)
        return self.learning_rate * gradient / (v + self.eps)


class NoBiasCorrection(Adam):
    """Neither mean is corrected for its start at zero."""

    def change(self, gradient: Array) -> Array:
        steps, self.steps = self.steps, 10**6
        change = super().change(gradient)
        self.steps = steps
        return change


class FirstMeanUncorrected(Adam):
    """The mean of the gradients is not corrected for its start at zero."""

    def change(self, gradient: Array) -> Array:
        return super().change(gradient) * (1.0 - self.beta1**self.steps)


class AlwaysTheFirstStep(Adam):
    """The steps are not counted: t is always 1."""

    def change(self, gradient: Array) -> Array:
        self.steps = 1
        return super().change(gradient)


class CountsFromTwo(Adam):
    """The count of the steps is one ahead."""

    def change(self, gradient: Array) -> Array:
        self.steps += 1
        change = super().change(gradient)
        self.steps -= 1
        return change


class AdamStages(Adam):
    """Adam in stages: both means, their corrections, the step."""

    def change(self, gradient: Array) -> Array:
        m, v = self.moments["mean"], self.moments["square"]
        self.average(m, v, gradient)
        return self.learning_rate * self.step(m, v, self.corrections())

    def average(self, m: Array, v: Array, g: Array) -> None:
        """Bring both means up to date."""
        m[...] = self.beta1 * m + (1.0 - self.beta1) * g
        v[...] = self.beta2 * v + (1.0 - self.beta2) * g**2

    def corrections(self) -> tuple[float, float]:
        """Return what the two means are divided by."""
        return 1.0 - self.beta1**self.steps, 1.0 - self.beta2**self.steps

    def step(self, m: Array, v: Array, corrections: tuple[float, float]) -> Array:
        """Return the step, without the learning rate."""
        return (m / corrections[0]) / (np.sqrt(v / corrections[1]) + self.eps)


class EpsInTheRoot(AdamStages):
    """The epsilon stands under the root."""

    def step(self, m: Array, v: Array, corrections: tuple[float, float]) -> Array:
        return (m / corrections[0]) / np.sqrt(v / corrections[1] + self.eps)


class BetasExchanged(Adam):
    """beta1 and beta2 are exchanged."""

    def change(self, gradient: Array) -> Array:
        self.beta1, self.beta2 = self.beta2, self.beta1
        change = super().change(gradient)
        self.beta1, self.beta2 = self.beta2, self.beta1
        return change


class DecayIsCoupled(AdamW):
    """The decay is added to the gradient, so that Adam divides it, too."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)

    def update(self) -> None:
        d, self.decoupled_weight_decay = self.decoupled_weight_decay, 0.0
        self.weight_decay = d
        super().update()
        self.decoupled_weight_decay, self.weight_decay = d, 0.0


class Grows(AdamW):
    """The decay has the wrong sign: the weights grow."""

    def update(self) -> None:
        self.decoupled_weight_decay *= -1.0
        super().update()
        self.decoupled_weight_decay *= -1.0


class ChangesGradients(Momentum):
    """The gradient is multiplied by the learning rate in place."""

    def change(self, gradient: Array) -> Array:
        gradient *= 1.0 + self.learning_rate
        return super().change(gradient / (1.0 + self.learning_rate))


BUGS = [
    PlantedBug(kind, expected)
    for kind, expected in (
        (RateTwice, "learning rate twice"),
        (Uphill, "sign"),
        (RateOfTheFirstStep, "schedule ignored"),
        (VelocityForgotten, "state reset"),
        (VelocitySubtracted, "sign, factor or term"),
        (VelocityAveraged, "sign, factor or term"),
        (StepBeforeVelocity, "another array"),
        (WithoutLookingAhead, "another rule"),
        (NoRoot, "sign, factor or term"),
        (NoBiasCorrection, "bias correction missing"),
        (FirstMeanUncorrected, "bias correction missing"),
        (AlwaysTheFirstStep, "step count stuck"),
        (CountsFromTwo, "step count off by one"),
        (EpsInTheRoot, "brackets"),
        (BetasExchanged, "betas exchanged"),
        (DecayIsCoupled, "coupled and decoupled exchanged"),
        (Grows, "sign of the decay"),
        (ChangesGradients, "gradients changed"),
    )
]
