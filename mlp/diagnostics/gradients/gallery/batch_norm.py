"""Wrong batch normalizations.

In training dL/dx = gamma/s (g - mean(g) - x_hat mean(g x_hat)), in evaluation gamma/s g, with g = dL/dy.
"""

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.layers import BatchNorm
from mlp.typing import Array


class InSteps(BatchNorm):
    """The right formulas once more, with a place for each fault."""

    def backward(self, grad_outputs: Array) -> Array:
        x_hat, std, training = self.take()
        g = grad_outputs.reshape(x_hat.shape)
        self.beta.grad, self.gamma.grad = g.sum(axis=0), (g * x_hat).sum(axis=0)
        return self.grad_inputs(g, x_hat, std, training=training).reshape(grad_outputs.shape)

    def grad_inputs(self, g: Array, x_hat: Array, std: Array, *, training: bool) -> Array:
        """Return dL/dx, (m, C)."""
        m = len(g)
        return self.gamma.data / std * (g - self.beta.grad / m - x_hat * self.gamma.grad / m if training else g)


class NoMeanTerm(InSteps):
    """The path through the mean is missing."""

    def grad_inputs(self, g: Array, x_hat: Array, std: Array, *, training: bool) -> Array:
        return self.gamma.data / std * (g - x_hat * self.gamma.grad / len(g) if training else g)


class NoVarianceTerm(InSteps):
    """The path through the variance is missing."""

    def grad_inputs(self, g: Array, x_hat: Array, std: Array, *, training: bool) -> Array:
        return self.gamma.data / std * (g - self.beta.grad / len(g) if training else g)


class HalfVarianceTerm(InSteps):
    """The path through the variance has a factor 1/2: the root's derivative, without the square's."""

    def grad_inputs(self, g: Array, x_hat: Array, std: Array, *, training: bool) -> Array:
        m = len(g)
        terms = g - self.beta.grad / m - 0.5 * x_hat * self.gamma.grad / m if training else g
        return self.gamma.data / std * terms


class UnbiasedCount(InSteps):
    """The sums over the batch are divided by m - 1, where forward divides by m."""

    def grad_inputs(self, g: Array, x_hat: Array, std: Array, *, training: bool) -> Array:
        m = len(g) - 1
        return self.gamma.data / std * (g - (self.beta.grad + x_hat * self.gamma.grad) / m if training else g)


class TrainingFormulaInEvaluation(InSteps):
    """Evaluation subtracts the terms through mean and variance, which are constants there."""

    def grad_inputs(self, g: Array, x_hat: Array, std: Array, *, training: bool) -> Array:
        return super().grad_inputs(g, x_hat, std, training=True)


class EvaluationFormulaInTraining(InSteps):
    """Training takes mean and variance for constants."""

    def grad_inputs(self, g: Array, x_hat: Array, std: Array, *, training: bool) -> Array:
        return super().grad_inputs(g, x_hat, std, training=False)


class GammaForgotten(InSteps):
    """The gradient of the inputs is not multiplied by gamma."""

    def grad_inputs(self, g: Array, x_hat: Array, std: Array, *, training: bool) -> Array:
        return super().grad_inputs(g, x_hat, std, training=training) / self.gamma.data


class DeviationForgotten(InSteps):
    """The gradient of the inputs is not divided by the standard deviation."""

    def grad_inputs(self, g: Array, x_hat: Array, std: Array, *, training: bool) -> Array:
        return super().grad_inputs(g, x_hat, std, training=training) * std


class RunningMeanForgotten(BatchNorm):
    """In evaluation gamma's gradient takes x / s for x_hat: right as long as the running mean is still 0."""

    def backward(self, grad_outputs: Array) -> Array:
        x_hat, std, training = self.take()
        self.keep(x_hat if training else x_hat + self.running_mean / std, std, training)
        return super().backward(grad_outputs)


class DeviationKept(BatchNorm):
    """The running variance averages the standard deviation."""

    def _update(self, running: Array, batch_value: Array) -> None:
        super()._update(running, batch_value**0.5 if running is self.running_var else batch_value)


class StatisticsNotKept(BatchNorm):
    """No running statistics are kept: evaluation normalizes with mean 0 and variance 1 forever."""

    def _update(self, running: Array, batch_value: Array) -> None:
        pass


class UpdatedInEvaluation(BatchNorm):
    """Evaluation batches move the running mean, too."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y = super().forward(x, training)
        if not training:
            self._update(self.running_mean, x.reshape(-1, self.num_features).mean(axis=0))
        return y


def bug(kind: type, expected: str, *, images: bool = False) -> PlantedBug:
    """Return the entry of one class: a batch of 6 vectors, or of 2 images."""
    return PlantedBug(kind, expected, lambda: (3,), (2, 2, 3, 3) if images else (6, 3))


BUGS = [
    bug(NoMeanTerm, "no term through the mean"),
    bug(NoVarianceTerm, "no term through the variance"),
    bug(HalfVarianceTerm, "wrong term through the variance", images=True),
    bug(UnbiasedCount, "m - 1 in place of m"),
    bug(TrainingFormulaInEvaluation, "training formula in evaluation"),
    bug(EvaluationFormulaInTraining, "statistics as constants", images=True),
    bug(GammaForgotten, "gamma forgotten"),
    bug(DeviationForgotten, "standard deviation forgotten", images=True),
    bug(RunningMeanForgotten, "raw inputs in place of normalized"),
    bug(DeviationKept, "running statistics"),
    bug(StatisticsNotKept, "running statistics"),
    bug(UpdatedInEvaluation, "running statistics", images=True),
]
