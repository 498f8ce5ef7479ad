"""CIFAR-100: 60,000 photographs of 32 x 32 pixels, 100 classes in 20 groups.

The official python layout is a folder `cifar-100-python` with three pickled dictionaries:

    train, test    data            (N, 3072) uint8, one image a row: 1024 red, 1024 green, 1024 blue values, row by row
                   fine_labels     N class numbers, 0 .. 99
                   coarse_labels   N group numbers, 0 .. 19
    meta           fine_label_names, coarse_label_names

Reference: Krizhevsky, Learning multiple layers of features from tiny images, 2009.
"""

import numpy as np

from mlp.data.image_set import ImageSet
from mlp.data.safe_pickle import as_text, load_pickle
from mlp.data.sources import read_files
from mlp.errors import DataError

SIDE, CHANNELS = 32, 3
FOLDER = "cifar-100-python"
ARCHIVES = (f"{FOLDER}.tar.gz", f"{FOLDER}.tar.xz")
ADVICE = (
    f"Download {ARCHIVES[0]} from https://www.cs.toronto.edu/~kriz/cifar.html into that folder, or say where it is "
    "(--data-dir, or the environment variable MLP_DATA_DIR), or train on made-up images with --dataset synthetic."
)


def load_cifar100(data_dir):
    """Read CIFAR-100 from a folder that has it unpacked or as an archive (an archive takes some seconds longer).

    Returns:
        (train, test), two `ImageSet`s with fine labels as labels, and coarse labels beside them.

    Raises:
        DataError: the files are missing, damaged, or not what their names say.
    """
    files = read_files(data_dir, FOLDER, ("meta", "train", "test"), ARCHIVES, "CIFAR-100", ADVICE)
    meta_source = files["meta"][1]
    meta = load_pickle(*files.pop("meta"))
    class_names, coarse_names = (
        read_names(meta, key, meta_source) for key in ("fine_label_names", "coarse_label_names")
    )

    def image_set(name):
        content, source = files.pop(name)
        batch = load_pickle(content, source)
        images = read_images(batch, source)
        labels, coarse_labels = (read_labels(batch, key, source) for key in ("fine_labels", "coarse_labels"))
        try:
            return ImageSet(images, labels, class_names, coarse_labels, coarse_names)
        except DataError as error:
            raise DataError(f"{source}: {error}") from error

    return image_set("train"), image_set("test")


def read_images(batch, source):
    """Return the images of a batch dictionary, turned from planes of one colour to channels last."""
    data = entry(batch, "data", source)
    width = CHANNELS * SIDE * SIDE
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != width:
        given = f"{data.shape} of {data.dtype}" if isinstance(data, np.ndarray) else f"a {type(data).__name__}"
        raise DataError(f"{source}: 'data' must be an array (N, {width}) of uint8, got {given}")
    if len(data) == 0:
        raise DataError(f"{source}: 'data' holds no image")
    planes = data.reshape(-1, CHANNELS, SIDE, SIDE)  # (N, C, H, W)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))  # (N, H, W, C)


def read_labels(batch, key, source):
    """Return the labels under `key`, stored as a list or as an array, as (N,) int64."""
    labels = entry(batch, key, source)
    if isinstance(labels, list) and all(type(label) is int and abs(label) < 2**31 for label in labels):
        labels = np.array(labels, dtype=np.int64)
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(f"{source}: {key!r} must be a list of class numbers")
    return labels.astype(np.int64)


def read_names(meta, key, source):
    """Return the names under `key` as a tuple of texts."""
    names = entry(meta, key, source)
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        raise DataError(f"{source}: {key!r} must be a list of names")
    return tuple(as_text(name) for name in names)


def entry(dictionary, key, source):
    """Return dictionary[key]; DataError says which keys there are instead."""
    if key not in dictionary:
        raise DataError(f"{source}: no entry {key!r}, only {', '.join(sorted(dictionary))}: is this another data set?")
    return dictionary[key]
