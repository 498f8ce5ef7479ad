"""--init-from: a run that begins with the weights of another one."""

import json

import numpy as np
import pytest
from run_fixtures import CLASSES

import mlp
import mlp.commands.train
from mlp.errors import CheckpointError, ConfigurationError
from mlp.experiments import RunConfig
from mlp.experiments.fine_tuning import Source, init_from, read_source
from mlp.experiments.fine_tuning.source import with_settings_of
from mlp.experiments.run import run
from mlp.models import vgg

OWN_MODEL = """
from pathlib import Path
from mlp.layers import Affine, Conv2d, Flatten, LeakyReLU, Sequential

Path(__file__).with_name("was_run").touch()

def small(num_classes, image_channels):
    layers = {"conv": Conv2d(image_channels, 4, 3, padding=1), "act": LeakyReLU(), "flat": Flatten()}
    return Sequential({**layers, "head": Affine(8 * 8 * 4, num_classes)})
"""


def settings_in(folder):
    return json.loads((folder / "config.json").read_text())


def weights_in(folder, checkpoint="best"):
    with np.load(folder / f"checkpoint-{checkpoint}.npz") as file:
        return {name.removeprefix("model/"): file[name] for name in file.files if name.startswith("model/")}


@pytest.fixture
def other_classes(own_images, tmp_path):
    """The same images with classes of other names, as many as `count`."""

    def make(count):
        with np.load(own_images) as file:
            arrays = dict(file)
        for name in ("", "test_"):
            arrays[f"{name}labels"] = arrays[f"{name}labels"] % count
        arrays["class_names"] = [f"class {k}" for k in range(count)]
        np.savez(tmp_path / f"other-{count}.npz", **arrays)
        return f"npz:{tmp_path / f'other-{count}.npz'}"

    return make


@pytest.fixture(scope="module")
def learned(make_run):
    """A run that has learned its images."""
    return make_run("learned", norm="batch", epochs=4, normalization="cifar100")


@pytest.mark.slow
def test_on_the_same_task_the_accuracy_starts_high(learned, small, tmp_path, capsys):
    before = [row["val_acc"] for row in mlp.load_run(learned).history.rows]
    tiny = {"learning_rate": 1e-9, "epochs": 1, "schedule": "constant"}
    run(tmp_path / "cold", {**small, **tiny, "norm": "batch", "normalization": "cifar100"})
    run(tmp_path / "warm", {**small, **tiny, "init_from": str(learned)})
    cold, warm = (mlp.load_run(tmp_path / name).history.rows[0]["val_acc"] for name in ("cold", "warm"))
    assert warm == pytest.approx(max(before), abs=0.1)
    assert max(before) > 0.6 and cold < 0.5
    text = capsys.readouterr().out
    assert f"settings of {learned} (epoch " in text
    assert "model vgg08, norm batch, filters 4, normalization cifar100" not in text  # filters were given
    assert "model vgg08, norm batch, normalization cifar100" in text
    assert "15 of 15 layers taken" in text and "begins anew" not in text


def test_config_json_says_where_the_weights_came_from(learned, small, tmp_path):
    run(tmp_path, {**small, "init_from": str(learned), "epochs": 1})
    stored = settings_in(tmp_path)
    assert stored["settings"]["init_from"] == str(learned)
    assert stored["settings"]["norm"] == "batch"
    assert stored["settings"]["normalization"] == "cifar100"
    assert stored["facts"]["first_weights"] == read_source(learned).digest
    assert len(stored["facts"]["first_weights"]) == 64


def test_another_number_of_classes_has_another_head(learned, small, other_classes, tmp_path, capsys):
    run(tmp_path / "run", {**small, "init_from": str(learned), "dataset": other_classes(2)}, stop_after=1)
    text = capsys.readouterr().out
    assert "14 of 15 layers taken" in text
    assert "begins anew: head.affine: weight (4, 4) there, (4, 2) here; bias (4,) there, (2,) here" in text


def test_as_many_other_classes_have_another_head_too(learned):
    model = vgg(depth=8, norm="batch", num_classes=4, filters=4)
    taken = init_from(model, learned, ["a", "b", "c", "d"])
    assert taken.anew == {"head.affine": "its outputs were other classes"}
    assert init_from(model, learned, CLASSES).anew == {}
    assert init_from(model, learned).anew == {}  # nobody says which classes they are


@pytest.mark.slow
def test_a_resume_does_not_load_again(learned, small, tmp_path, capsys):
    given = {**small, "init_from": str(learned), "epochs": 3, "schedule": "constant"}
    run(tmp_path / "at once", given)
    run(tmp_path / "in two", given, stop_after=1)
    moved = learned.rename(tmp_path / "moved away")  # so that nobody can read it
    try:
        capsys.readouterr()
        run(tmp_path / "in two", {}, resume=True)
        run(tmp_path / "in two", given, resume=True)  # the same command once more
    finally:
        moved.rename(learned)
    assert "layers taken" not in capsys.readouterr().out
    for name, array in weights_in(tmp_path / "at once").items():
        np.testing.assert_array_equal(weights_in(tmp_path / "in two")[name], array)
    assert settings_in(tmp_path / "in two") == settings_in(tmp_path / "at once")


@pytest.mark.slow
def test_a_run_that_finished_no_epoch_begins_once_more(learned, small, tmp_path, capsys):
    given = {**small, "init_from": str(learned), "epochs": 1}
    run(tmp_path / "whole", given)
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "config.json").write_text((tmp_path / "whole" / "config.json").read_text())
    run(tmp_path / "begun", {}, resume=True)
    assert "15 of 15 layers taken" in capsys.readouterr().out
    assert settings_in(tmp_path / "begun") == settings_in(tmp_path / "whole")


def test_nothing_fits(learned, small, tmp_path):
    given = {**small, "init_from": str(learned), "filters": 8}
    with pytest.raises(CheckpointError, match=r"nothing in .* fits .* input.conv_0 .*\(3, 3, 3, 4\) there"):
        run(tmp_path / "run", given)
    assert not (tmp_path / "run").exists()


def test_the_runs_own_code_needs_trust(small, tmp_path, monkeypatch):
    file = tmp_path / "net.py"
    file.write_text(OWN_MODEL)
    plain = {name: value for name, value in small.items() if name != "filters"}
    run(tmp_path / "own", {**plain, "model": f"{file}:small", "epochs": 1})
    (tmp_path / "was_run").unlink()
    with pytest.raises(ConfigurationError, match="add --trust-code"):
        run(tmp_path / "next", {**plain, "init_from": str(tmp_path / "own")})
    with pytest.raises(CheckpointError, match="nothing in"):  # into a network of ours, nothing is run at all
        run(tmp_path / "next", {**small, "init_from": str(tmp_path / "own"), "model": "vgg14"})
    assert not (tmp_path / "was_run").exists()
    run(tmp_path / "next", {**plain, "init_from": str(tmp_path / "own"), "epochs": 1}, trust_code=True)
    assert (tmp_path / "was_run").exists()


@pytest.mark.parametrize("name", ["checkpoint-latest.npz", "checkpoint-best.npz", "weights/epoch-0001.npz"])
def test_files_of_a_run_can_be_named(name, learned, tmp_path):
    path = learned / name
    if not path.exists():
        path = tmp_path / "epoch-0001.npz"
        np.savez(path, **weights_in(learned))
    model = vgg(depth=8, norm="batch", num_classes=4, filters=4, seed=5)
    taken = init_from(model, path, CLASSES)
    assert not taken.anew and not taken.left
    stored = weights_in(learned, "latest" if "latest" in name else "best")
    for key, array in model.state_dict().items():
        np.testing.assert_array_equal(array, stored[key])


def test_weights_from_pytorch(learned, tmp_path):
    pytest.importorskip("safetensors")
    loaded = mlp.load_run(learned)
    mlp.interop.save_safetensors(loaded.model, tmp_path / "w.safetensors")
    model = vgg(depth=8, norm="batch", num_classes=7, filters=4)
    taken = mlp.init_from(model, tmp_path / "w.safetensors")
    assert list(taken.anew) == ["head.affine"]
    assert not taken.left
    state, there = model.state_dict(), loaded.model.state_dict()
    for name in there:
        if not name.startswith("head"):
            np.testing.assert_array_equal(state[name], there[name])
    expected = sum(p.data.size for name, p in loaded.model.named_parameters() if not name.startswith("head"))
    assert taken.numbers == (expected, model.num_parameters)


def test_what_the_network_has_no_place_for_is_named():
    source = vgg(depth=14, norm="batch", num_classes=4, filters=4, companions="stages", seed=1)
    model = vgg(depth=8, norm="layer", num_classes=4, filters=4, dropout=0.5)
    taken = init_from(model, Source("there", source.state_dict()))
    assert any(name.startswith("companions.") for name in taken.left)
    assert "stage_0.block_0.conv_0.weight" in taken.left
    assert "not used: " in str(taken) and " more: the network has no such layers" in str(taken)
    state, there = model.state_dict(), source.state_dict()
    np.testing.assert_array_equal(state["stage_1.reduction.conv_0.weight"], there["stage_1.reduction.conv_0.weight"])


def test_a_layer_is_taken_as_a_whole():
    with_bias, without = (mlp.layers.Conv2d(3, 4, 3, bias=bias) for bias in (True, False))
    other = mlp.layers.Sequential({"a": with_bias, "b": mlp.layers.Conv2d(4, 4, 1, bias=False)}).initialize(1)
    plain = mlp.layers.Sequential({"a": without, "b": mlp.layers.Conv2d(4, 4, 1, bias=False)}).initialize(2)
    before = other.state_dict()
    taken = init_from(other, Source("there", plain.state_dict()))
    assert taken.layers == ["b"]
    assert taken.anew == {"a": "there is no a.bias, and a layer is taken as a whole"}
    np.testing.assert_array_equal(other.state_dict()["a.weight"], before["a.weight"])
    np.testing.assert_array_equal(other.state_dict()["b.weight"], plain.state_dict()["b.weight"])


def test_weights_that_are_no_numbers_are_refused_and_change_nothing():
    model = vgg(depth=8, num_classes=4, filters=4)
    state = model.state_dict()
    state["stage_2.reduction.conv_1.weight"][0, 0, 0, 0] = np.nan
    before = model.initialize(3).state_dict()
    with pytest.raises(CheckpointError, match=r"there: stage_2.reduction.conv_1.weight has 1 of 144 values"):
        init_from(model, Source("there", state))
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])


def test_counters_start_at_zero():
    source = vgg(depth=8, num_classes=4, filters=4, norm="batch", dropout=0.3)
    source.forward(np.zeros((2, 8, 8, 3), np.float32), training=True)
    model = vgg(depth=8, num_classes=4, filters=4, norm="batch", dropout=0.3, seed=1)
    init_from(model, Source("there", source.state_dict()))
    counters = {name: int(a) for name, a in model.state_dict().items() if a.dtype.kind != "f"}
    assert counters and set(counters.values()) == {0}


def test_settings_that_are_given_win(capsys):
    config = RunConfig(model="vgg38", norm="batch", residual=True, normalization="cifar100", companions="blocks")
    source = Source("runs/best", {}, config=config)
    taken = with_settings_of(source, {"learning_rate": 1e-4})
    assert (taken["model"], taken["norm"], taken["residual"], taken["normalization"]) == (
        *("vgg38", "batch", True),
        "cifar100",
    )
    assert "companions" not in taken and taken["learning_rate"] == 1e-4
    assert with_settings_of(source, {"norm": "none"})["norm"] == "none"
    assert with_settings_of(source, {"model": "vgg14"}) == {"model": "vgg14", "normalization": "cifar100"}
    assert "note" not in capsys.readouterr().out
    assert with_settings_of(source, {"normalization": "reports"})["normalization"] == "reports"
    assert "note: runs/best learned from images with the normalization cifar100" in capsys.readouterr().out


def test_what_is_no_run_is_named(tmp_path, call):
    status, _, error = call(mlp.commands.train, "--init-from", tmp_path / "nowhere", "--out", tmp_path / "run")
    assert status == 2 and "there is no such folder or file" in error
    (tmp_path / "text.txt").write_text("hello")
    status, _, error = call(mlp.commands.train, "--init-from", tmp_path / "text.txt", "--out", tmp_path / "run")
    assert status == 2 and "weights are in files that end in .npz or .safetensors" in error
    status, _, error = call(mlp.commands.train, "--init-from", tmp_path, "--out", tmp_path / "run")
    assert status == 2 and "holds no run" in error
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04")
    status, _, error = call(mlp.commands.train, "--init-from", tmp_path / "broken.npz", "--out", tmp_path / "run")
    assert status == 2 and "broken.npz is damaged" in error
