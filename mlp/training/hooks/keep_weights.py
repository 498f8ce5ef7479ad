"""The weights of every epoch, for pictures of the path that training took."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlp.files import write_arrays
from mlp.training.hooks.base import Hook
from mlp.typing import PathLike

if TYPE_CHECKING:
    from mlp.training.trainer import Trainer


class KeepWeights(Hook):
    """Writes weights and buffers to FOLDER/weights/epoch-0000.npz before the first step, then after each epoch.

    A file is as large as the model, 1.4 MB for VGG38; checkpoints, which are replaced, have the moments too.
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder) / "weights"

    def before_epoch(self, trainer: "Trainer") -> None:
        if trainer.epoch == 0:
            self.write(trainer)

    def after_epoch(self, trainer: "Trainer", row: dict[str, Any]) -> None:
        self.write(trainer)

    def write(self, trainer: "Trainer") -> None:
        """Write the weights as they are now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_arrays(self.folder / f"epoch-{trainer.epoch:04d}.npz", trainer.model.state_dict())
