"""Hooks: what happens around the steps. One with methods of one's own is a subclass of `Hook`."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlp.backend import device_of
from mlp.engine import Engine
from mlp.engine.textbook import mean_metrics
from mlp.errors import MlpError, NonFiniteLossError
from mlp.files import write_text
from mlp.memory import peak_memory_mb
from mlp.progress import progress_bar
from mlp.training.checkpoint import save_checkpoint
from mlp.training.non_finite import find_non_finite
from mlp.typing import BatchSource, PathLike

if TYPE_CHECKING:
    from mlp.training.trainer import Trainer


class Hook:
    """Base class: does nothing at every moment.

    Every method gets the Trainer; `after_epoch` also the epoch's row of the history, which it may add to.
    """

    def before_training(self, trainer: "Trainer") -> None:
        """Before the first step of a call of fit; the engine is bound after this."""

    def before_epoch(self, trainer: "Trainer") -> None:
        """Before the first step of an epoch; trainer.epoch counts the epochs done."""

    def after_step(self, trainer: "Trainer") -> None:
        """After every step; trainer.batch and trainer.batch_loss are its inputs, targets and loss."""

    def after_epoch(self, trainer: "Trainer", row: dict[str, Any]) -> None:
        """After the last step of an epoch, which trainer.epoch counts already."""

    def after_training(self, trainer: "Trainer") -> None:
        """At the end of fit, also when it ends by an error or an interrupt."""


class Evaluate(Hook):
    """Adds val_loss and val_acc to every row: unweighted means over the validation batches, as in the reports."""

    def __init__(self, batches: BatchSource) -> None:
        self.batches = batches

    def after_epoch(self, trainer: "Trainer", row: dict[str, Any]) -> None:
        row["val_loss"], row["val_acc"] = evaluate(trainer.engine, self.batches)


def evaluate(engine: Engine, batches: BatchSource) -> tuple[float, float]:
    """Return (loss, accuracy) of a bound engine's model, each the unweighted mean over `batches`.

    Raises:
        MlpError: the engine is not bound; `fit` closes its own at the end.
    """
    if getattr(engine, "model", None) is None:
        raise MlpError("the engine has no model: call engine.bind(model, loss, rule), also after fit, which closes it")
    return mean_metrics([engine.evaluate(x, targets) for x, targets in engine.resident(batches).epoch(0)])


class PeakMemory(Hook):
    """Adds peak_memory_mb to every row: the most that the process has held so far, see `mlp.memory`."""

    def after_epoch(self, trainer: "Trainer", row: dict[str, Any]) -> None:
        row["peak_memory_mb"] = round(peak_memory_mb(device_of(trainer.model.parameters()[0].data)), 1)


class StopOnNonFinite(Hook):
    """Ends training at a loss that is infinite or NaN, with the place where it came from.

    A loss that a GPU is still computing is looked at every 20 steps only, because looking means to wait; the mean of
    the epoch tells of those between.
    """

    def after_step(self, trainer: "Trainer") -> None:
        if not isinstance(trainer.batch_loss, float) and trainer.step % 20:
            return
        if not math.isfinite(trainer.batch_loss):
            self.stop(f"{trainer.batch_loss} in epoch {trainer.epoch + 1}, step {trainer.step + 1}", trainer)

    def after_epoch(self, trainer: "Trainer", row: dict[str, Any]) -> None:
        if not math.isfinite(row["train_loss"]):
            self.stop(f"{row['train_loss']} in epoch {trainer.epoch}", trainer)

    def stop(self, what: str, trainer: "Trainer") -> None:
        """Raise the error, with the newest batch run through the layers once more to find the first bad number."""
        inputs, _ = trainer.batch
        raise NonFiniteLossError(
            f"the loss became {what}, at learning rate {trainer.rule.learning_rate:g}: "
            f"{find_non_finite(trainer.model, inputs)}"
        )


class Progress(Hook):
    """A progress bar over the batches of an epoch (where `mlp.progress` shows one), and one line an epoch always."""

    bar: Any = None

    def before_epoch(self, trainer: "Trainer") -> None:
        title = f"epoch {trainer.epoch + 1}/{trainer.epochs}"
        total = len(trainer.train_batches)
        self.bar = progress_bar(total=total, desc=title, unit="batch", leave=False)

    def after_step(self, trainer: "Trainer") -> None:
        self.bar.update()
        if not self.bar.disable and self.bar.n % 10 == 0:
            self.bar.set_postfix(loss=f"{trainer.batch_loss:.3f}", refresh=False)

    def after_epoch(self, trainer: "Trainer", row: dict[str, Any]) -> None:
        self.bar.close()
        print(
            f"epoch {row['epoch']:3d}/{trainer.epochs}   train {row['train_loss']:.3f} / {row['train_acc']:6.2%}   "
            f"valid {row['val_loss']:.3f} / {row['val_acc']:6.2%}   learning rate {row['learning_rate']:.2e}   "
            f"{row['seconds']:.0f} s",
            flush=True,
        )

    def after_training(self, trainer: "Trainer") -> None:
        if self.bar is not None:
            self.bar.close()


class Checkpoint(Hook):
    """Saves the state after every epoch as checkpoint-latest.npz, and that with the best validation accuracy.

    Args:
        folder: an existing folder, a Path or RunFolder. config: the settings that are saved along.
    """

    def __init__(self, folder: Any, config: Mapping[str, Any] | None = None) -> None:
        self.folder, self.config = folder, config

    def after_epoch(self, trainer: "Trainer", row: dict[str, Any]) -> None:
        # The best first: a kill between the two leaves a latest that repeats this epoch and writes the same best.
        if trainer.history.best_epoch == row["epoch"]:
            save_checkpoint(self.folder / "checkpoint-best.npz", trainer, self.config)
        save_checkpoint(self.folder / "checkpoint-latest.npz", trainer, self.config)


class CsvLog(Hook):
    """Writes the history's rows to a CSV file after every epoch, and at the end.

    At the end once more, because a kill between the last checkpoint and this file leaves no epoch to be done.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = path

    def after_epoch(self, trainer: "Trainer", row: dict[str, Any]) -> None:
        write_text(self.path, trainer.history.csv())

    def after_training(self, trainer: "Trainer") -> None:
        if trainer.history.rows:
            write_text(self.path, trainer.history.csv())
