"""A line for each step, once, whatever interrupts a run; and the run's own numbers stay as they are."""

import csv
import io
import os

import numpy as np
import pytest

from mlp.data import Batches
from mlp.data.image_set import ImageSet
from mlp.errors import DamagedError
from mlp.layers import Affine, Flatten, Sequential
from mlp.learning_rules import Adam
from mlp.losses import SoftmaxCrossEntropy
from mlp.schedulers import cosine
from mlp.training import Checkpoint, Hook, StepLog, Trainer, load_checkpoint

STEPS = 5  # in an epoch


def batches():
    images = np.random.default_rng(0).integers(0, 255, (20, 2, 2, 3)).astype(np.uint8)
    return Batches(ImageSet(images, np.arange(20) % 2, ("a", "b")), 4, shuffle=True)


def make_trainer(*hooks):
    model = Sequential(Flatten(), Affine(12, 2, rng=np.random.default_rng(0)))
    return Trainer(model, SoftmaxCrossEntropy(), Adam(), cosine(1e-2, 1e-4, steps=20), hooks, engine="textbook")


def lines(path):
    return list(csv.DictReader(io.StringIO(path.read_text())))


class Watch(Hook):
    """Measures by itself what the log has to contain."""

    def __init__(self):
        self.seen = []

    def after_step(self, trainer):
        norm = sum(float((p.grad.astype(float) ** 2).sum()) for p in trainer.model.parameters()) ** 0.5
        self.seen.append((trainer.step + 1, trainer.batch_loss, trainer.rule.learning_rate, norm))


class Break(Hook):
    """Ends training by an error in a step, or at the end of an epoch."""

    def __init__(self, step=None, epoch=None):
        self.step, self.epoch = step, epoch

    def after_step(self, trainer):
        if trainer.step == self.step:
            raise KeyboardInterrupt

    def after_epoch(self, trainer, row):
        if trainer.epoch == self.epoch:
            raise KeyboardInterrupt


def test_it_has_what_every_step_saw(tmp_path):
    path, watch = tmp_path / "steps.csv", Watch()
    make_trainer(watch, StepLog(path, every=3)).fit(batches(), epochs=2)
    rows = lines(path)
    assert [(int(row["step"]), int(row["epoch"])) for row in rows] == [(n + 1, n // STEPS + 1) for n in range(10)]
    for row, (step, loss, rate, norm) in zip(rows, watch.seen, strict=True):
        assert (int(row["step"]), float(row["loss"]), float(row["learning_rate"])) == (step, loss, rate)
        assert float(row["gradient_norm"]) == pytest.approx(norm, rel=1e-5)


def test_it_changes_no_number_of_a_run(tmp_path):
    plain, logged = make_trainer(), make_trainer(StepLog(tmp_path / "steps.csv"))
    plain.fit(batches(), epochs=2), logged.fit(batches(), epochs=2)
    for p, q in zip(plain.model.parameters(), logged.model.parameters(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)


@pytest.mark.parametrize("where", [{"step": 7}, {"step": STEPS}, {"epoch": 2}], ids=str)
@pytest.mark.parametrize("every", [1, 3, 100])
def test_a_run_that_was_interrupted_has_each_line_once(tmp_path, where, every):
    whole = tmp_path / "whole.csv"
    make_trainer(StepLog(whole)).fit(batches(), epochs=3)
    path = tmp_path / "steps.csv"
    hooks = [StepLog(path, every), Break(**where), Checkpoint(tmp_path)]  # the log comes before the checkpoint
    with pytest.raises(KeyboardInterrupt):
        make_trainer(*hooks).fit(batches(), epochs=3)
    assert len(lines(path)) >= STEPS
    with open(path, "a") as file:
        file.write("8,2,0.5")  # what a kill leaves: a piece of a line

    resumed = make_trainer(StepLog(path, every), Checkpoint(tmp_path))
    load_checkpoint(tmp_path / "checkpoint-latest.npz", resumed)
    resumed.fit(batches(), epochs=3)
    assert path.read_bytes() == whole.read_bytes()


def test_a_new_run_replaces_the_file(tmp_path):
    path = tmp_path / "steps.csv"
    for _ in range(2):
        make_trainer(StepLog(path)).fit(batches(), epochs=1)
        assert [row["step"] for row in lines(path)] == ["1", "2", "3", "4", "5"]


def test_a_second_fit_continues_it(tmp_path):
    path = tmp_path / "steps.csv"
    trainer = make_trainer(StepLog(path))
    trainer.fit(batches(), epochs=1), trainer.fit(batches(), epochs=2)
    assert [int(row["step"]) for row in lines(path)] == list(range(1, 11))


def test_a_log_that_begins_later(tmp_path):
    path, trainer = tmp_path / "steps.csv", make_trainer()
    trainer.fit(batches(), epochs=1)
    trainer.hooks.append(StepLog(path))
    trainer.fit(batches(), epochs=2)
    assert [int(row["step"]) for row in lines(path)] == list(range(6, 11))


def test_a_file_of_something_else_is_left_alone(tmp_path):
    path, trainer = tmp_path / "steps.csv", make_trainer()
    trainer.fit(batches(), epochs=1)
    path.write_text("my own notes\n")
    trainer.hooks.append(StepLog(path))
    with pytest.raises(DamagedError, match="its first line is not step,epoch,loss"):
        trainer.fit(batches(), epochs=2)
    assert path.read_text() == "my own notes\n"


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_new_file_takes_the_place_of_what_is_none(tmp_path, kind):
    path = tmp_path / "steps.csv"
    (tmp_path / "target").write_text("keep me")
    path.symlink_to("target") if kind == "link" else os.mkfifo(path)
    make_trainer(StepLog(path)).fit(batches(), epochs=1)
    assert (tmp_path / "target").read_text() == "keep me"
    assert not path.is_symlink()
    assert len(lines(path)) == 5


def test_a_write_that_fails_is_made_up_for(tmp_path, monkeypatch, capsys):
    path = tmp_path / "steps.csv"
    log = StepLog(path, every=2)
    append, failures = log.append, [True, False, True, True]  # the first write is that of the head

    def sometimes(**options):
        if failures and failures.pop():
            with open(path, "a") as file:
                file.write("3,1,0.")
            raise OSError(28, "No space left on device")
        append(**options)

    monkeypatch.setattr(log, "append", sometimes)
    make_trainer(log).fit(batches(), epochs=2)
    assert [int(row["step"]) for row in lines(path)] == list(range(1, 11))
    assert capsys.readouterr().err.count("could not be written") >= 1
    assert not log.unwritten
