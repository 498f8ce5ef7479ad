"""Normalizations: gamma (x - mean) / sqrt(var + eps) + beta over the axes that the name says; RMS without the mean."""

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np

from mlp.diagnostics.gradients.references.subject import LayerAtPoint, Mistakes, Sizes
from mlp.typing import Array


def normalized(subject: LayerAtPoint, kind: str) -> Iterator[Array]:
    """Yield the outputs of a normalization of one kind, in training: "batch", "layer", "instance", "group", "rms"."""
    for groups, axes, channel in axes_of(kind, subject):
        for eps in subject.small_numbers():
            rows = subject.x.reshape(groups)
            centred = rows if kind == "rms" else rows - rows.mean(axis=axes, keepdims=True)
            y = centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + eps)
            yield from with_gain(subject, y, channel)


def wrong_normalized(subject: LayerAtPoint, kind: str) -> Mistakes:
    """Yield what a normalization gives whose mean and variance run over different axes, or both over wrong ones."""
    for (groups, axes, channel), eps in product(axes_of(kind, subject), subject.small_numbers()[:2]):
        rows = subject.x.reshape(groups)
        right = rows - (0.0 if kind == "rms" else rows.mean(axis=axes, keepdims=True))
        others = [o for n in range(1, rows.ndim + 1) for o in combinations(range(rows.ndim), n) if o != axes]
        shape = f" of the shape {groups}" if groups != subject.x.shape else ""
        for other in others:
            centred = rows - (0.0 if kind == "rms" else rows.mean(axis=other, keepdims=True))
            text = f" over the axes {other}{shape}, and must run over {axes}"
            of_mean, of_both = f"the mean runs{text}, as the variance does", f"mean and variance run{text}"
            of_variance = f"the variance runs{text}" + (", as the mean does" if kind != "rms" else "")
            for told, d, square, over in (
                (of_variance, right, centred, other),
                (of_variance, right, right, other),
                (of_mean, centred, centred, axes),
                (of_mean, centred, right, axes),
                (of_both, centred, centred, other),
            ):
                y = d / np.sqrt((square**2).mean(axis=over, keepdims=True) + eps)
                where = "mean|mu" if told is of_mean else "var|mean|std|square|axes"
                yield from ((told, where, one) for one in with_gain(subject, y, channel))


def with_gain(subject: LayerAtPoint, rows: Array, channel: int | None) -> Iterator[Array]:
    """Yield normalized values, of any shape, with the gain and the shift of a layer; nothing if it has more.

    Args:
        channel: the axis along which the gain and the shift have their values; None where it may be any.
    """
    x, names = subject.x, list(subject.weights)
    vectors = [a for a in subject.weights.values() if a.size > 1 or x.shape[-1] == 1]
    shifted = [name for name in names if "b" in name.rpartition(".")[2][:1] or "shift" in name or "offset" in name]
    first = [subject.weights[name] for name in names if name not in shifted]
    second = [subject.weights[name] for name in shifted]
    if len(vectors) != len(names) or len(first) > 1 or len(second) > 1:
        return
    for gamma in placed(first[0], x, channel) if first else [np.ones(1)]:
        for beta in placed(second[0], x, channel) if second else [np.zeros(1)]:
            yield rows.reshape(x.shape) * gamma + beta


def axes_of(kind: str, subject: LayerAtPoint) -> Iterator[tuple[Sizes, Sizes, int | None]]:
    """Yield (shape that x is given, axes of the statistics in it, axis of the channels of x or None)."""
    x, ndim = subject.x, subject.x.ndim
    pixels = [(tuple(range(s, s + ndim - 2)), 1 if s == 2 else ndim - 1) for s in subject.starts()]
    if kind == "batch":
        yield from ((x.shape, (0, *axes), channel) for axes, channel in pixels)
    elif kind == "instance" and ndim > 2:
        yield from ((x.shape, axes, channel) for axes, channel in pixels)
    elif kind in ("layer", "rms"):
        yield x.shape, (ndim - 1,), None
        if ndim != 3 or "global" in subject.words or any(a.ndim > 1 for a in subject.weights.values()):
            yield x.shape, tuple(range(1, ndim)), None  # of a sequence each step is normalized by itself
        if ndim == 4:
            yield x.shape, (1,), None
            yield x.shape, (2, 3), None
    elif kind == "group":
        G = subject.number(("g", "groups", "num_groups", "n_groups", "ngroups", "group"))
        for _, channel in pixels if ndim > 1 else ():
            if G and x.shape[channel] % G == 0:
                groups = (*x.shape[:channel], G, x.shape[channel] // G, *x.shape[channel + 1 :])
                yield groups, tuple(a for a in range(1, ndim + 1) if a != channel), channel


def placed(weight: Array, x: Array, channel: int | None = None) -> Iterator[Array]:
    """Yield a weight so that it multiplies x along the axis of its size, or along the one of the channels."""
    if weight.ndim > 1:
        along = [axis + x.ndim - weight.ndim for axis, n in enumerate(weight.shape) if n > 1]
        yield from [weight] if channel is None or along in ([], [channel]) else []
        return
    for axis in (-1, 1):
        if x.shape[axis] == len(weight) and channel in (None, axis % x.ndim):
            yield weight if axis == -1 else weight.reshape(-1, *[1] * (x.ndim - 2))


def of_neighbours(subject: LayerAtPoint) -> Iterator[Array]:
    """Local response: x / (k + a s)^beta, s being the sum of x^2 over n channels around, and a alpha, or alpha / n."""
    for _, first in subject.layouts():
        yield from summed_along(subject, 1 if first else subject.x.ndim - 1)


def wrong_neighbours(subject: LayerAtPoint) -> Mistakes:
    """Yield what a local response normalization gives whose sums run along another axis."""
    right = [1 if first else subject.x.ndim - 1 for _, first in subject.layouts()]
    for axis in [axis for axis in range(1, subject.x.ndim) if axis not in right]:
        text = f"the sum of squares runs along axis {axis}, and must run over the channels, axis {right[0]}"
        yield from ((text, "pad|axis|:", y) for y in summed_along(subject, axis))


def summed_along(subject: LayerAtPoint, axis: int) -> Iterator[Array]:
    """Yield local responses whose n neighbours lie along an axis."""
    x, given = subject.x, subject.settings
    n, r = subject.number(("n", "size", "depth")), subject.number(("r", "radius", "depth_radius"))
    n = 2 * r + 1 if n is None and r is not None else n
    alpha, beta = given.get("alpha"), given.get("beta")
    k = next((given[name] for name in ("k", "bias") if isinstance(given.get(name), int | float)), 1.0)
    if subject.weights or n is None or not isinstance(alpha, float) or not isinstance(beta, float):
        return
    for before in {n // 2, (n - 1) // 2}:
        ends = [(0, 0)] * x.ndim
        ends[axis] = (before, n - 1 - before)
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(x * x, ends), n, axis=axis)
        yield from (x / (k + a * windows.sum(axis=-1)) ** beta for a in (alpha, alpha / n))
