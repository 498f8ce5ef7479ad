"""Hyperspectral scenes: one large picture with hundreds of bands, and the class of (some of) its pixels.

    indian-pines.npz                                        image (H, W, D), classes (H, W), 0 for unlabelled
    Indian_pines_corrected.mat, Indian_pines_gt.mat         as it is usually distributed (MATLAB 5)
    Indian_pines_corrected.npy, Indian_pines_gt.npy         as TensorLy has it

Indian Pines: fields and woods in Indiana in June 1992, 145 x 145 pixels of 20 m, from an aeroplane (AVIRIS). Of 220
bands between 0.4 and 2.5 micrometres, 20 in which water takes all the light are left out. 10,249 pixels belong to 16
classes, the largest with 2,455 pixels, the smallest with 20.

Reference: Baumgardner, Biehl, Landgrebe, 220 band AVIRIS hyperspectral image data set, 2015.
"""

import io
from dataclasses import dataclass

import numpy as np

from mlp.data.formats.matlab import read_variable
from mlp.data.formats.npz import read_arrays
from mlp.data.formats.sources import Form, advice_for, load_form, unreadable
from mlp.errors import DataError
from mlp.files.stored import read_array
from mlp.typing import Array, PathLike

INDIAN_PINES_CLASSES = (
    "Alfalfa",
    "Corn-notill",
    "Corn-mintill",
    "Corn",
    "Grass-pasture",
    "Grass-trees",
    "Grass-pasture-mowed",
    "Hay-windrowed",
    "Oats",
    "Soybean-notill",
    "Soybean-mintill",
    "Soybean-clean",
    "Wheat",
    "Woods",
    "Buildings-Grass-Trees-Drives",
    "Stone-Steel-Towers",
)
TITLE = "Indian Pines (indian-pines.npz, or Indian_pines_corrected and Indian_pines_gt as .mat or .npy)"
PAGE = "https://www.ehu.eus/ccwintco/index.php/Hyperspectral_Remote_Sensing_Scenes"


@dataclass(frozen=True, eq=False)
class Scene:
    """A scene as it was measured.

    Attributes:
        image: (H, W, D) numbers. classes: (H, W) uint8, 0 for unlabelled, else 1 .. K. class_names: K names.
    """

    image: Array
    classes: Array
    class_names: tuple[str, ...]


def load_indian_pines(data_dir: PathLike) -> Scene:
    """Read the scene Indian Pines from a folder that has it in one of its forms.

    Raises:
        MissingDataError: the files are missing. DataError: they are damaged, or hold something else.
    """
    image, classes, source = load_form(data_dir, FORMS, TITLE, advice_for("indian_pines", PAGE))
    return make_scene(image, classes, source, INDIAN_PINES_CLASSES)


def make_scene(image: Array, classes: Array, source: str, class_names: tuple[str, ...]) -> Scene:
    """Return a Scene; DataError unless image and classes fit together."""
    if image.ndim != 3 or image.dtype.kind not in "uif" or image.size == 0:
        raise DataError(f"{source}: a scene must be numbers (H, W, bands), got {image.shape} of {image.dtype}")
    if classes.shape != image.shape[:2] or classes.dtype.kind not in "uif":
        raise DataError(
            f"{source}: the classes must be whole numbers {image.shape[:2]}, got {classes.shape} of {classes.dtype}"
        )
    if not np.isfinite(image).all():
        raise DataError(f"{source}: the scene has values that are infinite or NaN")
    low, high = float(classes.min()), float(classes.max())
    if not (0 <= low <= high <= len(class_names)) or (classes != np.floor(classes)).any():
        raise DataError(f"{source}: classes must lie in 0 .. {len(class_names)}, got values in {low:g} .. {high:g}")
    return Scene(image, classes.astype(np.uint8), class_names)


def read_scene_npz(files: dict[str, tuple[bytes, str]]) -> tuple[Array, Array, str]:
    """Return (image, classes, source) from one .npz file."""
    ((content, source),) = files.values()
    arrays = read_arrays(io.BytesIO(content), source, ("image", "classes"))
    return arrays["image"], arrays["classes"], source


def read_scene_mat(files: dict[str, tuple[bytes, str]]) -> tuple[Array, Array, str]:
    """Return (image, classes, source) from two MATLAB files; their variables have the files' names in lower case."""
    image, classes = (read_variable(*file, name.removesuffix(".mat").lower()) for name, file in files.items())
    return image, classes, next(iter(files.values()))[1]


def read_scene_npy(files: dict[str, tuple[bytes, str]]) -> tuple[Array, Array, str]:
    """Return (image, classes, source) from two .npy files."""
    arrays = []
    for content, source in files.values():
        try:
            arrays.append(read_array(io.BytesIO(content), len(content), source))
        except Exception as error:  # a damaged file can raise anything
            raise unreadable(source, error, "is not an .npy file of plain numbers") from error
    image, classes = arrays
    return image, classes, next(iter(files.values()))[1]


FORMS = tuple(
    Form("indian_pines", names, read)
    for names, read in (
        (("indian-pines.npz",), read_scene_npz),
        (("Indian_pines_corrected.mat", "Indian_pines_gt.mat"), read_scene_mat),
        (("Indian_pines_corrected.npy", "Indian_pines_gt.npy"), read_scene_npy),
    )
)
