"""Which settings of `vgg` go together, and which change nothing."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlp.checks import at_least_one, choose, fraction, shown, similar_choice
from mlp.errors import ConfigurationError
from mlp.models.parts import INITIALIZERS, NORM_GROUPS

NORMS = ("none", "batch", "layer", "instance", "group")
NORM_POSITIONS = ("before", "after")
REDUCTION_SHORTCUTS = ("none", "avgpool", "strided", "projection", "projection_everywhere")
COMPANION_PLACES = ("none", "blocks", "stages")
GROWTH = 8
DEEPEST = 2000  # VGG with 332 blocks a stage


def check_combination(
    *,
    norm: str,
    norm_groups: int | None,
    norm_position: str,
    filters: int,
    residual: bool,
    reduction_shortcut: str,
    dropout: float,
    dense: bool,
    growth: int | None,
    multi_scale: bool,
    initializer: str,
    companions: str,
) -> None:
    """Raise ConfigurationError unless these settings of `vgg` are known, and go together."""
    choose("norm", norm, NORMS)
    choose("norm_position", norm_position, NORM_POSITIONS)
    choose("reduction_shortcut", reduction_shortcut, REDUCTION_SHORTCUTS)
    choose("initializer", initializer, INITIALIZERS)
    choose("companions", companions, COMPANION_PLACES)
    if fraction("dropout", dropout) and norm == "none":
        raise ConfigurationError(
            f"dropout {dropout} comes after the norms of the blocks, and norm 'none' has none there: choose a norm, "
            "say norm='batch' (--norm batch), or leave dropout out"
        )
    if reduction_shortcut != "none" and not residual:
        raise ConfigurationError(
            f"reduction_shortcut {reduction_shortcut!r} belongs to residual connections: add residual=True "
            "(--residual), or leave reduction_shortcut out"
        )
    check_groups(norm, norm_groups, norm_position, filters)
    check_blocks(norm_position, filters, residual=residual, dense=dense, multi_scale=multi_scale)
    check_growth(norm, norm_groups, growth, dense=dense)


def check_groups(norm: str, norm_groups: int | None, norm_position: str, filters: int) -> None:
    """Raise ConfigurationError unless the number of groups fits, and the norm leaves the head something to see."""
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
            "norm_position 'after' removes all information when each channel of an image is normalized alone: the head "
            "averages over the pixels, and that average is then beta for every image: choose norm_position 'before'"
        )


def check_blocks(norm_position: str, filters: int, *, residual: bool, dense: bool, multi_scale: bool) -> None:
    """Raise ConfigurationError unless the kind of the processing blocks goes with the other settings."""
    if dense and (residual or multi_scale):
        other = "residual" if residual else "multi_scale"
        raise ConfigurationError(
            f"dense blocks concatenate, and {other} blocks add: leave dense or {other} (--dense, "
            f"--{other.replace('_', '-')}) out"
        )
    if (dense or multi_scale) and norm_position != "before":
        kind = "dense" if dense else "multi_scale"
        raise ConfigurationError(f"{kind} blocks have their norms before the activation: leave norm_position out")
    if multi_scale and filters % 4:
        raise ConfigurationError(
            f"multi_scale blocks divide the filters by 4, and {filters} is not a multiple of it: try filters="
            f"{4 * max(1, round(filters / 4))} (--filters)"
        )


def check_growth(norm: str, norm_groups: int | None, growth: int | None, *, dense: bool) -> None:
    """Raise ConfigurationError unless the growth belongs to dense blocks, and fits to the groups of a norm."""
    if growth is not None and not dense:
        raise ConfigurationError("growth is for dense blocks: add dense=True (--dense), or leave growth out")
    k = GROWTH if growth is None else at_least_one("growth", growth)
    if dense and norm == "group" and k % (norm_groups or NORM_GROUPS):
        raise ConfigurationError(
            f"norm_groups must divide the growth of dense blocks too, and {norm_groups or NORM_GROUPS} does not divide "
            f"{k}: choose another norm_groups or growth (--norm-groups, --growth)"
        )


def without_effect(depth: int, settings: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each setting that changes nothing in the network `vgg(depth, **settings)`."""
    found = []
    if settings["norm_position"] == "after" and settings["norm"] == "none":
        found.append("--norm-position changes nothing without a --norm")
    if blocks_per_stage(depth) == 0:
        no_blocks = f"changes nothing in VGG{depth:02d}, which has no processing blocks"
        deeper = "use a deeper network, --model vgg14 or vgg38"
        if settings["residual"] and settings["reduction_shortcut"] == "none":
            found.append(f"--residual {no_blocks}: {deeper}, or add --reduction-shortcut")
        if settings["multi_scale"]:
            found.append(f"--multi-scale {no_blocks}: {deeper}")
        if settings["growth"] is not None:
            found.append(f"--growth {no_blocks}: {deeper}")
    return found


def depth_of(model: str) -> int:
    """Return the number in the name of a vgg model."""
    match = re.fullmatch(r"vgg(\d+)", model)
    if match is None:
        raise ConfigurationError(
            f"--model must be vgg08, vgg38, vgg<depth>, ssrn or FILE.py:function, got {model!r}"
            f"{similar_choice(model, ('vgg08', 'vgg38', 'ssrn'))}"
        )
    depth = int(match.group(1))
    blocks_per_stage(depth)
    return depth


def blocks_per_stage(depth: int) -> int:
    """Return B of depth = 8 + 6 B; ConfigurationError for any other depth."""
    if not isinstance(depth, int | np.integer):
        raise ConfigurationError(f"depth must be a whole number, got {shown(depth)}: try 8 or 14, as in vgg(depth=8)")
    if not 8 <= depth <= DEEPEST or (depth - 8) % 6:
        below = max(8, min(depth, DEEPEST) - (min(depth, DEEPEST) - 8) % 6)
        near = (below, below + 6) if below + 6 <= DEEPEST else (below - 6, below)
        raise ConfigurationError(
            f"depth must be 8, 14, 20, 26, 32, 38, ... (8 + 6 blocks a stage) and at most {DEEPEST}, got {depth}: "
            f"try {' or '.join(str(d) for d in near)}"
        )
    return (depth - 8) // 6
