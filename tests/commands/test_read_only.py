"""Where a command may not write, it says so before any work, with what to type instead."""

import os

import numpy as np
import pytest

from mlp.commands import evaluate, landscape, predict, report, smoothness


@pytest.fixture
def read_only(finished, monkeypatch):
    """The folder of a run, in which nobody may write (root may write everywhere, so the system's answer is changed)."""
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK and access(path, mode))
    return finished


@pytest.mark.parametrize("command", [predict, evaluate, report])
def test_the_usual_place_is_checked_first(read_only, call, tmp_path, command):
    np.save(tmp_path / "a.npy", np.zeros((8, 8, 3), np.uint8))
    more = (tmp_path / "a.npy",) if command is predict else ()
    status, out, error = call(command, read_only, *more)
    assert (status, out) == (2, "")
    assert f"cannot be written: you may not write in {read_only}: add --out to write elsewhere" in error


def test_a_folder_in_place_of_the_usual_file(finished, call, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((8, 8, 3), np.uint8))
    (finished / "predictions.png").mkdir()
    try:
        status, _, error = call(predict, finished, tmp_path / "a.npy")
    finally:
        (finished / "predictions.png").rmdir()
    assert status == 2 and "predictions.png is a folder" in error and "add --out to write elsewhere" in error


def test_a_landscape_needs_its_runs_folder(read_only, call):
    status, _, error = call(landscape, read_only, "--points", 3, "--images", 20)
    assert status == 2
    assert f"you may not write in {read_only}: a landscape is kept in the folder of its run, so copy that" in error


def test_the_usual_folder_is_checked_too(read_only, call, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    status, _, error = call(smoothness, read_only)
    assert status == 2 and "runs/smoothness cannot be written" in error and "add --out" in error
