"""Pictures through Pillow, an extra of this package: read upright, and made to fit.

A network takes images of one size. There are two ways to give a picture that size:

    crop       its middle is cut out in the wanted proportions (a square, mostly), and that is made larger or smaller:
               things keep their proportions, and what is near the longer edges is lost
    squeeze    the whole picture is made larger or smaller: nothing is lost, and things become wider or narrower
"""

from types import ModuleType
from typing import Any

import numpy as np

from mlp.errors import ConfigurationError
from mlp.typing import Array

FITS = ("crop", "squeeze")
GREY_MODES = ("1", "L")
COLOUR_MODES = ("RGB", "RGBA", "P", "LA", "PA", "CMYK", "YCbCr")


def import_pillow(needed: str) -> tuple[ModuleType, ModuleType]:
    """Return Pillow's modules Image and ImageOps; a ConfigurationError that begins with `needed` if it is missing."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise ConfigurationError(f"{needed}, which is not installed: python -m pip install pillow") from error
    return Image, ImageOps


def upright(image: Any, operations: ModuleType) -> Any:
    """Return a picture of Pillow's turned as its camera says; a ValueError if its pixels are not bytes."""
    if image.mode not in GREY_MODES + COLOUR_MODES:
        raise ValueError(f"pixels of kind {image.mode}, not bytes")
    return operations.exif_transpose(image)


def fit_size(pixels: Array, H: int, W: int, how: str = "crop") -> tuple[str, Array]:
    """Return pixels (h, w, C) as (H, W, C), and a note that says what was done, "" for nothing.

    Args:
        how: one of `FITS`.
    """
    h, w, _ = pixels.shape
    if (h, w) == (H, W):
        return "", pixels
    cut_h, cut_w = h, w
    if how == "crop":
        cut_h, cut_w = min(h, round(w * H / W)), min(w, round(h * W / H))  # the largest part with the shape H : W
    top, left = (h - cut_h) // 2, (w - cut_w) // 2
    pixels = resize(pixels[top : top + max(cut_h, 1), left : left + max(cut_w, 1)], H, W)
    cut = f"cut to the middle {cut_w} x {cut_h}, " if (cut_h, cut_w) != (h, w) else ""
    return f"{w} wide x {h} high: {cut}resized to {W} x {H}", pixels


def resize(pixels: Array, H: int, W: int) -> Array:
    """Return pixels (h, w, C) as (H, W, C)."""
    image_module, _ = import_pillow("images of another size need Pillow")
    grey = pixels.shape[-1] == 1
    image = image_module.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels))
    return np.asarray(image.resize((W, H), image_module.Resampling.BICUBIC)).reshape(H, W, -1)
