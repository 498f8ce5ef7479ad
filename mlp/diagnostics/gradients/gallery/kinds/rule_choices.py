"""Learning rules in which one choice of their family is another one."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.diagnostics.gradients.gallery.rules import AdamStages
from mlp.learning_rules import Adam, GradientDescent, Momentum, Nesterov, RMSProp
from mlp.typing import Array


class AdamSquaresTheMean(AdamStages):
    """The mean of the squares is taken of the mean m."""

    def average(self, m: Array, v: Array, g: Array) -> None:
        m[...] = self.beta1 * m + (1.0 - self.beta1) * g
        v[...] = self.beta2 * v + (1.0 - self.beta2) * m**2


class AdamAbsolute(AdamStages):
    """The running mean is of |g|, not of g^2."""

    def average(self, m: Array, v: Array, g: Array) -> None:
        m[...] = self.beta1 * m + (1.0 - self.beta1) * g
        v[...] = self.beta2 * v + (1.0 - self.beta2) * abs(g)


class AdamAddsSquares(AdamStages):
    """The squares come in without 1 - b."""

    def average(self, m: Array, v: Array, g: Array) -> None:
        m[...] = self.beta1 * m + (1.0 - self.beta1) * g
        v[...] = self.beta2 * v + g**2


class AdamAddsGradients(AdamStages):
    """The gradients come in without 1 - b."""

    def average(self, m: Array, v: Array, g: Array) -> None:
        m[...] = self.beta1 * m + g
        v[...] = self.beta2 * v + (1.0 - self.beta2) * g**2


class AdamStepsWithTheGradient(Adam):
    """The step is made with g, not with m."""

    def change(self, gradient: Array) -> Array:
        m, v = self.moments["mean"], self.moments["square"]
        m[...] = self.beta1 * m + (1.0 - self.beta1) * gradient
        v[...] = self.beta2 * v + (1.0 - self.beta2) * gradient**2
        _c1, c2 = 1.0 - self.beta1**self.steps, 1.0 - self.beta2**self.steps
        return self.learning_rate * gradient / (np.sqrt(v / c2) + self.eps)


class AdamCorrectsTwice(AdamStages):
    """The first mean is corrected twice."""

    def corrections(self) -> tuple[float, float]:
        return (1.0 - self.beta1**self.steps) ** 2, 1.0 - self.beta2**self.steps


class AdamMultiplies(AdamStages):
    """The first mean is multiplied by the correction."""

    def corrections(self) -> tuple[float, float]:
        return 1.0 / (1.0 - self.beta1**self.steps), 1.0 - self.beta2**self.steps


class AdamExchangesWeights(AdamStages):
    """b and 1 - b are exchanged in the mean of the squares."""

    def average(self, m: Array, v: Array, g: Array) -> None:
        m[...] = self.beta1 * m + (1.0 - self.beta1) * g
        v[...] = (1.0 - self.beta2) * v + self.beta2 * g**2


class AdamWithoutPower(AdamStages):
    """The exponent t is missing in the second correction."""

    def corrections(self) -> tuple[float, float]:
        return 1.0 - self.beta1**self.steps, 1.0 - self.beta2


class RMSPropAddsUp(RMSProp):
    """The squares never decay."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["square"]
        v += gradient**2
        return self.learning_rate * gradient / (np.sqrt(v) + self.eps)


class RMSPropForgetsTheDecay(RMSProp):
    """The new squares come in times 1 - b, and the old mean is not multiplied by b."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["square"]
        v += (1.0 - self.decay) * gradient**2
        return self.learning_rate * gradient / (np.sqrt(v) + self.eps)


class RMSPropMultiplies(RMSProp):
    """The gradient is multiplied by the root."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["square"]
        v[...] = self.decay * v + (1.0 - self.decay) * gradient**2
        return self.learning_rate * gradient * (np.sqrt(v) + self.eps)


class MomentumGrows(Momentum):
    """The old velocity is not multiplied by the momentum."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["velocity"]
        v += gradient
        return self.learning_rate * v


class MomentumOnTheGradient(Momentum):
    """The new gradient is multiplied by the momentum, too."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["velocity"]
        v += gradient
        v *= self.momentum
        return self.learning_rate * v


class MomentumExchanged(Momentum):
    """mu and 1 - mu are exchanged."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["velocity"]
        v[...] = (1.0 - self.momentum) * v + self.momentum * gradient
        return self.learning_rate * v


class MomentumRateTwice(Momentum):
    """The learning rate is in the velocity and in the step."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["velocity"]
        v[...] = self.momentum * v + self.learning_rate * gradient
        return self.learning_rate * v


class NesterovLooksBack(Nesterov):
    """The look ahead has the wrong sign."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["velocity"]
        v[...] = self.momentum * v + gradient
        return self.learning_rate * (gradient - self.momentum * v)


class SignDescent(GradientDescent):
    """The step is made with the sign of the gradient."""

    def change(self, gradient: Array) -> Array:
        return self.learning_rate * np.sign(gradient)


class HiddenDecay(GradientDescent):
    """A weight decay is inside that no setting speaks of."""

    def change(self, gradient: Array) -> Array:
        return self.learning_rate * (gradient + 0.01 * self.flat.data)


class NeverMoves(GradientDescent):
    """The step is always zero."""

    def change(self, gradient: Array) -> Array:
        return 0.0 * gradient


BUGS = [
    PlantedBug(kind, expected)
    for kind, expected in (
        (AdamSquaresTheMean, "another array"),
        (AdamAbsolute, "not squared"),
        (AdamAddsSquares, "1 - b forgotten"),
        (AdamAddsGradients, "factor or term missing"),
        (AdamStepsWithTheGradient, "gradient in place of the mean"),
        (AdamCorrectsTwice, "learning rate changed"),
        (AdamMultiplies, "sign, factor or term"),
        (AdamExchangesWeights, "decay exchanged"),
        (AdamWithoutPower, "bias correction without t"),
        (RMSPropAddsUp, "another rule"),
        (RMSPropForgetsTheDecay, "decay forgotten"),
        (RMSPropMultiplies, "sign, factor or term"),
        (MomentumGrows, "momentum forgotten"),
        (MomentumOnTheGradient, "order of lines"),
        (MomentumExchanged, "momentum exchanged"),
        (MomentumRateTwice, "learning rate changed"),
        (NesterovLooksBack, "sign, factor or term"),
        (SignDescent, "function or axis"),
        (HiddenDecay, "hidden weight decay"),
        (NeverMoves, "weights never move"),
    )
]
