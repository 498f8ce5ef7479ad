"""A set of labelled images, as they were stored: bytes and class numbers, nothing normalized yet."""

from dataclasses import dataclass

import numpy as np

from mlp.errors import DataError


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
    class_names: tuple
    coarse_labels: np.ndarray | None = None
    coarse_names: tuple = ()

    def __post_init__(self):
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise DataError(
                f"images must be (N, H, W, C) of uint8, got {self.images.shape} of {self.images.dtype}: "
                "keep the bytes 0 .. 255, channels last; Batches normalizes them"
            )
        check_labels("labels", self.labels, len(self.images), self.class_names)
        if self.coarse_labels is not None:
            check_labels("coarse labels", self.coarse_labels, len(self.images), self.coarse_names)

    def __len__(self):
        return len(self.images)

    @property
    def num_classes(self):
        """The number of classes, whether or not each has an image."""
        return len(self.class_names)

    def take(self, indices):
        """Return the images at `indices`, in that order, as an `ImageSet` of its own."""
        coarse = None if self.coarse_labels is None else self.coarse_labels[indices]
        return ImageSet(self.images[indices], self.labels[indices], self.class_names, coarse, self.coarse_names)

    def __repr__(self):
        H, W, C = self.images.shape[1:]
        return f"ImageSet({len(self)} images of {H} x {W} x {C}, {self.num_classes} classes)"


def check_labels(what, labels, num_images, names):
    """Raise DataError unless `labels` are num_images int64 numbers of the given names."""
    if labels.shape != (num_images,):
        raise DataError(f"{num_images} images need as many {what}, got {what} of shape {labels.shape}")
    if labels.dtype != np.int64:
        raise DataError(f"{what} must be int64, got {labels.dtype}: call labels.astype(np.int64)")
    if num_images and not 0 <= labels.min() <= labels.max() < len(names):
        raise DataError(
            f"{what} must lie in 0 .. {len(names) - 1} (there are {len(names)} names), "
            f"got values in {labels.min()} .. {labels.max()}"
        )
