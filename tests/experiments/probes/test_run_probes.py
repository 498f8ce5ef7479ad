"""Probes of runs: what they write, that they continue after an interruption, and that they leave runs as they are."""

import json
import shutil
import signal
import sys
from unittest import mock

import numpy as np
import pytest

from mlp.commands import gradient_correlation
from mlp.commands.command_line import outcome_of
from mlp.diagnostics.smoothness import Smoothness, SmoothnessRecord
from mlp.errors import CheckpointError, ConfigurationError, FolderInUseError
from mlp.experiments import run
from mlp.experiments.inference import evaluate_run
from mlp.experiments.probes import workers
from mlp.experiments.probes.landscape import compute, estimate_text
from mlp.experiments.probes.places import LandscapeSettings, prepare
from mlp.experiments.probes.smoothness import draw_smoothness
from mlp.experiments.probes.stored import read_landscape
from mlp.training.checkpoint import read_checkpoint
from mlp.training.hooks import KeepWeights

SMALL = LandscapeSettings(points=5, images=30)


@pytest.fixture(scope="module")
def probed(small, tmp_path_factory):
    """A run of three epochs with batch norm and dropout, with both probes on."""
    folder = tmp_path_factory.mktemp("probed")
    settings = {**small, "norm": "batch", "dropout": 0.1, "epochs": 3}
    run(
        folder / "on",
        settings,
        threads=1,
        more_hooks=[KeepWeights(folder / "on"), Smoothness(7, folder / "on", layers=3)],
    )
    return folder / "on"


def call(command, *words):
    """Call a command; return its exit status."""
    with mock.patch.object(sys, "argv", [f"mlp {command}", *map(str, words)]):
        return outcome_of(command)


def without_clock(rows):
    return [{name: value for name, value in row.items() if name not in ("seconds", "peak_memory_mb")} for row in rows]


def table(folder):
    lines = [line.split(",") for line in (folder / "metrics.csv").read_text().splitlines()]
    return without_clock([dict(zip(lines[0], line, strict=True)) for line in lines[1:]])


def test_a_run_is_the_same_with_probes_and_without(probed, small, tmp_path):
    run(tmp_path, {**small, "norm": "batch", "dropout": 0.1, "epochs": 3}, threads=1)
    assert table(tmp_path) == table(probed)
    for name in ("checkpoint-latest.npz", "checkpoint-best.npz"):
        mine, theirs = read_checkpoint(probed / name), read_checkpoint(tmp_path / name)
        rows = [without_clock(json.loads(str(arrays.pop("history/rows")))) for arrays in (mine, theirs)]
        assert rows[0] == rows[1]
        assert mine.keys() == theirs.keys()
        assert all(mine[key].tobytes() == theirs[key].tobytes() for key in mine)
    assert SmoothnessRecord.read(probed).steps.tolist() == list(range(0, 3 * len(range(0, 228, 10)), 7))


def test_weights_are_kept_for_every_epoch(probed):
    files = sorted(path.name for path in (probed / "weights").iterdir())
    assert files == [f"epoch-000{i}.npz" for i in range(4)]
    last = read_checkpoint(probed / "checkpoint-latest.npz")
    with np.load(probed / "weights" / files[-1]) as kept:
        assert all(np.array_equal(kept[name], last[f"model/{name}"]) for name in kept.files)


def test_a_landscape_is_computed_drawn_and_found_again(probed, capsys):
    words = [probed, "--points", 5, "--images", 30, "--threads", 1, "--name", "plane"]
    assert call("landscape", *words) == 0
    stored = read_landscape(probed / "plane.npz")
    assert stored["loss"].shape == (5, 5)
    assert stored["visited"].all()
    assert (probed / "plane.png").stat().st_size > 10_000
    assert (probed / "plane_surface.png").exists()
    for axis in "xy":
        names = [name for name in stored if name.startswith(f"{axis}_direction/")]
        assert f"{axis}_direction/input.conv_0.weight" in names
    assert "0 of 25" not in capsys.readouterr().out
    assert call("landscape", *words) == 0
    assert "0 of 25 points to visit" in capsys.readouterr().out
    assert call("landscape", *words, "--seed", 1) == 0
    assert "seed was 0 and is 1 now" in capsys.readouterr().out


def test_the_middle_is_the_loss_of_evaluate(probed):
    *_, place = compute(probed, LandscapeSettings(points=3, images=10_000, split="valid"), "middle", threads=1)
    evaluation = evaluate_run(probed, "valid")
    assert place.found.centre == pytest.approx(evaluation.loss, rel=1e-6)
    assert place.found.centre_accuracy == pytest.approx(evaluation.top(1))


def test_an_interrupted_landscape_goes_on_with_the_same_result(probed, monkeypatch):
    whole = last_of(compute(probed, SMALL, "whole", threads=1))
    monkeypatch.setattr("mlp.experiments.probes.landscape.SAVE_EVERY", -1.0)
    stopped = compute(probed, SMALL, "parts", threads=1)
    for _ in range(7):
        next(stopped)
    stopped.close()  # what Ctrl-C does to it
    assert read_landscape(probed / "parts.npz")["visited"].sum() == 7
    assert np.array_equal(last_of(compute(probed, SMALL, "parts", threads=1)), whole)


def last_of(places):
    *_, place = places
    return place.found.loss


@pytest.mark.slow
@pytest.mark.parametrize("how", ["moved", "replaced", "busy"])
def test_a_landscape_keeps_away_from_a_folder_that_is_not_its_own(probed, tmp_path, monkeypatch, how):
    folder, away = tmp_path / "run", tmp_path / "away"
    shutil.copytree(probed, folder)
    monkeypatch.setattr("mlp.experiments.probes.landscape.SAVE_EVERY", 0.0)
    landscape = compute(folder, SMALL, "again")
    next(landscape)
    if how == "busy":
        with pytest.raises(FolderInUseError, match="it computes the landscape of this --name"):
            next(compute(folder, SMALL, "again"))
        landscape.close()
        assert not list(folder.glob(".*"))
        return
    folder.rename(away)
    if how == "replaced":
        folder.mkdir()
    with pytest.raises(CheckpointError, match="is no longer the folder in which this run began"):
        list(landscape)
    assert not folder.exists() or not list(folder.iterdir())


def test_points_spread_over_processes_are_the_same(probed):
    alone = last_of(compute(probed, SMALL, "alone", threads=1))
    assert np.array_equal(last_of(compute(probed, SMALL, "shared", 2, threads=1)), alone)


def test_a_line_is_the_row_of_the_plane(probed):
    plane = last_of(compute(probed, SMALL, "plane", threads=1))
    line = last_of(compute(probed, LandscapeSettings("line", 5, images=30), "line", threads=1))
    assert np.array_equal(line[0], plane[2])


@pytest.mark.slow
def test_the_other_kinds(probed, make_run, capsys):
    other = make_run("other", norm="batch", dropout=0.1, seed=1)
    between = ["--between", other, "--points", 5, "--images", 30, "--threads", 1, "--name", "between"]
    assert call("landscape", probed, *between) == 0
    stored = read_landscape(probed / "between.npz")
    np.testing.assert_allclose(stored["x"], [-0.5, 0, 0.5, 1, 1.5])
    assert any("running_var" in name for name in stored)
    path = ["--trajectory", "--points", 5, "--images", 30, "--threads", 1, "--name", "path"]
    assert call("landscape", probed, *path) == 0
    assert "nan" not in capsys.readouterr().out  # no point of the grid is where the path ends
    stored = read_landscape(probed / "path.npz")
    assert stored["path"].shape == (4, 2)
    assert not stored["path"][-1].any()
    assert 0 < stored["explained"][1] <= stored["explained"][0] < 1
    with pytest.raises(CheckpointError, match="--keep-weights"):
        prepare(other, LandscapeSettings("trajectory", 5, images=30))


def test_a_landscape_that_belongs_to_what_was_there_before_is_replaced(probed, make_run, own_images, tmp_path, capsys):
    other, settings = tmp_path / "other", LandscapeSettings("between", 3, images=30, other=str(tmp_path / "other"))
    for seed in (1, 2):  # the other run is made anew
        shutil.copytree(make_run(f"seed-{seed}", norm="batch", dropout=0.1, seed=seed), other, dirs_exist_ok=True)
        loss = last_of(compute(probed, settings, "before", threads=1))
    assert "is replaced: it leads to other weights" in capsys.readouterr().out
    assert np.array_equal(last_of(compute(probed, settings, "new", threads=1)), loss)
    line = LandscapeSettings("line", 3, images=30)
    before = last_of(compute(probed, line, "images", threads=1))
    with mock.patch("mlp.experiments.probes.images.normalize", lambda images, *_: np.float32(images / 255)):
        assert not np.array_equal(last_of(compute(probed, line, "images", threads=1)), before)
    assert "is replaced: it belongs to other images" in capsys.readouterr().out


@pytest.mark.parametrize("other", [{"norm_position": "after"}, {"normalization": "cifar100"}, {"filters": 3}])
def test_no_line_leads_to_another_network(probed, make_run, other):
    run = make_run(f"line-{'-'.join(other)}", **{"norm": "batch", "dropout": 0.1, **other})
    with pytest.raises(ConfigurationError, match=r"no line leads from .* another network"):
        prepare(probed, LandscapeSettings("between", 3, images=30, other=str(run)))


@pytest.mark.slow
def test_several_runs_share_a_figure(probed, make_run, tmp_path, capsys):
    other = make_run("second", norm="batch", seed=2)
    words = ["--line", "--points", 5, "--images", 30, "--threads", 1, "--widths", 2, "--out", tmp_path / "both"]
    assert call("landscape", probed, other, *words, "--statistics", "batch") == 0
    assert (tmp_path / "both" / "landscape.png").exists()
    assert "half-width:" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--points", "4"], "odd number"),
        (["--statistics", "both"], "running, batch"),
        (["--name", "a/b"], "--name must be a name"),
        (["--checkpoint", "last"], "best, latest"),
        (["--split", "test"], "train, valid"),
        (["--jobs", "0"], "--jobs"),
        (["--jobs", "100000"], "--jobs must be at most"),
    ],
)
def test_wrong_flags_end_with_one_line(probed, words, message, capsys):
    assert call("landscape", probed, *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_batches_that_do_not_fit_are_refused_before(probed, monkeypatch):
    monkeypatch.setattr("mlp.experiments.probes.places.available_memory", lambda: 1000)
    with pytest.raises(ConfigurationError, match="choose fewer with --images"):
        prepare(probed, LandscapeSettings(points=3, images=30, statistics="batch"))


def test_runs_of_one_name_in_two_folders_are_both_there(probed, tmp_path, capsys, sketches):
    shutil.copytree(probed, tmp_path / "on")
    words = [probed, tmp_path / "on", "--out", tmp_path / "both"]
    line = ["--images", 4, "--line", "--points", 3, "--threads", 1, "--name", "two"]
    for command, more in (("landscape", line), ("smoothness", []), ("gradient_correlation", ["--images", 4])):
        assert call(command, *words, *more) == 0
        assert "(on) (2) " in capsys.readouterr().out


def test_a_figure_of_runs_that_were_measured_otherwise_says_so(probed):
    one = SmoothnessRecord.read(probed)
    other = SmoothnessRecord({**one.settings, "direction": "step"}, one.rows)
    assert title_of(draw_smoothness({"a": one, "b": one})).startswith("points w - s g")
    assert [line[:18] for line in title_of(draw_smoothness({"a": one, "b": other})).splitlines()] == [
        "a: points w - s g,",
        "b: points w + m u,",
    ]


def title_of(figure):
    return figure.get_suptitle()


@pytest.mark.slow
def test_smoothness_trains_and_draws(own_images, tmp_path, capsys):
    flags = ["--dataset", f"npz:{own_images}", "--filters", 4, "--epochs", 1, "--every", 10, "--threads", 1]
    assert call("smoothness", *flags, "--covariate-shift", 2, "--out", tmp_path / "run") == 0
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"smoothness.csv", "smoothness.npz", "smoothness.png", "shift.png", "test.json"} <= names
    assert call("smoothness", tmp_path / "run", "--out", tmp_path / "figures") == 0
    assert (tmp_path / "figures" / "smoothness.png").exists()
    assert "steps measured" in capsys.readouterr().out
    assert call("smoothness", tmp_path / "figures") == 2  # no run
    assert "no config.json" in capsys.readouterr().err


@pytest.mark.slow
def test_gradient_correlation_of_untrained_nets_and_of_runs(probed, tmp_path, monkeypatch, capsys):
    from mlp.experiments.probes import gradient_correlation as library

    few = {
        "plain": {"dataset": "synthetic", "filters": 4},
        "BN": {"dataset": "synthetic", "filters": 4, "norm": "batch"},
        "RC": {"dataset": "synthetic", "filters": 4, "residual": True},
    }
    monkeypatch.setattr(library, "NETS", few)
    monkeypatch.setattr(gradient_correlation, "NETS", few)
    words = ["--images", 6, "--out", tmp_path]
    assert call("gradient_correlation", "--depths", 8, 14, "--initializer", "he", *words) == 0
    with np.load(tmp_path / "correlation.npz") as arrays:
        assert arrays["VGG14 BN/cosine"].shape == (8,)
        assert ("VGG14 RC/cosine" in arrays, "VGG08 RC/cosine" in arrays) == (True, False)
    assert "VGG08 RC left out: --residual changes nothing in VGG08" in capsys.readouterr().out
    assert (tmp_path / "depth.png").exists()
    assert call("gradient_correlation", probed, *words) == 0
    assert "VGG08 BN" in capsys.readouterr().out
    assert call("gradient_correlation", "--initializer", "xavier", *words) == 2


class Answers:
    """The end of a pipe that a worker writes to."""

    def __init__(self):
        self.sent = []

    def send(self, value):
        self.sent.append(value)


def fail(connection, arguments, threads):
    raise MemoryError(arguments)


def test_an_error_in_a_worker_is_sent_as_a_sentence(monkeypatch):
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    connection = Answers()
    workers.serve(fail, connection, "4 TiB", 1)
    assert len(connection.sent) == 1
    assert str(connection.sent[0]).startswith("not enough memory: 4 TiB")


def test_the_estimate_of_a_landscape_is_for_all_runs():
    hint = "; a smaller --points or --images makes it shorter"
    assert estimate_text(2.0, 50, 0, 60) == f"estimate: 100 s for the rest{hint}"
    all_runs = "100 s for the rest of this run, 6 min with the 2 after it if they are as large"
    assert estimate_text(2.0, 50, 2, 60) == f"estimate: {all_runs}{hint}"
