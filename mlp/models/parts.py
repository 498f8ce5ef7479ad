"""What the layers of one network have in common: their sizes, normalization, dropout and initial weights."""

from dataclasses import dataclass

import numpy as np

from mlp.initializers import glorot_uniform, he_normal, orthogonal, pytorch_default
from mlp.layers import (
    BatchNorm,
    Conv2d,
    Dropout,
    GroupNorm,
    Identity,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    Residual,
    Sequential,
)
from mlp.layers.machinery.base import Layer
from mlp.typing import DType, Initializer

NORM_GROUPS = 8
SLOPE = 0.01  # of the leaky rectifiers
INITIALIZERS: dict[str, Initializer] = {  # of the convolutions; their biases start at 0, except with "pytorch"
    "pytorch": pytorch_default,
    "he": he_normal(SLOPE),
    "glorot": glorot_uniform,
    "orthogonal": orthogonal,
}


@dataclass(frozen=True)
class Parts:
    """Makes the layers of a network; the names are those of the arguments of `vgg`."""

    filters: int = 32
    norm: str = "none"
    norm_groups: int | None = None
    norm_position: str = "before"
    dropout: float = 0.0
    initializer: str = "pytorch"
    dtype: DType = np.float32

    def conv(
        self, in_channels: int, out_channels: int, kernel_size: int = 3, stride: int = 1, *, bias: bool = False
    ) -> Conv2d:
        """Return a convolution; with stride 1 it keeps the height and width of its inputs."""
        return Conv2d(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding=kernel_size // 2,
            bias=bias,
            initializer=INITIALIZERS[self.initializer],
            dtype=self.dtype,
        )

    def norm_layer(self, channels: int) -> Layer:
        """Return a normalization; for norm "none" that of the input block, a batch norm."""
        match self.norm:
            case "layer":
                return LayerNorm(channels, dtype=self.dtype)
            case "instance":
                return InstanceNorm(channels, dtype=self.dtype)
            case "group":
                return GroupNorm(self.norm_groups or NORM_GROUPS, channels, dtype=self.dtype)
            case _:  # "batch", and the input block of "none"
                return BatchNorm(channels, dtype=self.dtype)

    def norm_and_dropout(self, name: str | int, channels: int) -> dict[str, Layer]:
        """Return norm - [dropout]."""
        layers: dict[str, Layer] = {f"norm_{name}": self.norm_layer(channels)}
        return {**layers, f"dropout_{name}": Dropout(self.dropout)} if self.dropout else layers

    def norms(self, name: str | int, position: str, channels: int) -> dict[str, Layer]:
        """Return norm - [dropout] if norms stand at `position`, "before" or "after" an activation; else nothing."""
        here = self.norm != "none" and self.norm_position == position
        return self.norm_and_dropout(name, channels) if here else {}

    def activation(self, name: str | int) -> dict[str, Layer]:
        """Return the activation."""
        return {f"activation_{name}": LeakyReLU(SLOPE)}

    def projection(self, stride: int) -> Sequential:
        """Return the shortcut conv 1x1 - [norm]."""
        layers: dict[str, Layer] = {"conv_0": self.conv(self.filters, self.filters, 1, stride)}
        return Sequential(layers if self.norm == "none" else {**layers, "norm_0": self.norm_layer(self.filters)})

    def processing_shortcut(self, reduction_shortcut: str, *, residual: bool) -> Layer | None:
        """Return the shortcut of a block that keeps the size of the images."""
        if not residual:
            return None
        return self.projection(1) if reduction_shortcut == "projection_everywhere" else Identity()


def with_shortcut(body: Sequential, shortcut: Layer | None) -> dict[str, Layer]:
    """Return body, or body + shortcut, as a part of a Sequential that adds no component to the names."""
    return {"": body if shortcut is None else Residual(body, shortcut)}
