"""What a hook is: a method for each moment of training. To write a hook, subclass `Hook`."""

from typing import TYPE_CHECKING, Any

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

    def before_step(self, trainer: "Trainer") -> None:
        """Before every step, with the weights as they are before the update; trainer.batch is what it will see."""

    def after_step(self, trainer: "Trainer") -> None:
        """After every step; trainer.batch and trainer.batch_loss are its inputs, targets and loss."""

    def after_epoch(self, trainer: "Trainer", row: dict[str, Any]) -> None:
        """After the last step of an epoch, which trainer.epoch counts already."""

    def after_training(self, trainer: "Trainer") -> None:
        """At the end of fit, also when it ends by an error or an interrupt."""
