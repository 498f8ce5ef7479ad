"""VGG-style networks of any depth, plain or with batch normalization (BN) and residual connections (RC).

    input       conv 3x3 (3 -> F), no bias - BN - LReLU                        always with BN
    stage_0..2  B processing blocks, then one reduction block
      block_b     conv 3x3, no bias - [BN] - LReLU - conv 3x3, no bias - [BN] - [+ shortcut] - LReLU
      reduction   conv 3x3, bias - [BN] - LReLU - avgpool 2x2 - conv 3x3, bias - [BN] - [+ shortcut] - LReLU
    head        global average pooling - affine (F -> classes)

F filters everywhere (32), slope 0.01, brackets are options. Every block has two convolutions, so the depth counted in
convolutions and affine layers is 1 + 3 (2B + 2) + 1 = 8 + 6B: VGG08 has no processing block, VGG38 five a stage.

Names do not depend on options: "stage_0.block_1.conv_0.weight" is the same weight, with the same initial values, with
and without BN and RC.
"""

import re

import numpy as np

from mlp.checks import at_least_one, choose
from mlp.errors import ConfigurationError
from mlp.layers import Affine, AvgPool2d, BatchNorm, Conv2d, GlobalAvgPool, Identity, LeakyReLU, Residual, Sequential
from mlp.layers.base import Layer
from mlp.typing import DType

STAGES = 3
NORMS = ("none", "batch")
NORM_POSITIONS = ("before", "after")
REDUCTION_SHORTCUTS = ("none", "avgpool")


def vgg(
    depth: int = 38,
    norm: str = "none",
    residual: bool = False,
    num_classes: int = 100,
    seed: int = 0,
    filters: int = 32,
    norm_position: str = "before",
    reduction_shortcut: str = "none",
    dropout: float = 0.0,
    image_channels: int = 3,
    dtype: DType = np.float32,
) -> Sequential:
    """Build a VGG-style network, (N, H, W, image_channels) -> (N, num_classes).

    Args:
        depth: 8, 14, 20, ... 38, ...: 8 + 6 B.
        norm: "none" or "batch", in all blocks. The input block has BN in any case.
        residual: identity shortcuts around the processing blocks.
        num_classes, filters, image_channels: sizes.
        seed: of the initial weights.
        norm_position: "before" or "after" the activation.
        reduction_shortcut: with residual, the shortcut around the reduction blocks: "none" or "avgpool".
        dropout: 0; other values are reserved.
        dtype: of the weights.

    Raises:
        ConfigurationError: a value that is not among these.
    """
    blocks = blocks_per_stage(depth)
    choose("norm", norm, NORMS)
    choose("norm_position", norm_position, NORM_POSITIONS)
    choose("reduction_shortcut", reduction_shortcut, REDUCTION_SHORTCUTS)
    if dropout != 0.0:
        raise ConfigurationError(f"dropout must be 0 for now, got {dropout}")
    for name, value in (("filters", filters), ("num_classes", num_classes), ("image_channels", image_channels)):
        at_least_one(name, value)

    def conv(in_channels: int = filters, bias: bool = False) -> Conv2d:
        return Conv2d(in_channels, filters, kernel_size=3, padding=1, bias=bias, dtype=dtype)

    def norm_and_activation(i: int) -> dict[str, Layer]:
        """The layers after convolution i of a block: [BN] - LReLU, or LReLU - BN."""
        layers: dict[str, Layer] = {f"activation_{i}": LeakyReLU(0.01)}
        if norm == "none":
            return layers
        norms: dict[str, Layer] = {f"norm_{i}": BatchNorm(filters, dtype=dtype)}
        return {**norms, **layers} if norm_position == "before" else {**layers, **norms}

    def block(first: dict[str, Layer], second: dict[str, Layer], shortcut: Layer | None) -> Sequential:
        """first - norm and activation - second - norm - [+ shortcut] - activation."""
        body = {**first, **second}
        tail = norm_and_activation(1)
        if shortcut is None:
            return Sequential({**body, **tail})
        if "norm_1" in tail and norm_position == "before":
            body["norm_1"] = tail.pop("norm_1")
        return Sequential({"": Residual(Sequential(body), shortcut), **tail})

    def processing_block() -> Sequential:
        shortcut = Identity() if residual else None
        return block({"conv_0": conv(), **norm_and_activation(0)}, {"conv_1": conv()}, shortcut)

    def reduction_block() -> Sequential:
        shortcut = AvgPool2d(2) if residual and reduction_shortcut == "avgpool" else None
        first = {"conv_0": conv(bias=True), **norm_and_activation(0), "pool": AvgPool2d(2)}
        return block(first, {"conv_1": conv(bias=True)}, shortcut)

    entry = {"conv_0": conv(image_channels), "norm_0": BatchNorm(filters, dtype=dtype), "activation_0": LeakyReLU(0.01)}
    stages = {
        f"stage_{s}": Sequential(
            {**{f"block_{b}": processing_block() for b in range(blocks)}, "reduction": reduction_block()}
        )
        for s in range(STAGES)
    }
    head = {"pool": GlobalAvgPool(), "affine": Affine(filters, num_classes, dtype=dtype)}
    return Sequential({"input": Sequential(entry), **stages, "head": Sequential(head)}).initialize(seed)


def blocks_per_stage(depth: int) -> int:
    """Return B of depth = 8 + 6 B; ConfigurationError for a depth between."""
    if depth < 8 or (depth - 8) % 6:
        near = list(range(8, max(depth, 8) + 7, 6))[-2:]
        raise ConfigurationError(
            f"depth must be 8, 14, 20, 26, 32, 38, ... (8 + 6 blocks a stage), got {depth}: "
            f"try {' or '.join(str(d) for d in near)}"
        )
    return (depth - 8) // 6


def report_label(name: str) -> str:
    """Return the label that the reports' figures give to a parameter of `vgg`.

    stage_0.block_1.conv_0.weight -> block_0_1_conv_0; input.norm_0.gamma -> input_conv_bn_0;
    stage_2.reduction.conv_1.weight -> reduction_block_2_conv_1; head.affine.weight -> logit_linear_layer.
    Names of other models come back with "_" for ".", without ".weight".
    """
    name = re.sub(r"\.(weight|gamma)$", "", name)
    name = re.sub(r"^input\.", "input_conv.", name)
    name = re.sub(r"^stage_(\d+)\.block_(\d+)\.", r"block_\1_\2.", name)
    name = re.sub(r"^stage_(\d+)\.reduction\.", r"reduction_block_\1.", name)
    name = re.sub(r"^head\.affine", "logit_linear_layer", name)
    return re.sub(r"\bnorm_(\d+)", r"bn_\1", name).replace(".", "_")
