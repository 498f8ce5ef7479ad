"""The history as a CSV file."""

from pathlib import Path
from typing import Any

from mlp.files import write_text
from mlp.training.hooks.side_files import SideFiles
from mlp.training.state import TrainingState
from mlp.typing import PathLike


class CsvLog(SideFiles):
    """Writes the history's rows to a CSV file after every epoch, and at the end.

    Why at the end again: if a run is killed between its last checkpoint and this file, a resume has no epoch left after
    which it would be written.
    """

    def __init__(self, path: PathLike) -> None:
        super().__init__()
        self.path = Path(path)

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        self.write(self.path, lambda: write_text(self.path, trainer.history.csv()))

    def after_training(self, trainer: TrainingState) -> None:
        if trainer.history.rows:
            self.write(self.path, lambda: write_text(self.path, trainer.history.csv()))
