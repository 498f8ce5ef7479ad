"""Splits: which of the training images are kept for validation.

A split is the same for every run: it does not depend on the run's seed, so that runs can be compared.

    coursework   the reports' split: 95 % drawn without replacement by NumPy's legacy generator with seed 0, in the
                 drawn order; what is left, ascending, is for validation. Classes are not balanced: on CIFAR-100
                 each has 16 to 36 of the 2,500 validation images.
    stratified   5 % of the images of every class, drawn from the stream "split". A class of two images or more has
                 at least one of them for validation, so that its accuracy is known; the usual split of your own images.

The labelled pixels of a scene are split in three, for training, validation and test:

    per_class    the usual way (Zhong et al. 2018): of a class with n pixels, int(0.8 n) are drawn that are not for
                 training. Those of all classes are shuffled: the first, a tenth of all pixels, are for validation, the
                 others for the test. Indian Pines: 2,055, 1,025, 7,169. Patches of neighbours overlap, so training has
                 seen parts of most test patches: numbers are optimistic.
    blocks       the scene is cut into squares of 12 x 12 pixels, and all pixels of a square go to one of the parts, in
                 the same proportions, in drawn order of the squares. Only patches at their borders overlap. Classes
                 that cover two or three squares may be missing from a part.
"""

import numpy as np

from mlp.checks import choose
from mlp.data.image_set import ImageSet
from mlp.errors import ConfigurationError, DataError
from mlp.rng import generator
from mlp.typing import Array

HELD_OUT = 0.8  # of each class of a scene, not for training
VALIDATION = 0.1  # of all labelled pixels of a scene
BLOCK = 12  # pixels


def split_indices(labels: Array, kind: str = "coursework", train_fraction: float = 0.95) -> tuple[Array, Array]:
    """Return the indices of the images for (training, validation): training in drawn order, validation ascending.

    Args:
        labels: (N,) class numbers.
        kind: one of `SPLITS`.
        train_fraction: which part is for training, between 0 and 1.

    Raises:
        ConfigurationError: unknown kind, or a fraction out of range. DataError: too few images to split.
    """
    choose("split", kind, SPLITS)
    if not 0.0 < train_fraction < 1.0:
        raise ConfigurationError(f"train_fraction must lie between 0 and 1, got {train_fraction}")
    train, valid = SPLITS[kind](labels, train_fraction)
    if len(train) == 0 or len(valid) == 0:
        raise DataError(
            f"{len(labels)} images are too few: the {kind} split at {train_fraction} gives {len(train)} for training "
            f"and {len(valid)} for validation, and each needs one"
        )
    return train, valid


def hold_out(images: ImageSet) -> tuple[ImageSet, ImageSet]:
    """Return (train, test): a tenth of each class, always the same images, is kept as the test set of data without one.

    A class of three images or more has at least one of them in the test set, and two are left for the split.

    Raises:
        DataError: no class has three images.
    """
    train, test = stratified_split(images.labels, train_fraction=0.9, left=2)
    if len(test) == 0:
        raise DataError(f"{len(images)} images are too few: no class has three, one of which could be for the test")
    return images.take(np.sort(train)), images.take(test)


def coursework_split(labels: Array, train_fraction: float) -> tuple[Array, Array]:
    """Return the indices of the images for (training, validation), whatever their classes."""
    n = len(labels)
    legacy = np.random.RandomState(0)  # noqa: NPY002 - the reports' numbers come from this very generator
    train = legacy.choice(n, round(train_fraction * n), replace=False)
    return train, np.setdiff1d(np.arange(n), train)


def stratified_split(labels: Array, train_fraction: float, left: int = 1) -> tuple[Array, Array]:
    """Take about the same part of each class for validation: at least one image, if `left` are left for training."""
    n = len(labels)
    _, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)  # numbers: classes 0 .. K - 1
    part = (n - round(train_fraction * n)) / max(n, 1)  # which part of the images
    taken = np.minimum(np.maximum(np.round(part * counts).astype(np.int64), 1), np.maximum(counts - left, 0))  # (K,)
    order = generator(0, "split").permutation(n)
    by_class = np.argsort(numbers[order], kind="stable")  # places in `order`, class by class, each class in drawn order
    starts = np.cumsum(counts) - counts  # (K,), where each class begins
    rank = np.arange(n) - np.repeat(starts, counts)  # (N,), 0, 1, 2, ... within each class
    chosen = np.zeros(n, dtype=bool)
    chosen[by_class[rank < np.repeat(taken, counts)]] = True
    return order[~chosen], np.sort(order[chosen])


def per_class_split(labels: Array, rows: Array, columns: Array) -> tuple[Array, Array, Array]:
    """Return the indices of the pixels for (training, validation, test), each in drawn order."""
    rng = generator(0, "split")
    orders = [rng.permutation(np.flatnonzero(labels == k)) for k in np.unique(labels)]
    held = [int(HELD_OUT * len(order)) for order in orders]
    train = np.concatenate([order[n:] for order, n in zip(orders, held, strict=True)])
    rest = rng.permutation(np.concatenate([order[:n] for order, n in zip(orders, held, strict=True)]))
    valid = round(VALIDATION * len(labels))
    return rng.permutation(train), rest[:valid], rest[valid:]


def block_split(labels: Array, rows: Array, columns: Array) -> tuple[Array, Array, Array]:
    """Return the indices of the pixels for (training, validation, test); each part is made of whole squares."""
    across = int(columns.max()) // BLOCK + 1
    blocks = rows // BLOCK * across + columns // BLOCK
    order = generator(0, "split", "blocks").permutation(np.unique(blocks))
    rank = np.empty(int(blocks.max()) + 1, np.int64)
    rank[order] = np.arange(len(order))
    by_block = np.argsort(rank[blocks], kind="stable")
    ends = np.cumsum(np.bincount(rank[blocks]))  # pixels up to each square
    train = int(ends[np.searchsorted(ends, (1 - HELD_OUT) * len(labels))])
    valid = int(ends[np.searchsorted(ends, (1 - HELD_OUT + VALIDATION) * len(labels))])
    return by_block[:train], by_block[train:valid], by_block[valid:]


SPLITS = {"coursework": coursework_split, "stratified": stratified_split}
SCENE_SPLITS = {"per_class": per_class_split, "blocks": block_split}
