"""Your own images in a NumPy archive: `--dataset npz:FILE`.

    images          (N, H, W, C) or, in shades of grey, (N, H, W), uint8
    labels          (N,) class numbers 0 .. K - 1
    test_images, test_labels    the same for the test set; where they are missing, a tenth of the images is held out
    class_names     (K,) strings; where they are missing, the numbers

    np.savez("own.npz", images=images, labels=labels, class_names=["cat", "dog"])

An .npz file is a zip archive with a member `key.npy` for each array. Only arrays of plain numbers and strings are read:
an array of objects would be a pickle, and a pickle can run anything.
"""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np

from mlp.data.formats.sources import largest_unpacked, seen_from, unreadable
from mlp.data.image_set import ImageSet, image_set
from mlp.data.splits import hold_out
from mlp.errors import DataError, excerpt
from mlp.files.stored import read_member
from mlp.typing import Array, PathLike


def load_npz(path: PathLike) -> tuple[ImageSet, ImageSet]:
    """Read your own images.

    Args:
        path: of the .npz file.

    Returns:
        (train, test), two `ImageSet`s.

    Raises:
        DataError: the file is missing or damaged, or an array is not as this module's page says.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise DataError(
            f"there is no file {path}{seen_from(path)}: npz:FILE needs a .npz file with 'images' and 'labels'"
        )
    arrays = read_arrays(path, path, ("images", "labels"), ("test_images", "test_labels", "class_names"))
    if ("test_images" in arrays) != ("test_labels" in arrays):
        raise DataError(f"{path}: 'test_images' and 'test_labels' must be there both, or neither")
    prefixes = ("", "test_") if "test_images" in arrays else ("",)
    pairs = [(as_images(arrays, f"{p}images", path), as_labels(arrays, f"{p}labels", path)) for p in prefixes]
    if len({images.shape[1:] for images, _ in pairs}) > 1:
        raise DataError(f"{path}: 'images' {pairs[0][0].shape} and 'test_images' {pairs[1][0].shape} differ in size")
    class_names = as_names(arrays, [labels for _, labels in pairs], path)
    train, *test = (image_set(path, *pair, class_names) for pair in pairs)
    return (train, test[0]) if test else hold_out(train)


def read_arrays(file: Any, source: object, required: Sequence[str], optional: Sequence[str] = ()) -> dict[str, Array]:
    """Return the arrays of an .npz file as a dictionary, without ever loading a pickle.

    Args:
        file: a path, or an open binary file.
        source: the file's name, for messages.
        required, optional: which arrays to read; others are left alone.

    Raises:
        DataError: the file is damaged, or lacks a required array, or holds objects.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            there = [name.removesuffix(".npy") for name in archive.namelist()]
            missing = [key for key in required if key not in there]
            if missing:
                holds = excerpt(", ".join(there)) or "nothing"
                raise DataError(f"{source} lacks {', '.join(missing)}: it holds {holds}")
            twice = [key for key in (*required, *optional) if there.count(key) > 1]
            if twice:
                raise DataError(f"{source} holds two arrays called {twice[0]}: save it again")
            return {key: read_plain(archive, key) for key in (*required, *optional) if key in there}
    except DataError:
        raise
    except Exception as error:  # a damaged archive can raise anything
        raise unreadable(source, error, "is truncated or damaged, or no .npz file of plain arrays") from error


def read_plain(archive: ZipFile, key: str) -> Array:
    """Return one array of an open zip archive; a ValueError if it takes more memory than such a file should."""
    entry = archive.getinfo(f"{key}.npy")
    if entry.file_size > largest_unpacked(entry.compress_size):
        raise ValueError(f"{key} grows from {entry.compress_size:,} bytes to {entry.file_size:,}, as no images do")
    return read_member(archive, entry)


def as_images(arrays: Mapping[str, Array], key: str, source: object) -> Array:
    """Return an array of images as (N, H, W, C) uint8."""
    images = arrays[key]
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or images.size == 0:
        raise DataError(
            f"{source}: {key!r} must be (N, H, W, C) or (N, H, W) of uint8, the bytes 0 .. 255, "
            f"got {images.shape} of {images.dtype}"
        )
    if images.ndim == 3:
        return np.ascontiguousarray(images[..., None])
    if images.shape[1] <= 4 < images.shape[3]:
        raise DataError(
            f"{source}: {key!r} of shape {images.shape} seem to have their channels first: "
            "save images.transpose(0, 2, 3, 1), which is (N, H, W, C)"
        )
    return np.ascontiguousarray(images)


def as_labels(arrays: Mapping[str, Array], key: str, source: object) -> Array:
    """Return an array of class numbers as (N,) int64."""
    labels = arrays[key]
    if labels.dtype.kind not in "iu" or labels.ndim != 1:
        raise DataError(f"{source}: {key!r} must be whole numbers of shape (N,), got {labels.shape} of {labels.dtype}")
    return labels.astype(np.int64)


def as_names(arrays: Mapping[str, Array], all_labels: Sequence[Array], source: object) -> tuple[str, ...]:
    """Return the names of the classes as a tuple of strings; without 'class_names', numbers up to the highest label."""
    if "class_names" in arrays:
        names = arrays["class_names"]
        if names.ndim != 1 or names.dtype.kind not in "US":
            raise DataError(f"{source}: 'class_names' must be strings (K,), got {names.shape} of {names.dtype}")
        return tuple(name.decode("latin1") if isinstance(name, bytes) else name for name in names.tolist())
    together = np.concatenate(all_labels)
    lowest, highest = int(together.min(initial=0)), int(together.max(initial=0))
    if wrong := [label for label in (lowest, highest) if not 0 <= label < len(together)]:
        raise DataError(
            f"{source}: label {wrong[0]} among {len(together)} images: number the classes 0 .. K - 1"
            f"""{", or save 'class_names'" if wrong[0] > 0 else ""}"""
        )
    return tuple(map(str, range(highest + 1)))
