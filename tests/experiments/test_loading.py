"""mlp.load_run: from a folder to a model in one line."""

import json
import re
import shutil

import numpy as np
import pytest

import mlp
from mlp.data.formats.sources import MissingDataError
from mlp.errors import CheckpointError, ConfigurationError, MlpError, ShapeError
from mlp.experiments.build import load_images
from mlp.experiments.config import RunConfig
from mlp.experiments.inference import evaluate_run
from mlp.experiments.loading import load_splits
from mlp.experiments.probes.images import probed_run
from mlp.experiments.run import run

CLASSES = ["disc", "stripes", "noise", "dark"]


def own(own_images):
    with np.load(own_images) as archive:
        return archive["test_images"], archive["test_labels"]


def test_a_run_is_loaded_with_everything_that_its_use_needs(finished, own_images):
    loaded = mlp.load_run(finished)
    assert loaded.class_names == CLASSES
    assert loaded.image_shape == (8, 8, 3)
    assert loaded.config.norm == "batch"
    assert len(loaded.history.rows) == loaded.config.epochs == 2
    assert loaded.history.gradient_flow is not None
    images, labels = own(own_images)
    guesses = loaded.logits(images).argmax(axis=1)
    assert (guesses == labels).mean() == pytest.approx(evaluate_run(finished).top(1))
    x = loaded.preprocess(images)
    np.testing.assert_allclose(loaded.model.forward(x), loaded.logits(images), rtol=1e-4, atol=1e-5)


def test_predictions_of_arrays_image_sets_and_files(finished, own_images, tmp_path):
    loaded = mlp.load_run(str(finished))
    images, labels = own(own_images)
    np.save(tmp_path / "some.npy", images[:3])
    many = loaded.predict(images[:3], most=2)
    assert [len(prediction.classes) for prediction in many] == [2, 2, 2]
    image_set = mlp.data.ImageSet(images[:3], labels[:3], tuple(CLASSES))
    for other in (image_set, tmp_path / "some.npy", [str(tmp_path / "some.npy")]):
        assert [prediction.classes for prediction in loaded.predict(other, most=2)] == [p.classes for p in many]
    (one,) = loaded.predict(images[0])
    assert one.classes[:2] == many[0].classes
    assert one.probabilities.sum() == pytest.approx(1.0)


def test_the_newest_weights(make_run):
    folder = make_run("two", learning_rate=0.5, learning_rule="gradient_descent", schedule="constant", epochs=3)
    for weights in ("best", "latest"):
        with np.load(folder / f"checkpoint-{weights}.npz") as archive:
            stored = archive["model/head.affine.weight"]
        np.testing.assert_array_equal(
            mlp.load_run(folder, weights=weights).model.state_dict()["head.affine.weight"], stored
        )


def test_unknown_weights_are_called_as_the_argument_is(finished):
    with pytest.raises(ConfigurationError, match="^weights must be one of best, latest, got 'foo'"):
        mlp.load_run(finished, weights="foo")


def test_kept_results_have_their_best_weights_as_safetensors(finished, tmp_path):
    pytest.importorskip("safetensors")
    loaded = mlp.load_run(finished)
    (tmp_path / "config.json").write_text((finished / "config.json").read_text())
    with pytest.raises(CheckpointError, match="which are stored without weights"):
        mlp.load_run(tmp_path)
    mlp.interop.save_safetensors(loaded.model, tmp_path / "weights-best.safetensors")
    kept = mlp.load_run(tmp_path)
    for name, array in loaded.model.state_dict().items():
        np.testing.assert_array_equal(kept.model.state_dict()[name], array)
    with pytest.raises(CheckpointError, match="checkpoint-latest"):
        mlp.load_run(tmp_path, weights="latest")


@pytest.mark.parametrize(
    ("part", "name", "value", "message"),
    [
        ("settings", "normalization", "cifar100", "normalization 'reports' there, 'cifar100' here"),
        ("settings", "labels", "coarse", "labels 'fine' there, 'coarse' here"),
        ("facts", "class_names", ["dark", "noise", "stripes", "disc"], "class names .* there, .* here"),
    ],
)
def test_a_configuration_that_was_edited_since_is_not_believed(finished, tmp_path, part, name, value, message):
    """Otherwise numbers and names of classes would be wrong without a warning."""
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    config = json.loads((folder / "config.json").read_text())
    assert config[part][name] != value
    config[part][name] = value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=rf"other settings than those of config.json; put .* back.*: {message}"):
        mlp.load_run(folder)


def test_where_the_data_are_now_may_be_edited(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    config = json.loads((folder / "config.json").read_text())
    config["settings"] |= {"dataset": "npz:elsewhere.npz", "epochs": 7, "engine": "textbook"}
    (folder / "config.json").write_text(json.dumps(config))
    mlp.load_run(folder)


def test_images_of_other_classes_are_not_what_a_run_knows(finished, own_images, tmp_path):
    """The same numbers stand for other things: an accuracy would mean nothing."""
    with np.load(own_images) as archive:
        np.savez(tmp_path / "other.npz", **{**archive, "class_names": CLASSES[::-1]})
    shutil.copytree(finished, tmp_path / "run")
    config = (tmp_path / "run" / "config.json").read_text()
    (tmp_path / "run" / "config.json").write_text(config.replace(str(own_images), str(tmp_path / "other.npz")))
    for read in evaluate_run, lambda path: probed_run(path, 10):
        with pytest.raises(CheckpointError, match="is not what .* was trained on; bring the data back: class names"):
            read(tmp_path / "run")


def test_images_that_do_not_fit_say_what_is_expected(finished):
    loaded = mlp.load_run(finished)
    with pytest.raises(ShapeError, match=r"bytes .* of shape \(N, 8, 8, 3\), got float64 of shape \(1, 8, 8, 3\)"):
        loaded.predict(np.zeros((8, 8, 3)))
    with pytest.raises(ShapeError, match=r"write np.moveaxis\(images, 1, -1\) for \(N, C, H, W\)"):
        loaded.predict(np.zeros((2, 3, 8, 8), np.uint8))


def test_what_is_no_run_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="holds no run: there is no config.json"):
        mlp.load_run(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"settings": {"model": "vgg08"}}))
    with pytest.raises(CheckpointError, match="the run has not finished an epoch"):
        mlp.load_run(tmp_path)


def test_what_a_loaded_run_and_its_predictions_look_like(finished, own_images):
    loaded = mlp.load_run(finished)
    best = 100 * loaded.history.column("val_acc").max()
    assert repr(loaded).startswith("LoadedRun(VGG08 BN on npz:")
    assert repr(loaded).endswith(f", 2 epochs, best validation accuracy {best:.2f}%, 4 classes, in {finished})")
    predictions = loaded.predict(own(own_images)[0][:2], most=2)
    lines = str(predictions).splitlines()
    assert [line.split()[:2] for line in lines[:2]] == [["image", "class"], ["image", "0"]]
    assert len(lines) == 5
    first = predictions[0]
    assert repr(first).startswith(f"Prediction(image 0: {first.classes[0]} {first.probabilities[0]:.1%}, ")


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(CheckpointError, match="^there is no folder .*nope$"):
        mlp.load_run(tmp_path / "nope")


@pytest.mark.parametrize("content", ["x", "epoch\n1\n", None])
def test_a_history_that_cannot_be_read_is_that_of_the_weights(finished, tmp_path, capsys, content):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    (folder / "metrics.csv").unlink()
    (folder / "metrics.csv").mkdir() if content is None else (folder / "metrics.csv").write_text(content)
    loaded = mlp.load_run(folder)
    note = capsys.readouterr().err
    assert note.startswith(f"note: {folder}/metrics.csv ")
    assert note.endswith(": the history comes from the checkpoint of the weights\n")
    assert loaded.history.rows == mlp.load_run(finished).history.rows[: len(loaded.history.rows)] != []


def test_numbers_about_other_images_than_those_of_the_run_come_with_a_note(small, own_images, tmp_path, capsys):
    shutil.copy(own_images, tmp_path / "own.npz")
    run(tmp_path / "run", {**small, "dataset": f"npz:{tmp_path}/own.npz", "epochs": 1}, page=False)
    capsys.readouterr()
    evaluate_run(tmp_path / "run")
    assert "note" not in capsys.readouterr().err
    with np.load(own_images) as archive:
        arrays = dict(archive)
    arrays["images"][0, 0, 0, 0] ^= 1
    np.savez(tmp_path / "own.npz", **arrays)
    evaluate_run(tmp_path / "run")
    assert "own.npz holds other images or labels than when" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (None, "images are arrays of bytes (N, H, W, C), or the names of files; got None"),
        ([], "images are arrays of bytes"),
        (np.zeros((0, 8, 8, 3), np.uint8), "there is no image in an array of shape (0, 8, 8, 3)"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((9, 8, 3), np.uint8)], "images in a list must have one shape"),
        ([None], "a file or a folder must have a name, got None"),
    ],
)
def test_what_is_no_image_gets_a_sentence(finished, images, sentence):
    with pytest.raises(MlpError, match=re.escape(sentence)):
        mlp.load_run(finished).predict(images)


def test_lists_of_arrays_and_what_becomes_an_array_are_images(finished, own_images):
    class Picture:
        """As a picture of Pillow does."""

        def __array__(self, dtype=None, copy=None):
            return images[0]

    loaded, (images, _) = mlp.load_run(finished), own(own_images)
    expected = loaded.predict(images[:2])
    assert repr(loaded.predict(list(images[:2]))) == repr(expected)
    assert loaded.predict(Picture())[0].classes == expected[0].classes
    with pytest.raises(MlpError, match="most must be a whole number of at least 1, got 0"):
        loaded.predict(images[:1], most=0)


def test_a_model_that_gives_no_numbers_predicts_nothing(finished, own_images):
    loaded = mlp.load_run(finished)
    loaded.model.parameters()[0].data[...] = np.nan
    with pytest.raises(CheckpointError, match="gives NaN or infinity: its training has diverged"):
        loaded.predict(own(own_images)[0][:1])


def test_a_run_whose_data_are_missing_is_not_told_to_take_other_images(tmp_path):
    with pytest.raises(MissingDataError) as caught:
        load_splits(RunConfig(dataset="mnist"), tmp_path)
    for text in (str(caught.value), caught.value.in_commands):
        assert "was not found" in text
        assert text.endswith("the environment variable MLP_DATA_DIR).")
    assert "scripts/download_data.py mnist" in caught.value.in_commands
    with pytest.raises(MissingDataError) as caught:
        load_images(RunConfig(dataset="mnist"), tmp_path)
    assert str(caught.value).endswith('or use made-up images: load_dataset("synthetic").')
    assert caught.value.in_commands.endswith("or train on made-up images with --dataset synthetic.")
