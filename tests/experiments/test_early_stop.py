"""A run that ends early is a finished run: tested, noted, and left alone by a resume."""

import json

import pytest

from mlp.errors import CheckpointError
from mlp.experiments import run
from mlp.training.attempts import read_attempts
from mlp.training.hooks import Hook


def test_a_run_that_ends_early_is_tested_and_says_why(small, tmp_path, capsys):
    folder, settings = tmp_path / "run", {**small, "epochs": 9, "learning_rate": 1e-12, "early_stop": 2}
    history = run(folder, settings)
    sentence = "ended early, after epoch 3 of 9: the validation accuracy has not risen for 2 epochs"
    assert len(history.rows) == 3
    assert sentence in capsys.readouterr().out
    assert read_attempts(folder)[-1].note == sentence
    assert json.loads((folder / "config.json").read_text())["settings"]["early_stop"] == 2
    test = (folder / "test.json").read_text()

    assert len(run(folder, {}, resume=True).rows) == 3
    printed = capsys.readouterr().out
    assert sentence in printed
    assert "nothing to train: 3 of 9 epochs are done; a larger --early-stop continues it" in printed
    assert "estimate" not in printed
    assert (folder / "test.json").read_text() == test
    assert "mlp train --resume --early-stop 4 --out" in (folder / "report.html").read_text()


def test_a_run_that_has_ended_early_continues_with_more_patience(small, tmp_path):
    settings = {**small, "epochs": 9, "learning_rate": 1e-12}
    run(tmp_path / "whole", {**settings, "early_stop": 3})
    run(tmp_path / "more", {**settings, "early_stop": 1})
    assert len(run(tmp_path / "more", {"early_stop": 3}, resume=True).rows) == 4
    for name in ("config.json", "test.json"):
        assert (tmp_path / "more" / name).read_text() == (tmp_path / "whole" / name).read_text()
    assert len(run(tmp_path / "more", {}, resume=True).rows) == 4  # config.json and checkpoint agree
    with pytest.raises(CheckpointError, match="early_stop: 3 there, 2 here"):
        run(tmp_path / "more", {"early_stop": 2}, resume=True)


def test_a_finished_run_says_that_it_needs_more_epochs(small, tmp_path):
    run(tmp_path / "run", {**small, "epochs": 1})
    with pytest.raises(CheckpointError, match="after epoch 1 of 1.: add --resume and more --epochs to continue it"):
        run(tmp_path / "run", {**small, "epochs": 1})


def test_any_hook_may_end_a_run(small, tmp_path, capsys):
    class Stop(Hook):
        def after_epoch(self, trainer, row):
            trainer.stop()

    run(tmp_path / "run", {**small, "epochs": 9}, more_hooks=[Stop()])
    assert "ended early, after epoch 1 of 9: a hook asked for it" in capsys.readouterr().out
    assert (tmp_path / "run" / "test.json").exists()
