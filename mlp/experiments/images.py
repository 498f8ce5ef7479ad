"""Images for a model: from arrays, from picture files (read by Pillow) and from .npy files; and what it says.

A model takes images of one size. A picture of another size is made to fit as in training, see `mlp.data.pictures`. An
.npy file holds bytes: (H, W), (H, W, C) or (N, H, W, C).
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlp.checks import shown
from mlp.data import ImageSet
from mlp.data.formats.sources import unreadable
from mlp.data.pictures import fit_size, read_pixels
from mlp.errors import ConfigurationError, DataError
from mlp.files import named_path
from mlp.files.stored import read_array
from mlp.pages.markdown import aligned
from mlp.typing import Array, PathLike, Shape

Picture = tuple[str, str, Array]  # its name, what was done to make it fit, and its pixels (H, W, C)
Images = Array | ImageSet | PathLike | Sequence[PathLike]


@dataclass
class Prediction:
    """What a model sees in one image.

    Attributes:
        path: where the image came from. note: what was done to make it fit, "" for nothing.
        pixels: (H, W, C) uint8, as the model sees it.
        classes: the names of the most likely classes, most likely first. probabilities: of these, in 0 .. 1.
    """

    path: str
    note: str
    pixels: Array
    classes: list[str]
    probabilities: Array

    def __repr__(self) -> str:
        likely = ", ".join(f"{name} {p:.1%}" for name, p in zip(self.classes, self.probabilities, strict=True))
        return f"Prediction({self.path}: {likely})"


class Predictions(list[Prediction]):
    """A list with a Prediction for each image, printed as a table."""

    def __repr__(self) -> str:
        rows = [("image", "class", "probability")]
        for prediction in self:
            names = [prediction.path, *[""] * (len(prediction.classes) - 1)]
            rows += zip(names, prediction.classes, [f"{p:.1%}" for p in prediction.probabilities], strict=True)
        return aligned(rows, "<<>")


def pictures_of(images: Images, image_shape: Shape, how: str) -> list[Picture]:
    """Return (name, what was done to make it fit, pixels (H, W, C)) for each image of a set, an array, or files.

    Args:
        image_shape: the model's (H, W, C). how: to fit another size, one of `mlp.data.pictures.FITS`.

    Raises:
        DataError, ConfigurationError: there is no image, or it does not fit; see `read_picture`.
    """
    if isinstance(images, ImageSet):
        images = images.images
    if not isinstance(images, np.ndarray | str | os.PathLike) and hasattr(images, "__array__"):  # Pillow's, say
        images = np.asarray(images)
    if isinstance(images, list | tuple) and images and all(isinstance(image, np.ndarray) for image in images):
        images = same_size(images)
    if isinstance(images, np.ndarray):
        arrays = images[None] if images.ndim == 3 else np.atleast_1d(images)
        if not len(arrays):
            raise DataError(f"there is no image in an array of shape {images.shape}")
        return [(f"image {i}", "", pixels) for i, pixels in enumerate(arrays)]
    files = [images] if isinstance(images, str | os.PathLike) else images
    if not isinstance(files, list | tuple) or not files:
        raise ConfigurationError(f"images are arrays of bytes (N, H, W, C), or the names of files; got {shown(images)}")
    return [picture for file in files for picture in read_picture(named_path(file), image_shape, how)]


def same_size(images: Sequence[Array]) -> Array:
    """Return several images as one array, (N, H, W, C); DataError if their shapes differ."""
    shapes = sorted({image.shape for image in images})
    if len(shapes) > 1:
        raise DataError(f"images in a list must have one shape, got {shapes[0]} and {shapes[1]}")
    return np.stack(images)


def read_picture(file: PathLike, image_shape: Shape, how: str = "crop") -> list[Picture]:
    """Read a file as images for a model.

    Args:
        file: a path. image_shape: the model's (H, W, C); with C = 1 colours become shades of grey.
        how: to fit another size, one of `mlp.data.pictures.FITS`.

    Returns:
        A list of (name, note, pixels): pixels (H, W, C) uint8; the note says what was done to make them fit.

    Raises:
        DataError: the file is missing, or holds no image.
    """
    path = Path(file)
    if path.is_dir():
        raise DataError(f"{path} is a folder: name the pictures in it, {path}/*.png")
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    if path.suffix.lower() == ".npy":
        arrays = read_npy(path, image_shape[2])
        names = [str(path)] if len(arrays) == 1 else [f"{path}[{i}]" for i in range(len(arrays))]
    else:
        arrays, names = [read_pixels(path)], [str(path)]
    return [(name, *fit(pixels, image_shape, how)) for name, pixels in zip(names, arrays, strict=True)]


def read_npy(path: Path, channels: int) -> list[Array]:
    """Return the images of an .npy file as a list of arrays (h, w, c), c being 1, 3 or the model's `channels`."""
    try:
        with open(path, "rb") as file:
            array = read_array(file, path.stat().st_size, path.name)
    except Exception as error:  # a damaged file can raise anything
        raise unreadable(path, error, "is not an .npy file of plain numbers") from error
    images = array[..., None] if array.ndim == 2 else array
    images = images[None] if images.ndim == 3 else images
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3, channels) or images.size == 0:
        raise DataError(
            f"{path} must hold bytes (uint8, 0 .. 255) of shape (H, W), (H, W, 3) or (N, H, W, 3), "
            f"got {array.shape} of {array.dtype}"
        )
    return list(images)


def fit(pixels: Array, image_shape: Shape, how: str = "crop") -> tuple[str, Array]:
    """Return (note, pixels) for one image, made to fit (H, W, C); DataError for another number of channels."""
    H, W, C = image_shape
    c = pixels.shape[-1]
    if c not in (1, C) and C != 1:
        raise DataError(f"an image has {c} channels, the model takes {C}: give it as an .npy file with {C} channels")
    note, pixels = fit_size(pixels, H, W, how)
    if pixels.shape[-1] == 3 and C == 1:
        pixels = np.round(pixels @ np.array([0.299, 0.587, 0.114]))[..., None].astype(np.uint8)  # brightness, ITU-R 601
    return note, np.broadcast_to(pixels, (H, W, C))
