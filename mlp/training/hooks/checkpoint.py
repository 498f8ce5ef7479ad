"""Checkpoints after every epoch."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlp.errors import ConfigurationError
from mlp.training.checkpoint import save_checkpoint
from mlp.training.hooks.base import Hook
from mlp.training.state import TrainingState


class Checkpoint(Hook):
    """Saves the state after every epoch: checkpoint-latest.npz, and checkpoint-best.npz for the best epoch so far.

    The best epoch is the one with the highest validation accuracy, see `History.best_epoch`.

    Args:
        folder: an existing folder, a path or a RunFolder. config: the settings to save with the state.

    Raises:
        ConfigurationError (before training): there is no such folder.
    """

    def __init__(self, folder: str | os.PathLike[str], config: Mapping[str, Any] | None = None) -> None:
        self.folder, self.config, self.missed = Path(folder), config, False

    def before_training(self, trainer: TrainingState) -> None:
        if not self.folder.is_dir():  # say it now: after the first epoch is too late
            raise ConfigurationError(f"there is no folder {self.folder} for checkpoints: make it first")

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        # The latest first: after a kill between the two, a resume finds the best epoch in the latest, and saves it.
        best = self.folder / "checkpoint-best.npz"
        save_checkpoint(self.folder / "checkpoint-latest.npz", trainer, self.config)
        trainer.epoch_saved = True
        if trainer.history.best_epoch == row["epoch"]:
            save_checkpoint(best, trainer, self.config)
        elif not best.exists() and trainer.history.best_epoch is not None and not self.missed:
            self.missed = True  # say it now: after the last epoch, when the file is needed, is too late
            print(f"note: {best} is gone: put it back, the test at the end needs it", file=sys.stderr)
