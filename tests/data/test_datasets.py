import functools
from pathlib import Path

import numpy as np
import pytest

from mlp.data import DATASETS, ImageSet, find_data_dir, load_dataset, split_indices, synthetic
from mlp.data.formats.sources import MissingDataError
from mlp.data.pictures import fit_size
from mlp.errors import ConfigurationError, DataError

made_once = functools.cache(synthetic)


@pytest.fixture(autouse=True)
def images_made_once(monkeypatch):
    """Making the synthetic images takes most of a second; what the tests ask for is split from the same ones."""
    monkeypatch.setitem(DATASETS, "synthetic", lambda data_dir: made_once())


def test_data_dir_is_the_argument_or_the_variable_or_data(monkeypatch):
    monkeypatch.setenv("MLP_DATA_DIR", "/somewhere")
    assert find_data_dir("here") == Path("here")
    assert find_data_dir(Path("~/here")) == Path.home() / "here"
    assert find_data_dir() == Path("/somewhere")
    monkeypatch.delenv("MLP_DATA_DIR")
    assert find_data_dir() == Path("data")


@pytest.mark.parametrize(("split", "num_valid"), [("coursework", 250), ("stratified", 200)])
def test_synthetic_is_split_like_the_rest(split, num_valid):
    train, valid, test = load_dataset("synthetic", split=split)
    images, expected_test = made_once()
    train_indices, valid_indices = split_indices(images.labels, split)
    assert (len(train), len(valid), len(test)) == (5000 - num_valid, num_valid, 1000)
    np.testing.assert_array_equal(train.images, images.images[train_indices])
    np.testing.assert_array_equal(valid.labels, images.labels[valid_indices])
    np.testing.assert_array_equal(test.images, expected_test.images)


def test_limits_take_the_first_of_the_split(monkeypatch):
    images = synthetic(200, 10, 8, 5)
    monkeypatch.setitem(DATASETS, "synthetic", lambda data_dir: images)
    train, valid, test = load_dataset("synthetic")
    short_train, short_valid, same_test = load_dataset("synthetic", limit_train=30, limit_valid=4)
    assert (len(short_train), len(short_valid), len(same_test)) == (30, 4, 10)
    np.testing.assert_array_equal(short_train.images, train.images[:30])
    np.testing.assert_array_equal(short_valid.images, valid.images[:4])
    all_train, all_valid, _ = load_dataset("synthetic", limit_train=10**6, limit_valid=10**6)
    assert (len(all_train), len(all_valid)) == (190, 10)


@pytest.mark.parametrize("labels", ["fine", "coarse"])
def test_the_first_classes_of_the_same_split(labels):
    """No image moves between training and validation because there are fewer classes; limits count what is left."""
    whole = load_dataset("synthetic", labels=labels)
    few = load_dataset("synthetic", labels=labels, limit_classes=7)
    for all_images, images in zip(whole, few, strict=True):
        np.testing.assert_array_equal(images.images, all_images.images[all_images.labels < 7])
        assert images.num_classes == 7
        assert images.class_names == all_images.class_names[:7]
    train, valid, test = load_dataset("synthetic", labels=labels, limit_classes=7, limit_train=50, limit_valid=3)
    assert (len(train), len(valid), len(test)) == (50, 3, len(few[2]))
    np.testing.assert_array_equal(train.images, few[0].images[:50])


def test_cifar100_from_the_folder(tiny_cifar, monkeypatch):
    tiny_cifar.write_folder()
    monkeypatch.setattr("mlp.data.datasets.split_indices", lambda labels, kind: split_indices(labels, kind, 0.6))
    for train, valid, test in (load_dataset("cifar100", tiny_cifar.root), load_from_variable(tiny_cifar, monkeypatch)):
        assert (len(train), len(valid), len(test)) == (4, 3, 3)


def load_from_variable(tiny_cifar, monkeypatch):
    monkeypatch.setenv("MLP_DATA_DIR", str(tiny_cifar.root))
    return load_dataset("cifar100")


@pytest.mark.parametrize("split", ["coursework", "stratified"])
def test_coarse_labels_are_the_groups_of_the_same_images(split):
    for fine, coarse in zip(
        load_dataset("synthetic", split=split), load_dataset("synthetic", split=split, labels="coarse"), strict=True
    ):
        np.testing.assert_array_equal(coarse.images, fine.images)
        np.testing.assert_array_equal(coarse.labels, fine.coarse_labels)
        assert coarse.class_names == fine.coarse_names
        assert coarse.num_classes == 20


def test_coarse_labels_must_exist(tmp_path):
    np.savez(tmp_path / "own.npz", images=np.zeros((50, 8, 8), np.uint8), labels=np.arange(50) % 2)
    with pytest.raises(ConfigurationError, match="no coarse labels .* use labels='fine'"):
        load_dataset(f"npz:{tmp_path / 'own.npz'}", labels="coarse")


def test_own_images_are_split_like_the_rest(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (200, 8, 8, 3), dtype=np.uint8)
    np.savez(tmp_path / "own.npz", images=images, labels=np.arange(200) % 4)
    train, valid, test = load_dataset(f"npz:{tmp_path / 'own.npz'}", limit_valid=5)
    assert (len(train), len(valid), len(test)) == (172, 5, 20)
    _, valid, _ = load_dataset(f"npz:{tmp_path / 'own.npz'}")
    assert np.bincount(valid.labels).tolist() == [2, 2, 2, 2]  # of each class its part
    assert len(load_dataset(f"npz:{tmp_path / 'own.npz'}", split="coursework")[1]) == 9


@pytest.mark.parametrize("name", ["mnist", "npz"])
def test_images_get_another_size(name, tmp_path, monkeypatch):
    pytest.importorskip("PIL")
    images = np.zeros((40, 6, 12, 1), np.uint8)
    images[:, :, :3] = 200  # the left quarter, which is cut off
    train = ImageSet(images, np.arange(40) % 2, ("a", "b"))
    monkeypatch.setitem(DATASETS, "mnist", lambda data_dir: (train, train))
    if name == "npz":
        np.savez(tmp_path / "own.npz", images=images, labels=np.arange(40) % 2)
        name = f"npz:{tmp_path / 'own.npz'}"
    for image_set in load_dataset(name, image_size=4):
        assert image_set.images.shape[1:] == (4, 4, 1)
        assert image_set.images.max() < 20
    for image_set in load_dataset(name, image_size=4, image_fit="squeeze"):
        assert image_set.images.shape[1:] == (4, 4, 1)
        assert image_set.images[0, :, 0].min() > 150
    assert load_dataset(name)[0].images.shape[1:] == (6, 12, 1)


def test_only_the_images_that_are_left_get_another_size(monkeypatch):
    pytest.importorskip("PIL")
    rng = np.random.default_rng(0)
    train = ImageSet(rng.integers(0, 255, (120, 6, 6, 3)).astype(np.uint8), np.arange(120) % 3, ("a", "b", "c"))
    monkeypatch.setitem(DATASETS, "mnist", lambda data_dir: (train, train.take(np.arange(4))))
    limits = {"limit_classes": 2, "limit_train": 7, "limit_valid": 1}
    small = load_dataset("mnist", **limits)
    expected = [fit_size(pixels, 9, 9)[1] for part in small for pixels in part.images]
    seen = []
    monkeypatch.setattr("mlp.data.datasets.fit_size", lambda *words: seen.append(1) or fit_size(*words))
    found = load_dataset("mnist", image_size=9, **limits)
    assert len(seen) == sum(map(len, small)) < 16
    np.testing.assert_array_equal(np.concatenate([part.images for part in found]), expected)
    for before, after in zip(small, found, strict=True):
        np.testing.assert_array_equal(before.labels, after.labels)


def test_a_size_for_which_memory_is_missing(monkeypatch, tmp_path):
    image = pytest.importorskip("PIL.Image")
    monkeypatch.setattr("mlp.data.pictures.available_memory", lambda: 10**6)
    monkeypatch.setattr("mlp.data.datasets.fit_size", None)  # not even one is made larger
    train = ImageSet(np.zeros((40, 6, 6, 3), np.uint8), np.arange(40) % 2, ("a", "b"))
    monkeypatch.setitem(DATASETS, "mnist", lambda data_dir: (train, train))
    with pytest.raises(ConfigurationError, match=r"80 images of 99 x 99 pixels need 0\.00 GB .* a smaller image_size"):
        load_dataset("mnist", image_size=99)
    for i in range(6):
        (tmp_path / "ab"[i % 2]).mkdir(exist_ok=True)
        image.fromarray(np.zeros((5, 5, 3), np.uint8)).save(tmp_path / "ab"[i % 2] / f"{i}.png")
    assert load_dataset(f"folder:{tmp_path}", image_size=9)[0].images.shape[1:] == (9, 9, 3)
    with pytest.raises(ConfigurationError, match="images of 300 x 300 pixels need"):
        load_dataset(f"folder:{tmp_path}", image_size=300)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"image_size": 0}, "image_size must be a whole number of at least 1"),
        ({"image_size": 2.5}, "image_size must be a whole number of at least 1, got 2.5"),
        ({"image_size": 8, "image_fit": "stretch"}, "image_fit must be one of crop, squeeze"),
        ({"image_size": 8, "name": "indian_pines"}, "image_size is for pictures"),
    ],
)
def test_a_size_that_cannot_be(options, message):
    with pytest.raises(ConfigurationError, match=message):
        load_dataset(**{"name": "synthetic", **options})


def test_a_missing_data_set_is_downloaded_if_asked(tiny_cifar, monkeypatch):
    asked = []

    def pretend(name, data_dir):
        asked.append((name, data_dir))
        tiny_cifar.write_folder()

    monkeypatch.setattr("mlp.data.datasets.download_dataset", pretend)
    monkeypatch.setattr("mlp.data.datasets.split_indices", lambda labels, kind: split_indices(labels, kind, 0.6))
    with pytest.raises(MissingDataError):
        load_dataset("cifar100", tiny_cifar.root)
    assert asked == []
    for _ in range(2):  # the second time it is there
        assert len(load_dataset("cifar100", tiny_cifar.root, download=True)[0]) == 4
    assert asked == [("cifar100", tiny_cifar.root)]


def test_damaged_data_are_not_downloaded_over(tiny_cifar, monkeypatch):
    (tiny_cifar.write_folder() / "train").write_bytes(b"damaged")
    monkeypatch.setattr("mlp.data.datasets.download_dataset", lambda *arguments: pytest.fail("downloaded"))
    with pytest.raises(DataError, match="train is truncated or damaged"):
        load_dataset("cifar100", tiny_cifar.root, download=True)


def test_wrong_requests(tmp_path):
    accepted = "cifar100, cifar10, mnist, synthetic, indian_pines, npz:FILE, folder:DIR"
    for name in ("imagenet", "npz", "npz:", "folder", "zip:x", "cifar100:x", ""):
        with pytest.raises(ConfigurationError, match=f"dataset must be one of {accepted}, got '{name}'"):
            load_dataset(name, tmp_path)
    with pytest.raises(ConfigurationError, match="labels must be one of fine, coarse, got 'both'"):
        load_dataset("synthetic", labels="both")
    for name in ("limit_train", "limit_valid"):
        for limit in (0, -1, 2.5):
            with pytest.raises(ConfigurationError, match=f"{name} must be a whole number of at least 1, got {limit}"):
                load_dataset("synthetic", **{name: limit})
    for count in (0, 1, 2.5):
        with pytest.raises(
            ConfigurationError, match=f"limit_classes must be a whole number of at least 2, got {count}"
        ):
            load_dataset("synthetic", limit_classes=count)
    with pytest.raises(ConfigurationError, match=r"limit_classes must lie in 2 \.\. 100, .*, got 101"):
        load_dataset("synthetic", limit_classes=101)
    with pytest.raises(ConfigurationError, match="split of synthetic must be one of"):
        load_dataset("synthetic", split="half")
    with pytest.raises(DataError, match="was not found"):
        load_dataset("cifar100", tmp_path)
