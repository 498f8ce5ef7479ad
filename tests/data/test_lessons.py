import numpy as np
import pytest

from mlp.data import ImageSet, lesson_images
from mlp.data.formats.sources import MissingDataError
from mlp.errors import ConfigurationError


@pytest.fixture
def cifar(monkeypatch):
    """500 images of 20 classes in place of CIFAR-100's; every image's first pixel is its number."""
    images = np.zeros((500, 32, 32, 3), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 0, 1] = np.arange(500) % 256, np.arange(500) // 256
    labels = np.arange(500) % 20
    found = ImageSet(images, labels, tuple(f"class {k}" for k in range(20)))
    monkeypatch.setattr("mlp.data.lessons.load_cifar100", lambda folder: (found, None))
    return found


def numbers(images):
    return images.images[:, 0, 0, :2].astype(int) @ (1, 256)


def test_cifar_where_it_is(cifar, capsys):
    train, valid = lesson_images(100, 40, num_classes=10)
    assert capsys.readouterr().out == "Images: CIFAR-100.\n"
    assert (len(train), len(valid)) == (100, 40)
    assert train.class_names == valid.class_names == tuple(f"class {k}" for k in range(10))
    np.testing.assert_array_equal(numbers(train) % 20, train.labels)
    assert not set(numbers(train)) & set(numbers(valid))
    assert set(train.labels) == set(range(10))
    np.testing.assert_array_equal(numbers(lesson_images(100, 40)[0]), numbers(train))


def test_all_images_of_the_classes_can_be_had_and_no_more(cifar):
    train, valid = lesson_images(200, 50, num_classes=10)
    assert len(set(numbers(train)) | set(numbers(valid))) == 250
    with pytest.raises(ConfigurationError, match="have 250 training images, got num_train=200 and num_valid=51"):
        lesson_images(200, 51, num_classes=10)


def test_synthetic_elsewhere(tmp_path, capsys):
    train, valid = lesson_images(30, 20, num_classes=5, data_dir=tmp_path)
    assert "synthetic" in capsys.readouterr().out
    assert (len(train), len(valid), train.num_classes) == (30, 20, 5)


def test_data_is_looked_for_above_the_notebook(cifar, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MLP_DATA_DIR", raising=False)
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    looked = []

    def load(folder):
        looked.append(folder)
        if folder != tmp_path / "data":
            raise MissingDataError("not here")
        return cifar, None

    monkeypatch.setattr("mlp.data.lessons.load_cifar100", load)
    lesson_images(3, 2)
    assert looked == [tmp_path / "notebooks" / "data", tmp_path / "data"]
    assert capsys.readouterr().out == "Images: CIFAR-100.\n"
