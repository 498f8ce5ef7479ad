"""PNG files of our own, read by Pillow; pictures in pages are small."""

import base64
import io

import numpy as np
import pytest

from mlp.pages.png import LARGEST, png, thumbnail

Image = pytest.importorskip("PIL.Image")


def read(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("channels", [1, 3])
def test_pillow_reads_the_same_pixels(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, channels)).astype(np.uint8)
    found = read(png(pixels))
    np.testing.assert_array_equal(found.reshape(5, 7, channels), pixels)


def test_a_large_picture_becomes_small() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (300, 200, 3)).astype(np.uint8)
    head, _, content = thumbnail(pixels).partition(",")
    assert head == "data:image/png;base64"
    found = read(base64.b64decode(content))
    assert max(found.shape) <= LARGEST
    np.testing.assert_array_equal(found, pixels[::5, ::5])
    np.testing.assert_array_equal(
        read(base64.b64decode(thumbnail(pixels[:32, :32]).partition(",")[2])), pixels[:32, :32]
    )
