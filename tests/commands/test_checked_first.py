"""Numbers are checked before any work and any file; what is advised after an interrupt can be typed."""

import json
import shutil
import sys

import pytest

from mlp.commands import gradient_correlation, landscape, smoothness, train

TINY = ("--dataset", "synthetic", "--filters", "2", "--limit-train", "40", "--limit-valid", "20")


@pytest.mark.parametrize(
    ("command", "words", "sentence"),
    [
        (smoothness, ("--every", "0"), "--every must be a whole number of at least 1, got 0"),
        (smoothness, ("--covariate-shift", "-3"), "--covariate-shift must be a whole number of at least 0, got -3"),
        (train, ("--smoothness", "1", "--covariate-shift", "-3"), "--covariate-shift must be a whole number of at"),
        (train, ("--covariate-shift", "-3"), "--covariate-shift must be a whole number of at least 0, got -3"),
    ],
)
def test_numbers_of_a_probe_are_checked_before_the_run(call, tmp_path, monkeypatch, command, words, sentence):
    monkeypatch.setattr(f"{command.__name__}.run", None)
    status, _, error = call(command, *TINY, *words, "--out", tmp_path / "run")
    assert status == 2 and sentence in error
    assert not (tmp_path / "run").exists()


def test_numbers_are_checked_before_anything_is_measured(call, finished, monkeypatch):
    before = sorted(finished.iterdir())
    status, _, error = call(landscape, finished, "--points", 3, "--images", 20, "--threads", 0)
    assert status == 2 and "--threads must be a whole number of at least 1, got 0" in error
    assert sorted(finished.iterdir()) == before  # no landscape without a point
    monkeypatch.setattr(gradient_correlation, "at_start", None)
    status, _, error = call(gradient_correlation, "--dense", "--nets", 0)
    assert status == 2 and "--nets must be a whole number of at least 1, got 0" in error


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["--find-lr", "--out", "x"], "repeat the command"),
        (["--find=50"], "repeat the command"),
        (["--filters", "2"], "to continue, mlp train --filters 2 --resume"),
        (["--overw", "--out", "x"], "to continue, mlp train --out x --resume"),
    ],
)
def test_the_advice_after_an_interrupt_can_be_followed(monkeypatch, words, advice):
    monkeypatch.setattr(sys, "argv", ["mlp train", *words])
    assert train.after_interrupt() == advice


def test_an_edited_number_of_epochs_is_answered_with_the_flag(call, finished, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    stored = json.loads(config.read_text())
    for epochs, advice in ((5, "back as it was and type --resume --epochs 5, or"), (1, "back as it was, or")):
        stored["settings"]["epochs"] = epochs
        config.write_text(json.dumps(stored))
        status, _, error = call(train, "--out", tmp_path / "run", "--resume")
        assert status == 2 and advice in error and f"epochs 2 there, {epochs} here" in error


@pytest.mark.parametrize("name", ["learning_rates.csv", "learning_rates.png"])
def test_a_search_keeps_the_files_of_others(call, tmp_path, name):
    (tmp_path / name).write_text("mine")
    status, _, error = call(train, *TINY, "--find-lr", 5, "--out", tmp_path)
    assert status == 2 and f"{name} is there already" in error
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]
