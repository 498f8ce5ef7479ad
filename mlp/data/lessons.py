"""Images for the notebooks: real ones if they are there, else made-up ones; a line says which."""

from pathlib import Path

import numpy as np

from mlp.data.formats.cifar.archive import load_cifar100
from mlp.data.formats.sources import MissingDataError, find_data_dir
from mlp.data.image_set import ImageSet
from mlp.data.splits import split_indices
from mlp.data.synthetic import synthetic
from mlp.errors import ConfigurationError
from mlp.typing import PathLike


def lesson_images(
    num_train: int, num_valid: int, num_classes: int = 10, data_dir: PathLike | None = None
) -> tuple[ImageSet, ImageSet]:
    """Return (train, valid) of the first classes of CIFAR-100, or of the synthetic set, and print which it is.

    Both come from CIFAR-100's training images, in random but fixed order; its test images are left alone.

    Args:
        num_train, num_valid: how many images.
        num_classes: classes 0 .. num_classes - 1 are kept.
        data_dir: where CIFAR-100 may be. By default it is the folder in the environment variable MLP_DATA_DIR; without
            that, the folder "data" beside the notebook, or in one of the folders above.

    Raises:
        ConfigurationError: these classes do not have that many images. DataError: CIFAR-100 is there but damaged.
    """
    images = find_cifar100(data_dir)
    if images is None:
        print("Images: the built-in synthetic set (CIFAR-100 was not found; data/README.md says how to get it).")
        return synthetic(num_train, num_valid, num_classes=num_classes)
    print("Images: CIFAR-100.")
    order = np.concatenate(split_indices(images.labels))
    order = order[images.labels[order] < num_classes]
    if num_train + num_valid > len(order):
        raise ConfigurationError(
            f"{num_classes} classes have {len(order)} training images, got num_train={num_train} and "
            f"num_valid={num_valid}: take fewer images or more classes"
        )
    names = images.class_names[:num_classes]
    train, valid = (
        ImageSet(images.images[which], images.labels[which], names)
        for which in (order[:num_train], order[len(order) - num_valid :])
    )
    return train, valid


def find_cifar100(data_dir: PathLike | None) -> ImageSet | None:
    """Return CIFAR-100's training images, or None where no folder has them."""
    for folder in data_folders(data_dir):
        try:
            return load_cifar100(folder)[0]
        except MissingDataError:
            continue
    return None


def data_folders(data_dir: PathLike | None) -> list[Path]:
    """Return the folders in which to look for data."""
    folder = find_data_dir(data_dir)
    if folder != Path("data"):
        return [folder]
    here = Path.cwd()
    return [parent / "data" for parent in (here, *here.parents)]
