"""The layers that are checked against finite differences: every class in `mlp.layers`, at its odd corners.

A new layer is one more line here; a test asserts that no class is missing. The shapes are small, because every
coordinate of every array is measured, and odd (H != W, sizes that a stride does not divide), because faults hide in
squares.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlp.layers import (
    ELU,
    Affine,
    AvgPool2d,
    BatchNorm,
    Concat,
    Conv2d,
    Dropout,
    Flatten,
    GlobalAvgPool,
    GroupNorm,
    Identity,
    InstanceNorm,
    Layer,
    LayerNorm,
    LeakyReLU,
    MaxPool2d,
    ReLU,
    Reshape,
    Residual,
    Sequential,
    Sigmoid,
    StridedIdentity,
    Tanh,
    Tap,
)


@dataclass(frozen=True)
class LayerCase:
    """One layer to check."""

    label: str
    make: Callable[[], Any]  # () -> a new layer
    input_shape: tuple[int, ...]  # with the batch axis


def residual_block(channels: int) -> Sequential:
    """conv - BN - LReLU - conv - BN with an identity shortcut, and an activation after it: the block of VGG."""
    body = Sequential(
        Conv2d(channels, channels, 3, padding=1, bias=False),
        BatchNorm(channels),
        LeakyReLU(0.01),
        Conv2d(channels, channels, 3, padding=1, bias=False),
        BatchNorm(channels),
    )
    return Sequential(Residual(body), LeakyReLU(0.01))


def reduction_block(channels: int) -> Residual:
    """A block that halves the image, with an average pooling as its shortcut."""
    body = Sequential(Conv2d(channels, channels, 3, padding=1), AvgPool2d(2), Conv2d(channels, channels, 3, padding=1))
    return Residual(body, AvgPool2d(2))


def resizing_block(shortcut: Layer) -> Residual:
    """A block that changes the image's size and its channels from 2 to 3."""
    return Residual(Sequential(Conv2d(2, 3, 3, stride=2, padding=1), BatchNorm(3)), shortcut)


def dense_block() -> Sequential:
    """Two blocks of DenseNet: 2, 4 and 5 channels."""
    blocks = (Sequential(BatchNorm(n), LeakyReLU(0.1), Conv2d(n, k, 3, padding=1)) for n, k in ((2, 2), (4, 1)))
    return Sequential(*(Concat(Identity(), block) for block in blocks))


def nested() -> Sequential:
    """Sequential in Sequential, one of them under the name "" that adds no component to the paths."""
    features = Sequential(Conv2d(2, 3, 3), ReLU(), Sequential({"": Sequential(BatchNorm(3), LeakyReLU(0.2))}))
    return Sequential(features, Flatten(), Affine(3 * 2 * 3, 4))


CASES = [
    LayerCase("Affine", lambda: Affine(5, 3), (4, 5)),
    LayerCase("Affine, one sample", lambda: Affine(3, 4), (1, 3)),
    LayerCase("Affine without bias", lambda: Affine(3, 3, bias=False), (5, 3)),
    LayerCase("Conv2d 3x3, padding 1", lambda: Conv2d(3, 4, 3, padding=1), (2, 5, 4, 3)),
    LayerCase("Conv2d 1x1", lambda: Conv2d(3, 2, 1), (2, 3, 4, 3)),
    LayerCase("Conv2d 2x3, no bias", lambda: Conv2d(2, 3, (2, 3), bias=False), (2, 4, 5, 2)),
    LayerCase("Conv2d, stride 2", lambda: Conv2d(2, 3, 3, stride=2, padding=1), (2, 5, 6, 2)),
    LayerCase("Conv2d, stride > kernel", lambda: Conv2d(2, 2, 2, stride=3), (2, 7, 6, 2)),
    LayerCase("Conv2d, pairs", lambda: Conv2d(1, 2, (3, 2), stride=(1, 2), padding=(2, 1)), (2, 4, 5, 1)),
    LayerCase("Conv2d, wide padding", lambda: Conv2d(2, 2, 3, padding=3), (1, 2, 3, 2)),
    LayerCase("BatchNorm (N, D)", lambda: BatchNorm(4), (6, 4)),
    LayerCase("BatchNorm (N, H, W, C)", lambda: BatchNorm(3), (2, 3, 4, 3)),
    LayerCase("BatchNorm, one image", lambda: BatchNorm(2, eps=1e-3, momentum=0.3), (1, 3, 2, 2)),
    LayerCase("LayerNorm (N, D)", lambda: LayerNorm(5), (4, 5)),
    LayerCase("LayerNorm (N, H, W, C)", lambda: LayerNorm(3), (2, 3, 4, 3)),
    LayerCase("InstanceNorm", lambda: InstanceNorm(3), (2, 3, 4, 3)),
    LayerCase("InstanceNorm, one image", lambda: InstanceNorm(2, eps=1e-2), (1, 1, 3, 2)),
    LayerCase("GroupNorm (N, D)", lambda: GroupNorm(2, 6), (3, 6)),
    LayerCase("GroupNorm (N, H, W, C)", lambda: GroupNorm(2, 4), (3, 3, 2, 4)),
    LayerCase("GroupNorm, 1 pixel", lambda: GroupNorm(3, 9, eps=1e-3), (2, 1, 1, 9)),
    LayerCase("LeakyReLU", lambda: LeakyReLU(0.01), (3, 4, 2, 3)),
    LayerCase("LeakyReLU, slope 0.5", lambda: LeakyReLU(0.5), (4, 5)),
    LayerCase("ReLU", ReLU, (4, 5)),
    LayerCase("Sigmoid", Sigmoid, (4, 5)),
    LayerCase("Tanh", Tanh, (2, 3, 2, 2)),
    LayerCase("ELU", ELU, (4, 5)),
    LayerCase("ELU, alpha 0.3", lambda: ELU(0.3), (2, 3, 2, 2)),
    LayerCase("Dropout", lambda: Dropout(0.4, seed=1), (5, 6)),
    LayerCase("AvgPool2d 2", lambda: AvgPool2d(2), (2, 5, 4, 3)),
    LayerCase("AvgPool2d, overlapping", lambda: AvgPool2d(3, stride=2), (2, 6, 7, 2)),
    LayerCase("AvgPool2d, stride > kernel", lambda: AvgPool2d(1, stride=2), (2, 5, 4, 2)),
    LayerCase("MaxPool2d 2", lambda: MaxPool2d(2), (2, 5, 4, 3)),
    LayerCase("MaxPool2d, overlapping", lambda: MaxPool2d(3, stride=2), (2, 6, 7, 2)),
    LayerCase("GlobalAvgPool", GlobalAvgPool, (2, 3, 4, 3)),
    LayerCase("Flatten", Flatten, (2, 3, 2, 2)),
    LayerCase("Reshape", lambda: Reshape((2, 3, 2)), (2, 12)),
    LayerCase("Identity", Identity, (2, 3)),
    LayerCase("StridedIdentity", lambda: StridedIdentity(3, 3), (2, 5, 4, 3)),
    LayerCase("StridedIdentity, channels", lambda: StridedIdentity(2, 5, stride=3), (2, 7, 6, 2)),
    LayerCase("Residual, VGG block", lambda: residual_block(2), (2, 3, 4, 2)),
    LayerCase("Residual, AvgPool2d shortcut", lambda: reduction_block(2), (2, 4, 6, 2)),
    LayerCase("Residual, Conv2d shortcut", lambda: resizing_block(Conv2d(2, 3, 1, stride=2, bias=False)), (2, 5, 4, 2)),
    LayerCase("Residual, strided shortcut", lambda: resizing_block(StridedIdentity(2, 3)), (2, 5, 4, 2)),
    LayerCase("Concat, two dense blocks", dense_block, (2, 3, 4, 2)),
    LayerCase("Concat, three branches (N, D)", lambda: Concat(Affine(3, 2), Identity(), Affine(3, 1)), (4, 3)),
    LayerCase("Tap, nobody looks", lambda: Tap(GlobalAvgPool()), (2, 3, 4, 2)),
    LayerCase("Sequential, nested", nested, (3, 4, 5, 2)),
]
