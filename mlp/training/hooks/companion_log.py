"""How the companions of a deeply supervised network do, epoch by epoch."""

from typing import Any

import numpy as np

from mlp.errors import ConfigurationError
from mlp.models.deep_supervision import DeepSupervision
from mlp.training.hooks.base import Hook
from mlp.training.state import TrainingState


class CompanionLog(Hook):
    """Adds objective and alpha to every row, and a table "companions": loss and accuracy of each, means over batches.

    Losses and accuracies are those of the training batches, as the steps saw them. Give it first in the list of hooks:
    others may run batches of their own through the loss.

    Raises:
        ConfigurationError: the loss is no `DeepSupervision`.
    """

    def before_training(self, trainer: TrainingState) -> None:
        if not isinstance(trainer.loss, DeepSupervision):
            raise ConfigurationError(f"CompanionLog is for the loss DeepSupervision, got {type(trainer.loss).__name__}")
        self.loss = trainer.loss

    def before_epoch(self, trainer: TrainingState) -> None:
        self.steps, self.objective, self.sums = 0, 0.0, np.zeros((2, len(self.loss.taps)))

    def after_step(self, trainer: TrainingState) -> None:
        self.steps += 1
        self.objective += self.loss.objective
        self.sums += self.loss.companion_losses, self.loss.companion_accuracies

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        row |= {"objective": self.objective / self.steps, "alpha": self.loss.alpha}
        losses, accuracies = self.sums / self.steps
        trainer.history.add_row("companions", list(self.loss.taps), {"loss": losses, "accuracy": accuracies})
