"""A campaign over malformed data: whatever a file holds, it is loaded or refused with DataError; nothing is written."""

import gzip
import io
import pickle
import struct
import tarfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from mlp.data import load_cifar10, load_cifar100, load_folder, load_mnist, load_npz
from mlp.data.formats.mnist import COURSE_FILES, IDX_FILES
from mlp.data.formats.sources import Form, load_form
from mlp.errors import DataError

campaign = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
)


def snapshot(root):
    """Everything below a folder: path -> content, None for folders."""
    return {path: path.read_bytes() if path.is_file() else None for path in root.rglob("*")}


def load_or_refuse(root, load, *arguments):
    """Call load; it may raise DataError alone, and nothing below `root` may change."""
    before = snapshot(root)
    try:
        load(*arguments)
    except DataError as error:
        assert "\n" not in str(error).split("(")[0]
    assert snapshot(root) == before


@st.composite
def damaged(draw, original):
    """The bytes of a file after damage: cut, bytes changed, a piece replaced, or all of it something else."""
    content = bytearray(original)
    kind = draw(st.sampled_from(["cut", "flip", "flip the start", "replace", "random", "append"]))
    place = draw(st.integers(0, len(content) - 1))
    if kind == "cut":
        return bytes(content[:place])
    if kind.startswith("flip"):
        reach = min(200, len(content)) if kind == "flip the start" else len(content)
        for _ in range(draw(st.integers(1, 4))):
            content[draw(st.integers(0, reach - 1))] ^= draw(st.integers(1, 255))
    elif kind == "replace":
        content[place : place + draw(st.integers(0, 50))] = draw(st.binary(max_size=50))
    elif kind == "append":
        content += draw(st.binary(min_size=1, max_size=50))
    else:
        return draw(st.binary(max_size=200))
    return bytes(content)


def idx(shape):
    array = np.zeros(shape, np.uint8)
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *shape) + array.tobytes()


def write_mnist(root, suffix):
    for name, shape in zip(IDX_FILES, [(4, 28, 28), (4,)] * 2, strict=True):
        content = idx(shape)
        (root / (name + suffix)).write_bytes(gzip.compress(content) if suffix else content)


def write_course(root):
    for name in COURSE_FILES:
        np.savez_compressed(root / name, inputs=np.zeros((3, 784), np.float16), targets=np.zeros(3, np.int8))


def write_keras(root):
    images, labels = np.zeros((4, 28, 28), np.uint8), np.zeros(4, np.uint8)
    np.savez(root / "mnist.npz", x_train=images, y_train=labels, x_test=images, y_test=labels)


def write_own(root):
    images = np.arange(20 * 4 * 4 * 3, dtype=np.uint8).reshape(20, 4, 4, 3)
    labels = np.arange(20) % 2
    np.savez(root / "own.npz", images=images, labels=labels, class_names=["a", "b"])


def write_pictures(root):
    image = pytest.importorskip("PIL.Image")
    for number in range(6):
        path = root / "pictures" / "ab"[number % 2] / f"{number}.{'png' if number < 3 else 'jpg'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(np.full((8, 8, 3), 40 * number, np.uint8)).save(path)


# The file to damage -> how to write the data set, and how to load it.
FILES = {
    "cifar-100-python/train": ("tiny_cifar.write_folder", load_cifar100),
    "cifar-100-python/meta": ("tiny_cifar.write_folder", load_cifar100),
    "cifar-100-python.tar.gz": ("tiny_cifar.write_archive", load_cifar100),
    "cifar-100-python.tar.xz": ("tiny_cifar.write_archive xz", load_cifar100),
    "cifar-100-binary/train.bin": ("tiny_cifar.write_binary", load_cifar100),
    "cifar-100-binary/fine_label_names.txt": ("tiny_cifar.write_binary", load_cifar100),
    "cifar-10-batches-py/data_batch_2": ("tiny_cifar10.write_folder", load_cifar10),
    "cifar-10-batches-bin/test_batch.bin": ("tiny_cifar10.write_binary", load_cifar10),
    "train-images-idx3-ubyte": (lambda root: write_mnist(root, ""), load_mnist),
    "t10k-labels-idx1-ubyte.gz": (lambda root: write_mnist(root, ".gz"), load_mnist),
    "mnist.npz": (write_keras, load_mnist),
    "mnist-train.npz": (write_course, load_mnist),
    "own.npz": (write_own, lambda root: load_npz(root / "own.npz")),
    "pictures/a/2.png": (write_pictures, lambda root: load_folder(root / "pictures")),
    "pictures/b/3.jpg": (write_pictures, lambda root: load_folder(root / "pictures")),
}


@pytest.mark.parametrize("name", FILES)
def test_damaged_files(tmp_path, request, name):
    write, load = FILES[name]
    if callable(write):
        write(tmp_path)
    else:
        method, *arguments = write.split()
        fixture, method = method.split(".")
        getattr(request.getfixturevalue(fixture), method)(*arguments)
    path = tmp_path / name
    original = path.read_bytes()
    load(tmp_path)  # undamaged, it loads

    @campaign
    @given(damaged(original))
    def check(content):
        path.write_bytes(content)
        load_or_refuse(tmp_path, load, tmp_path)

    check()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(max_size=3), children, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("name", ["train", "meta"])
def test_pickles_of_other_things(tiny_cifar, name):
    folder = tiny_cifar.write_folder()
    keys = st.sampled_from(["data", "fine_labels", "coarse_labels", "fine_label_names", "coarse_label_names"])
    stored = getattr(tiny_cifar, name)

    @campaign
    @given(values | st.dictionaries(keys, values, min_size=1), st.sampled_from([0, 2, 5]))
    def check(value, protocol):
        if isinstance(value, dict):
            value = {**stored, **{key.encode(): element for key, element in value.items()}}
        (folder / name).write_bytes(pickle.dumps(value, protocol=protocol))
        load_or_refuse(tiny_cifar.root, load_cifar100, tiny_cifar.root)

    check()


@pytest.mark.parametrize("key", ["images", "labels", "test_images", "test_labels", "class_names"])
def test_npz_of_other_arrays(tmp_path, key):
    images, labels = np.zeros((20, 4, 4, 3), np.uint8), np.zeros(20, int)
    good = {"images": images, "labels": labels, "test_images": images, "test_labels": labels, "class_names": ["a"]}
    dtypes = arrays_of.scalar_dtypes() | st.sampled_from(["U3", "S3", [("a", "u1"), ("b", "f8")]]).map(np.dtype)
    shapes = st.just(()) | st.just((20,)) | st.just((20, 4, 4, 3)) | arrays_of.array_shapes(max_dims=5, max_side=4)
    others = arrays_of.arrays(dtypes, shapes) | st.just(np.array([{"a": 1}, None], dtype=object))

    @campaign
    @given(others)
    def check(array):
        np.savez(tmp_path / "own.npz", **{**good, key: array})
        load_or_refuse(tmp_path, load_npz, tmp_path / "own.npz")

    check()


KINDS = [
    tarfile.REGTYPE,
    tarfile.SYMTYPE,
    tarfile.LNKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
    tarfile.CHRTYPE,
    tarfile.CONTTYPE,
]


@pytest.mark.parametrize("compression", ["gz", "xz"])
def test_archives_whose_paths_climb_out(tmp_path, compression):
    """Members of any kind and name; what is read are the regular ones with the very names asked for."""
    data_dir = tmp_path / "outside" / "data"
    data_dir.mkdir(parents=True)
    path = data_dir / f"set.tar.{compression}"
    pieces = st.sampled_from(["..", ".", "set", "a", "b", "", "/", "~", "C:", "..\\..", str(tmp_path)])
    names = st.lists(pieces, min_size=1, max_size=4).map("/".join) | st.sampled_from(["set/a", "set/b"])
    members = st.lists(st.tuples(names, st.sampled_from(KINDS), names, st.binary(max_size=5)), max_size=6)
    form = Form("set", ("a", "b"), lambda files: files, (path.name,))

    @campaign
    @given(members)
    def check(members):
        regular = {}
        with tarfile.open(path, f"w:{compression}") as archive:
            for name, kind, target, content in members:
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, target
                info.size = len(content) if kind in (tarfile.REGTYPE, tarfile.CONTTYPE) else 0
                archive.addfile(info, io.BytesIO(content[: info.size]))
                if info.isreg():
                    regular.setdefault(name, []).append(content)
        before = snapshot(tmp_path)
        try:
            files = load_form(data_dir, (form,), "The set", "Get it.")
        except DataError:
            assert "set/a" not in regular or "set/b" not in regular
        else:
            for name, (content, _) in files.items():
                assert content in regular[f"set/{name}"]
        assert snapshot(tmp_path) == before

    check()
