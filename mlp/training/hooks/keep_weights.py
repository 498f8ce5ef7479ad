"""The weights of every epoch, for pictures of the path that training took."""

from pathlib import Path
from typing import Any

from mlp.files import write_arrays
from mlp.files.locks import check_lock
from mlp.training.hooks.base import Hook
from mlp.training.state import TrainingState
from mlp.typing import PathLike


class KeepWeights(Hook):
    """Writes weights and buffers to FOLDER/weights/epoch-0000.npz before the first step, then after each epoch.

    A file is as large as the model, 1.4 MB for VGG38. (A checkpoint also holds the moments, and the next one replaces
    it.)
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder) / "weights"

    def before_epoch(self, trainer: TrainingState) -> None:
        if trainer.epoch == 0:
            self.write(trainer)

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        self.write(trainer)

    def write(self, trainer: TrainingState) -> None:
        """Write the weights and buffers."""
        check_lock(self.folder)  # before a folder is made where another run may be at work
        self.folder.mkdir(parents=True, exist_ok=True)
        write_arrays(self.folder / f"epoch-{trainer.epoch:04d}.npz", trainer.model.state_dict())
