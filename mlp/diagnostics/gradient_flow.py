"""Gradient flow: how much of the gradient reaches each layer, recorded every epoch.

For every weight tensor the table holds mean |g|, L2 norm, max |g| and the fraction of zeros (`mean_abs`, `l2`,
`max_abs`, `zeros`), averaged over all batches of the epoch, and the same of its last batch alone (`last_mean_abs`,
...), which is what the reports' figures show.

In a plain VGG38 the columns fall by ten orders of magnitude from the head to the input: vanishing gradients.
"""

from typing import Any

from mlp.engine.gradient_statistics import rows_of
from mlp.training.hooks import Hook
from mlp.training.state import TrainingState


class GradientFlow(Hook):
    """Records the gradient flow in `history.gradient_flow`, a LayerTable with one row per epoch.

    With several of these hooks, the second one's table is `history.tables["gradient_flow_2"]`, and so on.

    Args:
        biases: whether to include biases and BN's beta, which the reports leave out.
    """

    def __init__(self, *, biases: bool = False) -> None:
        self.which = "weights and biases" if biases else "weights"
        self.table = "gradient_flow"

    def before_training(self, trainer: TrainingState) -> None:
        trainer.record_gradients()
        flows = [hook for hook in trainer.hooks if isinstance(hook, GradientFlow)]
        number = 1 + next((i for i, hook in enumerate(flows) if hook is self), 0)
        self.table = "gradient_flow" if number == 1 else f"gradient_flow_{number}"

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        flat, statistics = trainer.rule.flat, trainer.gradient_statistics or {}
        rows = rows_of(flat, self.which)
        names = [flat.parameters[i].name for i in rows]
        trainer.history.add_row(self.table, names, {name: values[rows] for name, values in statistics.items()})
