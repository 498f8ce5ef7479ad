"""MNIST: 70,000 handwritten digits of 28 x 28 pixels in shades of grey.

    train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz,     the official files, each packed or not;
    t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz        some tools write t10k-images.idx3-ubyte
    mnist.npz                                                   x_train, y_train, x_test, y_test, as Keras has it
    mnist-train.npz, mnist-valid.npz, mnist-test.npz            inputs (N, 784) in 0 .. 1, and targets: from a course

An idx file is an array of bytes after a small header:

    0, 0, type of the elements (8: bytes), number of axes, the length of each axis (4 bytes, the highest first)

Reference: LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, 1998.
"""

import gzip
import io
import math

import numpy as np

from mlp.data.formats.npz import as_images, as_labels, read_arrays
from mlp.data.formats.sources import Form, advice_for, load_form, unreadable
from mlp.data.image_set import ImageSet, image_set, join
from mlp.errors import DataError
from mlp.typing import Array, PathLike

SIDE = 28
DIGITS = tuple("0123456789")
UNSIGNED_BYTE = 8
LARGEST = 2**26  # bytes of an array; the training images have 47 million
IDX_FILES = tuple(f"{part}-{what}-ubyte" for part in ("train", "t10k") for what in ("images-idx3", "labels-idx1"))
COURSE_FILES = ("mnist-train.npz", "mnist-valid.npz", "mnist-test.npz")
TITLE = f"MNIST (the four idx files, packed or not; mnist.npz; or {', '.join(COURSE_FILES)})"
PAGE = "https://ossci-datasets.s3.amazonaws.com/mnist/"


def load_mnist(data_dir: PathLike) -> tuple[ImageSet, ImageSet]:
    """Read MNIST from a folder that has it in one of its forms.

    Returns:
        (train, test), two `ImageSet`s with images (N, 28, 28, 1).

    Raises:
        DataError: the files are missing, damaged, or not what their names say.
    """
    return load_form(data_dir, FORMS, TITLE, advice_for("mnist", PAGE))


def read_idx_files(files: dict[str, tuple[bytes, str]]) -> tuple[ImageSet, ...]:
    """Return (train, test) from the four idx files."""
    arrays = [read_idx(*file) for file in files.values()]
    sources = [source for _, source in files.values()]
    return tuple(digits(arrays[i][..., None], arrays[i + 1], sources[i], sources[i + 1]) for i in (0, 2))


def read_keras(files: dict[str, tuple[bytes, str]]) -> tuple[ImageSet, ...]:
    """Return (train, test) from mnist.npz."""
    ((content, source),) = files.values()
    arrays = read_arrays(io.BytesIO(content), source, ("x_train", "y_train", "x_test", "y_test"))
    return tuple(
        digits(as_images(arrays, f"x_{part}", source), as_labels(arrays, f"y_{part}", source), source)
        for part in ("train", "test")
    )


def read_course(files: dict[str, tuple[bytes, str]]) -> tuple[ImageSet, ImageSet]:
    """Return (train, test) from the course's three files; its training and validation images are put together again."""
    parts = []
    for content, source in files.values():
        arrays = read_arrays(io.BytesIO(content), source, ("inputs", "targets"))
        images = pixels(arrays["inputs"], source).reshape(-1, SIDE, SIDE, 1)
        parts.append(digits(images, as_labels(arrays, "targets", source), source))
    train, valid, test = parts
    return join([train, valid]), test


def digits(images: Array, labels: Array, source: str, label_source: str | None = None) -> ImageSet:
    """Return images (N, 28, 28, 1) and their labels as an `ImageSet`."""
    if images.ndim != 4 or images.shape[1:] != (SIDE, SIDE, 1) or len(images) == 0:
        raise DataError(
            f"{source}: expected images of {SIDE} x {SIDE} x 1, got an array {images.shape}: is this another data set?"
        )
    return image_set(label_source or source, images, labels.astype(np.int64), DIGITS)


def read_idx(content: bytes, source: str) -> Array:
    """Return the array of bytes in an idx file; it may be packed by gzip."""
    try:
        with gzip.open(io.BytesIO(content)) if content[:2] == b"\x1f\x8b" else io.BytesIO(content) as stream:
            start = stream.read(4)
            zeros, kind, num_axes = start[:2], start[2], start[3]
            if zeros != bytes(2) or kind != UNSIGNED_BYTE or num_axes not in (1, 2, 3):
                raise ValueError("no idx file of bytes")
            shape = np.frombuffer(stream.read(4 * num_axes), ">u4", num_axes).tolist()
            size = math.prod(shape)
            if size > LARGEST:
                raise ValueError(f"the header tells of {size:,} bytes, more than any file of this set has")
            values = stream.read(size + 1)
        if len(values) != size:
            there = f"{len(values):,}" if len(values) < size else f"more than {size:,}"
            raise ValueError(f"{there} bytes where the header tells of {size:,}")
        return np.frombuffer(values, np.uint8).reshape(shape)
    except Exception as error:  # a damaged gzip file has errors of several kinds
        raise unreadable(source, error, advice=": get it again") from error


def pixels(inputs: Array, source: str) -> Array:
    """Return the bytes that were divided by 255 or by 256 to give `inputs` (N, 784) in 0 .. 1."""
    if inputs.dtype.kind != "f" or inputs.ndim != 2 or inputs.shape[1] != SIDE * SIDE or len(inputs) == 0:
        raise DataError(
            f"{source}: 'inputs' must be numbers (N, {SIDE * SIDE}) in 0 .. 1, got {inputs.shape} of {inputs.dtype}"
        )
    if not (inputs.min() >= 0 and inputs.max() <= 1):  # NaN is neither
        raise DataError(f"{source}: 'inputs' must lie in 0 .. 1, got {inputs.min():g} .. {inputs.max():g}")
    for levels in (256.0, 255.0):
        values = inputs.astype(np.float32) * levels
        whole = np.rint(values)
        # Half precision keeps a byte / 255 to within 0.07 of a level.
        if whole.max() <= 255 and np.abs(values - whole).max() < 0.1:
            return whole.astype(np.uint8)
    raise DataError(f"{source}: 'inputs' are not bytes divided by 255 or 256: give the images as they were scanned")


def spellings(name: str) -> tuple[str, ...]:
    """Return the names that an idx file may have."""
    dotted = name.replace("-idx", ".idx")
    return (f"{name}.gz", name, f"{dotted}.gz", dotted)


FORMS = (
    *(Form(folder, IDX_FILES, read_idx_files, spellings=spellings) for folder in ("mnist", "MNIST/raw")),
    Form("mnist", ("mnist.npz",), read_keras),
    Form("mnist", COURSE_FILES, read_course),
)
