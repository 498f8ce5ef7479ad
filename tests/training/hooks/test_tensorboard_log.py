"""What TensorBoard's own reader finds: every number once, also after an interruption."""

import math
import sys

import numpy as np
import pytest

from mlp.data import Batches
from mlp.data.image_set import ImageSet
from mlp.errors import ConfigurationError
from mlp.layers import Affine, BatchNorm, Flatten, Sequential
from mlp.learning_rules import Adam
from mlp.losses import SoftmaxCrossEntropy
from mlp.training import Checkpoint, Hook, TensorBoardLog, Trainer, load_checkpoint

oracle = pytest.mark.oracle


def batches():
    images = np.random.default_rng(0).integers(0, 255, (20, 2, 2, 3)).astype(np.uint8)
    return Batches(ImageSet(images, np.arange(20) % 2, ("a", "b")), 4, shuffle=True)


def make_trainer(*hooks):
    model = Sequential(Flatten(), BatchNorm(12), Affine(12, 2, rng=np.random.default_rng(0)))
    return Trainer(model, SoftmaxCrossEntropy(), Adam(), None, hooks, engine="textbook")


@pytest.fixture
def read():
    """A function that reads a folder as TensorBoard does: {tag: [(step, value), ...]}."""
    pytest.importorskip("tensorboardX")
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")

    def read(folder):
        events = reader.EventAccumulator(str(folder), size_guidance={reader.SCALARS: 0}).Reload()
        return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}

    return read


class BreakAfter(Hook):
    def after_epoch(self, trainer, row):
        if trainer.epoch == 2:
            raise KeyboardInterrupt


@oracle
def test_tensorboard_reads_what_the_history_has(tmp_path, read):
    trainer = make_trainer(TensorBoardLog(tmp_path))
    history = trainer.fit(batches(), batches(), epochs=3)
    found = read(tmp_path)
    names = {"train_loss": "loss/train", "val_loss": "loss/validation", "train_acc": "accuracy/train"}
    for column, tag in {**names, "val_acc": "accuracy/validation", "learning_rate": "learning_rate"}.items():
        assert [step for step, _ in found[tag]] == [1, 2, 3]
        assert [value for _, value in found[tag]] == pytest.approx(history.column(column).tolist(), rel=1e-6)
    weight = trainer.model.parameters()[2]
    assert found[f"weight_norm/{weight.name}"][-1][1] == pytest.approx(float(np.linalg.norm(weight.data)), rel=1e-5)
    assert all(value > 0 for _, value in found[f"gradient_norm/{weight.name}"])
    assert not [tag for tag in found if tag.endswith(("bias", "beta"))]


@oracle
def test_an_epoch_that_is_done_again_is_there_once(tmp_path, read):
    with pytest.raises(KeyboardInterrupt):  # epoch 2 is logged, and has no checkpoint
        make_trainer(TensorBoardLog(tmp_path), BreakAfter(), Checkpoint(tmp_path)).fit(batches(), batches(), epochs=3)
    assert [step for step, _ in read(tmp_path)["loss/train"]] == [1, 2]
    resumed = make_trainer(TensorBoardLog(tmp_path), Checkpoint(tmp_path))
    load_checkpoint(tmp_path / "checkpoint-latest.npz", resumed)
    assert resumed.epoch == 1
    resumed.fit(batches(), batches(), epochs=3)
    assert {tag: [step for step, _ in points] for tag, points in read(tmp_path).items()} == dict.fromkeys(
        read(tmp_path), [1, 2, 3]
    )


@oracle
def test_a_new_run_begins_anew(tmp_path, read):
    for _ in range(2):
        make_trainer(TensorBoardLog(tmp_path)).fit(batches(), epochs=2)
    assert [step for step, _ in read(tmp_path)["loss/train"]] == [1, 2]
    assert not any(math.isnan(value) for points in read(tmp_path).values() for _, value in points)
    assert "accuracy/validation" not in read(tmp_path)


@oracle
def test_settings_stand_beside_results(tmp_path, read):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    plugin = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    log = TensorBoardLog(tmp_path, {"learning_rate": 0.1, "norm": "batch", "residual": True, "clip_norm": None})
    trainer = make_trainer(log)
    trainer.fit(batches(), batches(), epochs=2)
    log.after_test(trainer, {"test_loss": 0.5, "test_acc": 0.75})
    assert read(tmp_path)["accuracy/test"] == [(3, 0.75)]

    events = reader.EventAccumulator(str(tmp_path)).Reload()
    content = plugin.HParamsPluginData.FromString(
        events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    )
    settings = content.session_start_info.hparams
    assert settings["learning_rate"].number_value == pytest.approx(0.1)
    assert (settings["norm"].string_value, settings["residual"].bool_value) == ("batch", True)
    assert "clip_norm" not in settings

    trainer.fit(batches(), batches(), epochs=3)  # further than the end: the test comes again
    log.after_test(trainer, {"test_loss": 0.4, "test_acc": 0.875})
    assert read(tmp_path)["accuracy/test"] == [(4, 0.875)]


@oracle
def test_it_changes_no_number_of_a_run(tmp_path):
    pytest.importorskip("tensorboardX")
    plain, logged = make_trainer(), make_trainer(TensorBoardLog(tmp_path))
    plain.fit(batches(), epochs=2), logged.fit(batches(), epochs=2)
    for p, q in zip(plain.model.parameters(), logged.model.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_a_missing_package_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ConfigurationError, match=r"pip install tensorboardX tensorboard .*\[tensorboard\].* --logdir"):
        TensorBoardLog(tmp_path)
