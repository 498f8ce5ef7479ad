"""Augmentation: in every epoch each training image is shifted at random, and half of the images are mirrored.

    crop    zeros are put around the image, `padding` pixels wide, and a window of the image's size is cut out at
            a random place: offset (padding, padding) is the image itself, (0, 0) moves it down and right
    flip    left and right are exchanged, with probability 1/2

The zeros are black pixels: they are put there before normalization.

What happens to an image is drawn for the whole epoch and indexed by the image's number, so it does not depend on
the batch that the image falls into.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mlp.rng import generator
from mlp.typing import Array

PADDING = 4


def draw_augmentation(n: int, seed: int, epoch: int, padding: int = PADDING) -> tuple[Array, Array]:
    """Draw where n images are cropped and whether they are flipped, for one epoch.

    Returns:
        offsets (n, 2), rows and columns in 0 .. 2 padding; flips (n,) bool.
    """
    rng = generator(seed, "augment", epoch)
    offsets = rng.integers(0, 2 * padding + 1, size=(n, 2))
    return offsets, rng.random(n) < 0.5


def crop_and_flip(images: Array, offsets: Array, flips: Array, padding: int = PADDING) -> Array:
    """Return images (N, H, W, C) cropped at `offsets` (N, 2) and mirrored where `flips` (N,), as a new array."""
    N, H, W, C = images.shape
    padded = np.zeros((N, H + 2 * padding, W + 2 * padding, C), images.dtype)
    padded[:, padding : padding + H, padding : padding + W] = images
    # All windows of each image, as a view that costs nothing. A row of pixels is taken as one row of W C bytes,
    # so that whole rows are copied; a step of one pixel is then a step of C bytes.
    rows = padded.reshape(N, H + 2 * padding, -1)  # (N, H + 2P, (W + 2P) C)
    windows = sliding_window_view(rows, (H, W * C), axis=(1, 2))  # (N, 2P + 1, 2P C + 1, H, W C)
    crops = windows[np.arange(N), offsets[:, 0], offsets[:, 1] * C].reshape(N, H, W, C)
    crops[flips] = crops[flips][:, :, ::-1]
    return crops
