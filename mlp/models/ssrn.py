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
1 x 1 x B, then 3 x 3 x 128. None is needed. A kernel that is one pixel wide treats the S^2 pixels of a patch alike, so
they may stand in a column, an image of S^2 x D "pixels" with one channel, and the kernel is 1 x 7; and one that takes
in all the bands at once treats them as channels. All convolutions have biases; weights by He's normal draw.

Reference: Zhong, Li, Luo, Chapman, Spectral-spatial residual network for hyperspectral image classification, 2018.
"""

import numpy as np

from mlp.checks import at_least_one
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
        dropout: probability of silence in front of the affine layer.
        dtype: of the weights.

    Raises:
        ConfigurationError: too few bands or pixels for the kernels, or a number below 1.
    """
    for name, value in (("num_classes", num_classes), ("filters", filters)):
        at_least_one(name, value)
    if bands < KERNEL or side < SMALLEST_SIDE:
        raise ConfigurationError(
            f"ssrn needs patches of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels with {KERNEL} bands, got "
            f"{side} x {side} pixels with {bands}: is this a hyperspectral scene? (--dataset indian_pines is one)"
        )
    reduced = (bands - KERNEL) // 2 + 1  # B
    shapes = {"spectral": (1, KERNEL), "spatial": (3, 3)}

    def conv(in_channels: int, out_channels: int, kernel: tuple[int, int], *, stride: int = 1, pad: bool) -> Conv2d:
        padding = (kernel[0] // 2, kernel[1] // 2) if pad else (0, 0)
        return Conv2d(in_channels, out_channels, kernel, (1, stride), padding, initializer=he_normal(), dtype=dtype)

    def convolved(layer: Conv2d) -> Sequential:
        return Sequential({"conv_0": layer, **norm(0, layer.out_channels), "activation_0": ReLU()})

    def norm(i: int, channels: int) -> dict[str, Layer]:
        return {f"norm_{i}": BatchNorm(channels, dtype=dtype)}

    def block(kind: str) -> Sequential:
        first, second = (conv(filters, filters, shapes[kind], pad=True) for _ in range(2))
        body = {"conv_0": first, **norm(0, filters), "activation_0": ReLU(), "conv_1": second, **norm(1, filters)}
        return Sequential({"": Residual(Sequential(body)), "activation_1": ReLU()})

    def blocks(kind: str, count: int) -> dict[str, Layer]:
        return {f"{kind}_{i}": block(kind) for i in range(count)}

    layers: dict[str, Layer] = {
        "spectra": Reshape((side * side, bands, 1)),
        "input": convolved(conv(1, filters, shapes["spectral"], stride=2, pad=False)),
        **blocks("spectral", spectral_blocks),
        "collapse": convolved(conv(filters, COLLAPSED, (1, reduced), pad=False)),
        "pixels": Reshape((side, side, COLLAPSED)),
        "spatial_input": convolved(conv(COLLAPSED, filters, shapes["spatial"], pad=False)),
        **blocks("spatial", spatial_blocks),
        "head": Sequential(
            {
                "pool": GlobalAvgPool(),
                "dropout": Dropout(dropout),
                "affine": Affine(filters, num_classes, initializer=he_normal(), dtype=dtype),
            }
        ),
    }
    return Sequential(layers).initialize(seed)
