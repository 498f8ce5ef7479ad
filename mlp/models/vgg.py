"""VGG-style networks of any depth, plain or with normalization and residual connections (RC), in many variants.

    input       conv 3x3 (3 -> F), no bias - norm - LReLU                      the norm is always there, batch if none
    stage_0..2  B processing blocks, then one reduction block
      block_b     conv 3x3, no bias - [norm] - LReLU - conv 3x3, no bias - [norm] - [+ shortcut] - LReLU
      reduction   conv 3x3, bias - [norm] - LReLU - avgpool 2x2 - conv 3x3, bias - [norm] - [+ shortcut] - LReLU
    head        global average pooling - affine (F -> classes)

F filters everywhere (32), slope 0.01, brackets are options. Every block has two convolutions, so the depth counted in
convolutions and affine layers is 1 + 3 (2B + 2) + 1 = 8 + 6B: VGG08 has no processing block, VGG38 five a stage.

    norm            none, batch (BN), layer, instance, group; with norm_position "after" it stands behind LReLU
    dropout         follows each norm written above:  - [norm - dropout] -
    residual        the shortcut of a processing block is x itself; that of a reduction block, which halves H and W, is

        none        left out
        avgpool     avgpool 2x2
        strided     every second pixel                                 option A of He et al.: no parameters
        projection  conv 1x1, stride 2, no bias - [norm]               option B
        projection_everywhere   the same, and in processing blocks conv 1x1, no bias - [norm]: option C

Names do not depend on options: "stage_0.block_1.conv_0.weight" is the same weight, with the same initial values, with
and without norms, shortcuts and dropout.
"""

import numpy as np

from mlp.checks import at_least_one, choose, fraction
from mlp.errors import ConfigurationError
from mlp.layers import (
    Affine,
    AvgPool2d,
    BatchNorm,
    Conv2d,
    Dropout,
    GlobalAvgPool,
    GroupNorm,
    Identity,
    InstanceNorm,
    LayerNorm,
    LeakyReLU,
    Residual,
    Sequential,
    StridedIdentity,
)
from mlp.layers.machinery.base import Layer
from mlp.typing import DType

STAGES = 3
NORMS = ("none", "batch", "layer", "instance", "group")
NORM_GROUPS = 8
NORM_POSITIONS = ("before", "after")
REDUCTION_SHORTCUTS = ("none", "avgpool", "strided", "projection", "projection_everywhere")


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
    norm_groups: int | None = None,
    image_channels: int = 3,
    dtype: DType = np.float32,
) -> Sequential:
    """Build a VGG-style network, (N, H, W, image_channels) -> (N, num_classes).

    Args:
        depth: 8, 14, 20, ... 38, ...: 8 + 6 B.
        norm: one of `NORMS`, in all blocks; the input block has the same one, and a batch norm with "none".
        residual: shortcuts around the processing blocks.
        num_classes, filters, image_channels: sizes.
        seed: of the initial weights, and of dropout.
        norm_position: "before" or "after" the activation, in the blocks.
        reduction_shortcut: with residual, one of `REDUCTION_SHORTCUTS`. All but "none" and "avgpool" need images
            whose height and width 8 divides.
        dropout: probability of silence behind each norm, those of shortcuts left out.
        norm_groups: of norm "group", a number that divides filters; None for 8.
        dtype: of the weights.

    Raises:
        ConfigurationError: a value that is not among these, or one that has no effect without another.
    """
    blocks = blocks_per_stage(depth)
    for name, value in (("filters", filters), ("num_classes", num_classes), ("image_channels", image_channels)):
        at_least_one(name, value)
    check_combination(norm, norm_groups, norm_position, filters, residual, reduction_shortcut, dropout)

    def conv(in_channels: int = filters, bias: bool = False) -> Conv2d:
        return Conv2d(in_channels, filters, kernel_size=3, padding=1, bias=bias, dtype=dtype)

    def norm_layer() -> Layer:
        match norm:
            case "layer":
                return LayerNorm(filters, dtype=dtype)
            case "instance":
                return InstanceNorm(filters, dtype=dtype)
            case "group":
                return GroupNorm(norm_groups or NORM_GROUPS, filters, dtype=dtype)
            case _:  # "batch", and the input block of "none"
                return BatchNorm(filters, dtype=dtype)

    def norm_and_dropout(i: int) -> dict[str, Layer]:
        return {f"norm_{i}": norm_layer(), **({f"dropout_{i}": Dropout(dropout)} if dropout else {})}

    def norms(i: int, position: str) -> dict[str, Layer]:
        return norm_and_dropout(i) if norm != "none" and norm_position == position else {}

    def activation(i: int) -> dict[str, Layer]:
        return {f"activation_{i}": LeakyReLU(0.01)}

    def block(first: Layer, between: dict[str, Layer], second: Layer, shortcut: Layer | None) -> Sequential:
        """first - [norm] - LReLU - between - second - [norm] - [+ shortcut] - LReLU, or the norms behind LReLU."""
        body = {"conv_0": first, **norms(0, "before"), **activation(0), **norms(0, "after")}
        body = {**body, **between, "conv_1": second, **norms(1, "before")}
        tail = {**activation(1), **norms(1, "after")}
        if shortcut is None:
            return Sequential({**body, **tail})
        return Sequential({"": Residual(Sequential(body), shortcut), **tail})

    def projection(stride: int) -> Sequential:
        layers: dict[str, Layer] = {"conv_0": Conv2d(filters, filters, 1, stride, bias=False, dtype=dtype)}
        return Sequential(layers if norm == "none" else {**layers, "norm_0": norm_layer()})

    def processing_block() -> Sequential:
        shortcut = projection(1) if reduction_shortcut == "projection_everywhere" else Identity()
        return block(conv(), {}, conv(), shortcut if residual else None)

    def reduction_block() -> Sequential:
        shortcuts = {
            "none": lambda: None,
            "avgpool": lambda: AvgPool2d(2),
            "strided": lambda: StridedIdentity(filters, filters, stride=2),
            "projection": lambda: projection(2),
            "projection_everywhere": lambda: projection(2),
        }
        return block(conv(bias=True), {"pool": AvgPool2d(2)}, conv(bias=True), shortcuts[reduction_shortcut]())

    entry = {"conv_0": conv(image_channels), **norm_and_dropout(0), **activation(0)}
    stages = {
        f"stage_{s}": Sequential(
            {**{f"block_{b}": processing_block() for b in range(blocks)}, "reduction": reduction_block()}
        )
        for s in range(STAGES)
    }
    head = {"pool": GlobalAvgPool(), "affine": Affine(filters, num_classes, dtype=dtype)}
    return Sequential({"input": Sequential(entry), **stages, "head": Sequential(head)}).initialize(seed)


def check_combination(
    norm: str,
    norm_groups: int | None,
    norm_position: str,
    filters: int,
    residual: bool,
    reduction_shortcut: str,
    dropout: float,
) -> None:
    """Raise ConfigurationError unless these settings of `vgg` are known, and go together."""
    choose("norm", norm, NORMS)
    choose("norm_position", norm_position, NORM_POSITIONS)
    choose("reduction_shortcut", reduction_shortcut, REDUCTION_SHORTCUTS)
    if norm_groups is not None and norm != "group":
        raise ConfigurationError(f"norm_groups is for norm 'group', not for {norm!r}: leave it out")
    groups = NORM_GROUPS if norm_groups is None else at_least_one("norm_groups", norm_groups)
    if norm == "group" and filters % groups:
        fitting = ", ".join(str(g) for g in range(1, filters + 1) if filters % g == 0)
        raise ConfigurationError(
            f"norm_groups must divide the {filters} filters, and {groups} does not: choose one of {fitting}"
        )
    if norm_position == "after" and (norm == "instance" or (norm == "group" and groups == filters)):
        raise ConfigurationError(
            "norm_position 'after' makes a network blind whose norm takes each channel of an image by itself: the head "
            "averages over the pixels, and that average is then beta for every image: choose norm_position 'before'"
        )
    if fraction("dropout", dropout) and norm == "none":
        raise ConfigurationError(
            f"dropout {dropout} stands behind the norms of the blocks, and norm 'none' has none there: choose a norm, "
            "say norm='batch' (--norm batch), or leave dropout out"
        )
    if reduction_shortcut != "none" and not residual:
        raise ConfigurationError(
            f"reduction_shortcut {reduction_shortcut!r} belongs to residual connections: add residual=True "
            "(--residual), or leave reduction_shortcut out"
        )


def blocks_per_stage(depth: int) -> int:
    """Return B of depth = 8 + 6 B; ConfigurationError for a depth between."""
    if depth < 8 or (depth - 8) % 6:
        near = list(range(8, max(depth, 8) + 7, 6))[-2:]
        raise ConfigurationError(
            f"depth must be 8, 14, 20, 26, 32, 38, ... (8 + 6 blocks a stage), got {depth}: "
            f"try {' or '.join(str(d) for d in near)}"
        )
    return (depth - 8) // 6
