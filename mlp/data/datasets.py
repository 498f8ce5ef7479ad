"""Data sets by name, split and ready for `Batches`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mlp.checks import choose
from mlp.data.download.fetch import SOURCES, download_dataset
from mlp.data.formats.cifar.archive import load_cifar10, load_cifar100
from mlp.data.formats.hyperspectral import load_indian_pines
from mlp.data.formats.image_folder import load_folder
from mlp.data.formats.mnist import load_mnist
from mlp.data.formats.npz import load_npz
from mlp.data.formats.sources import MissingDataError, find_data_dir
from mlp.data.image_set import ImageSet
from mlp.data.patches import labelled_patches
from mlp.data.splits import SCENE_SPLITS, SPLITS, split_indices
from mlp.data.synthetic import synthetic
from mlp.errors import ConfigurationError
from mlp.typing import PathLike

# Each loader takes the data folder and returns (train, test).
DATASETS: dict[str, Callable[[Path], tuple[ImageSet, ImageSet]]] = {
    "cifar100": load_cifar100,
    "cifar10": load_cifar10,
    "mnist": load_mnist,
    "synthetic": lambda data_dir: synthetic(),
}
# Your own images, "npz:FILE" and "folder:DIR": each loader takes what comes after the colon.
OWN_IMAGES: dict[str, Callable[[str], tuple[ImageSet, ImageSet]]] = {"npz": load_npz, "folder": load_folder}
# Each loader takes the data folder and returns a Scene, whose pixels are split in three.
SCENES = {"indian_pines": load_indian_pines}
DATASET_FORMS = (*DATASETS, *SCENES, "npz:FILE", "folder:DIR")
LABELS = ("fine", "coarse")


def load_dataset(
    name: str,
    data_dir: PathLike | None = None,
    split: str | None = None,
    *,
    labels: str = "fine",
    limit_classes: int | None = None,
    limit_train: int | None = None,
    limit_valid: int | None = None,
    download: bool = False,
) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Load a data set and split its training images.

    Args:
        name: one of `DATASETS` or `SCENES`, or your own images, "npz:FILE" or "folder:DIR".
        data_dir: the folder with the data; None looks where `find_data_dir` says.
        split: one of `mlp.data.SPLITS`, for a scene one of `mlp.data.SCENE_SPLITS`; None for the first of them.
        labels: one of `LABELS`: classes, or the groups of classes that CIFAR-100 and the synthetic images have.
        limit_classes: keep only the images of the first classes, after the split; None keeps all.
        limit_train, limit_valid: keep only the first images of the split; None keeps all.
        download: get a data set that is missing from its official addresses.

    Returns:
        (train, valid, test), three `ImageSet`s.

    Raises:
        ConfigurationError: an unknown name, split or kind of labels, or a limit out of range.
        DataError: the files are not usable, or cannot be downloaded.
    """
    check_dataset(name)
    choose("labels", labels, LABELS)
    for which, limit in (("limit_train", limit_train), ("limit_valid", limit_valid)):
        if limit is not None and limit < 1:
            raise ConfigurationError(f"{which} must be at least 1, got {limit}")
    check_split(name, split)
    try:
        sets = load_sets(name, find_data_dir(data_dir), split)
    except MissingDataError:
        if not download or name not in SOURCES:
            raise
        download_dataset(name, data_dir)
        sets = load_sets(name, find_data_dir(data_dir), split)
    if labels == "coarse":
        sets = [image_set.coarse() for image_set in sets]
    if limit_classes is not None:
        sets = [image_set.first_classes(limit_classes) for image_set in sets]
    train, valid, test = sets
    return first_images(train, limit_train), first_images(valid, limit_valid), test


def first_images(image_set: ImageSet, limit: int | None) -> ImageSet:
    """Return the first `limit` images of a set, all of them for None."""
    return image_set if limit is None else image_set.take(np.arange(min(limit, len(image_set))))


def check_dataset(name: str, what: str = "dataset") -> None:
    """Raise ConfigurationError unless `name` names a data set; `what` is the setting's name in the message."""
    prefix, colon, path = name.partition(":")
    if name not in (*DATASETS, *SCENES) and not (prefix in OWN_IMAGES and path):
        raise ConfigurationError(f"{what} must be one of {', '.join(DATASET_FORMS)}, got {name!r}")


def check_split(dataset: str, split: str | None) -> None:
    """Raise ConfigurationError unless the split is one for this data set; None is the first of those that are."""
    if split is not None:
        choose(f"split of {dataset}", split, SCENE_SPLITS if dataset in SCENES else SPLITS)


def load_sets(name: str, data_dir: Path, split: str | None) -> list[ImageSet]:
    """Return [train, valid, test] of a data set.

    Fine and coarse labels share one split, made of the fine ones; and so do all classes and the first few.
    """
    if name in SCENES:
        pixels = labelled_patches(SCENES[name](data_dir))
        parts = SCENE_SPLITS[split or next(iter(SCENE_SPLITS))]
        return [pixels.take(which) for which in parts(pixels.labels, pixels.images.rows, pixels.images.columns)]
    images, test = load_all(name, data_dir)
    return [images.take(which) for which in split_indices(images.labels, split or next(iter(SPLITS)))] + [test]


def load_all(name: str, data_dir: Path) -> tuple[ImageSet, ImageSet]:
    """Return (train, test) of a data set, before the split."""
    if name in DATASETS:
        return DATASETS[name](data_dir)
    prefix, _, path = name.partition(":")
    return OWN_IMAGES[prefix](path)
