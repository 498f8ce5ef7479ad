"""Normalization: bytes become numbers around 0, each colour channel by itself.

    x = (byte / 255 - mean) / std = byte * scale + shift        scale = 1 / (255 std),  shift = -mean / std

The constants are the same for every image, in training and in evaluation. With the mean and the standard deviation of
its own training set, a set of images gets mean 0 and variance 1. The default, "reports", has the means of CIFAR-10 and
the average of the standard deviations within its images, which is smaller than that of the whole set: the standard
deviation of CIFAR-100 becomes about 1.3.
"""

import numpy as np

from mlp.checks import choose, float_type
from mlp.typing import Array, DType

NORMALIZATIONS = {
    # CIFAR-10's means, and standard deviations as averages over images. The reports used them for CIFAR-100.
    "reports": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
    # CIFAR-100's own training images.
    "cifar100": ((0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)),
}


def normalize(images: Array, name: str = "reports", dtype: DType = np.float32) -> Array:
    """Return images (N, H, W, C) of uint8 as (N, H, W, C) of `dtype`.

    Args:
        name: one of `NORMALIZATIONS`.

    Raises:
        ConfigurationError: unknown name, or a dtype of other numbers than floats.
    """
    dtype, (N, H, W, C) = float_type(dtype), images.shape
    scale, shift = scale_and_shift(name, C)
    # One long row for each image: NumPy's loops run along the last axis, and one of 3 channels would be slow.
    x = images.reshape(N, H * W * C).astype(dtype)
    x *= np.tile(scale, H * W).astype(dtype)
    x += np.tile(shift, H * W).astype(dtype)
    return x.reshape(N, H, W, C)


def scale_and_shift(name: str, channels: int) -> tuple[Array, Array]:
    """Return scale and shift of each channel, (C,) in float64.

    Args:
        name: one of `NORMALIZATIONS`; where there are not three channels, the mean of its constants is used for all.

    Raises:
        ConfigurationError: unknown name.
    """
    constants = NORMALIZATIONS[choose("normalization", name, NORMALIZATIONS)]
    mean, std = (np.array(of_channels) for of_channels in constants)  # (3,)
    if len(mean) != channels:
        mean, std = np.full(channels, mean.mean()), np.full(channels, std.mean())
    return 1.0 / (255.0 * std), -mean / std
