"""Normalization: bytes become numbers of about mean 0 and variance 1, each colour channel by itself.

    x = (byte / 255 - mean) / std = byte * scale + shift        scale = 1 / (255 std),  shift = -mean / std

The constants are those of a whole training set, the same for every image, in training and in evaluation.
"""

import numpy as np

from mlp.checks import choose
from mlp.typing import Array, DType

NORMALIZATIONS = {
    # CIFAR-10's means, and deviations as averages over images. The reports used them for CIFAR-100.
    "reports": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    # CIFAR-100's own training images.
    "cifar100": ((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)),
}


def normalize(images: Array, name: str = "reports", dtype: DType = np.float32) -> Array:
    """Return images (N, H, W, C) of uint8 as (N, H, W, C) of `dtype`.

    Args:
        name: one of `NORMALIZATIONS`. Images that have not three channels use the mean of its constants.

    Raises:
        ConfigurationError: unknown name.
    """
    check_normalization(name)
    mean, std = (np.array(constants) for constants in NORMALIZATIONS[name])  # (3,), in float64
    N, H, W, C = images.shape
    if len(mean) != C:
        mean, std = np.full(C, mean.mean()), np.full(C, std.mean())
    # One long row an image: NumPy's loops run along the last axis, and one of 3 channels would be slow.
    x = images.reshape(N, H * W * C).astype(dtype)
    x *= np.tile(1.0 / (255.0 * std), H * W).astype(dtype)
    x += np.tile(-mean / std, H * W).astype(dtype)
    return x.reshape(N, H, W, C)


def check_normalization(name: str) -> None:
    """Raise ConfigurationError unless `name` is one of `NORMALIZATIONS`."""
    choose("normalization", name, NORMALIZATIONS)
