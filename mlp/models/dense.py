"""Dense blocks for `vgg`: every block sees the outputs of all blocks before it, and adds k channels of its own.

    input       conv_0 3x3 (3 -> F), no bias - norm_0                 its activation is the next block's first
    block_b     y = [x, conv_1( LReLU( [norm_1] conv_0( LReLU( [norm_0] x ) ) ) )]            b = 0 .. B - 1
                conv_0 3x3 (F + k b -> F), conv_1 3x3 (F -> k), no biases
    reduction   [norm_0] - LReLU - conv_0 3x3 (F + k B -> F) - avgpool 2x2 - [norm_1] - LReLU - conv_1 3x3, biases
    head        [norm_0] - LReLU - global average pooling - affine

conv_0 is the bottleneck of DenseNet, F = 4 k there, with a 3 x 3 kernel: each block keeps two convolutions, and the
depth is counted as in any VGG. A norm stands before its activation, and that before its convolution: each reader of
the joined channels scales them in its own way. With F = 32 and k = 8 a stage of five blocks has as many weights as five
plain ones: the joined channels that its reduction reads cost what the narrower blocks save.

From the image to the head the shortest way leads through 7 convolutions whatever the depth, as in VGG08.

Reference: Huang et al., Densely connected convolutional networks, 2017.
"""

from mlp.layers import AvgPool2d, Concat, Identity, Sequential
from mlp.layers.machinery.base import Layer
from mlp.models.parts import Parts


def before(parts: Parts, i: int, channels: int) -> dict[str, Layer]:
    """Return [norm_i] - LReLU: what stands in front of a convolution of a dense block."""
    return {**parts.norms(i, "before", channels), **parts.activation(i)}


def dense_block(parts: Parts, channels: int, growth: int) -> Sequential:
    """Return the block channels -> channels + growth; the new channels come last."""
    body: dict[str, Layer] = {
        **before(parts, 0, channels),
        "conv_0": parts.conv(channels, parts.filters),
        **before(parts, 1, parts.filters),
        "conv_1": parts.conv(parts.filters, growth),
    }
    return Sequential({"": Concat(Identity(), Sequential(body))})


def dense_reduction(parts: Parts, channels: int) -> Sequential:
    """Return the block that halves height and width, channels -> filters."""
    F = parts.filters
    return Sequential(
        {
            **before(parts, 0, channels),
            "conv_0": parts.conv(channels, F, bias=True),
            "pool": AvgPool2d(2),
            **before(parts, 1, F),
            "conv_1": parts.conv(F, F, bias=True),
        }
    )
