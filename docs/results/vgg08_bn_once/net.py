"""VGG08 BN with one batch norm in each reduction block, after its first convolution, where `vgg` has two.

All names, and so the initial weights of a seed, are those of `vgg(8, norm="batch")`.
"""

from mlp.layers import Affine, AvgPool2d, BatchNorm, Conv2d, GlobalAvgPool, LeakyReLU, Sequential

F = 32


def vgg08_bn_once(num_classes: int, image_channels: int) -> Sequential:
    """Build the network, (N, H, W, image_channels) -> (N, num_classes)."""
    entry = {"conv_0": conv(image_channels, bias=False), "norm_0": BatchNorm(F), "activation_0": LeakyReLU(0.01)}
    return Sequential(
        {
            "input": Sequential(entry),
            **{f"stage_{s}": Sequential({"reduction": reduction()}) for s in range(3)},
            "head": Sequential({"pool": GlobalAvgPool(), "affine": Affine(F, num_classes)}),
        }
    )


def reduction() -> Sequential:
    """Return conv - norm - LReLU - avgpool 2x2 - conv - LReLU."""
    return Sequential(
        {
            "conv_0": conv(F, bias=True),
            "norm_0": BatchNorm(F),
            "activation_0": LeakyReLU(0.01),
            "pool": AvgPool2d(2),
            "conv_1": conv(F, bias=True),
            "activation_1": LeakyReLU(0.01),
        }
    )


def conv(in_channels: int, *, bias: bool) -> Conv2d:
    """Return a 3 x 3 convolution that keeps the height and width."""
    return Conv2d(in_channels, F, kernel_size=3, padding=1, bias=bias)
