"""No command writes over a file that is not its own: a run's own files, the user's pictures, what is read."""

import os

import numpy as np
import pytest

from mlp.commands import compare, evaluate, gradient_correlation, landscape, predict, report, smoothness
from mlp.commands import train as train_module
from mlp.experiments.run import run
from mlp.training.own_files import BESIDE, RUN_FILES, is_run_file

LANDSCAPE = ("--points", 3, "--images", 20, "--threads", 1)


def snapshot(folder):
    """Return {name: content} of the files in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def picture(tmp_path):
    """A picture of the user's, of which nothing says that mlp made it."""
    image = pytest.importorskip("PIL.Image")
    path = tmp_path / "mine.png"
    image.fromarray(np.full((8, 8, 3), 90, np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    "name", ["checkpoint-best", "Checkpoint-Latest", "gradient_flow", "curves", "report", "config", "predictions"]
)
def test_a_landscape_has_no_name_of_a_runs_files(finished, call, name):
    before = snapshot(finished)
    status, _, error = call(landscape, finished, *LANDSCAPE, "--name", name)
    assert status == 2 and "--name must not be that of other files of a run" in error
    assert snapshot(finished) == before


def test_a_landscape_replaces_only_landscapes(finished, call, picture, sketches):
    (finished / "mine.png").write_bytes(picture.read_bytes())
    np.savez(finished / "table.npz", x=np.zeros(3))
    before = snapshot(finished)
    for name in ("mine", "table"):
        status, _, error = call(landscape, finished, *LANDSCAPE, "--name", name)
        assert status == 2 and "choose another --name" in error
    assert snapshot(finished) == before
    (finished / "mine.png").unlink()
    assert call(landscape, finished, "--line", *LANDSCAPE, "--name", "mine")[0] == 0
    assert call(landscape, finished, "--line", *LANDSCAPE, "--name", "mine")[0] == 0  # now it is a landscape's own


def test_out_is_none_of_the_pictures_that_are_read(finished, call, picture, tmp_path):
    before = picture.read_bytes()
    soft, hard = tmp_path / "soft.png", tmp_path / "hard.png"
    soft.symlink_to(picture)
    os.link(picture, hard)
    for out in (picture, soft, hard, tmp_path / "x" / ".." / "mine.png"):
        (tmp_path / "x").mkdir(exist_ok=True)
        status, _, error = call(predict, finished, picture, "--out", out)
        assert status == 2 and "it would be lost; choose another --out" in error
    assert picture.read_bytes() == before


def test_the_usual_picture_is_not_read_and_written(finished, call, picture):
    assert call(predict, finished, picture)[0] == 0
    own = finished / "predictions.png"
    before = own.read_bytes()
    status, _, error = call(predict, finished, own)
    assert status == 2 and "it would be lost" in error
    assert own.read_bytes() == before
    own.unlink()


def test_pictures_and_pages_replace_only_their_like(finished, call, picture, tmp_path):
    before, run_before = picture.read_bytes(), snapshot(finished)
    np.save(tmp_path / "a.npy", np.zeros((8, 8, 3), np.uint8))
    page = tmp_path / "page.html"
    page.write_text("<p>mine</p>")
    for command, more, out in ((evaluate, (), picture), (predict, (tmp_path / "a.npy",), picture), (report, (), page)):
        status, _, error = call(command, finished, *more, "--out", out)
        assert status == 2 and "is there already, and this version of mlp has not made it" in error
        new = tmp_path / f"new{out.suffix}"
        assert call(command, finished, *more, "--out", new)[0] == 0
        assert call(command, finished, *more, "--out", new)[0] == 0  # its own
        status, _, error = call(command, finished, *more, "--out", finished / f"curves{out.suffix}")
        assert (status == 2) == (out.suffix == ".png")
    assert picture.read_bytes() == before and page.read_text() == "<p>mine</p>"
    (finished / "curves.html").unlink()
    assert snapshot(finished) == run_before


@pytest.mark.parametrize(
    ("command", "name", "words"),
    [
        (compare, "compare.md", ()),
        (compare, "compare_curves.png", ()),
        (smoothness, "smoothness.png", ()),
        (gradient_correlation, "profile.png", ()),
        (gradient_correlation, "correlation.npz", ()),
    ],
)
def test_folders_keep_the_files_of_others(finished, call, tmp_path, command, name, words):
    (tmp_path / name).write_text("mine")
    status, _, error = call(command, finished, *words, "--out", tmp_path)
    assert status == 2 and f"{name} is there already" in error
    assert snapshot(tmp_path) == {name: b"mine"}


def test_a_comparison_is_written_again(finished, call, tmp_path, sketches):
    assert call(compare, finished, "--out", tmp_path)[0] == 0
    assert call(compare, finished, "--out", tmp_path)[0] == 0


def test_shared_pictures_are_not_drawn_into_a_runs_folder(finished, call, tmp_path):
    (tmp_path / "config.json").write_text("{}")
    status, _, error = call(smoothness, finished, "--out", tmp_path)
    assert status == 2 and "smoothness.png is the name of a run's own file" in error


@pytest.mark.parametrize("name", ["curves.png", "report.html", "checkpoint-best.npz", "smoothness.csv"])
def test_a_run_begins_in_no_folder_with_files_of_its_names(small, tmp_path, call, name):
    (tmp_path / name).write_text("mine")
    words = [word for flag, value in small.items() for word in (f"--{flag.replace('_', '-')}", value)]
    status, _, error = call(train_module, *words, "--out", tmp_path)
    assert status == 2 and f"{name}, which a run would write over" in error
    assert snapshot(tmp_path) == {name: b"mine"}


def test_the_list_of_a_runs_files_is_complete(small, tmp_path):
    run(tmp_path / "run", {**small, "epochs": 1, "companions": "blocks"}, statistics=True, log=["steps"])
    assert all(is_run_file(path) for path in (tmp_path / "run").iterdir())
    assert not is_run_file(tmp_path / "run" / "mine.png")
    assert not set(RUN_FILES) & set(BESIDE)
