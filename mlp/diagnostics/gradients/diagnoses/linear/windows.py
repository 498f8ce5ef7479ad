"""Which inputs belong to which output? The windows of forward against those of backward.

Along each axis of the images, output i of a convolution or pooling sees the inputs from a i + b to a i + b + w - 1,
where these exist: a is the stride, -b the padding, w the extent of the window. These numbers are fitted to the support
of the Jacobian, and to that of what backward does; where they differ, the difference has a name. For the gradient of a
kernel, whose entries are values of x, the windows are found by looking these values up in x.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Evidence
from mlp.typing import Array

VANISHING = 1e-7
SIDES = {1: ("row", "height"), 2: ("column", "width"), 3: ("column", "width")}


@dataclass(frozen=True)
class Window:
    """Along one axis of the inputs: a i + b .. a i + b + extent - 1 for output i along `axis` of the outputs."""

    axis: int
    stride: int
    offset: int
    extent: int
    taps: int  # places in the window that are used: fewer than `extent` if it is dilated


def wrong_windows(e: Evidence) -> Iterator[Diagnosis]:
    """Yield how the windows of backward differ from those of forward."""
    x, y = e.point.x, e.point.outputs
    matrices = e.rows()
    if matrices is None or x.ndim != 4 or y.ndim != 4:
        return
    J, B = matrices
    if e.of_inputs and (np.abs(J) > VANISHING).sum(axis=1).max() == 1:  # values only change places
        return
    if not e.of_inputs:
        if e.numeric.ndim < 3:
            return
        found = looked_up(J, x, 1e-6), looked_up(B, x, 1e-12)
        if found[0] is None or found[1] is None:
            return
        J, B = found[0], found[1]
    spatial = (1, 2) if x.shape[3] == min(x.shape[1:]) or x.shape[1] > x.shape[3] else (2, 3)
    forward, backward = ([window_along(M, x.shape, y.shape, axis) for axis in spatial] for M in (J, B))
    if any(one is None for one in (*forward, *backward)):
        return
    what = "dx is written to" if e.of_inputs else "the kernel's gradient reads x in"
    yield from different_windows(e, list(zip(spatial, forward, backward, strict=True)), what)  # type: ignore[arg-type]


def looked_up(M: Array, x: Array, tolerance: float) -> Array | None:
    """Return which values of x stand in each row of M, (outputs, x.size) of 0 and 1; None if others stand there."""
    order = np.argsort(x, axis=None)
    ordered = x.ravel()[order]
    if np.diff(ordered).min(initial=1.0) < 4.0 * tolerance:
        return None
    support = np.zeros((len(M), x.size))
    for row, values in zip(support, M.reshape(len(M), -1), strict=True):
        values = values[np.abs(values) > VANISHING]
        places = np.clip(np.searchsorted(ordered, values), 1, len(ordered) - 1)
        nearest = np.where(np.abs(ordered[places - 1] - values) < np.abs(ordered[places] - values), places - 1, places)
        if np.abs(ordered[nearest] - values).max(initial=0.0) > tolerance * (1.0 + np.abs(values).max(initial=0.0)):
            return None
        row[order[nearest]] = 1.0
    return support


def window_along(M: Array, x_shape: tuple[int, ...], y_shape: tuple[int, ...], axis: int) -> Window | None:
    """Return the window along one axis of the inputs, fitted to the support of a matrix (outputs, inputs)."""
    others = tuple(1 + other for other in range(4) if other != axis)
    there = (np.abs(M.reshape(-1, *x_shape)) > VANISHING).any(axis=others)  # (outputs, places along the axis)
    length, used = x_shape[axis], there.any(axis=1)
    if not used.any():
        return None
    low, high = there.argmax(axis=1)[used], length - 1 - there[:, ::-1].argmax(axis=1)[used]
    taps = int(there.sum(axis=1).max())
    for out_axis in (axis, *(other for other in range(1, 4) if other != axis)):
        i = np.indices(y_shape)[out_axis].ravel()[used]
        if y_shape[out_axis] < 2:
            continue
        for stride, extent, offset in product(range(1, 5), range(1, length + 1), range(-4, 5)):
            start = stride * i + offset
            if np.array_equal(np.maximum(start, 0), low) and np.array_equal(
                np.minimum(start + extent, length) - 1, high
            ):
                return Window(out_axis, stride, offset, extent, taps)
    return None


def different_windows(e: Evidence, pairs: list[tuple[int, Window, Window]], what: str) -> Iterator[Diagnosis]:
    """Yield the first difference between the windows of forward and backward."""
    numbers = "; ".join(f"{SIDES[axis][0]}s: forward {text(one)}, backward {text(other)}" for axis, one, other in pairs)
    if all(one.axis != other.axis for _, one, other in pairs):
        sentence = (
            f"rows and columns are exchanged: the windows that {what} move along the columns where those of forward "
            "move along the rows. The window of output (i, j) starts at row i and column j"
        )
        yield e.found("rows and columns exchanged", sentence, numbers)
        return
    for axis, one, other in pairs:
        side = SIDES[axis][0]
        if one == other:
            continue
        if one.axis != other.axis:
            sentence = (
                f"the {side}s of the windows that {what} move along with the wrong index of the outputs: output (i, j) "
                "has the rows that belong to i and the columns that belong to j; i and j are mixed up in one place"
            )
            yield e.found("rows and columns exchanged", sentence, numbers)
        elif one.stride != other.stride:
            sentence = (
                f"the stride is wrong along the {side}s: forward moves its window by {one.stride} for each output, and "
                f"the windows that {what} move by {other.stride}. The window of output i starts at i * stride"
            )
            yield e.found("stride", sentence, numbers)
        elif one.taps == other.taps and one.extent != other.extent:
            sentence = (
                f"the dilation is wrong along the {side}s: the window of forward has its {one.taps} places over "
                f"{one.extent} {side}s, the one that {what} over {other.extent}"
            )
            yield e.found("dilation", sentence, numbers)
        elif other.extent == 1 < one.extent:
            sentence = (
                f"only one {side} of each window gets a gradient: all {one.extent} {side}s of a window move its "
                "output, so each of them must get its share"
            )
            yield e.found("part of the window", sentence, numbers)
        elif one.extent != other.extent:
            sentence = (
                f"the windows have another size: {one.extent} {side}s in forward, and {other.extent} in those that "
                f"{what}: look at the size of the kernel"
            )
            yield e.found("window size", sentence, numbers)
        else:
            by = other.offset - one.offset
            sentence = (
                f"the windows that {what} are shifted by {abs(by)} {side}{'s' if abs(by) > 1 else ''}: they start "
                f"{abs(by)} too {'late' if by > 0 else 'early'}; look at the padding (was it forgotten, or cut off at "
                "the wrong end?) and at the first index of the slice"
            )
            yield e.found("shifted", sentence, numbers)
        return


def text(window: Window) -> str:
    """Return a window as text: "2 i - 1 .. 2 i + 1"."""
    start = f"{window.stride if window.stride > 1 else ''}{' ' if window.stride > 1 else ''}i"
    ends = [
        start + (f" {'+' if b > 0 else '-'} {abs(b)}" if b else "")
        for b in (window.offset, window.offset + window.extent - 1)
    ]
    return " .. ".join(ends)
