"""Hyperspectral scenes from .npz, .mat and .npy, damaged files, and Indian Pines itself where it is there."""

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest

from mlp.data.formats.hyperspectral import INDIAN_PINES_CLASSES, load_indian_pines
from mlp.data.formats.matlab import read_variable
from mlp.data.formats.sources import MissingDataError, find_data_dir
from mlp.errors import DataError

TYPES = {"u1": (2, 9), "u2": (4, 11), "i4": (5, 12), "f8": (9, 6)}  # of the numbers, of the array


def element(kind, data):
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matlab_array(name, array, stored=None, compressed=True, flags=0):
    """Return an array as an element of a MATLAB 5 file; `stored` is the type of its numbers in the file."""
    stored = stored or array.dtype.str[1:]
    body = element(6, struct.pack("<II", TYPES[array.dtype.str[1:]][1] | flags, 0))
    body += element(5, np.array(array.shape, "<i4").tobytes()) + element(1, name.encode())
    body += element(TYPES[stored][0], array.astype(stored).tobytes(order="F"))
    whole = element(14, body)
    packed = zlib.compress(whole)
    return struct.pack("<II", 15, len(packed)) + packed if compressed else whole


def matlab_file(*arrays):
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"".join(arrays)


def small_scene():
    rng = np.random.default_rng(0)
    return rng.integers(900, 9000, (6, 5, 4)).astype(np.uint16), rng.integers(0, 17, (6, 5)).astype(np.uint8)


def write_npz(folder, image, classes):
    np.savez(folder / "indian-pines.npz", image=image, classes=classes)


def write_mat(folder, image, classes):
    for name, array in (("Indian_pines_corrected", image), ("Indian_pines_gt", classes)):
        (folder / f"{name}.mat").write_bytes(matlab_file(matlab_array(name.lower(), array)))


def write_npy(folder, image, classes):
    for name, array in (("Indian_pines_corrected", image), ("Indian_pines_gt", classes)):
        np.save(folder / f"{name}.npy", array)


@pytest.mark.parametrize("write", [write_npz, write_mat, write_npy])
@pytest.mark.parametrize("folder", [".", "indian_pines"])
def test_all_forms_hold_the_same_scene(tmp_path, write, folder):
    image, classes = small_scene()
    (tmp_path / folder).mkdir(exist_ok=True)
    write(tmp_path / folder, image, classes)
    scene = load_indian_pines(tmp_path)
    np.testing.assert_array_equal(scene.image, image)
    np.testing.assert_array_equal(scene.classes, classes)
    assert scene.class_names == INDIAN_PINES_CLASSES


def test_a_missing_scene_says_how_to_get_it(tmp_path):
    with pytest.raises(MissingDataError, match=r"Indian Pines .* was not found .* indian_pines"):
        load_indian_pines(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image, classes: (image[..., 0], classes), r"a scene must be numbers \(H, W, bands\)"),
        (lambda image, classes: (image, classes[1:]), r"the classes must be whole numbers \(6, 5\), got \(5, 5\)"),
        (lambda image, classes: (image, np.full_like(classes, 17)), r"classes must lie in 0 .. 16"),
        (lambda image, classes: (image, classes + 0.5), r"classes must lie in 0 .. 16"),
        (lambda image, classes: (np.full(image.shape, np.nan), classes), "infinite or NaN"),
    ],
)
def test_what_is_no_scene(tmp_path, change, message):
    write_npz(tmp_path, *change(*small_scene()))
    with pytest.raises(DataError, match=message):
        load_indian_pines(tmp_path)


def test_damaged_npy(tmp_path):
    write_npy(tmp_path, *small_scene())
    (tmp_path / "Indian_pines_gt.npy").write_bytes(b"\x93NUMPY\x01\x00")
    with pytest.raises(DataError, match=r"Indian_pines_gt.npy is not an .npy file"):
        load_indian_pines(tmp_path)


# --- MATLAB 5 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize(("dtype", "stored"), [("u2", None), ("u1", None), ("i4", None), ("f8", None), ("f8", "u1")])
def test_arrays_of_all_kinds(compressed, dtype, stored):
    array = np.arange(24).reshape(2, 3, 4).astype(dtype)
    content = matlab_file(
        matlab_array("other", np.zeros((1, 1), np.uint8)), matlab_array("scene", array, stored, compressed)
    )
    read = read_variable(content, "x.mat", "scene")
    assert read.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("compressed", [True, False])
def test_files_of_scipy(compressed):
    scipy_io = pytest.importorskip("scipy.io")
    image, classes = small_scene()
    file = io.BytesIO()
    content = {"a": {"x": 1}, "b": "text", "indian_pines_gt": classes, "n": np.ones((3, 1)), "scene": image}
    scipy_io.savemat(file, content, do_compression=compressed)
    np.testing.assert_array_equal(read_variable(file.getvalue(), "x.mat", "scene"), image)
    np.testing.assert_array_equal(read_variable(file.getvalue(), "x.mat", "indian_pines_gt"), classes)
    with pytest.raises(DataError, match="has no array of numbers 'a': it holds a, b, indian_pines_gt, n, scene"):
        read_variable(file.getvalue(), "x.mat", "a")


def test_version_7_3_is_named():
    with pytest.raises(DataError, match="MATLAB 7.3 file: save it with"):
        read_variable(b"MATLAB 7.3 MAT-file".ljust(512), "x.mat", "scene")


def test_complex_numbers_are_skipped():
    content = matlab_file(matlab_array("scene", np.zeros((2, 2)), flags=0x0800))
    with pytest.raises(DataError, match="has no array of numbers 'scene': it holds scene"):
        read_variable(content, "x.mat", "scene")


def test_every_cut_and_many_flipped_bytes_are_errors_or_the_same_array():
    array = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    for compressed in (True, False):
        content = matlab_file(matlab_array("scene", array, compressed=compressed))
        for length in range(0, len(content), 3):
            with pytest.raises(DataError):
                read_variable(content[:length], "x.mat", "scene")
        rng = np.random.default_rng(0)
        for _ in range(300):
            damaged = bytearray(content)
            damaged[rng.integers(124, len(content))] ^= 1 << rng.integers(8)
            with suppress(DataError):
                read_variable(bytes(damaged), "x.mat", "scene")


def test_a_promise_of_many_numbers_takes_no_memory():
    body = element(6, struct.pack("<II", 6, 0)) + element(5, np.array([2**30, 2**30], "<i4").tobytes())
    content = matlab_file(element(14, body + element(1, b"scene") + element(9, b"")))
    with pytest.raises(DataError, match="numbers for the shape"):
        read_variable(content, "x.mat", "scene")
    bomb = zlib.compress(bytes(2**20))
    with pytest.raises(DataError):
        read_variable(matlab_file(struct.pack("<II", 15, len(bomb)) + bomb), "x.mat", "scene")


# --- the scene itself ------------------------------------------------------------------------------------------------


def test_indian_pines_itself():
    try:
        scene = load_indian_pines(find_data_dir())
    except MissingDataError:
        pytest.skip("Indian Pines is not in the data folder")
    assert scene.image.shape == (145, 145, 200)
    assert (scene.image.min(), scene.image.max()) == (955, 9604)
    counts = [10776, 46, 1428, 830, 237, 483, 730, 28, 478, 20, 972, 2455, 593, 205, 1265, 386, 93]
    assert np.bincount(scene.classes.ravel()).tolist() == counts
