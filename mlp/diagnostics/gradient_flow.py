"""Gradient flow: how much of the gradient reaches each layer, recorded every epoch.

For every weight tensor the table holds mean |g|, L2 norm, max |g| and the fraction of zeros (`mean_abs`, `l2`,
`max_abs`, `zeros`), averaged over all batches of the epoch, and the same of its last batch alone (`last_mean_abs`,
...), which is what the reports' figures show.

In a plain VGG38 the columns fall by ten orders of magnitude from the head to the input: vanishing gradients.
"""

from typing import Any

from mlp.training.history import LayerTable
from mlp.training.hooks import Hook
from mlp.training.trainer import Trainer


class GradientFlow(Hook):
    """Records the gradient flow in `history.gradient_flow`, a LayerTable with a row an epoch.

    Args:
        biases: whether to take in biases and BN's beta, which the reports leave out.
    """

    def __init__(self, biases: bool = False) -> None:
        self.which = "weights and biases" if biases else "weights"

    def before_training(self, trainer: Trainer) -> None:
        trainer.gradient_statistics = self.which

    def after_epoch(self, trainer: Trainer, row: dict[str, Any]) -> None:
        statistics: Any = trainer.engine.statistics
        table = trainer.history.tables.setdefault("gradient_flow", LayerTable(statistics.names))
        table.append(trainer.engine.read_gradient_statistics())
