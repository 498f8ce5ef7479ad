"""A set of labelled images, as they were stored: bytes and class numbers, nothing normalized yet."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from mlp.checks import at_least, counted_from_one, one_number_each, shown, wrong
from mlp.data.normalization import normalize
from mlp.errors import ConfigurationError, DataError
from mlp.typing import Array, DType

COLOURS = (1, 3)  # channels of usual images: shades of grey; red, green and blue


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """Images and their classes.

    Args:
        images: (N, H, W, C) uint8, channels last.
        labels: (N,) int64, class numbers in 0 .. K - 1.
        class_names: a tuple of K names.
        coarse_labels: (N,) int64, the numbers of groups of classes; None where there are none.
        coarse_names: a tuple with the names of the groups.

    Raises:
        DataError: a shape, a dtype or a label does not fit.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    coarse_labels: np.ndarray | None = None
    coarse_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("images", "labels"):
            if not hasattr(getattr(self, name), "shape"):
                raise DataError(f"{name} must be an array, got {shown(getattr(self, name))}: write np.asarray({name})")
        self.check_images()
        check_labels("labels", self.labels, len(self.images), self.class_names)
        if self.coarse_labels is not None:
            check_labels("coarse labels", self.coarse_labels, len(self.images), self.coarse_names)

    def check_images(self) -> None:
        """Raise DataError unless the images are what this class holds."""
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise DataError(
                f"images must be (N, H, W, C) of uint8, got {self.images.shape} of {self.images.dtype}: "
                "keep the bytes 0 .. 255, channels last; Batches normalizes them"
            )
        H, W, C = self.images.shape[1:]
        if H in COLOURS and C not in COLOURS and W == C:
            raise DataError(
                f"images must be (N, H, W, C), channels last, got {self.images.shape}: for (N, C, H, W), as PyTorch "
                "has them, write np.moveaxis(images, 1, -1) first"
            )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: object) -> NoReturn:
        raise DataError(
            f"an ImageSet is not indexed: write image_set.take(np.arange(10)) for a smaller set, or image_set.images "
            f"and image_set.labels for the arrays; got [{shown(number)}]"
        )

    @property
    def num_classes(self) -> int:
        """The number of classes, whether or not each has an image."""
        return len(self.class_names)

    def take(self, indices: Array) -> "ImageSet":
        """Return the images at `indices`, in that order, as an `ImageSet` of its own."""
        coarse = None if self.coarse_labels is None else self.coarse_labels[indices]
        return ImageSet(self.images[indices], self.labels[indices], self.class_names, coarse, self.coarse_names)

    def inputs(self, pixels: Array, normalization: str, dtype: DType) -> Array:
        """Turn some of the images, (n, H, W, C) as they are stored, into the numbers that a model takes."""
        return normalize(pixels, normalization, dtype)

    def coarse(self) -> "ImageSet":
        """Return the same images with their groups as classes.

        Raises:
            ConfigurationError: there are no groups.
        """
        if self.coarse_labels is None:
            raise ConfigurationError(
                "these images have no coarse labels (CIFAR-100 has): ", "use labels='fine'", "use --labels fine"
            )
        return ImageSet(self.images, self.coarse_labels, self.coarse_names)

    def first_classes(self, count: int) -> "ImageSet":
        """Return the images of the classes 0 .. count - 1, in their order.

        Raises:
            ConfigurationError: fewer than 2 classes are asked for, or more than there are. DataError: none is left.
        """
        if at_least("limit_classes", count, 2, "--limit-classes") > self.num_classes:
            rest = f"must lie in 2 .. {self.num_classes}, the number of classes there are, got {count}"
            raise wrong("limit_classes", rest, "--limit-classes")
        kept = self.take(np.flatnonzero(self.labels < count))
        if len(kept) == 0:
            raise DataError(f"none of {len(self)} images is of the first {count} classes: use more of them")
        return dataclasses.replace(kept, class_names=self.class_names[:count])

    def __repr__(self) -> str:
        H, W, C = self.images.shape[1:]
        return f"ImageSet({len(self)} images of {H} x {W} x {C}, {self.num_classes} classes)"


def check_labels(what: str, labels: Array, num_images: int, names: Sequence[str]) -> None:
    """Raise DataError unless `labels` are num_images int64 numbers of the given names."""
    if labels.shape != (num_images,):
        hint = one_number_each("labels", labels.shape)
        raise DataError(f"{num_images} images need as many {what}, got {what} of shape {labels.shape}{hint}")
    if isinstance(names, str) or not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise DataError(f"names of classes are a tuple of strings, such as ('cat', 'dog'), got {shown(names)}")
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise DataError(f"two {what.replace('labels', 'classes')} have the same name, {twice!r}")
    if labels.dtype != np.int64:
        raise DataError(f"{what} must be int64, got {labels.dtype}: call labels.astype(np.int64)")
    if num_images and not 0 <= labels.min() <= labels.max() < len(names):
        raise DataError(
            f"{what} must lie in 0 .. {len(names) - 1} (there are {len(names)} names), "
            f"got values in {labels.min()} .. {labels.max()}"
            f"{counted_from_one('labels', labels.min())}"
        )


def image_set(source: object, *arguments: Any) -> ImageSet:
    """Return ImageSet(*arguments); if something does not fit, the DataError names the file `source`."""
    try:
        return ImageSet(*arguments)
    except DataError as error:
        raise DataError(f"{source}: {error}") from error


def join(parts: Sequence[ImageSet]) -> ImageSet:
    """Return the images of several sets with the same classes as one set."""
    first = parts[0]
    if len(parts) == 1:
        return first
    coarse = None if first.coarse_labels is None else np.concatenate([part.coarse_labels for part in parts])
    images, labels = (np.concatenate([getattr(part, name) for part in parts]) for name in ("images", "labels"))
    return ImageSet(images, labels, first.class_names, coarse, first.coarse_names)
