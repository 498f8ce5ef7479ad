import gzip
import struct

import numpy as np
import pytest

from mlp.data import load_mnist
from mlp.data.formats.mnist import IDX_FILES, read_idx
from mlp.errors import DataError


@pytest.fixture
def digits():
    """Arrays of 12 training and 4 test images: x_train, y_train, x_test, y_test."""
    rng = np.random.default_rng(0)
    x_train, x_test = (rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (12, 4))
    y_train, y_test = (rng.integers(0, 10, n, dtype=np.uint8) for n in (12, 4))
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def idx(array):
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder, digits, packed):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in zip(IDX_FILES, digits.values(), strict=True):
        content = idx(array)
        (folder / (name + ".gz" * packed)).write_bytes(gzip.compress(content, mtime=0) if packed else content)


def write_course(folder, digits, scale=256.0, dtype=np.float16):
    """Nine training and three validation images."""
    x, y = digits["x_train"], digits["y_train"]
    for name, images, labels in (
        ("train", x[:9], y[:9]),
        ("valid", x[9:], y[9:]),
        ("test", digits["x_test"], digits["y_test"]),
    ):
        inputs = (images.reshape(-1, 784) / scale).astype(dtype)
        np.savez(folder / f"mnist-{name}.npz", inputs=inputs, targets=labels.astype(np.int8))


def check(root, digits):
    for images, part in zip(load_mnist(root), ("train", "test"), strict=True):
        np.testing.assert_array_equal(images.images[..., 0], digits[f"x_{part}"])
        assert images.images.shape[1:] == (28, 28, 1)
        assert images.images.dtype == np.uint8
        assert images.labels.tolist() == digits[f"y_{part}"].tolist()
        assert images.class_names == tuple("0123456789")
        assert images.coarse_labels is None


@pytest.mark.parametrize("folder", ["", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("packed", [True, False])
def test_idx_files(tmp_path, digits, packed, folder):
    write_idx(tmp_path / folder, digits, packed)
    check(tmp_path, digits)


def test_idx_files_as_other_tools_leave_them(tmp_path, digits):
    write_idx(tmp_path, digits, packed=True)
    for i, name in enumerate(IDX_FILES):
        path = tmp_path / f"{name}.gz"
        if i % 3 == 0:
            path.with_name(name).write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
            path = path.with_name(name)
        if i >= 2:
            path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    check(tmp_path, digits)


@pytest.mark.parametrize("folder", ["", "mnist"])
def test_keras_npz(tmp_path, digits, folder):
    (tmp_path / folder).mkdir(exist_ok=True)
    np.savez(tmp_path / folder / "mnist.npz", **digits)
    check(tmp_path, digits)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("scale", [255.0, 256.0])
def test_course_npz_gives_the_bytes_back(tmp_path, digits, scale, dtype):
    digits["x_train"].reshape(-1)[:256] = np.arange(256)
    write_course(tmp_path, digits, scale, dtype)
    check(tmp_path, digits)


def test_missing_files_are_said(tmp_path, digits):
    with pytest.raises(DataError, match=r"mnist-test\.npz\) was not found in .*download_dataset\('mnist'\)"):
        load_mnist(tmp_path)
    write_idx(tmp_path, digits, packed=True)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"lacks t10k-labels-idx1-ubyte\.gz"):
        load_mnist(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "truncated or damaged"),
        (bytes([0, 0, 8]), "truncated or damaged"),
        (bytes([0, 0, 8, 3, 0, 0]), "truncated or damaged"),
        (bytes([0, 1, 8, 1, 0, 0, 0, 1, 5]), "no idx file of bytes"),
        (bytes([0, 0, 13, 1, 0, 0, 0, 1, 0, 0, 0, 0]), "no idx file of bytes"),
        (idx(np.zeros((3, 2), np.uint8))[:-1], "5 bytes where the header tells of 6"),
        (idx(np.zeros((3, 2), np.uint8)) + b"x", "more than 6 bytes where the header tells of 6"),
        (bytes([0, 0, 8, 64]) + b"\0\0\0\1" * 64 + b"x", "no idx file of bytes"),
        (bytes([0, 0, 8, 0]) + b"x", "no idx file of bytes"),
        (gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 1]) + bytes(10**6), mtime=0), "more than 1 bytes where"),
        (bytes([0, 0, 8, 2]) + b"\xff" * 8, "truncated or damaged"),
        (gzip.compress(idx(np.zeros(3, np.uint8)), mtime=0)[:-3], "truncated or damaged"),
        (b"<html>404</html>", "no idx file of bytes"),
    ],
)
def test_damaged_idx_files_are_named(content, message):
    with pytest.raises(DataError, match=f"^the file is .*{message}"):
        read_idx(content, "the file")


def test_wrong_contents_are_named(tmp_path, digits):
    swapped = {**digits, "x_test": digits["y_test"]}
    write_idx(tmp_path / "a", swapped, packed=False)
    with pytest.raises(
        DataError, match=r"t10k-images-idx3-ubyte: expected images of 28 x 28 x 1, got an array \(4, 1\)"
    ):
        load_mnist(tmp_path / "a")
    write_idx(tmp_path / "b", {**digits, "y_test": digits["y_test"] + 10}, packed=False)
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte: labels must lie in 0 \.\. 9"):
        load_mnist(tmp_path / "b")
    np.savez(tmp_path / "mnist.npz", **{**digits, "x_train": np.zeros((12, 28, 28, 3), np.uint8)})
    with pytest.raises(DataError, match=r"mnist\.npz: expected images of 28 x 28 x 1"):
        load_mnist(tmp_path)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((4, 783), np.float32), r"must be numbers \(N, 784\)"),
        (np.zeros((4, 784), np.uint8), "got .* of uint8"),
        (np.zeros((0, 784), np.float32), r"got \(0, 784\)"),
        (np.full((4, 784), 1.5, np.float32), r"must lie in 0 \.\. 1, got 1\.5"),
        (np.full((4, 784), -0.1), r"must lie in 0 \.\. 1"),
        (np.full((4, 784), np.nan, np.float32), r"must lie in 0 \.\. 1"),
        (np.full((4, 784), 0.3), "not bytes divided by 255 or 256"),
    ],
)
def test_course_inputs_that_are_no_images(tmp_path, digits, inputs, message):
    write_course(tmp_path, digits)
    np.savez(tmp_path / "mnist-test.npz", inputs=inputs, targets=digits["y_test"])
    with pytest.raises(DataError, match=rf"mnist-test\.npz: 'inputs' .*{message}"):
        load_mnist(tmp_path)
