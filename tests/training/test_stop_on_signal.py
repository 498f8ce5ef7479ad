"""SIGUSR2 ends training after the epoch in progress, or before the first one; afterwards the old handler is back."""

import os
import signal
import threading

import numpy as np
import pytest

from mlp.data import Batches
from mlp.data.image_set import ImageSet
from mlp.errors import StopRequestedError
from mlp.layers import Affine, Flatten, Sequential
from mlp.learning_rules import Adam
from mlp.losses import SoftmaxCrossEntropy
from mlp.training import Trainer
from mlp.training.hooks import Hook, StopOnSignal

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGUSR2"), reason="this system has no such signal")


class SignalInEpoch(Hook):
    """Sends the signal in the middle of an epoch."""

    def __init__(self, epoch):
        self.epoch = epoch

    def after_step(self, trainer):
        if trainer.epoch + 1 == self.epoch:
            os.kill(os.getpid(), signal.SIGUSR2)


def fit(*hooks, epochs=3):
    images = np.random.default_rng(0).integers(0, 255, (12, 2, 2, 3)).astype(np.uint8)
    batches = Batches(ImageSet(images, np.arange(12) % 2, ("a", "b")), 4)
    model = Sequential(Flatten(), Affine(12, 2))
    trainer = Trainer(model, SoftmaxCrossEntropy(), Adam(), hooks=hooks, engine="textbook")
    try:
        trainer.fit(batches, epochs=epochs)
    except StopRequestedError as error:
        return trainer.epoch, str(error)
    return trainer.epoch, None


def test_it_ends_after_the_epoch_in_progress():
    stop = StopOnSignal()
    with stop.listening():
        assert fit(SignalInEpoch(2), stop) == (
            *(2, "stopped after epoch 2 of 3, as the signal USR2 asked: --resume continues it"),
        )


def test_in_the_last_epoch_there_is_nothing_to_stop():
    stop = StopOnSignal()
    with stop.listening():
        assert fit(SignalInEpoch(3), stop) == (3, None)


def test_before_the_first_epoch_it_ends_at_once():
    stop = StopOnSignal()
    with stop.listening():
        os.kill(os.getpid(), signal.SIGUSR2)
        epochs, message = fit(stop)
    assert epochs == 0
    assert message.startswith("stopped after epoch 0 of 3")


def test_the_handler_of_before_is_back_and_other_threads_have_none():
    before = signal.getsignal(signal.SIGUSR2)
    stop = StopOnSignal()
    with stop.listening():
        assert signal.getsignal(signal.SIGUSR2) != before
    assert signal.getsignal(signal.SIGUSR2) == before
    problems = []

    def in_a_thread():
        try:
            with StopOnSignal().listening():
                pass
        except ValueError as error:  # signal only works in main thread
            problems.append(error)

    thread = threading.Thread(target=in_a_thread)
    thread.start()
    thread.join()
    assert problems == []
