"""Runs on a hyperspectral scene: settings that go with it, scores, and the map of classes."""

import json

import numpy as np
import pytest

from mlp.data.formats.hyperspectral import INDIAN_PINES_CLASSES, load_indian_pines
from mlp.data.formats.sources import MissingDataError, find_data_dir
from mlp.errors import ConfigurationError
from mlp.experiments.config import RunConfig
from mlp.experiments.run import run
from mlp.experiments.run_folder import RunFolder
from mlp.experiments.scene import class_map, confusion, scores
from mlp.plotting.scene import class_colors, false_color


def test_scores_of_a_confusion_matrix():
    found = scores(np.array([[20, 5], [10, 15]]))
    assert found["kappa"] == pytest.approx(0.4)
    assert found["overall_accuracy"] == pytest.approx(0.7)
    assert found["average_accuracy"] == pytest.approx(0.7)


def test_average_accuracy_counts_classes_alike():
    targets, guesses = np.array([0] * 8 + [1, 1]), np.array([0] * 8 + [0, 1])
    np.testing.assert_array_equal(confusion(targets, guesses, 3), [[8, 0, 0], [1, 1, 0], [0, 0, 0]])
    found = scores(confusion(targets, guesses, 3))
    assert (found["overall_accuracy"], found["average_accuracy"]) == (0.9, 0.75)


def small_scene(folder):
    """Fields of 7 x 7 pixels, whose class is written in the brightness of four of nine bands."""
    rng = np.random.default_rng(0)
    classes = np.kron(rng.integers(0, 5, (5, 4)), np.ones((7, 7), int))
    image = rng.normal(5000, 100, (*classes.shape, 9))
    for k in range(1, 5):
        image[..., k] += 800 * (classes == k)
    np.savez(folder / "indian-pines.npz", image=image.astype(np.uint16), classes=classes.astype(np.uint8))


SETTINGS = {"model": "ssrn", "dataset": "indian_pines", "epochs": 2, "batch_size": 16, "learning_rate": 3e-3}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    small_scene(folder)
    run(folder / "run", SETTINGS, data_dir=folder, threads=1)
    return folder


def test_what_a_run_leaves(finished):
    out = finished / "run"
    test = json.loads((out / "test.json").read_text())
    assert test["overall_accuracy"] == pytest.approx(test["test_acc"])  # both over images
    assert {"average_accuracy", "kappa"} <= test.keys()
    config = json.loads((out / "config.json").read_text())
    assert config["facts"]["image_shape"] == [7, 7, 9]
    given = {name: config["settings"][name] for name in ("split", "augment", "schedule")}
    assert given == {"split": "per_class", "augment": False, "schedule": "constant"}
    with np.load(out / "class_map.npz") as arrays:
        assert arrays["predicted"].shape == arrays["classes"].shape == (35, 28)
        assert arrays["predicted"].min() >= 1
        assert arrays["class_names"].tolist() == list(INDIAN_PINES_CLASSES)
    assert (out / "class_map.png").stat().st_size > 10_000


def test_the_map_is_that_of_the_best_weights(finished):
    scene, predicted = class_map(RunFolder(finished / "run"), finished)
    with np.load(finished / "run" / "class_map.npz") as arrays:
        np.testing.assert_array_equal(predicted, arrays["predicted"])
    assert scene.image.shape == (35, 28, 9)


@pytest.mark.slow
def test_resume_is_the_same_bit_for_bit(finished, tmp_path):
    run(tmp_path / "parts", SETTINGS, data_dir=finished, stop_after=1, threads=1)
    run(tmp_path / "parts", {}, data_dir=finished, resume=True, threads=1)
    with (
        np.load(finished / "run/checkpoint-latest.npz") as one,
        np.load(tmp_path / "parts/checkpoint-latest.npz") as two,
    ):
        for name in one.files:
            if name.startswith(("model/", "rule/")):
                np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def test_pictures():
    picture = false_color(np.random.default_rng(0).normal(size=(5, 6, 30)))
    assert (picture.shape, picture.min(), picture.max()) == ((5, 6, 3), 0.0, 1.0)
    assert not false_color(np.ones((4, 4, 9))).any()
    assert len(set(class_colors(16))) == 17


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": "indian_pines"}, "split of indian_pines must be one of per_class, blocks, got 'coursework'"),
        ({"dataset": "indian_pines", "split": "per_class"}, "--augment is for images, not for the patches"),
        ({"split": "blocks"}, "split of cifar100 must be one of coursework, stratified"),
        ({"model": "ssrn", "norm": "batch"}, "--norm is for vgg models: ssrn is built as it is written"),
    ],
)
def test_settings_that_do_not_fit(settings, message):
    with pytest.raises(ConfigurationError, match=message):
        RunConfig(**settings)


@pytest.mark.slow
def test_three_epochs_on_indian_pines(tmp_path):
    """Chance by the largest class is 0.24. It takes some three minutes on two free cores."""
    try:
        load_indian_pines(find_data_dir())
    except MissingDataError:
        pytest.skip("Indian Pines is not in the data folder")
    rule = {"learning_rule": "rmsprop", "learning_rate": 3e-4}
    history = run(tmp_path / "run", {**SETTINGS, **rule, "epochs": 3})
    assert history.column("val_acc")[-1] >= 0.6
