"""Normalizations: gamma (x - mean) / sqrt(var + eps) + beta over the axes that the name says; RMS without the mean."""

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np

from mlp.diagnostics.gradients.references.subject import LayerAtPoint, Mistakes, Sizes
from mlp.typing import Array


def normalized(subject: LayerAtPoint, kind: str) -> Iterator[Array]:
    """Yield the outputs of a normalization of one kind, in training: "batch", "layer", "instance", "group", "rms"."""
    for groups, axes in axes_of(kind, subject):
        for eps in subject.small_numbers():
            rows = subject.x.reshape(groups)
            centred = rows if kind == "rms" else rows - rows.mean(axis=axes, keepdims=True)
            yield from with_gain(subject, centred / np.sqrt((centred**2).mean(axis=axes, keepdims=True) + eps))


def wrong_normalized(subject: LayerAtPoint, kind: str) -> Mistakes:
    """Yield what a normalization gives whose mean and variance run over different axes."""
    for (groups, axes), eps in product(axes_of(kind, subject), subject.small_numbers()[:2]):
        rows = subject.x.reshape(groups)
        right = rows - rows.mean(axis=axes, keepdims=True)
        others = [o for n in range(1, rows.ndim + 1) for o in combinations(range(rows.ndim), n) if o != axes]
        shape = f" of the shape {groups}" if groups != subject.x.shape else ""
        for other in others:
            centred = rows - rows.mean(axis=other, keepdims=True)
            variances = [(d**2).mean(axis=other, keepdims=True) for d in (centred, right)]
            text = f"runs over the axes {other}{shape}, and must run over {axes}"
            for variance in variances:
                for y in with_gain(subject, right / np.sqrt(variance + eps)):
                    yield f"the variance {text}, as the mean does", "var|mean|std|square", y
            for deviation in (centred, right) if kind != "rms" else ():
                for y in with_gain(subject, centred / np.sqrt((deviation**2).mean(axis=axes, keepdims=True) + eps)):
                    yield f"the mean {text}, as the variance does", "mean|mu", y


def with_gain(subject: LayerAtPoint, rows: Array) -> Iterator[Array]:
    """Yield normalized values, of any shape, with the gain and the shift of a layer; nothing if it has more."""
    x, names = subject.x, list(subject.weights)
    vectors = [a for a in subject.weights.values() if a.size > 1 or x.shape[-1] == 1]
    shifted = [name for name in names if "b" in name.rpartition(".")[2][:1] or "shift" in name or "offset" in name]
    first = [subject.weights[name] for name in names if name not in shifted]
    second = [subject.weights[name] for name in shifted]
    if len(vectors) != len(names) or len(first) > 1 or len(second) > 1:
        return
    for gamma in placed(first[0], x) if first else [np.ones(1)]:
        for beta in placed(second[0], x) if second else [np.zeros(1)]:
            yield rows.reshape(x.shape) * gamma + beta


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
