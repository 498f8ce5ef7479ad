"""Pictures, read with Pillow as a viewer shows them, and made to fit.

A network takes images of one size. There are two ways to give a picture that size:

    crop       its middle is cut out in the wanted proportions (a square, mostly), and that is made larger or smaller:
               things keep their proportions, and both ends of a long picture are lost
    squeeze    the whole picture is made larger or smaller: nothing is lost, and things become wider or narrower
"""

import math
import warnings
from typing import Any

import numpy as np

from mlp.data.formats.sources import unreadable
from mlp.errors import ConfigurationError, DataError
from mlp.machine.processor import available_memory
from mlp.typing import Array, PathLike, Shape

FORMATS = ("PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM")  # Pillow starts programs for some of the others
FITS = ("crop", "squeeze")
GREY_MODES = ("1", "L", "LA")
COLOUR_MODES = ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr")
TRANSPARENT_MODES = ("RGBA", "LA", "PA")


def read_pixels(file: PathLike) -> Array:
    """Return one picture (H, W, C) uint8, as a viewer shows it: C is 1 in shades of grey, else 3.

    Raises:
        DataError: the file cannot be read, or holds several pictures, one of other numbers than bytes, or a huge one.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those about damaged notes beside the pixels
            # Pillow warns of pictures with more than 89 million pixels before it takes the memory for them.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as image:
                require_one_of_bytes(image, file)
                shown = as_shown(image)
                pixels = np.asarray(shown.convert("L" if image.mode in GREY_MODES else "RGB"))
    except DataError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        most = Image.MAX_IMAGE_PIXELS
        raise DataError(f"{file} is not read: it has more than {most:,} pixels: make it smaller first") from None
    except UnidentifiedImageError:
        raise DataError(f"{file} cannot be read as an image: it is damaged, or none of {', '.join(FORMATS)}") from None
    except Exception as error:  # what a damaged image raises can be of any kind
        raise unreadable(file, error, "cannot be read as an image") from error
    return pixels.reshape(*pixels.shape[:2], -1)


def require_one_of_bytes(image: Any, file: PathLike) -> None:
    """Raise DataError unless an open file holds one picture, whose pixels are bytes."""
    count, wrong = getattr(image, "n_frames", 1), f"{file} cannot be read as an image:"
    if count > 1 and image.format != "MPO":  # a JPEG with a small copy of itself, as telephones write it
        raise DataError(f"{wrong} it holds {count} pictures: save each as a file")
    if image.mode not in GREY_MODES + COLOUR_MODES:
        raise DataError(f"{wrong} its pixels are of kind {image.mode}, not bytes: save it as 8 bits")


def as_shown(image: Any) -> Any:
    """Return a picture of Pillow's as a viewer shows it: turned as its camera says, transparent pixels on white.

    Files hold colours for transparent pixels too, but nobody sees them.
    """
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode not in TRANSPARENT_MODES and "transparency" not in image.info:
        return image
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA"))


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


def require_memory_for(count: int, shape: Shape) -> None:
    """Raise ConfigurationError if there is not enough memory for so many images of `shape` (H, W, C), as bytes."""
    needed, available = count * math.prod(shape), available_memory()
    if available is not None and needed > available:
        size = f"{count:,} images of {shape[1]} x {shape[0]} pixels need {needed / 1e9:,.2f} GB of memory"
        raise ConfigurationError(
            f"{size}, and {available / 1e9:,.2f} GB are free: ",
            "choose a smaller image_size, or fewer images",
            "choose a smaller --image-size, or fewer images",
        )


def resize(pixels: Array, H: int, W: int) -> Array:
    """Return pixels (h, w, C) as (H, W, C)."""
    from PIL import Image

    grey = pixels.shape[-1] == 1
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if grey else pixels))
    return np.asarray(image.resize((W, H), Image.Resampling.BICUBIC)).reshape(H, W, -1)
