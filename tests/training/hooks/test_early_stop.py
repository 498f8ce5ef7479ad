"""A run ends when its validation accuracy no longer rises, and not before."""

import numpy as np
import pytest

from mlp.data import Batches
from mlp.data.image_set import ImageSet
from mlp.errors import ConfigurationError
from mlp.layers import Affine, Flatten, Sequential
from mlp.learning_rules import Adam
from mlp.losses import SoftmaxCrossEntropy
from mlp.training import EarlyStop, History, Trainer
from mlp.training.hooks import Hook


class Accuracies(Hook):
    """Puts given accuracies in the place of those that were measured."""

    def __init__(self, values):
        self.values = values

    def after_epoch(self, trainer, row):
        row["val_acc"] = self.values[trainer.epoch - 1]


def make_trainer(accuracies, patience):
    model = Sequential(Flatten(), Affine(12, 2, rng=np.random.default_rng(0)))
    return Trainer(model, SoftmaxCrossEntropy(), Adam(), hooks=[Accuracies(accuracies), EarlyStop(patience)])


def batches():
    images = np.random.default_rng(0).integers(0, 255, (4, 2, 2, 3)).astype(np.uint8)
    return Batches(ImageSet(images, np.arange(4) % 2, ("a", "b")), 4)


@pytest.mark.parametrize(
    ("accuracies", "patience", "epochs"),
    [
        ([0.5, 0.6, 0.6, 0.58, 0.9], 2, 4),  # equal is no gain
        ([0.5, 0.6, 0.6, 0.61, 0.6], 2, 5),  # the count begins again after a gain
        ([0.5, 0.4, 0.9, 0.9, 0.9], 1, 2),
        ([0.5, 0.6, 0.7, 0.8, 0.9], 1, 5),
        ([0.5, 0.5, 0.5, 0.5, 0.5], 4, 5),  # reached with the last epoch
    ],
)
def test_it_ends_when_so_many_epochs_brought_no_gain(accuracies, patience, epochs):
    trainer = make_trainer(accuracies, patience)
    trainer.fit(batches(), batches(), epochs=5)
    assert trainer.epoch == len(trainer.history.rows) == epochs


def test_what_has_ended_trains_no_further():
    trainer = make_trainer([0.5] * 9, 2)
    trainer.fit(batches(), batches(), epochs=9)
    trainer.fit(batches(), batches(), epochs=9)
    assert trainer.epoch == 3


def test_a_history_without_epochs_or_accuracies_does_not_end():
    history = History()
    assert not EarlyStop(1).ends(history)
    history.rows = [{"epoch": 1}, {"epoch": 2, "val_acc": float("nan")}]
    assert not EarlyStop(1).ends(history)


def test_its_errors():
    with pytest.raises(ConfigurationError, match="patience must be a whole number of at least 1, got 0"):
        EarlyStop(0)
    with pytest.raises(ConfigurationError, match="give fit validation batches"):
        make_trainer([0.5], 2).fit(batches(), epochs=2)
