"""How the companions of a deeply supervised network do, epoch by epoch."""

from typing import Any

import numpy as np

from mlp.data import mean_over
from mlp.engine.base import batch_weights, weighted_mean
from mlp.errors import ConfigurationError
from mlp.models.deep_supervision import DeepSupervision
from mlp.training.hooks.base import Hook
from mlp.training.state import TrainingState
from mlp.typing import Array


class CompanionLog(Hook):
    """Adds objective and alpha to every row, and a table "companions": loss and accuracy of each.

    Like train_loss, they are means over the training batches of the epoch, as the steps saw them. Put it first in the
    list of hooks: others may run batches of their own through the loss.

    Raises:
        ConfigurationError: the loss is not a `DeepSupervision`.
    """

    def before_training(self, trainer: TrainingState) -> None:
        if not isinstance(trainer.loss, DeepSupervision):
            raise ConfigurationError(f"CompanionLog is for the loss DeepSupervision, got {type(trainer.loss).__name__}")
        self.loss = trainer.loss

    def before_epoch(self, trainer: TrainingState) -> None:
        self.sizes, self.objectives, self.values = list[int](), list[float](), list[Array]()

    def after_step(self, trainer: TrainingState) -> None:
        self.sizes.append(len(trainer.batch[1]))
        self.objectives.append(self.loss.objective)
        self.values.append(np.array([self.loss.companion_losses, self.loss.companion_accuracies]))  # (2, companions)

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        weights = batch_weights(self.sizes, mean_over(trainer.train_batches))
        row |= {"objective": weighted_mean(self.objectives, weights), "alpha": self.loss.alpha}
        losses, accuracies = weighted_mean(self.values, weights)
        trainer.history.add_row("companions", self.loss.names, {"loss": losses, "accuracy": accuracies})
