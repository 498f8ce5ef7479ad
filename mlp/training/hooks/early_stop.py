"""Ending a run when it stops getting better."""

from typing import Any

import numpy as np

from mlp.checks import at_least_one
from mlp.errors import ConfigurationError
from mlp.training.history import History
from mlp.training.hooks.base import Hook
from mlp.training.state import TrainingState


class EarlyStop(Hook):
    """Ends training, without an error, when the validation accuracy has not risen for some epochs.

    It looks at the history alone. So a run that is resumed ends after the same epoch as one without an interruption,
    and one that has ended already trains no further.

    Args:
        patience: how many epochs without a new highest accuracy end the run.
    """

    def __init__(self, patience: int) -> None:
        self.patience = at_least_one("patience", patience)

    def ends(self, history: History) -> bool:
        """Return whether the last `patience` epochs brought no accuracy higher than those before."""
        return epochs_without_gain(history) >= self.patience

    @property
    def reason(self) -> str:
        """Why training ended, for people."""
        epochs = "an epoch" if self.patience == 1 else f"{self.patience} epochs"
        return f"the validation accuracy has not risen for {epochs}"

    def before_training(self, trainer: TrainingState) -> None:
        if len(trainer.valid_batches) == 0:
            raise ConfigurationError("EarlyStop looks at the validation accuracy: give fit validation batches, too")
        self._stop(trainer)

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        self._stop(trainer)

    def _stop(self, trainer: TrainingState) -> None:
        if self.ends(trainer.history) and trainer.epoch < trainer.epochs:
            trainer.stop()


def epochs_without_gain(history: History) -> int:
    """Return how many epochs have passed since the one that first had the highest validation accuracy; 0 without any.

    Accuracies .50, .60, .60, .58: two epochs, because equal is not a gain.
    """
    accuracies = history.column("val_acc")
    if np.isnan(accuracies).all():
        return 0
    return len(accuracies) - 1 - int(np.nanargmax(accuracies))
