"""Curves in a notebook that grow while a network trains."""

from typing import Any

from mlp.plotting.history import curves
from mlp.progress import notebook_display
from mlp.training.hooks import Hook
from mlp.training.state import TrainingState


class LiveCurves(Hook):
    """Shows loss and accuracy after every epoch, in place of the picture of the epoch before.

        trainer = Trainer(model, loss, rule, hooks=[LiveCurves()])

    Outside a notebook it shows nothing.

    Args:
        title: above the picture.
    """

    def __init__(self, title: str | None = None) -> None:
        self.title = title
        self.handle: Any = None

    def before_training(self, trainer: TrainingState) -> None:
        self.handle = None  # a second call of fit gets a picture of its own

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        display = notebook_display()
        if display is None:
            return
        figure = curves(trainer.history, title=self.title)
        if self.handle is None:
            self.handle = display(figure, display_id=True)
        else:
            self.handle.update(figure)
