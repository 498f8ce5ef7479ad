"""SSRN, the spectral-spatial residual network: classifies a pixel of a hyperspectral scene by the patch around it.

A patch has S x S pixels (7) and D bands (200). First the spectrum of each pixel is convolved, then the image:

    (N, S, S, D) -> reshape (N, S^2, D, 1)
    input            conv 1x7, stride (1, 2), 1 -> F - BN - ReLU                              (N, S^2, B, F)
    spectral_0 ..    conv 1x7 - BN - ReLU - conv 1x7 - BN - [+ x] - ReLU                      (N, S^2, B, F)
    collapse         conv 1xB, F -> 128 - BN - ReLU; reshape                                  (N, S, S, 128)
    spatial_input    conv 3x3, no padding, 128 -> F - BN - ReLU                               (N, S - 2, S - 2, F)
    spatial_0 ..     conv 3x3 - BN - ReLU - conv 3x3 - BN - [+ x] - ReLU                      (N, S - 2, S - 2, F)
    head             global average pooling - dropout - affine (F -> classes)

B = (D - 7) // 2 + 1 and F = 24. The paper writes three-dimensional convolutions: 1 x 1 x 7 along the spectrum, then
1 x 1 x B, then 3 x 3 x 128. Two dimensions are enough. A kernel that is one pixel wide treats the S^2 pixels of a patch
alike. So the pixels may stand in a column: an image of S^2 x D "pixels" with one channel, and kernels of 1 x 7. And a
kernel that takes in all 128 numbers of a pixel at once treats them as channels. All convolutions have biases;
`he_normal` draws the weights.

Reference: Zhong, Li, Luo, Chapman, Spectral-spatial residual network for hyperspectral image classification, 2018.
"""

import numpy as np

from mlp.checks import at_least, at_least_one
from mlp.errors import ConfigurationError
from mlp.initializers import he_normal
from mlp.layers import Affine, BatchNorm, Conv2d, Dropout, GlobalAvgPool, ReLU, Reshape, Residual, Sequential
from mlp.layers.machinery.base import Layer
from mlp.typing import DType

KERNEL = 7  # bands
COLLAPSED = 128  # channels of a pixel after the collapse
SMALLEST_SIDE = 3


def ssrn(
    num_classes: int = 16,
    bands: int = 200,
    side: int = 7,
    seed: int = 0,
    *,
    spectral_blocks: int = 2,
    spatial_blocks: int = 2,
    filters: int = 24,
    dropout: float = 0.5,
    dtype: DType = np.float32,
) -> Sequential:
    """Build the network, (N, side, side, bands) -> (N, num_classes).

    Args:
        num_classes, bands, side, filters: sizes. seed: of the initial weights, and of dropout.
        spectral_blocks, spatial_blocks: how many residual blocks there are of each kind.
        dropout: probability of dropping a value in front of the affine layer.
        dtype: of the weights.

    Raises:
        ConfigurationError: too few bands or pixels for the kernels, no classes or filters, or a negative number.
    """
    for name, value in (("num_classes", num_classes), ("filters", filters)):
        at_least_one(name, value)
    for name, value in (("spectral_blocks", spectral_blocks), ("spatial_blocks", spatial_blocks)):
        at_least(name, value, 0)
    if bands < KERNEL or side < SMALLEST_SIDE:
        raise ConfigurationError(
            f"ssrn needs patches of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels with {KERNEL} bands, got "
            f"{side} x {side} pixels with {bands}: is this a hyperspectral scene? (--dataset indian_pines is one)"
        )
    reduced = (bands - KERNEL) // 2 + 1  # B
    spectrum, pixels = (1, KERNEL), (3, 3)

    def blocks(kind: str, count: int, kernel: tuple[int, int]) -> dict[str, Layer]:
        return {f"{kind}_{i}": residual_block(filters, kernel, dtype) for i in range(count)}

    layers: dict[str, Layer] = {
        "spectra": Reshape((side * side, bands, 1)),
        "input": convolved(1, filters, spectrum, dtype, stride=2),
        **blocks("spectral", spectral_blocks, spectrum),
        "collapse": convolved(filters, COLLAPSED, (1, reduced), dtype),
        "pixels": Reshape((side, side, COLLAPSED)),
        "spatial_input": convolved(COLLAPSED, filters, pixels, dtype),
        **blocks("spatial", spatial_blocks, pixels),
        "head": Sequential(
            {
                "pool": GlobalAvgPool(),
                "dropout": Dropout(dropout),
                "affine": Affine(filters, num_classes, initializer=he_normal(), dtype=dtype),
            }
        ),
    }
    return Sequential(layers).initialize(seed)


def convolved(
    in_channels: int, out_channels: int, kernel: tuple[int, int], dtype: DType, *, stride: int = 1
) -> Sequential:
    """Return conv - BN - ReLU, without padding; the stride is along the spectrum."""
    conv = Conv2d(in_channels, out_channels, kernel, (1, stride), initializer=he_normal(), dtype=dtype)
    return Sequential({"conv_0": conv, "norm_0": BatchNorm(out_channels, dtype=dtype), "activation_0": ReLU()})


def residual_block(filters: int, kernel: tuple[int, int], dtype: DType) -> Sequential:
    """Return conv - BN - ReLU - conv - BN - [+ x] - ReLU, which keeps the size."""

    def conv_and_norm(i: int) -> dict[str, Layer]:
        padding = kernel[0] // 2, kernel[1] // 2
        conv = Conv2d(filters, filters, kernel, padding=padding, initializer=he_normal(), dtype=dtype)
        return {f"conv_{i}": conv, f"norm_{i}": BatchNorm(filters, dtype=dtype)}

    body = Sequential({**conv_and_norm(0), "activation_0": ReLU(), **conv_and_norm(1)})
    return Sequential({"": Residual(body), "activation_1": ReLU()})
