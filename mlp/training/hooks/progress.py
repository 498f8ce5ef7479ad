"""Progress on the screen while a network trains."""

import time
from typing import Any

from mlp.progress import loss_text, progress_bar
from mlp.training.hooks.base import Hook
from mlp.training.state import TrainingState


class Progress(Hook):
    """Shows a progress bar over the batches of an epoch (where `mlp.progress` has one), and prints a line after it.

    The line ends in the seconds of the whole epoch so far, and of its training: "9 s (training 4 s)".
    """

    bar: Any = None
    start = 0.0

    def before_epoch(self, trainer: TrainingState) -> None:
        self.start = time.perf_counter()
        title = f"epoch {trainer.epoch + 1}/{trainer.epochs}"
        total = len(trainer.train_batches)
        self.bar = progress_bar(total=total, desc=title, unit="batch", leave=False)

    def after_step(self, trainer: TrainingState) -> None:
        self.bar.update()
        if not self.bar.disable and self.bar.n % 10 == 0:
            self.bar.set_postfix(loss=loss_text(float(trainer.batch_loss)), refresh=False)

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        self._close()
        valid = f"valid {loss_text(row['val_loss'])} / {row['val_acc']:6.2%}   " if len(trainer.valid_batches) else ""
        train = f"train {loss_text(row['train_loss'])} / {row['train_acc']:6.2%}   "
        print(
            f"epoch {row['epoch']:3d}/{trainer.epochs}   {train}{valid}learning rate {row['learning_rate']:.2e}   "
            f"{time.perf_counter() - self.start:.0f} s (training {row['seconds']:.0f} s)",
            flush=True,
        )

    def after_training(self, trainer: TrainingState) -> None:
        self._close()

    def _close(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None  # it holds the terminal, which copy.deepcopy(trainer) could not copy
