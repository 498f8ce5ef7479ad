"""VGG-style networks of any depth, plain or with normalization and residual connections (RC), in many variants.

"Plain" means that there is no normalization in the blocks; the input block always has one, in plain networks too.

    input       conv 3x3 (3 -> F), no bias - norm - LReLU                      the norm is always there, batch if none
    stage_0..2  B processing blocks, then one reduction block
      block_b     conv 3x3, no bias - [norm] - LReLU - conv 3x3, no bias - [norm] - [+ shortcut] - LReLU
      reduction   conv 3x3, bias - [norm] - LReLU - avgpool 2x2 - conv 3x3, bias - [norm] - [+ shortcut] - LReLU
    head        global average pooling - affine (F -> classes)

F filters everywhere (32), slope 0.01, brackets are options. Every block has two convolutions, so the depth counted in
convolutions and affine layers is 1 + 3 (2B + 2) + 1 = 8 + 6B: VGG08 has no processing block, VGG38 five in each stage.

    norm            none, batch (BN), layer, instance, group; with norm_position "after" it comes after LReLU
    dropout         follows each norm written above:  - [norm - dropout] -
    residual        the shortcut of a processing block is x itself; that of a reduction block, which halves H and W, is

        none        left out
        avgpool     avgpool 2x2
        strided     every second pixel                                 option A of He et al.: no parameters
        projection  conv 1x1, stride 2, no bias - [norm]               option B
        projection_everywhere   the same, and in processing blocks conv 1x1, no bias - [norm]: option C

    dense           blocks that concatenate instead, see `dense`
    multi_scale     processing blocks with 3 x 3 and 5 x 5 convolutions side by side, see `multi_scale`
    initializer     initial weights of convolutions: PyTorch's, He's for the slope 0.01, Glorot's uniform, orthogonal

Names do not depend on norms, shortcuts and dropout: "stage_0.block_1.conv_0.weight" is the same weight, with the same
initial values, with and without them.
"""

import numpy as np

from mlp.checks import at_least_one
from mlp.layers import Affine, AvgPool2d, GlobalAvgPool, Sequential, StridedIdentity
from mlp.layers.machinery.base import Layer
from mlp.models.deep_supervision import DeeplySupervised, add_companions
from mlp.models.dense import before, dense_block, dense_reduction
from mlp.models.multi_scale import multi_scale_block
from mlp.models.options import GROWTH, blocks_per_stage, check_combination
from mlp.models.parts import Parts, with_shortcut
from mlp.typing import DType

STAGES = 3


def vgg(
    depth: int = 38,
    norm: str = "none",
    residual: bool = False,
    num_classes: int = 100,
    seed: int = 0,
    filters: int = 32,
    *,
    norm_position: str = "before",
    reduction_shortcut: str = "none",
    dropout: float = 0.0,
    norm_groups: int | None = None,
    image_channels: int = 3,
    dtype: DType = np.float32,
    dense: bool = False,
    growth: int | None = None,
    multi_scale: bool = False,
    initializer: str = "pytorch",
    companions: str = "none",
) -> Layer:
    """Build a VGG-style network, (N, H, W, image_channels) -> (N, num_classes).

    Args:
        depth: 8, 14, 20, ... 38, ...: 8 + 6 B.
        norm: "none", "batch", "layer", "instance" or "group", in all blocks; the input block has the same one, and a
            batch norm with "none".
        residual: shortcuts around the processing blocks.
        num_classes, filters, image_channels: sizes.
        seed: of the initial weights, and of dropout.
        norm_position: "before" or "after" the activation, in the blocks.
        reduction_shortcut: with residual, "none", "avgpool", "strided", "projection" or "projection_everywhere". The
            last three need images with height and width divisible by 8.
        dropout: probability of dropping a value after each norm, those of shortcuts left out.
        norm_groups: of norm "group", a number that divides filters; None for 8.
        dtype: of the weights.
        dense, growth: blocks that concatenate, and how many channels each of them adds; None for 8.
        multi_scale: processing blocks with convolutions of two sizes.
        initializer: "pytorch", "he", "glorot" or "orthogonal", for the convolutions; their biases start at 0, except
            with "pytorch".
        companions: "blocks" puts one after every processing block and the first two reductions, "stages" after these
            reductions alone, see `deep_supervision`; the model is a `DeeplySupervised` then, and needs its loss.

    Raises:
        ConfigurationError: a value that is not among these, or one that has no effect without another.
    """
    blocks = blocks_per_stage(depth)
    for name, value in (("filters", filters), ("num_classes", num_classes), ("image_channels", image_channels)):
        at_least_one(name, value)
    check_combination(
        norm=norm,
        norm_groups=norm_groups,
        norm_position=norm_position,
        filters=filters,
        residual=residual,
        reduction_shortcut=reduction_shortcut,
        dropout=dropout,
        dense=dense,
        growth=growth,
        multi_scale=multi_scale,
        initializer=initializer,
        companions=companions,
    )
    parts = Parts(filters, norm, norm_groups, norm_position, dropout, initializer, dtype)
    entry, head = entry_layers(parts, image_channels), head_layers(parts, num_classes)
    if dense:
        entry.pop("activation_0")  # it is that of the first block
        head = {**before(parts, 0, filters), **head}
    k = GROWTH if growth is None else growth

    def stage() -> dict[str, Layer]:
        if dense:
            return dense_stage(parts, blocks, k)
        return plain_stage(parts, blocks, reduction_shortcut, multi_scale=multi_scale, residual=residual)

    stages = [stage() for _ in range(STAGES)]
    taps = add_companions(stages, companions, num_classes, filters, k if dense else 0, dtype)
    named = {f"stage_{s}": Sequential(units) for s, units in enumerate(stages)}
    network = Sequential({"input": Sequential(entry), **named, "head": Sequential(head)})
    return (DeeplySupervised(network, taps) if taps else network).initialize(seed)


def entry_layers(parts: Parts, image_channels: int) -> dict[str, Layer]:
    """Return conv 3x3 - norm - [dropout] - LReLU."""
    layers: dict[str, Layer] = {"conv_0": parts.conv(image_channels, parts.filters)}
    return {**layers, **parts.norm_and_dropout(0, parts.filters), **parts.activation(0)}


def head_layers(parts: Parts, num_classes: int) -> dict[str, Layer]:
    """Return global average pooling - affine."""
    return {"pool": GlobalAvgPool(), "affine": Affine(parts.filters, num_classes, dtype=parts.dtype)}


def plain_stage(
    parts: Parts, blocks: int, reduction_shortcut: str, *, multi_scale: bool, residual: bool
) -> dict[str, Layer]:
    """Return the blocks of a stage in which each block reads the one before it."""

    def processing_block() -> Sequential:
        shortcut = parts.processing_shortcut(reduction_shortcut, residual=residual)
        if multi_scale:
            return multi_scale_block(parts, parts.filters // 4, shortcut)
        return plain_block(parts, shortcut)

    reduction = plain_block(parts, reduction_shortcut_layer(parts, reduction_shortcut), reduces=True)
    return {**{f"block_{b}": processing_block() for b in range(blocks)}, "reduction": reduction}


def plain_block(parts: Parts, shortcut: Layer | None, *, reduces: bool = False) -> Sequential:
    """Return conv - [norm] - LReLU - [pool] - conv - [norm] - [+ shortcut] - LReLU, or the norms after LReLU."""
    F = parts.filters
    between: dict[str, Layer] = {"pool": AvgPool2d(2)} if reduces else {}
    body = {
        "conv_0": parts.conv(F, F, bias=reduces),
        **parts.norms(0, "before", F),
        **parts.activation(0),
        **parts.norms(0, "after", F),
        **between,
        "conv_1": parts.conv(F, F, bias=reduces),
        **parts.norms(1, "before", F),
    }
    tail = {**parts.activation(1), **parts.norms(1, "after", F)}
    if shortcut is None:
        return Sequential({**body, **tail})
    return Sequential({**with_shortcut(Sequential(body), shortcut), **tail})


def reduction_shortcut_layer(parts: Parts, name: str) -> Layer | None:
    """Return the shortcut of a reduction block."""
    match name:
        case "none":
            return None
        case "avgpool":
            return AvgPool2d(2)
        case "strided":
            return StridedIdentity(parts.filters, parts.filters, stride=2)
        case _:  # "projection", "projection_everywhere"
            return parts.projection(2)


def dense_stage(parts: Parts, blocks: int, growth: int) -> dict[str, Layer]:
    """Return the blocks of a stage in which each block reads all blocks before it."""
    F = parts.filters
    made: dict[str, Layer] = {f"block_{b}": dense_block(parts, F + growth * b, growth) for b in range(blocks)}
    return {**made, "reduction": dense_reduction(parts, F + growth * blocks)}
