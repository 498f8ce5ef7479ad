"""The textbook engine: a training step as one would write it down. Read this first.

An engine does the arithmetic of training; the model, the learning rule and the loss keep all that is to be remembered:
weights, gradients and moments stay theirs, the engine owns scratch memory only. So checkpoints, hooks and `p.grad`
(valid until the next step) are the same whichever engine runs. Every engine has these seven methods.
"""

import math
from typing import Any

from mlp.backend import device_of, move
from mlp.engine.gradient_statistics import GradientStatistics
from mlp.errors import ConfigurationError
from mlp.layers.machinery.base import Layer
from mlp.learning_rules.base import LearningRule
from mlp.losses import Loss
from mlp.typing import Array, BatchSource


class TextbookEngine:
    """Runs each layer's own forward and backward, one after the other, on NumPy or CuPy."""

    name = "textbook"
    model: Any
    loss: Any
    rule: Any
    statistics: Any

    def bind(self, model: Layer, loss: Loss, rule: LearningRule, gradient_statistics: str | None = None) -> None:
        """Take a model, a loss and a learning rule to work on.

        Args:
            gradient_statistics: what to accumulate of the gradients: None, "weights" or "weights and biases".
        """
        gather(model, rule)
        self.model, self.loss, self.rule = model, loss, rule
        self.device = device_of(rule.flat.data)
        self.statistics = GradientStatistics(rule.flat, gradient_statistics) if gradient_statistics else None
        self.metrics: list[tuple[float, float]] = []  # (loss, accuracy) of every batch since they were last read

    def train_step(self, x: Array, targets: Array) -> float:
        """Change the weights once, for one batch; return its loss.

        A loss that is not finite is returned as well, but weights and gradients stay as they were. Buffers have seen
        the batch: running statistics may be infinite now, and then only an earlier checkpoint helps.
        """
        x, targets = move(x, self.device), move(targets, self.device)
        outputs = self.model.forward(x, training=True)
        loss = float(self.loss.forward(outputs, targets))
        if math.isfinite(loss):
            self.model.backward(self.loss.backward())
            if self.statistics:
                self.statistics.accumulate()
            self.rule.update()
        self.metrics.append((loss, float(self.loss.accuracy(outputs, targets))))
        return loss

    def evaluate(self, x: Array, targets: Array) -> tuple[float, float]:
        """Return (loss, accuracy) of one batch in evaluation mode."""
        x, targets = move(x, self.device), move(targets, self.device)
        outputs = self.model.forward(x, training=False)
        return float(self.loss.forward(outputs, targets)), float(self.loss.accuracy(outputs, targets))

    def resident(self, batches: BatchSource) -> BatchSource:
        """Return batches that are near to the engine: those given, unless it can make them on its device."""
        return batches

    def read_metrics(self) -> tuple[float, float]:
        """Return (loss, accuracy), each the mean over the training batches since the last call."""
        metrics, self.metrics = self.metrics, []
        return mean_metrics(metrics)

    def read_gradient_statistics(self) -> dict[str, Array]:
        """Return the statistics of the batches since the last call, see `GradientStatistics.read`."""
        return self.statistics.read()

    def close(self) -> None:
        """Give back memory and threads; the engine can be bound again."""
        self.model = self.loss = self.rule = self.statistics = None


def gather(model: Layer, rule: LearningRule) -> None:
    """Let a rule take the parameters of a model into its flat arrays, unless it has them, or some of them, already."""
    model.set_paths()
    parameters = model.parameters()
    if rule.flat is None or not rule.flat.whole:
        rule.initialize(parameters)
    known = {id(parameter) for parameter in parameters}
    if not all(id(parameter) in known and parameter.flat is rule.flat for parameter in rule.flat.parameters):
        raise ConfigurationError(
            f"this {type(rule).__name__} has the parameters of another model, or of layers that were replaced: "
            "make a new rule, or call rule.initialize(model.parameters())."
        )


def mean_metrics(metrics: list[tuple[float, float]]) -> tuple[float, float]:
    """Return the unweighted means of (loss, accuracy) over batches."""
    losses, accuracies = zip(*metrics, strict=True)
    return sum(losses) / len(losses), sum(accuracies) / len(accuracies)
