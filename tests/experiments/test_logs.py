"""`mlp train --log` and `--find-lr`: what they write, and that they change no number of a run."""

import csv

import numpy as np
import pytest

from mlp.commands import train
from mlp.errors import ConfigurationError
from mlp.experiments import run
from mlp.training.checkpoint import read_checkpoint


def flags(settings):
    return [word for name, value in settings.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def numbers(folder):
    """Weights and moments of the latest checkpoint."""
    arrays = read_checkpoint(folder / "checkpoint-latest.npz")
    return {name: array for name, array in arrays.items() if name.startswith(("model/", "rule/"))}


def test_a_line_a_step_through_a_resume(small, tmp_path, call):
    run(tmp_path / "plain", small)
    words = [*flags(small), "--out", str(tmp_path / "run"), "--log", "steps"]
    assert call(train, *words, "--stop-after", "1")[0] == 0
    assert call(train, *words, "--resume")[0] == 0
    with open(tmp_path / "run" / "steps.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    steps = len(rows) // 2
    assert [int(row["step"]) for row in rows] == list(range(1, 2 * steps + 1))
    assert [int(row["epoch"]) for row in rows] == [1] * steps + [2] * steps
    plain, logged = numbers(tmp_path / "plain"), numbers(tmp_path / "run")
    assert all(np.array_equal(array, logged[name]) for name, array in plain.items())


def test_a_resume_says_which_log_would_end(small, tmp_path, call):
    words = [*flags(small), "--out", str(tmp_path / "run")]
    assert call(train, *words, "--log", "steps", "--stop-after", "1")[0] == 0
    assert f"mlp train --resume --log steps --out {tmp_path / 'run'}" in (tmp_path / "run" / "report.html").read_text()
    (tmp_path / "run" / "events.tfevents.0001").touch()
    note = "note: this run was logged for {}; add --log {} to continue the log\n"
    for log, expected in (
        ([], note.format("steps and tensorboard", "steps tensorboard")),
        (["--log", "steps"], note.format("tensorboard", "tensorboard")),
    ):
        status, printed, _ = call(train, *words, *log, "--resume", "--stop-after", "1")
        assert status == 0
        assert expected in printed
    (tmp_path / "run" / "events.tfevents.0001").unlink()
    assert "was logged" not in call(train, *words, "--log", "steps", "--resume")[1]
    assert "was logged" not in call(train, *words, "--resume")[1]  # it is finished: nothing would be logged


@pytest.mark.oracle
def test_tensorboard_has_the_run_by_its_folder_with_its_test(small, tmp_path):
    pytest.importorskip("tensorboardX")
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    run(tmp_path / "plain", small)
    for options in ({"stop_after": 1}, {"resume": True}, {"resume": True}):
        history = run(tmp_path / "run", small, log=["tensorboard"], **options)
    events = reader.EventAccumulator(str(tmp_path / "run")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("accuracy/validation")] == [
        (row["epoch"], pytest.approx(row["val_acc"], rel=1e-6)) for row in history.rows
    ]
    assert len(events.Scalars("accuracy/test")) == 1
    plain, logged = numbers(tmp_path / "plain"), numbers(tmp_path / "run")
    assert all(np.array_equal(array, logged[name]) for name, array in plain.items())


def test_an_unknown_log(small, tmp_path):
    with pytest.raises(ConfigurationError, match="--log must be one of steps, tensorboard, got 'wandb'"):
        run(tmp_path / "run", small, log=["wandb"])
    assert not (tmp_path / "run").exists()


def test_a_learning_rate_for_images_of_your_own_and_no_run(small, tmp_path, call):
    folder = tmp_path / "run"
    status, printed, _ = call(train, *flags(small), "--out", str(folder), "--find-lr")
    assert status == 0
    first, second = printed.splitlines()[:2]
    assert first.startswith("images a class (training+validation+test): ")  # as before a run
    assert second.startswith("try --learning-rate ")
    assert "where the smoothed loss is lowest" in printed
    assert sorted(path.name for path in folder.iterdir()) == ["learning_rates.csv", "learning_rates.png"]
    assert call(train, *flags(small), "--out", str(folder), "--stop-after", "1")[0] == 0  # a run can begin there


def test_a_search_continues_nothing(small, tmp_path, call):
    status, _, error = call(train, *flags(small), "--out", str(tmp_path / "run"), "--find-lr", "--resume")
    assert (status, error.strip()) == (2, "train.py: --find-lr trains no run: leave out --resume and --overwrite")
