"""What a hook is: a method for each moment of training. To write a hook, subclass `Hook`."""

from collections.abc import Mapping
from typing import Any

from mlp.training.state import TrainingState


class Hook:
    """Base class: does nothing at every moment.

    Every method gets the trainer: what may be read of it, and when, is listed in `mlp.training.state`. `after_epoch`
    also gets the epoch's row of the history, to which it may add. A hook may call `trainer.stop()`, or raise an error.

    At each moment hooks are called in their order. The trainer's own come first: the check for a loss that is not
    finite, then validation, so that `row` holds its numbers. after_training is called for all, whatever happened.
    """

    def before_training(self, trainer: TrainingState) -> None:
        """Before the first step of a call of fit; the engine is bound after this."""

    def before_epoch(self, trainer: TrainingState) -> None:
        """Before the first step of an epoch; trainer.epoch counts the epochs done."""

    def before_step(self, trainer: TrainingState) -> None:
        """Before every step, with the weights as they are before the update; trainer.batch is what it will see."""

    def after_step(self, trainer: TrainingState) -> None:
        """After every step; trainer.batch and trainer.batch_loss are its inputs, targets and loss."""

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        """After the last step of an epoch, which trainer.epoch counts already."""

    def after_training(self, trainer: TrainingState) -> None:
        """At the end of fit, also when it ends by an error or an interrupt."""

    def after_test(self, trainer: TrainingState, results: Mapping[str, Any]) -> None:
        """When the test images of a whole run (`mlp.experiments.run`) have been evaluated, with the best weights.

        `results` is what test.json holds. `fit` itself has no test images, so it never calls this.
        """
