"""A loss that is infinite or NaN ends training, with the place where it came from."""

import math
from typing import Any

from mlp.errors import NonFiniteLossError
from mlp.training.hooks.base import Hook
from mlp.training.non_finite import find_non_finite
from mlp.training.state import TrainingState


class StopOnNonFinite(Hook):
    """Ends training at a loss that is infinite or NaN, with the place where it came from.

    A loss that a GPU is still computing is checked only every 20 steps, because checking waits for it; the mean of the
    epoch covers the steps between.
    """

    def after_step(self, trainer: TrainingState) -> None:
        if not isinstance(trainer.batch_loss, float) and trainer.step % 20:
            return
        if not math.isfinite(trainer.batch_loss):
            self.stop(f"{trainer.batch_loss} in epoch {trainer.epoch + 1}, step {trainer.step + 1}", trainer)

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        if not math.isfinite(row["train_loss"]):
            self.stop(f"{row['train_loss']} in epoch {trainer.epoch}", trainer)

    def stop(self, what: str, trainer: TrainingState) -> None:
        """Raise the error, with the newest batch run through the layers once more to find the first bad number."""
        raise NonFiniteLossError(
            f"the loss became {what}, at learning rate {trainer.rule.learning_rate:g}: "
            f"{find_non_finite(trainer.model, [trainer.batch], training=True)}"
        )
