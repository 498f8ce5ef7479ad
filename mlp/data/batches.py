"""Batches: the images of an epoch, a handful at a time, ready for the model.

Nothing is remembered from one epoch to the next: order, crops and flips of epoch e are functions of (seed, e), so
`epoch(e)` gives the same batches whenever it is called, in a resumed run and in a thread that runs ahead too.

Losses and accuracies of an epoch are means, and `mean_over` says over what. It matters where the last batch is shorter
than the others:

    "batches"    every batch counts the same, as in the reports, so that the images of a short last one count more;
                 the default, also for your own `BatchSource` without the attribute
    "images"     every image counts the same

Runs on CIFAR-100 (`mlp train`) take means over batches in metrics.csv and test.json, to be compared with the reports;
runs on other images take means over images. `mlp evaluate` always has means over images.
"""

from collections.abc import Iterator
from typing import NoReturn

import numpy as np

from mlp.checks import at_least, at_least_one, choose, float_type
from mlp.data.augmentation import crop_and_flip, draw_augmentation
from mlp.data.image_set import ImageSet
from mlp.data.normalization import NORMALIZATIONS
from mlp.errors import ConfigurationError, DataError
from mlp.rng import generator
from mlp.typing import Array, BatchSource, DType

MEANS = ("batches", "images")


class Batches:
    """The batches of an `ImageSet`; `len()` is their number, and a last short one counts.

    Args:
        image_set: where the images come from.
        batch_size: images in a batch.
        normalization: one of `mlp.data.NORMALIZATIONS`.
        augment: whether to crop and flip at random (for training images alone).
        shuffle: whether each epoch has an order of its own; otherwise the set's order.
        seed: of the run.
        dtype: of the images that come out, the model's.
        mean_over: one of `MEANS`, what losses and accuracies of an epoch are means over.

    Raises:
        ConfigurationError: no `ImageSet`, a batch size below 1, an unknown normalization, mean or dtype, or patches of
            a scene to be augmented.
        DataError: the set is empty.
    """

    def __init__(
        self,
        image_set: ImageSet,
        batch_size: int,
        normalization: str = "reports",
        *,
        augment: bool = False,
        shuffle: bool = False,
        seed: int = 0,
        dtype: DType = np.float32,
        mean_over: str = "batches",
    ) -> None:
        if not isinstance(image_set, ImageSet):
            raise ConfigurationError(
                f"batches are made of an ImageSet, got {type(image_set).__name__}: write mlp.data.ImageSet(images, "
                "labels, class_names), with bytes (N, H, W, C) and class numbers (N,)"
            )
        at_least_one("batch_size", batch_size)
        at_least("seed", seed, 0)
        dtype = float_type(dtype)
        if len(image_set) == 0:
            raise DataError("batches need at least one image, got an empty set")
        if augment and image_set.images.dtype != np.uint8:
            raise ConfigurationError(
                "augmentation crops and mirrors images, and these are patches of a scene: leave augment out"
            )
        self.image_set, self.batch_size = image_set, batch_size
        self.augment, self.shuffle, self.seed, self.dtype = augment, shuffle, seed, dtype
        self.normalization = choose("normalization", normalization, NORMALIZATIONS)
        self.mean_over = choose("mean_over", mean_over, MEANS)

    @property
    def num_images(self) -> int:
        """The number of images in an epoch."""
        return len(self.image_set)

    def __len__(self) -> int:
        return -(-self.num_images // self.batch_size)  # rounded up

    def __iter__(self) -> NoReturn:
        raise ConfigurationError("batches are those of an epoch: write for x, targets in batches.epoch(0)")

    def order(self, epoch: int) -> Array:
        """Return the numbers of the images in the order of an epoch, (N,)."""
        numbers = np.arange(self.num_images)
        return generator(self.seed, "shuffle", epoch).permutation(len(numbers)) if self.shuffle else numbers

    def epoch(self, epoch: int) -> Iterator[tuple[Array, Array]]:
        """Yield (x, targets) for each batch of an epoch: x (n, H, W, C) in `dtype`, targets (n,) int64."""
        N = self.num_images
        order = self.order(at_least("epoch", epoch, 0))
        if self.augment:
            offsets, flips = draw_augmentation(N, self.seed, epoch)
        for start in range(0, N, self.batch_size):
            chosen = order[start : start + self.batch_size]
            images = self.image_set.images[chosen]
            if self.augment:
                images = crop_and_flip(images, offsets[chosen], flips[chosen])
            yield self.image_set.inputs(images, self.normalization, self.dtype), self.image_set.labels[chosen]

    def __repr__(self) -> str:
        return (
            f"Batches({self.image_set!r}, batch_size={self.batch_size}, normalization={self.normalization!r}, "
            f"augment={self.augment}, shuffle={self.shuffle}, seed={self.seed}, dtype={self.dtype}, "
            f"mean_over={self.mean_over!r})"
        )


def mean_over(batches: BatchSource) -> str:
    """Return what losses and accuracies of an epoch of batches are means over, one of `MEANS`."""
    return str(getattr(batches, "mean_over", MEANS[0]))


def pairs(batches: BatchSource, epoch: int) -> Iterator[tuple[Array, Array]]:
    """Yield the batches of an epoch; a ConfigurationError unless each is a pair, (inputs, targets)."""
    for batch in batches.epoch(epoch):
        if not isinstance(batch, tuple | list) or len(batch) != 2:
            got = f"a {type(batch).__name__}{f' of {len(batch)}' if isinstance(batch, tuple | list) else ''}"
            raise ConfigurationError(f"a batch must be a pair, (inputs, targets), got {got}")
        yield batch[0], batch[1]
