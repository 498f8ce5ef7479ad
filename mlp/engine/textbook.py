"""The textbook engine: a training step as you would write it down. Read this first, after the methods in `base`."""

import math
from contextlib import nullcontext
from typing import Any

from mlp.backend import device_of, move
from mlp.engine.base import Binding, checked_gradient, gather, loss_and_accuracy
from mlp.layers.machinery.base import Layer
from mlp.layers.machinery.probing import frozen_buffers
from mlp.learning_rules.base import LearningRule
from mlp.losses import Loss
from mlp.machine.memory import keep_freed_memory
from mlp.typing import Array


class TextbookEngine(Binding):
    """Runs each layer's own forward and backward, one after the other, on NumPy or CuPy."""

    name = "textbook"

    def __reduce__(self) -> tuple[Any, ...]:
        return TextbookEngine, ()

    def bind(self, model: Layer, loss: Loss, rule: LearningRule, gradient_statistics: str | None = None) -> None:
        keep_freed_memory()
        gather(model, rule)
        self.hold(model, loss, rule, gradient_statistics)

    def train_step(self, x: Array, targets: Array) -> float:
        loss, accuracy = self._forward_and_backward(x, targets)
        if math.isfinite(loss):
            if self.statistics:
                self.statistics.accumulate()
            self.rule.update()
        self.metrics.append((loss, accuracy, len(targets)))
        return loss

    def gradients(self, x: Array, targets: Array) -> float:
        with frozen_buffers(self.model):
            loss, _ = self._forward_and_backward(x, targets)
        return loss

    def evaluate(self, x: Array, targets: Array, *, training: bool = False) -> tuple[float, float]:
        with frozen_buffers(self.model) if training else nullcontext():
            loss, accuracy, _ = self._forward(x, targets, training=training)
        return loss, accuracy

    def _forward(self, x: Array, targets: Array, *, training: bool) -> tuple[float, float, Array]:
        """Return loss, accuracy and outputs of a batch."""
        self.check_batch(x)
        device = device_of(self.rule.flat.data)
        x, targets = move(x, device), move(targets, device)
        outputs = self.model.forward(x, training=training)
        return *loss_and_accuracy(self.loss, outputs, targets), outputs

    def _forward_and_backward(self, x: Array, targets: Array) -> tuple[float, float]:
        """Return loss and accuracy of a training batch; its gradients are in `p.grad` if the loss is finite."""
        loss, accuracy, outputs = self._forward(x, targets, training=True)
        if math.isfinite(loss):
            self.model.backward(checked_gradient(self.loss, outputs))
        return loss, accuracy
