"""`mlp train --log` and `--find-lr`: what they write, and that they change no number of a run."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest

from mlp.commands import train
from mlp.diagnostics.learning_rate_range import RateSearch
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
    with pytest.raises(ConfigurationError, match="^log must be one of steps, tensorboard, got 'wandb'"):
        run(tmp_path / "run", small, log=["wandb"])
    assert not (tmp_path / "run").exists()


def test_a_learning_rate_for_images_of_your_own_and_no_run(small, tmp_path, call):
    folder = tmp_path / "run"
    status, printed, _ = call(train, *flags(small), "--out", str(folder), "--find-lr")
    assert status == 0
    first, second = printed.splitlines()[:2]
    assert first.startswith("images per class (training+validation+test): ")  # as before a run
    assert second.startswith("try --learning-rate ")
    assert "where the smoothed loss is lowest" in printed
    assert sorted(path.name for path in folder.iterdir()) == ["learning_rates.csv", "learning_rates.png"]
    assert call(train, *flags(small), "--out", str(folder), "--stop-after", "1")[0] == 0  # a run can begin there


def test_a_search_continues_nothing(small, tmp_path, call):
    status, _, error = call(train, *flags(small), "--out", str(tmp_path / "run"), "--find-lr", "--resume")
    assert (status, error.strip()) == (2, "train.py: --find-lr trains no run: leave out --resume and --overwrite")


def test_short_memory_is_told_once_and_at_the_end_with_all_that_it_hit(small, tmp_path, monkeypatch, call, pictures):
    monkeypatch.setattr("mlp.plotting.curves", lambda *_, **__: np.zeros(2**50))
    monkeypatch.setattr("mlp.plotting.gradient_flow", lambda *_, **__: np.zeros(2**50))
    status, _, err = call(train, *flags(small), "--out", tmp_path / "run", "--no-page")
    assert status == 2
    note, *_, error = err.splitlines()
    assert note.startswith(f"note: {tmp_path}/run/curves.png could not be written (not enough memory")
    assert "curves.png, " in error and "gradient_flow_linear.png are not up to date" in error
    assert (tmp_path / "run" / "test.json").exists()


@pytest.mark.parametrize("words", [("0.5", "perhaps", "too noisy or flat"), ("0.01", "try", "")])
def test_a_search_for_a_rate_says_how_sure_it_is_and_nothing_that_contradicts_it(monkeypatch, capsys, words):
    noise, verb, doubt = words
    losses = 4.6 + float(noise) * np.random.default_rng(0).standard_normal(200)
    losses -= 0.9 * np.exp(-(((np.arange(200) - 120) / 20.0) ** 2))
    search = RateSearch(np.geomspace(1e-6, 10, 200), losses, 200)
    monkeypatch.setattr(train, "search_for_run", lambda *_, **__: (search, []))
    given = SimpleNamespace(resume=False, overwrite=False, find_lr=200, download=False, threads=None, data_dir=None)
    assert train.find_rate(given, {}, "x") == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{verb} --learning-rate ")
    assert doubt in out and ("note: " in out) == bool(doubt)
    assert "batch-size" not in out
