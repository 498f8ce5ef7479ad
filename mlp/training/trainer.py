"""The one training loop.

An epoch is a pass over all training batches; a step changes the weights once, for one batch. The loop itself only
steps. Everything else that happens during training (evaluation, logs, checkpoints, progress, statistics) is a hook
that is called at its moments.
"""

import copy
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack, closing
from typing import Any, NoReturn, Self

import numpy as np

from mlp.backend import device_of
from mlp.checks import at_least_one
from mlp.data import mean_over, pairs, prefetch
from mlp.engine import make_engine
from mlp.engine.gradient_statistics import EVERYTHING
from mlp.errors import ConfigurationError, MlpError, StopRequestedError
from mlp.layers.machinery.base import Layer
from mlp.learning_rules.base import LearningRule
from mlp.losses import Loss
from mlp.training.arguments import (
    check_batches,
    check_length,
    check_parts,
    check_same_classes,
    check_schedule,
    check_trainable,
    checked_hooks,
    rate_at,
)
from mlp.training.history import History, plain_row
from mlp.training.hooks import Evaluate, Hook, StopOnNonFinite, evaluate
from mlp.training.non_finite import find_non_finite
from mlp.training.state import NoBatches, TrainingState
from mlp.typing import BatchSource, Schedule


class Trainer(TrainingState):
    """Trains a model. Its attributes, which hooks may read, are listed in `mlp.training.state`.

    Args:
        model, loss, rule: what to train, for what, and how.
        schedule: step -> learning rate; None keeps the rule's own.
        hooks: called in this order, see `mlp.training.hooks`.
        engine: "auto" or the name of an engine, see `mlp.engine`.
        threads: of the cpu engine; None for one on each core that this process may use.
        precision: of the cuda engine's convolutions, "float32" or "tf32".

    Raises:
        ConfigurationError: a part of another kind, a model without parameters, or an engine that cannot train it.
        DeviceError: the model is on a device that is not there.
    """

    def __init__(
        self,
        model: Layer,
        loss: Loss,
        rule: LearningRule,
        schedule: Schedule | None = None,
        hooks: Iterable[Hook] = (),
        *,
        engine: str = "auto",
        threads: int | None = None,
        precision: str = "float32",
    ) -> None:
        check_parts(model, loss, rule)
        parameters = model.set_paths().parameters()
        if not parameters:
            raise ConfigurationError("the model has no parameters, so there is nothing to train")
        made = make_engine(engine, threads, device_of(parameters[0].data), precision)
        check_schedule(schedule)
        super().__init__(model, loss, rule, schedule, made, checked_hooks(hooks))

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a Trainer that continues from here, with its own model, rule, hooks and history.

        Hooks that write files write the same files: give the copy others.
        """
        twin = memo[id(self)] = object.__new__(type(self))
        for name, value in vars(self).items():
            try:
                setattr(twin, name, copy.deepcopy(value, memo))
            except TypeError as error:  # an open file, say
                raise MlpError(
                    f"this Trainer cannot be copied, because of its {name} ({error}): make a new Trainer for "
                    "copy.deepcopy((model, loss, rule)), with hooks of its own"
                ) from None
        twin.fitting = False
        if twin.rule.flat is not None:
            twin.rule.gather_again()
        return twin

    def __reduce__(self) -> NoReturn:
        raise MlpError(
            "a Trainer cannot be pickled: save_checkpoint(path, trainer) writes its state, and load_checkpoint(path, "
            "trainer) reads it into a new one (both in mlp.training); copy.deepcopy(trainer) copies it"
        )

    def fit(
        self,
        train_batches: BatchSource,
        valid_batches: BatchSource | None = None,
        epochs: int = 1,
        stop_after: int | None = None,
        *,
        say: Callable[[str], object] = print,
    ) -> History:
        """Train for `epochs` epochs in total, counting those of a checkpoint that was loaded.

        It ends earlier if a hook calls `stop`.

        Args:
            train_batches, valid_batches: with len() and epoch(e), see `mlp.data.Batches`; validation is optional.
            stop_after: end earlier, after this many epochs in total.
            say: is called with a line of text if there is nothing to train.

        Returns:
            The History.

        Raises:
            NonFiniteLossError: the loss became infinite or NaN.
            ConfigurationError: epochs or stop_after below 1, batches of another kind, or a rule of another model.
            MlpError: this Trainer is in `fit` already.
        """
        if self.fitting:
            raise MlpError("fit was called while this Trainer is in fit already, by a hook or by another thread")
        last = at_least_one("epochs", epochs)
        if stop_after is not None:
            last = min(last, at_least_one("stop_after", stop_after))
        check_batches("train_batches", train_batches)
        if valid_batches is not None:
            check_batches("valid_batches", valid_batches)
            check_same_classes(train_batches, valid_batches)
        if self.epoch >= last:
            say(
                f"nothing to train: {self.epoch} {'epoch is' if self.epoch == 1 else 'epochs are'} done already. "
                f"fit(..., epochs={self.epoch + last}) continues; a new model and Trainer start again."
            )
        self.epochs, self.train_batches = epochs, train_batches
        self.valid_batches = NoBatches() if valid_batches is None else valid_batches
        self.stopping = self.gradients_wanted = False
        self.gradient_statistics = None
        validation = [] if valid_batches is None else [Evaluate(valid_batches)]
        self._run_epochs(last, [StopOnNonFinite(), *validation, *self.hooks])
        return self.history

    def evaluate(self, batches: BatchSource, desc: str = "") -> tuple[float, float]:
        """Return (loss, accuracy) of the model as it is, each a mean as in `fit`, see `mlp.data.Batches`.

        For use after `fit`, with test images say, or by a hook.

        Args:
            desc: what a progress bar calls this; "" for none.

        Raises:
            ConfigurationError: `batches` are something else.
        """
        check_batches("batches", batches)
        with ExitStack() as ending:
            if not self.fitting:  # within fit, the engine has the model already
                ending.callback(self.engine.close)
                self.engine.bind(self.model, self.loss, self.rule)
            with np.errstate(all="ignore"):
                loss, accuracy = evaluate(self.engine, batches, desc)
        if not math.isfinite(loss):
            where = find_non_finite(self.model, batches.epoch(0), training=False)
            print(f"note: the loss is {loss}, so the accuracy means nothing: {where}", file=sys.stderr)
        return loss, accuracy

    def _run_epochs(self, last: int, hooks: Sequence[Hook]) -> None:
        """Train until `last` epochs are done or a hook calls `stop`. However it ends, all hooks see the end."""
        with ExitStack() as ending:  # calls what it was given last first; one that fails does not stop the others
            ending.callback(self.engine.close)
            for hook in reversed(hooks):
                ending.callback(hook.after_training, self)
            for hook in hooks:
                hook.before_training(self)
            self.fitting = True
            ending.callback(vars(self).update, fitting=False)
            self.engine.bind(self.model, self.loss, self.rule, EVERYTHING if self.gradients_wanted else None)
            check_trainable(self.model, self.rule)
            batches = self.engine.resident(self.train_batches)
            with np.errstate(all="ignore"):  # a loss that overflows is reported by StopOnNonFinite, with its place
                while self.epoch < last and not self.stopping:
                    self._run_epoch(batches, hooks)

    def _run_epoch(self, train_batches: BatchSource, hooks: Sequence[Hook]) -> None:
        start = time.perf_counter()
        self.step = self.epoch * len(train_batches)  # an interrupted epoch starts again
        self.loss.begin_epoch(self.epoch, self.epochs)
        for hook in hooks:
            hook.before_epoch(self)
        with closing(prefetch(pairs(train_batches, self.epoch))) as batches:
            for x, targets in batches:
                if self.schedule is not None:
                    self.rule.learning_rate = rate_at(self.schedule, self.step)
                self.batch = (x, targets)
                for hook in hooks:
                    hook.before_step(self)
                self.batch_loss = self.engine.train_step(x, targets)
                for hook in hooks:
                    hook.after_step(self)
                self.step += 1
        check_length("train_batches", train_batches, self.step - self.epoch * len(train_batches))
        loss, accuracy = self.engine.read_metrics(mean_over(self.train_batches))
        self.gradient_statistics = self.engine.read_gradient_statistics() if self.gradients_wanted else None
        row = {"epoch": self.epoch + 1, "train_loss": loss, "train_acc": accuracy}
        row |= {"val_loss": float("nan"), "val_acc": float("nan"), "learning_rate": self.rule.learning_rate}
        row["seconds"] = round(time.perf_counter() - start, 3)
        self._finish_epoch(row, hooks)

    def _finish_epoch(self, row: dict[str, Any], hooks: Sequence[Hook]) -> None:
        """Let the hooks see the end of an epoch. If one of them fails before the epoch is saved, forget the epoch.

        Otherwise metrics or tables would hold an epoch that no checkpoint has.
        """
        before, self.epoch_saved = self.history.copy(), False
        self.epoch += 1
        try:
            row = plain_row(row, f"the loss {type(self.loss).__name__}", self.epoch)
            self.history.rows.append(row)
            for hook in hooks:
                hook.after_epoch(self, row)
                row.update(plain_row(row, f"the hook {type(hook).__name__}", self.epoch))
        except StopRequestedError:  # the epoch is complete, and so is what the hooks before have written
            raise
        except BaseException:
            if not self.epoch_saved:
                self.history.rows, self.history.tables = before.rows, before.tables
                self.epoch -= 1
            raise
