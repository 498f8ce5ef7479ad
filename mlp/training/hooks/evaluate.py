"""Evaluation on the validation images after every epoch."""

from typing import Any

from mlp.data import mean_over, pairs
from mlp.engine import Engine
from mlp.engine.base import mean_metrics
from mlp.progress import announced_bar
from mlp.training.hooks.base import Hook
from mlp.training.state import TrainingState
from mlp.typing import BatchSource


class Evaluate(Hook):
    """Adds val_loss and val_acc to every row: means over validation batches, see `mlp.data.Batches`."""

    def __init__(self, batches: BatchSource) -> None:
        self.batches = batches

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        row["val_loss"], row["val_acc"] = evaluate(trainer.engine, self.batches)


def evaluate(engine: Engine, batches: BatchSource, desc: str = "") -> tuple[float, float]:
    """Return (loss, accuracy) of a bound engine's model, each the mean over `batches`, or over their images.

    `batches.mean_over` says which, see `mlp.data.Batches`.

    Args:
        desc: what a progress bar calls this; "" for none.

    Raises:
        MlpError: the engine is not bound; `fit` closes its own at the end.
    """
    resident: Any = pairs(engine.resident(batches), 0)
    if desc:
        resident = announced_bar(resident, desc=desc, unit="batch", total=len(batches), leave=False)
    metrics = [(*engine.evaluate(x, targets), len(targets)) for x, targets in resident]
    return mean_metrics(metrics, mean_over(batches))
