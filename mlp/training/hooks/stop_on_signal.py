"""A signal that ends training after the epoch in progress: how a cluster announces that a job's time runs out."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from mlp.errors import StopRequestedError
from mlp.training.hooks.base import Hook
from mlp.training.state import TrainingState


class StopOnSignal(Hook):
    """Ends training with StopRequestedError after the epoch in which SIGUSR2 came; before the first one, at once.

    Put it after all other hooks, which have to save the epoch first. The signal is caught within the context
    `listening()`; begin that early, so that a signal that comes while data are loaded is not lost.

    Attributes:
        requested: whether the signal came.
    """

    def __init__(self) -> None:
        self.requested = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within this context SIGUSR2 only sets `requested`. On Windows and outside the main thread it does nothing."""
        number = getattr(signal, "SIGUSR2", None)
        if number is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(number, self._request)
        try:
            yield
        finally:
            signal.signal(number, before)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = True

    def before_training(self, trainer: TrainingState) -> None:
        self._stop(trainer)

    def after_epoch(self, trainer: TrainingState, row: dict[str, Any]) -> None:
        self._stop(trainer)

    def _stop(self, trainer: TrainingState) -> None:
        if self.requested and trainer.epoch < trainer.epochs:
            raise StopRequestedError(
                f"stopped after epoch {trainer.epoch} of {trainer.epochs}, as the signal USR2 asked: --resume "
                "continues it"
            )
