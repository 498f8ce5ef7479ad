"""CIFAR-10 and CIFAR-100: 60,000 photographs of 32 x 32 pixels each; 10 classes, or 100 classes in 20 groups.

Both come in two forms with the same images in the same order. The python version (`python.py`) holds pickled
dictionaries, the binary version (`binary.py`) holds records of bytes. Whichever is there is read. One image is 1024
red, 1024 green, 1024 blue values, each colour row by row.

Reference: Krizhevsky, Learning multiple layers of features from tiny images, 2009.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from mlp.data.formats.cifar import binary, python
from mlp.data.formats.sources import Form, advice_for, load_form
from mlp.data.image_set import ImageSet, image_set, join
from mlp.typing import Array, PathLike

SIDE, CHANNELS = 32, 3
PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html"
SUFFIXES = (".tar.gz", ".tar.xz", ".tgz", ".tar")
CIFAR10_BATCHES = tuple(f"data_batch_{number}" for number in range(1, 6))


def load_cifar10(data_dir: PathLike) -> tuple[ImageSet, ImageSet]:
    """Read CIFAR-10 from a folder that has it unpacked or as an archive (an archive takes some seconds longer).

    Returns:
        (train, test), two `ImageSet`s.

    Raises:
        DataError: the files are missing, damaged, or not what their names say.
    """
    return load_form(data_dir, CIFAR10, "CIFAR-10", advice_for("cifar10", PAGE))


def load_cifar100(data_dir: PathLike) -> tuple[ImageSet, ImageSet]:
    """Read CIFAR-100 like `load_cifar10`: fine labels are the labels, coarse labels stand beside them."""
    return load_form(data_dir, CIFAR100, "CIFAR-100", advice_for("cifar100", PAGE))


def read_sets(
    files: dict[str, tuple[bytes, str]],
    names: Sequence[tuple[str, Callable[[bytes, str], tuple[str, ...]]]],
    read_batch: Callable[[bytes, str], Sequence[Array]],
    train: Sequence[str],
    test: Sequence[str],
) -> tuple[ImageSet, ImageSet]:
    """Read both sets of one form.

    Args:
        files: name -> (bytes, source).
        names: pairs (file, function of (bytes, source) that returns a tuple of names): those of the classes, then those
            of the groups, if there are any.
        read_batch: function of (bytes, source) that returns rows (N, 3072), labels (N,) and perhaps coarse labels.
        train, test: the names of the files whose images make up each set, in order.
    """
    class_names, *more = (read(*files[file]) for file, read in names)
    coarse_names = more[0] if more else ()

    def part(file: str) -> ImageSet:
        content, source = files.pop(file)
        rows, labels, *others = read_batch(content, source)
        coarse_labels = others[0] if others else None
        return image_set(source, channels_last(rows), labels, class_names, coarse_labels, coarse_names)

    return join([part(file) for file in train]), join([part(file) for file in test])


def channels_last(rows: Array) -> Array:
    """Return rows (N, 3072) of colour planes as images (N, H, W, C)."""
    planes = rows.reshape(-1, CHANNELS, SIDE, SIDE)  # (N, C, H, W)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1))  # (N, H, W, C)


def form(folder: str, archive: str, **how: Any) -> Form:
    """Return a `Form` of CIFAR; its archives are `archive` with one of `SUFFIXES`, and `how` goes to `read_sets`."""
    files = dict.fromkeys((*(file for file, _ in how["names"]), *how["train"], *how["test"]))
    return Form(folder, tuple(files), partial(read_sets, **how), tuple(archive + suffix for suffix in SUFFIXES))


CIFAR10 = (
    form(
        "cifar-10-batches-py",
        "cifar-10-python",
        names=[("batches.meta", partial(python.read_names, key="label_names"))],
        read_batch=partial(python.read_batch, label_keys=("labels",)),
        train=CIFAR10_BATCHES,
        test=("test_batch",),
    ),
    form(
        "cifar-10-batches-bin",
        "cifar-10-binary",
        names=[("batches.meta.txt", binary.read_names)],
        read_batch=partial(binary.read_batch, label_bytes=(0,)),
        train=tuple(f"{name}.bin" for name in CIFAR10_BATCHES),
        test=("test_batch.bin",),
    ),
)
CIFAR100 = (
    form(
        "cifar-100-python",
        "cifar-100-python",
        names=[("meta", partial(python.read_names, key=f"{kind}_label_names")) for kind in ("fine", "coarse")],
        read_batch=partial(python.read_batch, label_keys=("fine_labels", "coarse_labels")),
        train=("train",),
        test=("test",),
    ),
    form(
        "cifar-100-binary",
        "cifar-100-binary",
        names=[(f"{kind}_label_names.txt", binary.read_names) for kind in ("fine", "coarse")],
        read_batch=partial(binary.read_batch, label_bytes=(1, 0)),
        train=("train.bin",),
        test=("test.bin",),
    ),
)
