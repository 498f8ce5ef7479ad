"""Multi-scale blocks: convolutions of 3 x 3 and of 5 x 5 pixels side by side, which exchange what they see.

The block of the paper (MSRB), n channels in and out, ReLU, with biases:

    S1 = relu(conv_3_0 x)              P1 = relu(conv_5_0 x)                    n -> n
    S2 = relu(conv_3_1 [S1, P1])       P2 = relu(conv_5_1 [S1, P1])            2n -> 2n
    y  = fusion [S2, P2] + x           fusion: conv 1x1, 4n -> n

As a processing block of `vgg`, F channels in and out and branches of w = F / 4 channels, without biases:

    u = [LReLU([norm] conv_3_0 x), LReLU([norm] conv_5_0 x)]                    F -> w each
    v = [LReLU([norm] conv_3_1 u), LReLU([norm] conv_5_1 u)]                   2w -> 2w each
    y = LReLU([norm] fusion v [+ shortcut])                                    4w -> F

It has 34 w F + 136 w^2 + 4 w F weights: 18,432 for F = 32, exactly those of the two 3 x 3 convolutions that it takes
the place of. A pixel of y sees 9 x 9 pixels of x. MSRN joins the outputs of eight blocks for super-resolution; a
classifier reads the last one.

Reference: Li, Fang, Mei, Zhang, Multi-scale residual network for image super-resolution, 2018.
"""

import numpy as np

from mlp.layers import Concat, Conv2d, Identity, ReLU, Residual, Sequential
from mlp.layers.machinery.base import Layer
from mlp.models.parts import Parts, with_shortcut
from mlp.typing import DType


def multi_scale_block(parts: Parts, width: int, shortcut: Layer | None) -> Sequential:
    """Return a processing block with branches of `width` channels."""
    F = parts.filters

    def branch(kernel_size: int, i: int, in_channels: int, out_channels: int) -> Sequential:
        name = f"{kernel_size}_{i}"
        layers: dict[str, Layer] = {f"conv_{name}": parts.conv(in_channels, out_channels, kernel_size)}
        return Sequential({**layers, **parts.norms(name, "before", out_channels), **parts.activation(name)})

    def level(i: int, in_channels: int, out_channels: int) -> Concat:
        return Concat(branch(3, i, in_channels, out_channels), branch(5, i, in_channels, out_channels))

    scales: dict[str, Layer] = {"*0": level(0, F, width), "*1": level(1, 2 * width, 2 * width)}
    fusion: dict[str, Layer] = {"fusion": parts.conv(4 * width, F, 1)}
    body = Sequential({**scales, **fusion, **parts.norms("fusion", "before", F)})
    return Sequential({**with_shortcut(body, shortcut), **parts.activation("fusion")})


def msrb(channels: int, dtype: DType = np.float32) -> Residual:
    """Return the block of the paper."""
    n = channels

    def branch(kernel_size: int, i: int, width: int) -> Sequential:
        conv = Conv2d(width, width, kernel_size, padding=kernel_size // 2, dtype=dtype)
        name = f"{kernel_size}_{i}"
        return Sequential({f"conv_{name}": conv, f"activation_{name}": ReLU()})

    scales: dict[str, Layer] = {f"*{i}": Concat(branch(3, i, w), branch(5, i, w)) for i, w in enumerate((n, 2 * n))}
    return Residual(Sequential({**scales, "fusion": Conv2d(4 * n, n, 1, dtype=dtype)}), Identity())
