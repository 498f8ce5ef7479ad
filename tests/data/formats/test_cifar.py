import hashlib
import os
import pickle

import numpy as np
import pytest

from mlp.data import find_data_dir, load_cifar100, split_indices
from mlp.data.formats.sources import MissingDataError
from mlp.errors import DataError, as_sentence


def check_tiny(tiny, train, test):
    for batch, images in ((tiny.train, train), (tiny.test, test)):
        assert images.images.shape == (len(batch[b"data"]), 32, 32, 3)
        assert images.images.flags.c_contiguous
        # pixel (row 5, column 7) of image 2: red, green, blue are 1024 bytes apart
        np.testing.assert_array_equal(images.images[2, 5, 7], batch[b"data"][2, [167, 1191, 2215]])
        np.testing.assert_array_equal(images.images.transpose(0, 3, 1, 2).reshape(-1, 3072), batch[b"data"])
        assert images.labels.tolist() == batch[b"fine_labels"]
        assert images.coarse_labels.tolist() == batch[b"coarse_labels"]
        assert images.class_names == ("apple", "bear", "cup", "dog")
        assert images.coarse_names == ("food", "animals")


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_folder(tiny_cifar, protocol):
    folder = tiny_cifar.write_folder(protocol=protocol)
    check_tiny(tiny_cifar, *load_cifar100(tiny_cifar.root))
    check_tiny(tiny_cifar, *load_cifar100(str(folder)))  # the folder itself


@pytest.mark.parametrize("compression", ["gz", "xz"])
def test_archive_is_read_in_memory(tiny_cifar, compression):
    tiny_cifar.write_archive(compression)
    before = sorted(tiny_cifar.root.rglob("*"))
    check_tiny(tiny_cifar, *load_cifar100(tiny_cifar.root))
    assert sorted(tiny_cifar.root.rglob("*")) == before


def test_incomplete_folder_gives_way_to_the_archive(tiny_cifar):
    (tiny_cifar.write_folder() / "test").unlink()
    tiny_cifar.write_archive()
    check_tiny(tiny_cifar, *load_cifar100(tiny_cifar.root))


def test_keys_may_be_texts_and_labels_an_array(tiny_cifar):
    original = dict(tiny_cifar.train)
    tiny_cifar.train = {key.decode(): value for key, value in original.items()}
    tiny_cifar.train["fine_labels"] = np.array(original[b"fine_labels"], dtype=np.int32)
    tiny_cifar.write_folder()
    train, test = load_cifar100(tiny_cifar.root)
    assert train.labels.dtype == np.int64
    tiny_cifar.train = original
    check_tiny(tiny_cifar, train, test)


def test_missing_data_says_where_and_what_to_do(tmp_path):
    with pytest.raises(MissingDataError) as caught:
        load_cifar100(tmp_path)
    in_both = (
        f"CIFAR-100 was not found in {tmp_path}",
        "looked for cifar-100-python, cifar-100-binary, cifar-100-python.tar.gz, cifar-100-python.tar.xz",
        "cifar-100-binary.tar.gz",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "MLP_DATA_DIR",
    )
    in_python = ("mlp.data.download_dataset('cifar100')", "data_dir", 'load_dataset("synthetic")')
    in_commands = ("python scripts/download_data.py cifar100", "--data-dir", "--dataset synthetic")
    for message, parts in ((str(caught.value), in_python), (as_sentence(caught.value), in_commands)):
        for part in (*in_both, *parts):
            assert part in message
        assert "\n" not in message
    assert "--" not in str(caught.value)


def test_incomplete_folder_is_said_to_lack_files(tiny_cifar):
    folder = tiny_cifar.write_folder()
    (folder / "test").unlink()
    with pytest.raises(MissingDataError, match=rf"; {folder} lacks test\. Get it"):
        load_cifar100(tiny_cifar.root)
    with pytest.raises(MissingDataError, match=rf"; {folder} lacks test\. Get it"):
        load_cifar100(folder)


def test_file_that_is_truncated_or_cannot_be_read_is_named(tiny_cifar, monkeypatch):
    path = tiny_cifar.write_folder() / "train"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r"cifar-100-python/train is truncated"):
        load_cifar100(tiny_cifar.root)

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", refuse)
    with pytest.raises(DataError, match=r"meta cannot be read: Permission denied"):
        load_cifar100(tiny_cifar.root)


def test_code_in_the_file_is_not_run(tiny_cifar, marker):
    tiny_cifar.train[b"batch_label"] = marker.malicious
    tiny_cifar.write_folder()
    with pytest.raises(DataError, match=r"train asks for (posix|nt)\.system"):
        load_cifar100(tiny_cifar.root)
    assert not marker.path.exists()


@pytest.mark.parametrize(
    ("file", "key", "value", "message"),
    [
        ("train", b"data", np.zeros((7, 3071), np.uint8), r"\(N, 3072\) of uint8, got \(7, 3071\)"),
        ("train", b"data", np.zeros((7, 3072), np.float32), "got .* of float32"),
        ("train", b"data", np.zeros((7, 3, 32, 32), np.uint8), "got .*7, 3, 32, 32"),
        ("train", b"data", [1, 2], "got a list"),
        ("test", b"data", np.zeros((0, 3072), np.uint8), "holds no image"),
        ("test", b"data", np.zeros((4, 3072), np.uint8), "4 images need as many labels"),
        ("train", b"fine_labels", [0, 1, 2, 3, 4, 0, 0], r"labels must lie in 0 \.\. 3 .* got values in 0 \.\. 4"),
        ("train", b"fine_labels", [0, 1, 2, 3, -1, 0, 0], "labels must lie in"),
        ("train", b"fine_labels", [0.0] * 7, "list of class numbers"),
        ("train", b"fine_labels", np.zeros(7, np.float32), "list of class numbers"),
        ("train", b"fine_labels", [2**70] * 7, "list of class numbers"),
        ("train", b"fine_labels", 3, "list of class numbers"),
        ("test", b"coarse_labels", [0, 1, 2], "coarse labels must lie in"),
        ("test", b"coarse_labels", [0, 1], "3 images need as many coarse labels"),
        ("meta", b"fine_label_names", [1, 2, 3, 4], "list of names"),
        ("meta", b"fine_label_names", [b"apple"], "labels must lie in"),
    ],
)
def test_wrong_contents_are_named(tiny_cifar, file, key, value, message):
    getattr(tiny_cifar, file)[key] = value
    tiny_cifar.write_folder()
    with pytest.raises(DataError, match=message) as caught:
        load_cifar100(tiny_cifar.root)
    assert str(tiny_cifar.root) in str(caught.value)


def test_another_data_set_is_recognized(tiny_cifar):
    tiny_cifar.train = {b"labels": [0], b"data": tiny_cifar.train[b"data"]}
    path = tiny_cifar.write_folder() / "train"
    with pytest.raises(DataError, match=r"train: no entry 'fine_labels', only data, labels"):
        load_cifar100(tiny_cifar.root)
    path.write_bytes(pickle.dumps([1, 2], protocol=2))
    with pytest.raises(DataError, match="no dictionary"):
        load_cifar100(tiny_cifar.root)


@pytest.fixture(scope="module")
def real_cifar100():
    if not os.environ.get("MLP_DATA_DIR"):
        pytest.skip("MLP_DATA_DIR is not set")
    try:
        return load_cifar100(find_data_dir())
    except MissingDataError:
        pytest.skip("no CIFAR-100 in MLP_DATA_DIR")


def test_real_cifar100(real_cifar100):
    train, test = real_cifar100
    expected = ((train, 500, "e07b6859dfcb4ef6850fbc815e123615"), (test, 100, "155ad486d683899b65629b069dab09ba"))
    for images, per_class, md5 in expected:
        assert len(images) == 100 * per_class
        assert (np.bincount(images.labels) == per_class).all()
        assert (np.bincount(images.coarse_labels) == 5 * per_class).all()
        planes = np.ascontiguousarray(images.images.transpose(0, 3, 1, 2))
        assert hashlib.md5(planes).hexdigest() == md5
    assert train.labels[:8].tolist() == [19, 29, 0, 11, 1, 86, 90, 28]
    assert test.labels[:8].tolist() == [49, 33, 72, 51, 71, 92, 15, 14]
    assert train.class_names[19] == "cattle"
    assert train.coarse_names[train.coarse_labels[0]] == "large_omnivores_and_herbivores"


def test_real_coursework_split_is_not_balanced(real_cifar100):
    labels = real_cifar100[0].labels
    counts = np.bincount(labels[split_indices(labels)[1]])
    assert (counts.min(), counts.max()) == (16, 36)
