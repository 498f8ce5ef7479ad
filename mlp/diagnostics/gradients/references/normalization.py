"""Normalizations: gamma (x - mean) / sqrt(var + eps) + beta over the axes that the name says; RMS without the mean."""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.references.subject import LayerAtPoint, Sizes
from mlp.typing import Array


def normalized(subject: LayerAtPoint, kind: str) -> Iterator[Array]:
    """Yield the outputs of a normalization of one kind, in training: "batch", "layer", "instance", "group", "rms"."""
    x = subject.x
    vectors = [a for a in subject.weights.values() if a.size > 1 or x.shape[-1] == 1]
    names = list(subject.weights)
    if len(vectors) != len(subject.weights) or len(vectors) > 2:
        return
    shifted = [name for name in names if "b" in name.rpartition(".")[2][:1] or "shift" in name or "offset" in name]
    first = [subject.weights[name] for name in names if name not in shifted]
    second = [subject.weights[name] for name in shifted]
    if len(first) > 1 or len(second) > 1:
        return
    for groups, axes in axes_of(kind, subject):
        for eps in subject.small_numbers():
            rows = x.reshape(groups)
            centred = rows if kind == "rms" else rows - rows.mean(axis=axes, keepdims=True)
            y = centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + eps)
            for gamma in placed(first[0], x) if first else [np.ones(1)]:
                for beta in placed(second[0], x) if second else [np.zeros(1)]:
                    yield y.reshape(x.shape) * gamma + beta


def axes_of(kind: str, subject: LayerAtPoint) -> Iterator[tuple[Sizes, Sizes]]:
    """Yield (shape that x is given, axes of the statistics in it)."""
    x, ndim = subject.x, subject.x.ndim
    if kind == "batch":
        yield x.shape, (0, *range(2, ndim))
        yield x.shape, tuple(range(ndim - 1))
    elif kind == "instance" and ndim > 2:
        yield x.shape, tuple(range(2, ndim))
        yield x.shape, tuple(range(1, ndim - 1))
    elif kind in ("layer", "rms"):
        yield x.shape, (ndim - 1,)
        if ndim != 3 or "global" in subject.words or any(a.ndim > 1 for a in subject.weights.values()):
            yield x.shape, tuple(range(1, ndim))  # of a sequence each step is normalized by itself
        if ndim == 4:
            yield x.shape, (1,)
            yield x.shape, (2, 3)
    elif kind == "group":
        G = subject.number(("g", "groups", "num_groups", "n_groups", "ngroups", "group"))
        if G and x.shape[1] % G == 0 and ndim > 1:
            yield (len(x), G, x.shape[1] // G, *x.shape[2:]), tuple(range(2, ndim + 1))
        if G and x.shape[-1] % G == 0:
            yield (*x.shape[:-1], G, x.shape[-1] // G), (*range(1, ndim - 1), ndim)


def placed(weight: Array, x: Array) -> Iterator[Array]:
    """Yield a weight so that it multiplies x along the axis of its size."""
    if weight.ndim > 1:
        yield weight
        return
    for axis in (-1, 1):
        if x.shape[axis] == len(weight):
            yield weight if axis == -1 else weight.reshape(-1, *[1] * (x.ndim - 2))


def of_neighbours(subject: LayerAtPoint) -> Iterator[Array]:
    """Local response: x / (k + a s)^beta, s being the sum of x^2 over n channels around, and a alpha, or alpha / n."""
    x, given = subject.x, subject.settings
    n, r = subject.number(("n", "size", "depth")), subject.number(("r", "radius", "depth_radius"))
    n = 2 * r + 1 if n is None and r is not None else n
    alpha, beta = given.get("alpha"), given.get("beta")
    k = next((given[name] for name in ("k", "bias") if isinstance(given.get(name), int | float)), 1.0)
    if subject.weights or n is None or not isinstance(alpha, float) or not isinstance(beta, float):
        return
    for axis in (1, -1):
        for before in {n // 2, (n - 1) // 2}:
            ends = [(0, 0)] * x.ndim
            ends[axis] = (before, n - 1 - before)
            windows = np.lib.stride_tricks.sliding_window_view(np.pad(x * x, ends), n, axis=axis)
            yield from (x / (k + a * windows.sum(axis=-1)) ** beta for a in (alpha, alpha / n))
