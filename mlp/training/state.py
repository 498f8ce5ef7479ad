"""What a hook may read of the trainer, and when it is there.

Everything here exists from the beginning, before `fit` too, so a hook may ask for it at every moment:

    always                     model, loss, rule, schedule, hooks, history
                               engine: it has a name, and computes only within fit
                               step, epoch: updates and epochs done so far
    from before_training on    epochs, train_batches, valid_batches: what fit was given
                               (before that: 0 epochs, and batches without any)
    from before_step on        batch: (inputs, targets) of the step; None before the first
    from after_step on         batch_loss: the loss of that step; None before the first
    in after_epoch             gradient_statistics, if a hook has called `record_gradients` in before_training

Weights and gradients are `p.data` and `p.grad` of the model's parameters: before_step sees the weights before the
update and the gradients of the step before, after_step the weights after the update and the gradients that it used.
"""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from mlp.checks import NamesElsewhere, NoShallowCopy
from mlp.engine.base import Engine
from mlp.layers.machinery.base import Layer
from mlp.learning_rules.base import LearningRule
from mlp.losses import Loss
from mlp.training.history import History
from mlp.typing import Array, BatchSource, Schedule


class NoBatches:
    """A source without a batch."""

    def __len__(self) -> int:
        return 0

    def epoch(self, epoch: int, /) -> Iterable[tuple[Array, Array]]:
        """Yield nothing."""
        return ()


class TrainingState(NoShallowCopy, NamesElsewhere):
    """What training has at hand, for hooks and checkpoints. `Trainer` adds the training itself.

    Attributes:
        model, loss, rule, schedule, engine, hooks: what trains what, see `Trainer`.
        step, epoch: updates and epochs done so far.
        epochs: how many there will be at the end.
        train_batches, valid_batches: what fit was given.
        history: what happened, see `mlp.training.history`.
        batch, batch_loss: inputs and targets of the newest step, and its loss (a float, or what becomes one when it is
            looked at).
        gradient_statistics: {statistic: a number for each parameter of `rule.flat`} of the epoch that just ended, see
            `mlp.engine.gradient_statistics`; None unless a hook has called `record_gradients`.
        epoch_saved: whether the epoch that is being finished is in a checkpoint already.
        gradients_wanted, stopping: whether `record_gradients` and `stop` were called.
        fitting: whether `fit` is running, between before_training and after_training.
    """

    names_elsewhere: ClassVar = {
        "train": "write trainer.fit(batches, epochs=10)",
        "test": "write trainer.evaluate(batches)",
        "predict": "write trainer.model.forward(x).argmax(axis=1)",
        "optimizer": "write trainer.rule",
        "criterion": "write trainer.loss",
        "save": "write mlp.training.save_checkpoint(path, trainer)",
        "load": "write mlp.training.load_checkpoint(path, trainer)",
    }

    def __init__(
        self,
        model: Layer,
        loss: Loss,
        rule: LearningRule,
        schedule: Schedule | None,
        engine: Engine,
        hooks: Sequence[Any],
    ) -> None:
        self.model, self.loss, self.rule, self.schedule = model, loss, rule, schedule
        self.engine, self.hooks = engine, list(hooks)
        self.step = self.epoch = self.epochs = 0
        self.train_batches: BatchSource = NoBatches()
        self.valid_batches: BatchSource = NoBatches()
        self.history = History()
        self.batch: Any = None
        self.batch_loss: Any = None
        self.gradient_statistics: dict[str, Array] | None = None
        self.gradients_wanted = self.stopping = self.epoch_saved = self.fitting = False

    def record_gradients(self) -> None:
        """Ask in before_training for `gradient_statistics`; any number of hooks may."""
        self.gradients_wanted = True

    def stop(self) -> None:
        """End training after the current epoch, without an error: the epoch is finished, and all hooks see its end.

        If it is called before the first epoch, no epoch is trained. The next call of fit trains again.
        """
        self.stopping = True
