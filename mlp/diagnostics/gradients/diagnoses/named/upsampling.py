"""Upsampling of images: every pixel becomes a block."""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import distance
from mlp.diagnostics.gradients.finite_differences import Probe

SAME = 1e-9


def wrong_upsampling(probe: Probe) -> Iterator[str]:
    """Yield what is wrong with an upsampling that repeats the nearest pixel, whose outputs are those of another one."""
    x, y = probe.x, probe.outputs()
    axes = [axis for axis in range(1, x.ndim) if y.ndim == x.ndim and y.shape[axis] != x.shape[axis]]
    if not axes or len(y) != len(x) or any(y.shape[axis] % x.shape[axis] for axis in axes):
        return
    factors = {axis: y.shape[axis] // x.shape[axis] for axis in axes}
    blocks = x
    for axis, factor in factors.items():
        blocks = np.repeat(blocks, factor, axis=axis)
    if distance(blocks, y) < SAME:
        return
    if distance(np.tile(x, [factors.get(axis, 1) for axis in range(x.ndim)]), y) < SAME:
        yield (
            "forward repeats the whole image (np.tile), and the nearest pixel is meant: every pixel must be repeated, "
            "np.repeat along each axis of the image"
        )
        return
    spread = np.zeros_like(y)
    spread[tuple(slice(None, None, factors.get(axis, 1)) for axis in range(x.ndim))] = x
    if distance(spread, y) < SAME:
        yield "forward writes each pixel once and leaves zeros between them: the whole block must get its value"
