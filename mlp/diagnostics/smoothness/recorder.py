"""The hook that measures smoothness while a network trains."""

from pathlib import Path
from typing import Any

import numpy as np

from mlp.backend import to_numpy
from mlp.checks import at_least, at_least_one, choose
from mlp.diagnostics.smoothness.covariate_shift import covariate_shift, shift_layers
from mlp.diagnostics.smoothness.nearby import GRADIENT_SIZES, UPDATE_SIZES, look_nearby, move_to
from mlp.diagnostics.smoothness.record import SmoothnessRecord
from mlp.diagnostics.untouched import untouched
from mlp.errors import ConfigurationError
from mlp.training.hooks import Hook
from mlp.training.state import TrainingState
from mlp.typing import Array, PathLike

DIRECTIONS = ("gradient", "update")


class Smoothness(Hook):
    """Measures, every so many steps, how well the gradient predicts loss and gradient nearby.

    The batch is that of the step, with its augmentation. The run is not touched: its numbers are the same with the hook
    and without it, bit for bit.

    Args:
        every: steps between two measurements; the first step is measured. Each costs eight forward and backward passes.
        folder: where smoothness.npz and smoothness.csv go after each epoch; with None only `record` has the numbers.
        direction: "gradient" for points w - s g, or "update" for points w + m u, where u is the step of the rule.
        layers: for how many layers the covariate shift is measured, each by a backward pass; 0 for none.

    Attributes:
        record: the SmoothnessRecord.

    Raises:
        ConfigurationError: `every` is below 1, `layers` is below 0, or there is no such direction.
    """

    def __init__(
        self, every: int = 50, folder: PathLike | None = None, direction: str = "gradient", layers: int = 0
    ) -> None:
        self.every = at_least_one("every", every)
        self.direction = choose("direction", direction, DIRECTIONS)
        self.folder = None if folder is None else Path(folder)
        self.layers = at_least("layers", layers, 0)
        self.sizes = GRADIENT_SIZES if direction == "gradient" else UPDATE_SIZES
        settings = {"every": every, "direction": direction, "sizes": self.sizes.tolist(), "layers": layers}
        self.record = SmoothnessRecord(settings)
        self.before: tuple[Array, list[Array]] | None = None  # weights and buffers before a step that is measured

    def before_training(self, trainer: TrainingState) -> None:
        if self.folder is not None and trainer.epoch > 0 and (self.folder / "smoothness.npz").exists():
            found = SmoothnessRecord.read(self.folder)
            pairs = [(name, found.settings.get(name), value) for name, value in self.record.settings.items()]
            if different := [f"{name} {there} there, {here} here" for name, there, here in pairs if there != here]:
                raise ConfigurationError(
                    f"{self.folder / 'smoothness.npz'} was measured otherwise, and would be lost "
                    f"({'; '.join(different)}): measure as before, or move the file away"
                )
            self.record = found.before(trainer.epoch * len(trainer.train_batches))

    def before_step(self, trainer: TrainingState) -> None:
        if trainer.step % self.every == 0:
            buffers = [buffer.copy() for _, buffer in trainer.model.named_buffers()]
            self.before = to_numpy(trainer.rule.flat.data).astype(np.float64), buffers

    def after_step(self, trainer: TrainingState) -> None:
        if self.before is None:
            return
        (weights, buffers), self.before = self.before, None
        flat, loss = trainer.rule.flat, float(trainer.batch_loss)
        after = to_numpy(flat.data).astype(np.float64)
        gradient = to_numpy(flat.grad).astype(np.float64)  # of the step: `p.grad` is valid until the next one
        steps = -gradient if self.direction == "gradient" else after - weights
        with untouched(trainer.model):
            for (_, buffer), values in zip(trainer.model.named_buffers(), buffers, strict=True):
                buffer[...] = values  # so that dropout draws the masks of this step again
            move_to(flat, weights)
            engine, batch = trainer.engine, trainer.batch
            nearby = look_nearby(engine, flat, batch, loss, gradient, steps=steps, sizes=self.sizes)
            shift = None
            if self.layers:
                move_to(flat, weights)
                shift = covariate_shift(engine, flat, batch, gradient, after, shift_layers(flat, self.layers))
        trainer.loss.forget()
        self.record.add(trainer.step, nearby, shift)

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        if self.folder is not None:
            self.record.write(self.folder)
