"""Patches of a scene: what a network sees of a pixel, cut out when it is asked for.

    image        (H, W, D), each band standardized over all pixels: mean 0, variance 1
    padded       the same with a border of S // 2 zeros, (H + S - 1, W + S - 1, D)
    patch r, c   padded[r : r + S, c : c + S], which has pixel (r, c) in its middle

All 10,249 patches of Indian Pines at once would take 800 MB in float64, since each pixel stands in 49 of them; the
padded scene takes 36 MB, and a batch of 16 patches 1.3 MB. So `Patches` looks like an array (N, S, S, D) but is none:
patches are cut out when they are asked for by index.
"""

from dataclasses import dataclass

import numpy as np

from mlp.checks import at_least_one
from mlp.data.formats.hyperspectral import Scene
from mlp.data.image_set import ImageSet
from mlp.errors import ConfigurationError, DataError
from mlp.typing import Array, DType, Shape

SIDE = 7


class Patches:
    """N patches of S x S pixels, indexed like an array (N, S, S, D).

    Args:
        padded: the standardized scene with its border. rows, columns: (N,), the pixels in the middle. side: S, odd.
    """

    ndim = 4

    def __init__(self, padded: Array, rows: Array, columns: Array, side: int = SIDE) -> None:
        self.padded, self.rows, self.columns, self.side = padded, rows, columns, side

    @property
    def shape(self) -> Shape:
        """(N, S, S, D)."""
        return len(self.rows), self.side, self.side, self.padded.shape[-1]

    @property
    def dtype(self) -> np.dtype:
        """That of the scene."""
        return self.padded.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, chosen: Array) -> Array:
        """Return the patches at an array of indices, (n, S, S, D)."""
        view = np.lib.stride_tricks.sliding_window_view(self.padded, (self.side, self.side), (0, 1))  # (H, W, D, S, S)
        return view[self.rows[chosen], self.columns[chosen]].transpose(0, 2, 3, 1)

    def at(self, chosen: Array) -> "Patches":
        """Return the patches at an array of indices as `Patches`, without cutting them out."""
        return Patches(self.padded, self.rows[chosen], self.columns[chosen], self.side)


@dataclass(frozen=True, eq=False, repr=False)
class PatchSet(ImageSet):
    """Patches and the classes of the pixels in their middle; the scene is standardized, so `inputs` only converts."""

    images: Patches  # type: ignore[assignment]

    def check_images(self) -> None:
        if not isinstance(self.images, Patches):
            raise DataError(f"a PatchSet needs Patches, got {type(self.images).__name__}")

    def take(self, indices: Array) -> "PatchSet":
        return PatchSet(self.images.at(indices), self.labels[indices], self.class_names)

    def inputs(self, pixels: Array, normalization: str, dtype: DType) -> Array:
        return pixels.astype(dtype)


def standardized(image: Array) -> Array:
    """Return a scene (H, W, D) with mean 0 and variance 1 in each band, over all pixels; a constant band becomes 0."""
    values = image.astype(np.float64)
    values -= values.mean(axis=(0, 1))
    std = values.std(axis=(0, 1))
    return values / np.where(std > 0, std, 1.0)


def labelled_patches(scene: Scene, side: int = SIDE) -> PatchSet:
    """Return the patches of all pixels of a scene that have a class, row by row; class 1 becomes label 0."""
    rows, columns = np.nonzero(scene.classes)
    return patches_at(scene, rows, columns, side)


def all_patches(scene: Scene) -> PatchSet:
    """Return the patches of all pixels, row by row; those without a class have label 0 as well."""
    rows, columns = (index.ravel() for index in np.indices(scene.classes.shape))
    return patches_at(scene, rows, columns, SIDE)


def patches_at(scene: Scene, rows: Array, columns: Array, side: int) -> PatchSet:
    """Return the patches of the pixels at rows and columns (N,)."""
    labels = np.maximum(scene.classes[rows, columns].astype(np.int64) - 1, 0)
    return PatchSet(Patches(padded_scene(scene, side), rows, columns, side), labels, scene.class_names)


def padded_scene(scene: Scene, side: int) -> Array:
    """Return the standardized scene with a border of side // 2 zeros."""
    if at_least_one("side", side) % 2 == 0:
        raise ConfigurationError(f"the side of a patch must be odd, 1, 3, 5, ..., got {side}")
    margin = side // 2
    return np.pad(standardized(scene.image), ((margin, margin), (margin, margin), (0, 0)))
