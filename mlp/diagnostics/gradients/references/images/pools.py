"""Pools of signals and images: the largest, or the mean, of x[c, s i - p], ..., x[c, s i - p + k - 1].

A pool has floor((n + 2 p - k) / s) + 1 outputs, an adaptive one as many as it is told.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.references.images.settings import (
    OF_STRIDE,
    PADS,
    POOLS,
    WindowMove,
    numbers_of_other_names,
    shown_moves,
)
from mlp.diagnostics.gradients.references.images.windows import padded, windows_of
from mlp.diagnostics.gradients.references.sequences import only_counted, wrong_pools
from mlp.diagnostics.gradients.references.subject import LayerAtPoint, Mistakes, Sizes
from mlp.typing import Array


def pools(subject: LayerAtPoint) -> Iterator[Array]:
    """Largest, smallest or mean value of each window, or its p-norm; of the whole image, for a global pool."""
    return pools_with(subject, reductions(subject), borders(subject), promised=subject.says(r"torch|ceil|overlap"))


def mistaken_pools(subject: LayerAtPoint) -> Mistakes:
    """Yield what a pool computes with the usual mistakes."""
    yield from wrong_pools(subject)
    right = reductions(subject)
    kinds: list[tuple[str, str, Any]] = [
        ("a window gives the sum of its values, and must give their mean", "sum|mean|/", np.nansum),
        ("a window gives the mean of its values", "sum|mean|/", np.nanmean),
        ("a window gives its largest value", "max|argmax", np.nanmax),
        ("a window gives its smallest value", "min|argmin", np.nanmin),
    ]
    if is_norm(subject):
        text = "the root is missing: a p-norm is (sum |x|^p)^(1/p)"
        kinds += [(text, r"\*\*|power", partial(one.func, **one.keywords, root=False)) for one in right]
    size = size_of_windows(subject)
    if right == [np.nanmean] and size is not None and len(size) > 1:
        text = f"a window's sum is divided by its side {size[0]}, and must be divided by the number of its values"
        kinds.append((text, r"/|mean", lambda x, **how: np.asarray(np.nansum(x, **how) / size[0])))
    yield from at_wrong_places(subject, right)
    for text, where, reduce in kinds:
        if reduce not in right:
            yield from ((text, where, y) for y in pools_with(subject, [reduce], borders(subject), promised=True))
    if borders(subject) == (np.nan,):
        text = (
            "windows at the border are divided by the size of the window, so the padding counts: divide by the number "
            "of real values in the window"
        )
        yield from ((text, "count|mean|/", y) for y in pools_with(subject, right, (0.0,), promised=True))


def at_wrong_places(subject: LayerAtPoint, right: Sequence[Any]) -> Mistakes:
    """Yield pools whose windows do not start at i times the stride."""
    size = size_of_windows(subject)
    for step, told in ((1, "i"), (size, "i * size")) if size is not None else ():
        settings = {name: value for name, value in subject.settings.items() if name not in OF_STRIDE} | {"stride": step}
        for y in pools_with(replace(subject, settings=settings), right, borders(subject), promised=True):
            text = f"window i starts at {told}, and must start at i * stride"
            yield text, r":|\*", y[tuple(slice(n) for n in subject.shape)] if y.ndim == len(subject.shape) else y


def pools_with(
    subject: LayerAtPoint, reduces: Sequence[Any], fills: Sequence[float], *, promised: bool
) -> Iterator[Array]:
    """Yield pools.

    Args:
        reduces: what may be done with the values of a window. fills: what the padding may hold. promised: whether the
            cells of an adaptive pool overlap for sure.
    """
    axes = subject.x.ndim - 2
    if subject.weights or axes < 1:
        return
    if subject.constants:
        for x in only_counted(subject, np.nan):
            yield from (np.asarray(f(x, axis=1, keepdims=k)) for f in reduces for k in (False, True))
        return
    size = size_of_windows(subject)
    adaptive, flat = "adaptive" in subject.words, len(subject.shape) < subject.x.ndim
    whole = bool({"global", "gap"} & set(subject.words)) or (adaptive and flat)
    for x, first in subject.layouts():
        counts = subject.shape[2:] if first else subject.shape[1:-1]
        for reduce in reduces:
            over = tuple(range(2, x.ndim))
            if adaptive and not flat:
                ys = cells(x, counts, reduce, promised=promised)
            elif whole or (size is None and (flat or set(counts) == {1})):
                ys = (np.asarray(reduce(x, axis=over, keepdims=keep)) for keep in (False, True))
            else:
                windows = all_windows(subject, x, counts, fills)
                ys = (np.asarray(reduce(one, axis=tuple(range(-axes, 0)))) for one in windows if one.size)
            yield from (y if first or y.ndim < x.ndim else np.moveaxis(y, 1, -1) for y in ys)


def all_windows(subject: LayerAtPoint, x: Array, counts: Sequence[int], fills: Sequence[float]) -> Iterator[Array]:
    """Yield the windows of (N, C, *S) as the settings say; where these have other names, those of that many outputs."""
    axes, size = x.ndim - 2, size_of_windows(subject)
    strides, pads = subject.sizes(OF_STRIDE, axes) or size, subject.sizes(pads_of(subject), axes) or (0,) * axes
    moves: list[tuple[Sizes, WindowMove]] = []
    if size is not None and strides is not None:
        moves.append((size, (strides, [(p, p) for p in pads], (1,) * axes)))
    others = [[2, 3, *numbers_of_other_names(subject, axis, axes)] for axis in range(axes)]
    for k in product(*others) if size is None else [size]:
        usual = (1, 2, 3) if size is None else k
        shown = shown_moves(subject, k, (x.shape[2:], counts), usual, pads_of(subject))
        moves += [(k, how) for how in shown if (k, how) not in moves]
    for k, (strides, both, dilation) in moves:
        if any(max(ends) >= d * (n - 1) + 1 for ends, n, d in zip(both, k, dilation, strict=True)):
            continue  # a window would have nothing but padding
        for fill in fills if any(map(any, both)) else (0.0,):
            yield windows_of(padded(x, both, fill), k, strides, dilation)


def borders(subject: LayerAtPoint) -> tuple[float, ...]:
    """Return what the padding of a pool may hold: nothing (NaN), which does not count in a mean, or zeros that do."""
    left_out = (
        r"count_include_pad\W+false|not\s+counted|inside\s+(of\s+)?the\s+(image|input)|(real|valid)\s+(pixel|value)"
    )
    return (np.nan,) if subject.says(left_out) else (np.nan, 0.0)


def is_norm(subject: LayerAtPoint) -> bool:
    """Return whether a pool gives the p-norms of its windows."""
    return bool({"lp", "l", "power"} & set(subject.words))


def size_of_windows(subject: LayerAtPoint) -> Sizes | None:
    """Return the size of the windows of a pool; it may be called p, where nothing else tells it."""
    axes = subject.x.ndim - 2
    return subject.sizes(POOLS, axes) or (None if is_norm(subject) else subject.sizes(("p",), axes))


def pads_of(subject: LayerAtPoint) -> tuple[str, ...]:
    """Return the names that the padding of a pool may have: p is its size, where nothing else tells it."""
    taken = is_norm(subject) or subject.sizes(POOLS, subject.x.ndim - 2) is None
    return tuple(name for name in PADS if name != "p" or not taken)


def reductions(subject: LayerAtPoint) -> list[Any]:
    """Return what a pool may do with the values of a window, of which those of the padding may be NaN."""
    if is_norm(subject):
        given = [subject.settings.get(name) for name in ("p", "norm_type", "ord", "norm", "power")]
        powers = [float(p) for p in given if isinstance(p, int | float)] or [2.0]

        def norm(x: Array, p: float, *, mean: bool, root: bool = True, **how: Any) -> Array:
            total = (np.nanmean if mean else np.nansum)(np.abs(x) ** p, **how)
            return np.asarray(total ** (1.0 / p if root else 1.0))

        return [partial(norm, p=p, mean=mean) for p in powers for mean in (False, True)]
    named = {"max": np.nanmax, "min": np.nanmin, "sum": np.nansum}
    found = [f for word, f in named.items() if any(one.startswith(word) for one in subject.words)]
    if found or any(one.startswith(("av", "mean", "gap", "global")) for one in subject.words):
        return found or [np.nanmean]
    return [np.nanmax, np.nanmean]  # a pool that does not say which


def cells(x: Array, counts: Sequence[int], reduce: Any, *, promised: bool) -> Iterator[Array]:
    """Yield adaptive pools: cell i from floor(i n / m) to ceil((i + 1) n / m), or in parts without overlap."""
    for overlap in (True,) if promised else (True, False):
        y = x
        for axis, m in enumerate(counts, 2):
            n = x.shape[axis]
            ends = [((i + 1) * n + (m - 1) * overlap) // m for i in range(m)]
            parts = [y.take(range(i * n // m, end), axis) for i, end in enumerate(ends)]
            y = np.concatenate([np.asarray(reduce(part, axis=axis, keepdims=True)) for part in parts], axis=axis)
        yield y
