"""What moves values of images about: pixel shuffle, padding, flattening; and products of the whole."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations

import numpy as np

from mlp.diagnostics.gradients.diagnoses.pointwise import sigmoid
from mlp.diagnostics.gradients.references.images.upsampling import SCALES
from mlp.diagnostics.gradients.references.images.windows import all_convolutions
from mlp.diagnostics.gradients.references.subject import LayerAtPoint, Mistakes, relu, turned
from mlp.typing import Array


def shuffled(subject: LayerAtPoint) -> Iterator[Array]:
    """Pixel shuffle: r^2 channels of a pixel become a block of r x r pixels."""
    yield from (y for order in right_orders(subject) for y in as_blocks(subject, order))


def unshuffled(subject: LayerAtPoint) -> Iterator[Array]:
    """Space to depth: a block of r x r pixels becomes r^2 channels of one pixel."""
    yield from (y for order in right_orders(subject) for y in as_channels(subject, order))


def wrong_shuffling(subject: LayerAtPoint) -> Mistakes:
    """Yield what a pixel shuffle or its inverse gives with another order of the channels."""
    right = right_orders(subject)
    whose = {"C12": "PyTorch's", "12C": "TensorFlow's"}
    for order in map("".join, permutations("C12")):
        if order not in right:
            told = " or ".join(f"({read(one)}), {whose[one]}" for one in right)
            text = (
                f"the channels are taken for ({read(order)}){f', {whose[order]} order' if order in whose else ''}, and "
                f"must be {told}{' order' if len(right) == 1 else ''}"
            )
            for form in (as_blocks, as_channels):
                yield from ((text, "reshape|transpose|split", y) for y in form(subject, order))


def read(order: str) -> str:
    """Return an order of channels for a reader: "C12" as "C, row, column"."""
    return ", ".join({"C": "C", "1": "row of the block", "2": "column of the block"}[one] for one in order)


def right_orders(subject: LayerAtPoint) -> list[str]:
    """Return which orders of the r^2 C channels count as right: "C12", PyTorch's, and "12C", TensorFlow's."""
    torch, tensorflow = subject.says(r"torch|\bC, r, r"), subject.says(r"tensorflow|\btf\b|r, r, C")
    return ["C12", "12C"] if torch == tensorflow else ["C12"] if torch else ["12C"]


def as_blocks(subject: LayerAtPoint, order: str) -> Iterator[Array]:
    """Yield the inputs with the channels, (C, row, column) in some order, moved into blocks of pixels."""
    r = subject.number(SCALES) or 0
    for a, first in subject.layouts() if r and subject.x.ndim == 4 and not subject.weights else ():
        N, C, H, W = a.shape
        if C % (r * r):
            continue
        c = C // (r * r)
        axes = [1 + order.index(one) for one in "C12"]
        sizes = [c if one == "C" else r for one in order]
        parts = a.reshape(N, *sizes, H, W)
        y = parts.transpose(0, axes[0], 4, axes[1], 5, axes[2]).reshape(N, c, H * r, W * r)
        yield y if first else np.moveaxis(y, 1, -1)


def as_channels(subject: LayerAtPoint, order: str) -> Iterator[Array]:
    """Yield the inputs with blocks of pixels moved into channels, (C, row, column) in some order."""
    r = subject.number(SCALES) or 0
    for a, first in subject.layouts() if r and subject.x.ndim == 4 and not subject.weights else ():
        N, C, H, W = a.shape
        if H % r or W % r:
            continue
        blocks = a.reshape(N, C, H // r, r, W // r, r)
        axes = [{"C": 1, "1": 3, "2": 5}[one] for one in order]
        y = blocks.transpose(0, *axes, 2, 4).reshape(N, C * r * r, H // r, W // r)
        yield y if first else np.moveaxis(y, 1, -1)


def between_groups(subject: LayerAtPoint) -> Iterator[Array]:
    """Channel shuffle: with the channels as (G, C // G), the two axes are exchanged."""
    G = subject.number(("groups", "g", "num_groups", "n_groups", "group")) or 0
    for a, first in subject.layouts() if G and subject.x.ndim > 2 and not subject.weights else ():
        if a.shape[1] % G == 0:
            y = a.reshape(len(a), G, -1, *a.shape[2:]).swapaxes(1, 2).reshape(a.shape)
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


BORDERS = {
    "constant": "zeros",
    "reflect": "the image mirrored at its border, without the border itself (c b | a b c)",
    "symmetric": "the image mirrored with its border twice (b a | a b c)",
    "edge": "the value at the border again and again (a a | a b c)",
    "wrap": "the other end of the image (b c | a b c)",
}
MODES_OF_PADDING = {"reflect": "reflect", "reflection": "reflect", "replication": "edge", "replicate": "edge"}
MODES_OF_PADDING |= {"edge": "edge", "circular": "wrap", "symmetric": "symmetric", "periodic": "wrap"}


def wider(subject: LayerAtPoint) -> Iterator[Array]:
    """Padding with zeros, or with what the name says, at both ends of every axis of the image."""
    return padded_with(subject, mode_of_padding(subject))


def wrong_padding(subject: LayerAtPoint) -> Mistakes:
    """Yield what a padding gives with other values than its name says."""
    right = mode_of_padding(subject)
    for mode, what in BORDERS.items():
        if mode != right:
            text = f"the margins hold {what}, and must hold {BORDERS[right]}"
            yield from ((text, "pad|mode", y) for y in padded_with(subject, mode))


def mode_of_padding(subject: LayerAtPoint) -> str:
    """Return what np.pad calls the padding that a name speaks of."""
    return next((mode for word, mode in MODES_OF_PADDING.items() if word in subject.name), "constant")


def padded_with(subject: LayerAtPoint, mode: str) -> Iterator[Array]:
    """Yield images with p more values at both ends of every axis."""
    x, axes = subject.x, subject.x.ndim - 2
    pads = subject.sizes(("pad", "padding", "p", "n", "width", "size"), axes)
    if subject.weights or pads is None or axes < 1:
        return
    value = subject.settings.get("value", 0.0)
    given = {"constant_values": value} if mode == "constant" and isinstance(value, int | float) else {}
    for start in subject.starts():
        ends = [(0, 0)] * x.ndim
        ends[start : start + axes] = [(p, p) for p in pads]
        if mode != "reflect" or all(n > max(both) for n, both in zip(x.shape, ends, strict=True)):
            yield np.pad(x, ends, mode, **given)  # type: ignore[call-overload]


def flattened(subject: LayerAtPoint) -> Iterator[Array]:
    """(N, ...) as (N, D); images also with their channels moved to the other end before."""
    x = subject.x
    orders = [(0, 1, 2, 3), (0, 3, 1, 2), (0, 2, 3, 1)] if x.ndim == 4 else [tuple(range(x.ndim))]
    if not subject.weights:
        yield from (x.transpose(order).reshape(len(x), -1) for order in orders)


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
    for x, first in subject.layouts():
        m = x.mean(axis=(2, 3))
        for one in turned(matrices[0], m.shape[1]):
            for other in turned(matrices[1], one.shape[1]):
                b = vectors if [len(v) for v in vectors] == [one.shape[1], other.shape[1]] else [0.0, 0.0]
                if other.shape[1] != m.shape[1] or (vectors and b is not vectors):
                    continue
                y = x * sigmoid(relu(m @ one + b[0]) @ other + b[1])[:, :, None, None]
                yield y if first else np.moveaxis(y, 1, -1)
