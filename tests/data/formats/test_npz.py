import zipfile

import numpy as np
import pytest

from mlp.data import load_npz
from mlp.errors import DataError


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return {
        "images": rng.integers(0, 256, (40, 6, 5, 3), dtype=np.uint8),
        "labels": np.arange(40) % 3,
        "test_images": rng.integers(0, 256, (7, 6, 5, 3), dtype=np.uint8),
        "test_labels": np.arange(7, dtype=np.uint8) % 3,
        "class_names": np.array(["cat", "dog", "cow"]),
    }


def save(tmp_path, arrays):
    np.savez_compressed(tmp_path / "own.npz", **arrays)
    return tmp_path / "own.npz"


def test_own_test_set_and_names(tmp_path, arrays):
    for images, prefix in zip(load_npz(save(tmp_path, arrays)), ("", "test_"), strict=True):
        np.testing.assert_array_equal(images.images, arrays[f"{prefix}images"])
        assert images.labels.tolist() == arrays[f"{prefix}labels"].tolist()
        assert images.class_names == ("cat", "dog", "cow")


def test_a_tenth_is_held_out_where_there_is_no_test_set(tmp_path, arrays):
    path = save(tmp_path, {name: arrays[name] for name in ("images", "labels")})
    (train, test), again = load_npz(path), load_npz(str(path))
    assert (len(train), len(test)) == (37, 3)
    assert sorted(test.labels) == [0, 1, 2]
    assert train.class_names == ("0", "1", "2")
    both = np.concatenate([train.images, test.images]).reshape(40, -1)
    assert sorted(both.tolist()) == sorted(arrays["images"].reshape(40, -1).tolist())
    np.testing.assert_array_equal(test.images, again[1].images)
    labels = {image.tobytes(): label for image, label in zip(arrays["images"], arrays["labels"], strict=True)}
    assert [labels[image.tobytes()] for image in test.images] == test.labels.tolist()


def test_grey_images_get_a_channel_axis(tmp_path, arrays):
    train, test = load_npz(save(tmp_path, {"images": arrays["images"][..., 0], "labels": arrays["labels"]}))
    assert train.images.shape == (37, 6, 5, 1)
    assert test.images.shape == (3, 6, 5, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": np.zeros((40, 6, 5, 3), np.float32)}, "'images' must be .* of uint8, .* got .* of float32"),
        ({"images": np.zeros((40, 30), np.uint8)}, r"got \(40, 30\) of uint8"),
        ({"images": np.zeros((0, 6, 5, 3), np.uint8), "labels": np.zeros(0, int)}, r"got \(0, 6, 5, 3\)"),
        ({"images": np.zeros((40, 3, 32, 32), np.uint8)}, r"channels first: save images\.transpose\(0, 2, 3, 1\)"),
        ({"images": np.array([None] * 40)}, "no .npz file of plain arrays .*holds object, not plain numbers"),
        ({"labels": np.zeros(40, np.float32)}, "'labels' must be whole numbers"),
        ({"labels": np.zeros((40, 3), int)}, r"'labels' must be whole numbers of shape \(N,\), got \(40, 3\)"),
        ({"labels": np.zeros(39, int)}, "40 images need as many labels"),
        ({"labels": np.array(["cat"] * 40)}, "'labels' must be whole numbers"),
        ({"labels": np.full(40, 3)}, r"labels must lie in 0 \.\. 2"),
        ({"labels": np.full(40, 2**63, np.uint64)}, r"labels must lie in 0 \.\. 2"),
        ({"test_images": np.zeros((7, 6, 6, 3), np.uint8)}, "differ in size"),
        ({"test_images": np.zeros((7, 6, 5), np.uint8)}, "differ in size"),
        ({"class_names": np.arange(3)}, "'class_names' must be strings"),
        ({"class_names": np.array(["cat"])}, r"labels must lie in 0 \.\. 0"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, arrays, changes, message):
    path = save(tmp_path, {**arrays, **changes})
    with pytest.raises(DataError, match=message) as caught:
        load_npz(path)
    assert str(path) in str(caught.value)


def test_huge_labels_without_names_are_refused(tmp_path, arrays):
    path = save(tmp_path, {"images": arrays["images"], "labels": np.full(40, 2**40)})
    with pytest.raises(DataError, match="label 1099511627776 among 40 images"):
        load_npz(path)


def test_labels_below_0_are_refused_also_without_names(tmp_path, arrays):
    path = save(tmp_path, {"images": arrays["images"], "labels": np.arange(40) % 3 - 1})
    with pytest.raises(DataError, match=r"label -1 among 40 images: number the classes 0 \.\. K - 1$"):
        load_npz(path)


def test_missing_arrays_and_files(tmp_path, arrays):
    with pytest.raises(DataError, match=r"there is no file .*none\.npz"):
        load_npz(tmp_path / "none.npz")
    with pytest.raises(DataError, match="lacks images: it holds labels, x"):
        load_npz(save(tmp_path, {"labels": arrays["labels"], "x": arrays["images"]}))
    with pytest.raises(DataError, match="'test_images' and 'test_labels' must be there both"):
        load_npz(save(tmp_path, {name: arrays[name] for name in ("images", "labels", "test_images")}))
    np.save(tmp_path / "one.npy", arrays["images"])
    with pytest.raises(DataError, match="no .npz file"):
        load_npz(tmp_path / "one.npy")


def test_a_pickle_in_the_archive_is_not_run(tmp_path, arrays, marker):
    path = save(tmp_path, {**arrays, "labels": np.array([marker.malicious] * 40, dtype=object)})
    with pytest.raises(DataError, match="no .npz file of plain arrays"):
        load_npz(path)
    assert not marker.path.exists()


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(b"(30, 6, 5, 3), }", id="fewer images than there are"),
        pytest.param(b"(40, 60000, 50000, 3), }", id="more than there is memory"),
    ],
)
def test_a_header_that_does_not_fit_its_array_is_noticed(tmp_path, arrays, told):
    """In a member whose checksum is right."""
    path, right = save(tmp_path, arrays), b"(40, 6, 5, 3), }        "
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["images.npy"] = members["images.npy"].replace(right, told.ljust(len(right)))
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(DataError, match=r"images\.npy has another size than its header tells"):
        load_npz(path)


def test_an_archive_that_grows_a_thousandfold_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr("mlp.data.formats.sources.UNSUSPICIOUS", 1000)
    path = save(tmp_path, {"images": np.zeros((2, 400, 400, 3), np.uint8), "labels": np.arange(2)})
    with pytest.raises(DataError, match=r"images grows from [\d,]+ bytes to 960,\d+, as no images do"):
        load_npz(path)
