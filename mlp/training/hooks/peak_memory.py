"""Peak memory, in every row of the history."""

from typing import Any

from mlp.backend import device_of
from mlp.machine.processor import peak_memory_mb
from mlp.training.hooks.base import Hook
from mlp.training.state import TrainingState


class PeakMemory(Hook):
    """Adds peak_memory_mb to every row: the most that the process has held so far, see `mlp.machine.processor`."""

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        row["peak_memory_mb"] = round(peak_memory_mb(device_of(trainer.model.parameters()[0].data)), 1)
