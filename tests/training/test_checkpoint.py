"""Checkpoints: complete, exact, and never half-written or silently wrong."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlp import files
from mlp.diagnostics import GradientFlow
from mlp.errors import CheckpointError
from mlp.experiments.run_folder import RunFolder
from mlp.learning_rules import RULES, Adam, GradientDescent
from mlp.losses import SoftmaxCrossEntropy
from mlp.models import vgg
from mlp.training import Checkpoint, History, LayerTable, Trainer, load_checkpoint, load_model, save_checkpoint
from mlp.training.checkpoint import digest, read_checkpoint


class Images:
    def __len__(self):
        return 2

    def epoch(self, e):
        rng = np.random.default_rng(e)
        for _ in range(2):
            yield rng.standard_normal((4, 8, 8, 3)).astype(np.float32), rng.integers(0, 5, 4)


def make_trainer(rule=Adam, filters=2, seed=0):
    model = vgg(8, "batch", num_classes=5, filters=filters, seed=seed)
    return Trainer(model, SoftmaxCrossEntropy(), rule(1e-2), hooks=[GradientFlow()])


def everything(trainer):
    arrays = {**trainer.model.state_dict(), **trainer.rule.state_dict(), **trainer.history.arrays()}
    rows = json.loads(str(arrays.pop("rows")))
    arrays["rows"] = json.dumps([{k: v for k, v in row.items() if k != "seconds"} for row in rows])
    return {name: np.asarray(array).tolist() for name, array in arrays.items()}


@pytest.mark.parametrize("rule", RULES.values())
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path, rule):
    whole = make_trainer(rule)
    whole.fit(Images(), Images(), epochs=3)
    first = make_trainer(rule)
    first.fit(Images(), Images(), epochs=3, stop_after=1)
    save_checkpoint(tmp_path / "c.npz", first)
    second = make_trainer(rule, seed=7)
    load_checkpoint(tmp_path / "c.npz", second)
    assert (second.epoch, second.step) == (1, 2)
    second.fit(Images(), Images(), epochs=3)
    assert everything(second) == everything(whole)


def test_buffers_are_saved(tmp_path):
    trainer = make_trainer()
    trainer.fit(Images(), epochs=1)
    save_checkpoint(tmp_path / "c.npz", trainer)
    model = vgg(8, "batch", num_classes=5, filters=2)
    load_model(tmp_path / "c.npz", model)
    x = next(Images().epoch(3))[0]
    assert (model.forward(x) == trainer.model.forward(x)).all()
    assert dict(model.named_buffers())["input.norm_0.running_mean"].any()


def test_no_pickle_is_in_a_checkpoint(tmp_path):
    trainer = make_trainer()
    trainer.fit(Images(), epochs=1)
    save_checkpoint(tmp_path / "c.npz", trainer, {"seed": 0})
    with np.load(tmp_path / "c.npz", allow_pickle=False) as file:
        assert all(file[name].dtype != object for name in file.files)
        assert json.loads(str(file["config"])) == {"seed": 0}


@pytest.fixture
def saved(tmp_path):
    trainer = make_trainer()
    trainer.fit(Images(), epochs=1)
    path = tmp_path / "checkpoint-latest.npz"
    save_checkpoint(path, trainer)
    return path


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
def test_a_truncated_checkpoint_is_an_error_that_names_it(saved, keep):
    content = saved.read_bytes()
    saved.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(CheckpointError, match=r"checkpoint-latest\.npz is damaged"):
        load_checkpoint(saved, make_trainer())


@pytest.fixture(scope="module")
def intact(tmp_path_factory):
    """The bytes of a checkpoint, what is in it, and a path for damaged copies."""
    trainer = make_trainer()
    trainer.fit(Images(), epochs=1)
    path = tmp_path_factory.mktemp("damaged") / "checkpoint-latest.npz"
    save_checkpoint(path, trainer)
    return path.read_bytes(), {name: array.tolist() for name, array in read_checkpoint(path).items()}, path


@settings(deadline=None, derandomize=True, max_examples=150)
@given(flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=3))
def test_flipped_bytes_are_never_read_as_weights(intact, flips):
    """Flipped bytes give the clear error, or change nothing that the file means (a date in a header, say)."""
    content, reference, path = intact
    changed = bytearray(content)
    for place, mask in flips:
        changed[int(place * len(content))] ^= mask
    path.write_bytes(bytes(changed))
    try:
        arrays = read_checkpoint(path)
    except CheckpointError as error:
        assert "checkpoint-latest.npz is damaged" in str(error)
    else:
        assert {name: array.tolist() for name, array in arrays.items()} == reference


def test_most_flipped_bytes_are_noticed(intact):
    """So that the test above is not content with a reader that ignores everything."""
    content, _, path = intact
    noticed = 0
    for position in range(0, len(content), len(content) // 50):
        path.write_bytes(content[:position] + bytes([content[position] ^ 0xFF]) + content[position + 1 :])
        try:
            read_checkpoint(path)
        except CheckpointError:
            noticed += 1
    assert noticed > 40


def test_another_model_is_an_error(saved):
    with pytest.raises(CheckpointError, match="belongs to another model"):
        load_checkpoint(saved, make_trainer(filters=3))
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        load_checkpoint(saved.with_name("other.npz"), make_trainer())
    arrays = {"format": np.array(99)}
    files.write_arrays(saved, {**arrays, "digest": np.array(digest(arrays))})
    with pytest.raises(CheckpointError, match="format 99"):
        load_checkpoint(saved, make_trainer())


def test_a_failing_write_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")

    def full_disk(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        files.write_text(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_history_round_trip():
    history = History()
    history.rows = [{"epoch": 1, "train_loss": 0.1 + 0.2, "val_acc": float("nan")}]
    table = history.tables["gradient_flow"] = LayerTable(["a", "b"])
    table.append({"l2": np.array([1.0, 2.0])})
    twin = History.from_arrays(history.arrays())
    assert str(twin.rows) == str(history.rows)
    assert twin.gradient_flow.names == ["a", "b"]
    assert twin.gradient_flow["l2"].tolist() == [[1.0, 2.0]]
    assert history.csv() == "epoch,train_loss,val_acc\n1,0.30000000000000004,nan\n"


def test_csv_of_a_run_that_went_on_with_another_hook():
    history = History()
    history.rows = [{"epoch": 1, "seconds": 2.0}, {"epoch": 2, "seconds": 2.5, "peak_memory_mb": 300.1}]
    assert history.csv() == "epoch,seconds,peak_memory_mb\n1,2.0,nan\n2,2.5,300.1\n"


def test_a_checkpoint_of_another_rule_leaves_the_model_as_it_was(tmp_path):
    save_checkpoint(tmp_path / "a.npz", make_trainer(Adam))
    other = make_trainer(RULES["momentum"], seed=1)
    before = other.model.state_dict()
    with pytest.raises(CheckpointError, match=r"Momentum needs \[.*\], the state has \["):
        load_checkpoint(tmp_path / "a.npz", other)
    assert all(np.array_equal(array, before[name]) for name, array in other.model.state_dict().items())


def test_a_checkpoint_of_another_rule_leaves_all_of_a_trainer_as_it_was(tmp_path):
    momentum, other = make_trainer(RULES["momentum"]), make_trainer(Adam)
    momentum.fit(Images(), epochs=1)
    save_checkpoint(tmp_path / "a.npz", momentum)
    other.fit(Images(), epochs=2)
    before, step = everything(other), other.step
    with pytest.raises(CheckpointError, match=r"Adam needs \[.*\], the state has \["):
        load_checkpoint(tmp_path / "a.npz", other)
    assert everything(other) == before
    assert (other.step, other.epoch, other.rule.steps) == (step, 2, step)
    assert all(np.any(moment) for moment in other.rule.moments.values())
    other.fit(Images(), epochs=3)
    whole = make_trainer(Adam)
    whole.fit(Images(), epochs=3)
    assert everything(other) == everything(whole)


@pytest.mark.parametrize("kind", [str, Path, RunFolder])
def test_the_folder_of_checkpoints_is_given_in_any_form(kind, tmp_path):
    trainer = make_trainer()
    trainer.hooks.append(Checkpoint(kind(str(tmp_path))))
    trainer.fit(Images(), Images(), epochs=1)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-latest.npz", "checkpoint-best.npz"}


class CountingAdam(Adam):
    """A rule that keeps more than its moments."""

    seen = 0

    def state_dict(self):
        return {**super().state_dict(), "seen": self.seen}

    def load_state_dict(self, state):
        self.seen = int(state["seen"])
        super().load_state_dict({name: value for name, value in state.items() if name != "seen"})


def test_a_rule_may_save_what_it_likes(tmp_path):
    trainer = make_trainer(CountingAdam)
    trainer.rule.initialize(trainer.model.parameters())
    trainer.rule.seen = 5
    save_checkpoint(tmp_path / "a.npz", trainer)
    other = make_trainer(CountingAdam, seed=1)
    load_checkpoint(tmp_path / "a.npz", other)
    assert other.rule.seen == 5


@pytest.mark.parametrize("rule", [GradientDescent, Adam])
def test_a_rule_keeps_to_a_part_of_the_parameters_when_its_checkpoint_is_loaded(tmp_path, rule):
    def head_trainer():
        trainer = make_trainer(rule)
        trainer.rule.initialize(trainer.model.layers["head"].parameters())
        return trainer

    first, second = head_trainer(), head_trainer()
    first.fit(Images(), epochs=1)
    save_checkpoint(tmp_path / "c.npz", first)
    load_checkpoint(tmp_path / "c.npz", second)
    before = {name: parameter.data.copy() for name, parameter in second.model.named_parameters()}
    first.fit(Images(), epochs=2)
    second.fit(Images(), epochs=2)
    after = second.model.state_dict()
    assert {name.split(".")[0] for name in before if not np.array_equal(before[name], after[name])} == {"head"}
    assert all(np.array_equal(after[name], array) for name, array in first.model.state_dict().items())


def test_a_checkpoint_from_before_the_first_step_can_be_loaded(tmp_path):
    save_checkpoint(tmp_path / "c.npz", make_trainer())
    trainer = make_trainer(seed=1)
    load_checkpoint(tmp_path / "c.npz", trainer)
    trainer.fit(Images(), epochs=1)
    whole = make_trainer()
    whole.fit(Images(), epochs=1)
    assert everything(trainer) == everything(whole)
