"""Layers that choose, as max pooling does: each output is one of the inputs, and backward must choose the same one.

Row o of the Jacobian holds a single 1, at the winner of output o. Row o of backward's map says to which input backward
hands the gradient of that output. Where they differ, so do the windows in which each of the two looks for a winner.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Evidence
from mlp.typing import Array, Shape

SMALL = 1e-6
NAME = "winner of the window"
ANOTHER = (
    "backward hands the gradient of a window to another value than the one that won in forward: argmax gives the place "
    "in the window alone, and the window of output i starts at i * stride"
)


def wrong_winner(e: Evidence) -> Iterator[Diagnosis]:
    """Yield which wrong input backward takes for the winner of a window."""
    x, y = e.point.x, e.point.outputs
    matrices = e.rows() if e.of_inputs and x.ndim == y.ndim and x.ndim > 2 and y.size < x.size else None
    if matrices is None:
        return
    J, B = (np.abs(M) > SMALL for M in matrices)
    if not (J.sum(axis=1) == 1).all() or not np.allclose(matrices[0][J], 1.0, atol=1e-5):
        return
    right = places(J, x.shape)
    own = np.argwhere(np.ones(y.shape, bool))  # the place of each output
    kept = [axis for axis in range(x.ndim) if np.array_equal(right[:, axis], own[:, axis])]
    count = B.sum(axis=1)
    if (count == 0).any() and (count <= 1).all():
        yield from lost(e, (count > 0).reshape(y.shape), kept)
    elif (count == 1).all() and not np.array_equal(places(B, x.shape), right):
        text = wrong_choice(e, right, places(B, x.shape), kept)
        if text:
            yield e.found("another winner" if text is ANOTHER else NAME, text)


def places(support: Array, shape: Shape) -> Array:
    """Return the index of the first chosen input of each row, (outputs, axes)."""
    return np.stack(np.unravel_index(support.argmax(axis=1), shape), axis=1)


def word(e: Evidence, axis: int, kept: list[int]) -> str:
    """Return what an axis stands for: samples, channels (the other axis that `kept` has), rows or columns."""
    if axis == 0:
        return "samples"
    return (
        "channels" if axis in kept else "rows" if axis == min(set(range(1, e.point.x.ndim)) - set(kept)) else "columns"
    )


def lost(e: Evidence, gives: Array, kept: list[int]) -> Iterator[Diagnosis]:
    """Yield among which outputs only the largest hands its gradient on."""
    y = e.point.outputs
    for number in range(1, y.ndim + 1):
        for axes in combinations(range(y.ndim), number):
            if np.array_equal(gives, y == y.max(axis=axes, keepdims=True)):
                among = " and ".join(word(e, axis, kept) for axis in axes)
                text = (
                    f"only the largest of all {among} hands its gradient on: the maximum (argmax) of backward runs "
                    f"over axis {', '.join(map(str, axes))}, too. Each window of each channel has a winner of its own"
                )
                yield e.found(NAME, text, f"{np.count_nonzero(~gives)} of {gives.size} outputs have no winner")
                return


def wrong_choice(e: Evidence, right: Array, mine: Array, kept: list[int]) -> str:
    """Return in words which input backward chooses; "" where forward chooses none: it takes the same place always."""
    x, y = e.point.x, e.point.outputs
    own = np.argwhere(np.ones(y.shape, bool))
    for axis in kept:
        name = word(e, axis, kept)
        if not np.array_equal(mine[:, axis], own[:, axis]):
            return (
                f"backward looks for the winner of a window among other {name}, too (the argmax runs over axis {axis}):"
                f" the {name} are pooled one by one"
            )
        if same_along(mine, y.shape, axis, kept) and not same_along(right, y.shape, axis, kept):
            return (
                f"backward takes one and the same place as the winner for all {name} (axis {axis}): the argmax is "
                f"taken over the {name}, or of one of them; each has a winner of its own"
            )
    spatial = [axis for axis in range(x.ndim) if axis not in kept]
    strides = [
        max(1, -(-x.shape[axis] // y.shape[axis]) if y.shape[axis] == 1 else stride(right, own, axis))
        for axis in spatial
    ]
    inside, chosen = (one[:, spatial] - own[:, spatial] * strides for one in (right, mine))
    if (inside == inside[0]).all():
        return ""
    if (chosen == chosen[0]).all():
        return f"backward always takes the same place of the window, {tuple(map(int, chosen[0]))}, whatever wins there"
    if len(spatial) == 2 and np.array_equal(chosen, inside[:, ::-1]):
        return (
            "the row and the column of the winner are exchanged: argmax counts row by row, so the row is a // width "
            "and the column a % width (np.unravel_index or divmod)"
        )
    values, size = x[tuple(mine.T)], inside.max(axis=0) + 1
    windows = [x[window(own[o], strides, size, spatial, kept)] for o in range(len(own))]
    for text, best in (
        ("the smallest value", [w.min() for w in windows]),
        ("the largest |x|", [w.flat[np.abs(w).argmax()] for w in windows]),
        ("the smallest |x|", [w.flat[np.abs(w).argmin()] for w in windows]),
    ):
        if np.allclose(values, best):
            return f"backward hands the gradient to {text} of each window, where forward takes the largest value"
    return ANOTHER


def same_along(where: Array, shape: Shape, axis: int, kept: list[int]) -> bool:
    """Return whether the chosen places within the images are the same all along an axis of the outputs."""
    spatial = [a for a in range(len(shape)) if a not in kept]
    table = where[:, spatial].reshape(*shape, len(spatial))
    return shape[axis] > 1 and bool((table == table.take([0], axis=axis)).all())


def stride(right: Array, own: Array, axis: int) -> int:
    """Return the largest stride with which no winner stands before its window."""
    used = own[:, axis] > 0
    return int((right[used, axis] // own[used, axis]).min()) if used.any() else 1


def window(
    index: Array, strides: list[int], size: Array, spatial: list[int], kept: list[int]
) -> tuple[slice | int, ...]:
    """Return the part of the inputs that one output looks at."""
    start = dict(zip(spatial, index[spatial] * strides, strict=True))
    extent = dict(zip(spatial, size, strict=True))
    return tuple(
        int(index[axis]) if axis in kept else slice(int(start[axis]), int(start[axis] + extent[axis]))
        for axis in range(len(index))
    )


def shared_by(e: Evidence) -> str:
    """Return how backward shares the gradient of an output among several inputs, if it is the same for all outputs."""
    matrices = e.rows()
    if matrices is None:
        return ""
    B = matrices[1]
    chosen = np.abs(B) > SMALL
    sizes = chosen.sum(axis=1)
    if sizes.min() < 2 or np.ptp(sizes) or np.ptp(B[chosen]) > SMALL:
        return ""
    each, number = float(B[chosen].mean()), int(sizes[0])
    if abs(each * number - 1.0) < SMALL:
        return f"; here all {number} values share it evenly, as in average pooling"
    return f"; here each of {number} values gets {each:.4g} times the gradient of the output"
