"""CIFAR-10, and the binary version of both: the same images, whichever form is there."""

import shutil

import numpy as np
import pytest

from mlp.data import load_cifar10, load_cifar100
from mlp.errors import DataError


def assert_equal_sets(loaded, expected):
    for images, others in zip(loaded, expected, strict=True):
        for name in ("images", "labels", "coarse_labels"):
            np.testing.assert_array_equal(getattr(images, name), getattr(others, name))
        assert images.labels.dtype == np.int64
        assert images.class_names == others.class_names
        assert images.coarse_names == others.coarse_names


def test_cifar10_from_the_python_version(tiny_cifar10):
    folder = tiny_cifar10.write_folder()
    for place in (tiny_cifar10.root, folder):
        train, test = load_cifar10(place)
        batches = list(tiny_cifar10.batches.values())
        for images, expected in ((train, batches[:5]), (test, batches[5:])):
            rows = np.concatenate([batch[b"data"] for batch in expected])
            np.testing.assert_array_equal(images.images.transpose(0, 3, 1, 2).reshape(-1, 3072), rows)
            assert images.labels.tolist() == sum((batch[b"labels"] for batch in expected), [])
            assert images.class_names == ("airplane", "automobile", "bird", "cat", "deer")
            assert images.coarse_labels is None
        assert (len(train), len(test)) == (10, 3)


@pytest.mark.parametrize("form", ["folder", "here", "gz", "xz"])
def test_binary_cifar10_equals_the_python_version(tiny_cifar10, pack_folder, form):
    folder = tiny_cifar10.write_folder()
    expected = load_cifar10(tiny_cifar10.root)
    shutil.rmtree(folder)
    binary = tiny_cifar10.write_binary()
    if form in ("gz", "xz"):
        pack_folder(binary, tiny_cifar10.root / f"cifar-10-binary.tar.{form}")
        shutil.rmtree(binary)
    assert_equal_sets(load_cifar10(binary if form == "here" else tiny_cifar10.root), expected)


@pytest.mark.parametrize("form", ["folder", "here", "gz", "xz"])
def test_binary_cifar100_equals_the_python_version(tiny_cifar, pack_folder, form):
    folder = tiny_cifar.write_folder()
    expected = load_cifar100(tiny_cifar.root)
    shutil.rmtree(folder)
    binary = tiny_cifar.write_binary()
    assert (binary / "train.bin").stat().st_size == 7 * 3074
    if form in ("gz", "xz"):
        pack_folder(binary, tiny_cifar.root / f"cifar-100-binary.tar.{form}")
        shutil.rmtree(binary)
    assert_equal_sets(load_cifar100(binary if form == "here" else tiny_cifar.root), expected)


def test_python_archive_of_cifar10(tiny_cifar10, pack_folder):
    folder = tiny_cifar10.write_folder()
    expected = load_cifar10(tiny_cifar10.root)
    pack_folder(folder, tiny_cifar10.root / "cifar-10-python.tar.gz")
    shutil.rmtree(folder)
    assert_equal_sets(load_cifar10(tiny_cifar10.root), expected)


def test_unpacked_binary_folder_goes_before_an_archive(tiny_cifar):
    tiny_cifar.write_archive().write_bytes(b"damaged")
    tiny_cifar.write_binary()
    assert len(load_cifar100(tiny_cifar.root)[0]) == 7


@pytest.mark.parametrize("length", [0, 1, 3073, 3074 * 7 - 1])
def test_truncated_records_are_noticed(tiny_cifar, length):
    path = tiny_cifar.write_binary() / "train.bin"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DataError, match=r"train\.bin: .* bytes are not a whole number of records of 3,074 bytes"):
        load_cifar100(tiny_cifar.root)


def test_wrong_labels_name_their_batch(tiny_cifar10):
    tiny_cifar10.batches["data_batch_3"][b"labels"] = [0, 5]
    tiny_cifar10.write_folder()
    with pytest.raises(DataError, match=r"data_batch_3: labels must lie in 0 \.\. 4"):
        load_cifar10(tiny_cifar10.root)
    shutil.rmtree(tiny_cifar10.root / "cifar-10-batches-py")
    folder = tiny_cifar10.write_binary()
    with pytest.raises(DataError, match=r"data_batch_3\.bin: labels must lie in 0 \.\. 4"):
        load_cifar10(tiny_cifar10.root)
    (folder / "batches.meta.txt").write_text("\n \n")
    with pytest.raises(DataError, match="batches.meta.txt holds no names"):
        load_cifar10(tiny_cifar10.root)
