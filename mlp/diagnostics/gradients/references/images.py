"""What moves values of images about: upsampling, pixel shuffle, padding, flattening; and products of the whole."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np

from mlp.diagnostics.gradients.diagnoses.pointwise import sigmoid
from mlp.diagnostics.gradients.references.subject import LayerAtPoint, Sizes, relu, turned
from mlp.diagnostics.gradients.references.windows import all_convolutions, layouts
from mlp.typing import Array

SCALES = ("scale", "scale_factor", "factor", "s", "size", "r", "k", "upscale", "upscale_factor", "block", "block_size")


def upsampled(subject: LayerAtPoint) -> Iterator[Array]:
    """Nearest: every pixel becomes a block of s x s; bilinear: the weighted mean of the four nearest pixels."""
    x, factors = subject.x, scales(subject)
    if subject.weights or factors is None:
        return
    linear = any("linear" in word for word in (*subject.words, str(subject.settings.get("mode", ""))))
    for start in (2, 1):
        if not linear:
            y = x
            for axis, factor in enumerate(factors, start):
                y = np.repeat(y, factor, axis=axis)
            yield y
        for corners in (False, True) if linear else ():
            y = x
            for axis, factor in enumerate(factors, start):
                y = interpolated(y, axis, factor, corners=corners)
            yield y


def scales(subject: LayerAtPoint) -> Sizes | None:
    """Return the factor of each axis of an image: a setting, or what the outputs have."""
    x, y, axes = subject.x.shape, subject.shape, subject.x.ndim - 2
    if axes < 1 or len(y) != len(x):
        return None
    given = [tuple(b // a for a, b in zip(x[start:], y[start:], strict=True))[:axes] for start in (2, 1)]
    return subject.sizes(SCALES, axes) or given[y[1] != x[1]]


def wrong_upsampling(subject: LayerAtPoint) -> Iterator[tuple[str, str, Array]]:
    """Yield (what is wrong, a pattern for the line where, outputs) for the usual mistakes."""
    x, axes, factors = subject.x, subject.x.ndim - 2, scales(subject)
    for start in (2, 1) if factors is not None else ():
        steps = [1] * x.ndim
        steps[start : start + axes] = factors or ()
        yield (
            "np.tile repeats the whole image, and every pixel must be repeated: np.repeat along each axis of the image",
            "tile",
            np.tile(x, steps),
        )
        spread = np.zeros([n * s for n, s in zip(x.shape, steps, strict=True)])
        spread[tuple(slice(None, None, s) for s in steps)] = x
        yield "each pixel is written once, with zeros between them: the whole block must get its value", "::", spread


def interpolated(x: Array, axis: int, factor: int, *, corners: bool) -> Array:
    """Return the values interpolated two neighbours along one axis, with aligned corners or without."""
    n = x.shape[axis]
    places = np.arange(n * factor)
    at = places * (n - 1) / max(n * factor - 1, 1) if corners else (places + 0.5) / factor - 0.5
    at = np.clip(at, 0.0, n - 1.0)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, n - 1)
    share = (at - low).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return np.asarray((1.0 - share) * np.take(x, low, axis) + share * np.take(x, high, axis))


def shuffled(subject: LayerAtPoint) -> Iterator[Array]:
    """Pixel shuffle: r^2 channels of a pixel become a block of r x r pixels."""
    x, r = subject.x, subject.number(SCALES)
    if subject.weights or r is None or x.ndim != 4:
        return
    for a, first in layouts(x):
        N, C, H, W = a.shape
        c = C // (r * r)
        if C % (r * r):
            continue
        for shape, order in (((c, r, r), (0, 1, 4, 2, 5, 3)), ((r, r, c), (0, 3, 4, 1, 5, 2))):  # c r r, or r r c
            y = a.reshape(N, *shape, H, W).transpose(order).reshape(N, c, H * r, W * r)
            yield y if first else np.moveaxis(y, 1, -1)


def unshuffled(subject: LayerAtPoint) -> Iterator[Array]:
    """Space to depth: a block of r x r pixels becomes r^2 channels of one pixel."""
    x, r = subject.x, subject.number(SCALES)
    if subject.weights or r is None or x.ndim != 4:
        return
    for a, first in layouts(x):
        N, C, H, W = a.shape
        if H % r or W % r:
            continue
        blocks = a.reshape(N, C, H // r, r, W // r, r)
        for order in ((0, 1, 3, 5, 2, 4), (0, 3, 5, 1, 2, 4)):  # c r r, or r r c
            y = blocks.transpose(order).reshape(N, C * r * r, H // r, W // r)
            yield y if first else np.moveaxis(y, 1, -1)


def separable(subject: LayerAtPoint) -> Iterator[Array]:
    """Separable convolution: one kernel for each channel, then a matrix from channels to channels, then the bias."""
    kernels = [(name, a) for name, a in subject.weights.items() if a.ndim > 1]
    biases = subject.vectors()
    for (name, depthwise), (_, pointwise) in permutations(kernels, 2) if len(kernels) == 2 and len(biases) < 2 else ():
        first = replace(subject, words=("depthwise",), weights={name: depthwise})
        shape = [n for n in pointwise.shape if n > 1]
        for mid in all_convolutions(first) if len(shape) == 2 else ():
            for axis in (1, -1):
                for W in turned(pointwise.reshape(shape), mid.shape[axis]):
                    if all(len(b) == W.shape[1] for b in biases):
                        yield np.moveaxis(np.moveaxis(mid, axis, -1) @ W + sum(biases), -1, axis)


def wider(subject: LayerAtPoint) -> Iterator[Array]:
    """Padding with zeros, or with what the name says, at both ends of every axis of the image."""
    x, axes = subject.x, subject.x.ndim - 2
    pads = subject.sizes(("pad", "padding", "p", "n", "width", "size"), axes)
    if subject.weights or pads is None or axes < 1:
        return
    kinds = {"reflect": "reflect", "reflection": "reflect", "replication": "edge", "replicate": "edge", "edge": "edge"}
    kinds |= {"circular": "wrap", "symmetric": "symmetric", "periodic": "wrap"}
    mode = next((kind for word, kind in kinds.items() if word in subject.words), "constant")
    value = subject.settings.get("value", 0.0)
    given = {"constant_values": value} if mode == "constant" and isinstance(value, int | float) else {}
    for start in (2, 1):
        ends = [(0, 0)] * x.ndim
        ends[start : start + axes] = [(p, p) for p in pads]
        yield np.pad(x, ends, mode, **given)  # type: ignore[call-overload]


def flattened(subject: LayerAtPoint) -> Iterator[Array]:
    """(N, ...) as (N, D)."""
    if not subject.weights:
        yield subject.x.reshape(len(subject.x), -1)


def affine(subject: LayerAtPoint) -> Iterator[Array]:
    """x W + b, of the flattened inputs, or along their last axis."""
    x, matrices, vectors = subject.x, subject.matrices(), subject.vectors()
    if len(matrices) != 1 or len(vectors) > 1 or len(matrices) + len(vectors) != len(subject.weights):
        return
    for rows in (x.reshape(len(x), -1), x):
        for W in turned(matrices[0], rows.shape[-1]):
            if not vectors or len(vectors[0]) == W.shape[1]:
                yield rows @ W + (vectors[0] if vectors else 0.0)


def bilinear(subject: LayerAtPoint) -> Iterator[Array]:
    """Bilinear layer: y_k = a^T W_k b + bias_k, a and b being two inputs, or two halves of one."""
    x, weights = subject.x, list(subject.weights.values())
    kernels, vectors = [a for a in weights if a.ndim == 3], subject.vectors()
    others = [a for a in weights if a.ndim == 2 and len(a) == len(x)]
    if x.ndim != 2 or len(kernels) != 1 or len(others) + len(vectors) + 1 != len(weights) or len(others) > 1:
        return
    ways: list[tuple[Array, Array]] = [(x, other) for other in others]
    if not others and x.shape[1] % 2 == 0:
        ways = [(x[:, : x.shape[1] // 2], x[:, x.shape[1] // 2 :])]
    for a, b in ways:
        for order in permutations(range(3)):
            W = kernels[0].transpose(order)
            if W.shape[:2] == (a.shape[1], b.shape[1]) and all(v.shape == W.shape[2:] for v in vectors):
                yield np.einsum("nd,dek,ne->nk", a, W, b) + sum(vectors)


def highway(subject: LayerAtPoint) -> Iterator[Array]:
    """t h + (1 - t) x with the gate t = sigmoid(x W_t + b_t) and h = f(x W_h + b_h); or t and 1 - t exchanged."""
    x = subject.x
    kinds = [[a for a in subject.weights.values() if a.ndim == n] for n in (2, 1)]
    matrices, vectors = kinds
    if x.ndim != 2 or len(matrices) != 2 or len(vectors) not in (0, 2) or sum(map(len, kinds)) != len(subject.weights):
        return
    vectors = vectors or [np.zeros(x.shape[1])] * 2
    for i in (0, 1):
        for one, other in zip(turned(matrices[i], x.shape[1]), turned(matrices[1 - i], x.shape[1]), strict=False):
            t = sigmoid(x @ one + vectors[i])
            for f in (relu, np.tanh):
                h = f(x @ other + vectors[1 - i])
                yield t * h + (1.0 - t) * x
                yield (1.0 - t) * h + t * x


def excited(subject: LayerAtPoint) -> Iterator[Array]:
    """Squeeze and excitation: x times sigmoid(relu(m W_1 + b_1) W_2 + b_2), m being the mean of each channel."""
    matrices, vectors = subject.matrices(), subject.vectors()
    if subject.x.ndim != 4 or len(matrices) != 2 or len(matrices) + len(vectors) != len(subject.weights):
        return
    for x, first in layouts(subject.x):
        m = x.mean(axis=(2, 3))
        for one in turned(matrices[0], m.shape[1]):
            for other in turned(matrices[1], one.shape[1]):
                b = vectors if [len(v) for v in vectors] == [one.shape[1], other.shape[1]] else [0.0, 0.0]
                if other.shape[1] != m.shape[1] or (vectors and b is not vectors):
                    continue
                y = x * sigmoid(relu(m @ one + b[0]) @ other + b[1])[:, :, None, None]
                yield y if first else np.moveaxis(y, 1, -1)
