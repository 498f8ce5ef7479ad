"""A run or a picture that cannot be read is left out with a line; the others are done, and the status is 2."""

import shutil

import numpy as np
import pytest

from mlp.commands import gradient_correlation, landscape, predict, report, smoothness

BAD = '{"settings": '


@pytest.fixture
def bad(tmp_path):
    """The folder of a run whose config.json is damaged."""
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "config.json").write_text(BAD)
    return tmp_path / "bad"


def test_a_page_for_each_run_that_can_be_read(finished, bad, call, tmp_path):
    good = tmp_path / "good"
    shutil.copytree(finished, good)
    (good / "report.html").unlink(missing_ok=True)
    status, out, error = call(report, bad, good, tmp_path / "none")
    assert status == 2 and (good / "report.html").exists()
    assert out.startswith("written: ")
    assert [line.split(": ")[1] for line in error.splitlines()] == ["left out", "left out"]
    assert "config.json is damaged" in error and f"there is no folder {tmp_path / 'none'}" in error


def test_a_page_elsewhere(finished, call, tmp_path):
    before = (finished / "report.html").read_bytes()
    assert call(report, finished, "--out", tmp_path / "new" / "page.html")[0] == 0
    assert b"made by mlp" in (tmp_path / "new" / "page.html").read_bytes()
    assert (finished / "report.html").read_bytes() == before
    status, _, error = call(report, finished, finished, "--out", tmp_path / "page.html")
    assert status == 2 and "--out is for the page of one run, got 2 runs" in error


def test_a_landscape_for_each_run_that_can_be_read(finished, bad, call, tmp_path, sketches):
    words = ("--line", "--points", 3, "--images", 20, "--threads", 1, "--name", "each", "--out", tmp_path / "both")
    status, out, error = call(landscape, bad, finished, *words)
    assert status == 2 and (finished / "each.npz").exists() and "written" in out
    assert error.count("left out: ") == error.count("\n") == 1


def test_a_correlation_for_each_run_that_can_be_read(finished, bad, call, tmp_path, sketches):
    words = ("--images", 4, "--out", tmp_path / "out")
    status, out, error = call(gradient_correlation, finished, bad, *words)
    assert status == 2 and "written" in out and (tmp_path / "out" / "correlation.npz").exists()
    assert error.count("left out: ") == 1
    status, out, error = call(gradient_correlation, bad, tmp_path / "none", "--out", tmp_path / "none")
    assert status == 2 and not out and error.count("left out: ") == 2


def test_runs_without_a_probe_are_left_out_of_the_figure(finished, call, tmp_path):
    status, _, error = call(smoothness, finished, tmp_path / "none", "--out", tmp_path / "drawn")
    assert status == 2 and error.count("left out: ") == error.count("\n") == 2
    assert not list(tmp_path.iterdir())


def test_the_only_run_is_not_left_out_but_the_error(bad, call):
    status, _, error = call(report, bad)
    assert status == 2 and "left out" not in error and error.startswith("report.py: ") and "is damaged" in error


def test_one_bad_picture_loses_no_prediction(finished, call, tmp_path):
    np.save(tmp_path / "good.npy", np.zeros((8, 8, 3), np.uint8))
    np.save(tmp_path / "floats.npy", np.zeros((4, 4, 3)))
    good, floats, none = (tmp_path / f"{name}.npy" for name in ("good", "floats", "none"))
    status, out, error = call(predict, finished, floats, good, none, "--out", tmp_path / "p.png")
    assert status == 2 and out.count("good.npy") == 1 and (tmp_path / "p.png").exists()
    assert error.count("left out: ") == error.count("\n") == 2
    assert "got (4, 4, 3) of float64" in error and f"there is no file {none}" in error
    status, out, error = call(predict, finished, none, floats, "--out", tmp_path / "q.png")
    assert (status, out) == (2, "") and error.count("left out: ") == 2
    assert not (tmp_path / "q.png").exists()
