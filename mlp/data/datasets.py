"""Data sets by name, split and ready for `Batches`."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mlp.checks import at_least_one, choose, similar_choice
from mlp.data.download.fetch import SOURCES, download_dataset
from mlp.data.formats.cifar.archive import load_cifar10, load_cifar100
from mlp.data.formats.hyperspectral import load_indian_pines
from mlp.data.formats.image_folder import load_folder
from mlp.data.formats.mnist import load_mnist
from mlp.data.formats.npz import load_npz
from mlp.data.formats.sources import MissingDataError, find_data_dir
from mlp.data.image_set import ImageSet
from mlp.data.patches import labelled_patches
from mlp.data.pictures import FITS, fit_size, require_memory_for
from mlp.data.splits import SCENE_SPLITS, SPLITS, split_indices
from mlp.data.synthetic import synthetic
from mlp.errors import ConfigurationError
from mlp.progress import SOON, progress_bar
from mlp.typing import PathLike

# Each loader takes the data folder and returns (train, test).
DATASETS: dict[str, Callable[[Path], tuple[ImageSet, ImageSet]]] = {
    "cifar100": load_cifar100,
    "cifar10": load_cifar10,
    "mnist": load_mnist,
    "synthetic": lambda data_dir: synthetic(),
}
OWN_IMAGES = ("npz", "folder")  # "npz:FILE" and "folder:DIR"
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
    image_size: int | None = None,
    image_fit: str = "crop",
    download: bool = False,
) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Load a data set and split its training images.

    Args:
        name: one of `DATASETS` or `SCENES`, or your own images, "npz:FILE" or "folder:DIR".
        data_dir: the folder with the data; None looks where `find_data_dir` says.
        split: one of `mlp.data.SPLITS`, for a scene one of `mlp.data.SCENE_SPLITS`; None for the usual one,
            see `usual_split`.
        labels: one of `LABELS`: classes, or the groups of classes that CIFAR-100 and the synthetic images have.
        limit_classes: keep only the images of the first classes, after the split; None keeps all.
        limit_train, limit_valid: keep only the first images of the split; None keeps all.
        image_size: make every image so many pixels wide and high; None leaves them as they are. A folder of pictures
            of several sizes needs it.
        image_fit: how, one of `mlp.data.pictures.FITS`: cut out the middle, or squeeze the whole picture.
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
        if limit is not None:
            at_least_one(which, limit)
    check_split(name, split)
    size = check_size(name, image_size, image_fit)
    try:
        sets = load_sets(name, find_data_dir(data_dir), split, size)
    except MissingDataError:
        if not download or name not in SOURCES:
            raise
        download_dataset(name, data_dir)
        sets = load_sets(name, find_data_dir(data_dir), split, size)
    if labels == "coarse":
        sets = [image_set.coarse() for image_set in sets]
    if limit_classes is not None:
        sets = [image_set.first_classes(limit_classes) for image_set in sets]
    sets = [first_images(sets[0], limit_train), first_images(sets[1], limit_valid), sets[2]]
    train, valid, test = sets if size is None else in_size(sets, *size)
    return train, valid, test


def first_images(image_set: ImageSet, limit: int | None) -> ImageSet:
    """Return the first `limit` images of a set, all of them for None."""
    return image_set if limit is None else image_set.take(np.arange(min(limit, len(image_set))))


def check_dataset(name: str, what: str = "dataset") -> None:
    """Raise ConfigurationError unless `name` names a data set; `what` is the setting's name in the message."""
    prefix, colon, path = str(name).partition(":")
    if name not in (*DATASETS, *SCENES) and not (prefix in OWN_IMAGES and path):
        raise ConfigurationError(
            f"{what} must be one of {', '.join(DATASET_FORMS)}, got {name!r}{similar_dataset(str(name))}"
        )


def similar_dataset(name: str) -> str:
    """Return ": did you mean npz:own.npz?" for a file or a folder, and for other names the data set most like it."""
    path = Path(name).expanduser()
    if name and path.is_dir():
        return f": did you mean folder:{name}?"
    if path.suffix == ".npz":
        return f": did you mean npz:{name}?"
    return similar_choice(name, (*DATASETS, *SCENES))


def check_split(dataset: str, split: str | None) -> None:
    """Raise ConfigurationError unless the split is one for this data set; None is the usual one."""
    if split is not None:
        choose(f"split of {dataset}", split, SCENE_SPLITS if dataset in SCENES else SPLITS)


def usual_split(dataset: str) -> str:
    """Return the split that is taken where none is asked for.

    That is the first of `SPLITS`, which the reports had, or the first of `SCENE_SPLITS`. Your own images may be few,
    and not equally many of each class, so they are split class by class.
    """
    if ":" in dataset:
        return "stratified"
    return next(iter(SCENE_SPLITS if dataset in SCENES else SPLITS))


def check_size(dataset: str, image_size: int | None, image_fit: str) -> tuple[int, str] | None:
    """Return (image_size, image_fit), None if images keep their size; ConfigurationError if they cannot have that."""
    choose("image_fit", image_fit, FITS)
    if image_size is None:
        return None
    at_least_one("image_size", image_size)
    if dataset in SCENES:
        raise ConfigurationError(f"image_size is for pictures: the patches of {dataset} are pixels of one scene")
    return image_size, image_fit


def load_sets(name: str, data_dir: Path, split: str | None, size: tuple[int, str] | None) -> list[ImageSet]:
    """Return [train, valid, test] of a data set; `size` is what `check_size` returns, for pictures in files.

    The split is made by the fine labels of all classes; coarse labels and the first few classes share it.
    """
    split = split or usual_split(name)
    if name in SCENES:
        pixels = labelled_patches(SCENES[name](data_dir))
        parts = SCENE_SPLITS[split]
        return [pixels.take(which) for which in parts(pixels.labels, pixels.images.rows, pixels.images.columns)]
    prefix, _, path = name.partition(":")
    if prefix == "folder":
        images, test = load_folder(path, *(size or ()))  # picture by picture: they may be large, and of several sizes
    else:
        images, test = load_npz(path) if prefix == "npz" else DATASETS[name](data_dir)
    return [images.take(which) for which in split_indices(images.labels, split)] + [test]


def in_size(sets: Sequence[ImageSet], image_size: int, image_fit: str) -> list[ImageSet]:
    """Return sets of images, each image so many pixels wide and high; ConfigurationError if memory is too small."""
    H = W = image_size
    if all(part.images.shape[1:3] == (H, W) for part in sets):
        return list(sets)
    count = sum(map(len, sets))
    require_memory_for(count, (H, W, sets[0].images.shape[-1]))
    resized = []
    with progress_bar(total=count, desc="resizing", unit="image", delay=SOON, leave=False) as bar:
        for part in sets:
            images = np.empty((len(part), H, W, part.images.shape[-1]), np.uint8)
            for i, pixels in enumerate(part.images):
                images[i] = fit_size(pixels, H, W, image_fit)[1]
                bar.update()
            resized.append(dataclasses.replace(part, images=images))
    return resized
