"""Layers that multiply: gates, slopes, maxout, cosines, weights and rows of a given length.

Each formula tries all that is usual: matrices as (in, out) or (out, in), one matrix for two parts or one for each, with
biases or without.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, permutations

import numpy as np

from mlp.diagnostics.gradients.diagnoses.activations import KNOWN
from mlp.diagnostics.gradients.references.normalization import placed
from mlp.diagnostics.gradients.references.subject import LayerAtPoint, Mistakes, turned
from mlp.typing import Array

GATES = {"glu": "sigmoid", "swiglu": "swish", "geglu": "gelu", "reglu": "relu"}
SHOWN = {
    "sigmoid": "sigmoid(b)",
    "swish": "b sigmoid(b), a swish",
    "gelu": "gelu(b)",
    "relu": "max(b, 0)",
    "tanh": "tanh(b)",
}


def length(x: Array, axis: int | tuple[int, ...] = -1) -> Array:
    """Return the root of the sum of squares along some axes, which are kept."""
    return np.asarray(np.sqrt((x * x).sum(axis=axis, keepdims=True)))


def mapped(x: Array, matrix: Array, vectors: Sequence[Array]) -> Iterator[Array]:
    """Yield x W + b for each vector that fits, and x W if there is none; W may be kept as (out, in)."""
    for W in turned(matrix, x.shape[-1]) if matrix.ndim == 2 else ():
        y = x @ W
        fitting = [b for b in vectors if b.shape == y.shape[-1:]]
        yield from ([y + b for b in fitting] if vectors else [y])


def gated(subject: LayerAtPoint) -> Iterator[Array]:
    """Gated linear unit: one part times the gate f(other part), and the matrix W_out after it, if there is one."""
    word = next((word for word in subject.words if word in GATES), "glu")
    yield from with_gate(subject, GATES[word])


def wrong_gated(subject: LayerAtPoint) -> Mistakes:
    """Yield what a gated linear unit computes with the gate of another one."""
    word = next((word for word in subject.words if word in GATES), "glu")
    for other, name in [*GATES.items(), ("", "tanh")]:
        if other != word:
            text = f"the gate is {SHOWN[name]}, and must be {SHOWN[GATES[word]]}"
            yield from ((text, "sigm|sig|tanh|exp|max|elu", y) for y in with_gate(subject, name))


def with_gate(subject: LayerAtPoint, name: str) -> Iterator[Array]:
    """Yield the outputs with an activation as the gate."""
    for f in KNOWN[name]:
        for one, other, rest in two_parts(subject):
            for a, b in ((one, other), (other, one)):
                y = a * f(b)
                yield from mapped(y, rest[0], subject.vectors()) if rest else [y]


def two_parts(subject: LayerAtPoint) -> Iterator[tuple[Array, Array, list[Array]]]:
    """Yield two arrays and the matrices that are left: halves of x, halves of x W + b, or x W + b and x V + c."""
    x, matrices, vectors = subject.x, subject.matrices(), subject.vectors()
    if len(matrices) + len(vectors) != len(subject.weights) or len(matrices) > 3:
        return
    whole: list[tuple[Array, list[Array]]] = [] if matrices else [(x, [])]
    for i, matrix in enumerate(matrices):
        rest = [*matrices[:i], *matrices[i + 1 :]]
        whole += [(y, rest) for y in mapped(x, matrix, vectors) if len(rest) < 2]
    for y, rest in whole:
        for axis in (-1, 1) if not matrices and y.ndim > 1 else (-1,):
            if y.shape[axis] % 2 == 0:
                one, other = np.split(y, 2, axis=axis)
                yield one, other, rest
    for i, j in combinations(range(len(matrices)), 2):
        rest = [matrix for k, matrix in enumerate(matrices) if k not in (i, j)]
        for one in mapped(x, matrices[i], vectors):
            for other in mapped(x, matrices[j], vectors):
                if one.shape == other.shape:
                    yield one, other, rest


def leaky(subject: LayerAtPoint) -> Iterator[Array]:
    """PReLU: x where x > 0, and a x where x < 0, with one a, or one for each channel or feature."""
    yield from (np.where(subject.x > 0.0, subject.x, a * subject.x) for a in slopes(subject))


def wrong_leaky(subject: LayerAtPoint) -> Mistakes:
    """Yield what a PReLU computes with the usual mistakes."""
    x, text = subject.x, "a PReLU gives x where x > 0, and the slope times x where x < 0"
    for a in slopes(subject):
        yield f"the branches are exchanged: {text}", "where|max|min|>|<", np.where(x > 0.0, a * x, x)
        yield f"the slope is applied on both sides: {text}", "", a * x
        yield f"the slope is not multiplied with x: {text}", "", np.where(x > 0.0, x, a + 0.0 * x)


def slopes(subject: LayerAtPoint) -> Iterator[Array]:
    """Yield the only weight, so that it multiplies x."""
    for a in subject.weights.values() if len(subject.weights) == 1 else ():
        if a.size == 1 or a.shape == subject.x.shape[1:]:
            yield a
        else:
            yield from placed(a, subject.x)


def pieces(subject: LayerAtPoint) -> Iterator[tuple[Array, int]]:
    """Yield the pieces of a maxout, and the axis along which a unit has them."""
    x, vectors = subject.x, [a for a in subject.weights.values() if a.ndim < 3]
    kernels = [a for a in subject.weights.values() if a.ndim == 3]
    if x.ndim == 2 and len(kernels) == 1 and len(vectors) <= 1 and len(subject.weights) == 1 + len(vectors):
        for order in permutations(range(3)):
            W = kernels[0].transpose(order)  # (pieces, in, units)
            biases = [b for one in vectors for b in (one, one.T) if b.shape in (W[:, 0].shape, W.shape[2:])]
            if W.shape[1] == x.shape[1]:
                yield from (
                    (np.einsum("nd,pdh->nph", x, W) + b, 1) for b in biases or ([] if vectors else [np.zeros(1)])
                )
    matrices = subject.matrices()
    sizes = {value for value in subject.settings.values() if type(value) is int and value > 1}
    if len(matrices) != 1 or len(subject.vectors()) + 1 != len(subject.weights):
        return
    for z in mapped(x, matrices[0], subject.vectors()):
        for size in sizes:
            if z.shape[-1] % size == 0:
                yield z.reshape(*z.shape[:-1], -1, size), z.ndim
                yield z.reshape(*z.shape[:-1], size, -1), z.ndim - 1


def maxout(subject: LayerAtPoint) -> Iterator[Array]:
    """Maxout: the largest of several affine pieces."""
    yield from (z.max(axis=axis) for z, axis in pieces(subject))


def wrong_maxout(subject: LayerAtPoint) -> Mistakes:
    """Yield what a maxout computes with the usual mistakes."""
    for z, axis in pieces(subject):
        yield (
            "a unit whose pieces are all negative gives 0, as with a ReLU: the maximum must begin at -inf, or at the "
            "first piece",
            "zeros|maximum|relu",
            np.maximum(z.max(axis=axis), 0.0),
        )
        for text, y in (("sum", z.sum(axis=axis)), ("mean", z.mean(axis=axis)), ("smallest", z.min(axis=axis))):
            yield f"a unit gives the {text} of its pieces, and must give the largest", "", y


def cosines(subject: LayerAtPoint) -> Iterator[Array]:
    """Cosines x w / (|x| |w|) of each row of x with each output's weights, or of the rows of two inputs; scaled."""
    for x, W in rows_and_columns(subject):
        yield from times_numbers(subject, (x / length(x)) @ (W / length(W, 0)))
    for other in subject.weights.values() if len(subject.weights) == 1 else ():
        if other.shape == subject.x.shape:
            y = (subject.x * other).sum(axis=-1, keepdims=True) / (length(subject.x) * length(other))
            yield from (one for whole in (y, y[..., 0]) for one in times_numbers(subject, whole))


def wrong_cosine(subject: LayerAtPoint) -> Mistakes:
    """Yield what a cosine layer computes with the usual mistakes."""
    for x, W in rows_and_columns(subject):
        rows, columns, whole = x / length(x), W / length(W, 0), "(x / |x|) (w / |w|)"
        for text, y in (
            ("the weights are not divided by their length: each output's w must be, too", rows @ W),
            ("the rows of x are not divided by their length: each x must be, too", x @ columns),
            ("the weights are divided by their length along the wrong axis", rows @ (W / length(W, 1))),
            ("x and w are divided by their squared lengths", (rows / length(x)) @ (columns / length(W, 0))),
        ):
            yield from ((f"{text}; a cosine is {whole}", "", one) for one in times_numbers(subject, y))


def rows_and_columns(subject: LayerAtPoint) -> Iterator[tuple[Array, Array]]:
    """Yield x and the only matrix, as (in, out)."""
    matrices = [a for a in subject.weights.values() if a.ndim == 2 and a.size > 1]
    if len(matrices) == 1 and all(a.size == 1 for a in subject.weights.values() if a is not matrices[0]):
        yield from ((subject.x, W) for W in turned(matrices[0], subject.x.shape[-1]))


def times_numbers(subject: LayerAtPoint, y: Array) -> Iterator[Array]:
    """Yield outputs as they are, and times or divided by each number that the layer has."""
    yield y
    for c in subject.numbers():
        yield from (y * c, y / c)


def with_normed_weights(subject: LayerAtPoint) -> Iterator[Array]:
    """Weight normalization: x (g v / |v|) + b, |v| being the length of the weights of each output."""
    matrices = [(name, a) for name, a in subject.weights.items() if a.ndim == 2 and min(a.shape) > 1]
    if len(matrices) != 1 or not any("norm" in word for word in subject.words):
        return
    rest = {name: a for name, a in subject.weights.items() if name != matrices[0][0]}
    biases = [a for name, a in rest.items() if name.rpartition(".")[2][:1] == "b"]
    gains = [a.reshape(-1) for name, a in rest.items() if name.rpartition(".")[2][:1] != "b"]
    if len(gains) != 1 or len(biases) > 1:
        return
    for V in turned(matrices[0][1], subject.x.shape[-1]):
        H = V.shape[1]
        if gains[0].size not in (1, H) or any(b.size != H for b in biases):
            continue
        for g in (gains[0], np.exp(gains[0])):
            for norm in (length(V, 0), length(V, (0, 1))) if g.size == 1 else (length(V, 0),):
                yield subject.x @ (g * V / norm) + sum(b.reshape(-1) for b in biases)


def of_unit_length(subject: LayerAtPoint) -> Iterator[Array]:
    """Rows (or all values of a sample) divided by their length, with epsilon in any place, times a gain."""

    def lengths(square: Array, eps: float) -> Sequence[Array]:
        return np.sqrt(square + eps), np.sqrt(square) + eps, np.sqrt(np.maximum(square, eps))

    yield from divided(subject, lengths)


def wrong_unit_length(subject: LayerAtPoint) -> Mistakes:
    """Yield what a normalization to unit length computes with the usual mistakes."""
    for y in divided(subject, lambda square, eps: (square + eps, np.maximum(square, eps))):
        yield "x is divided by its squared length: the root is missing, sqrt(sum(x^2))", "", y
    x = subject.x
    for axis in (-1, 1, 0):
        yield "x is divided by the sum of |x|: the length is sqrt(sum(x^2))", "", x / np.abs(x).sum(axis, keepdims=True)
    if x.ndim == 2:
        for where, axes in (("the lengths along the batch", (0,)), ("the length of the whole batch", (0, 1))):
            text = f"x is divided by {where}: each sample must be divided by its own, axis=1"
            yield text, "axis|norm|sum", x / length(x, axes)


def divided(subject: LayerAtPoint, divisors: Callable[[Array, float], Sequence[Array]]) -> Iterator[Array]:
    """Yield x divided by what is made of the sums of squares, along the usual axes."""
    x, gains = subject.x, list(subject.weights.values())
    named = {"l", "unit", "scale", "scalenorm"} & set(subject.words)
    if "1" in subject.words or not named or len(gains) > 1:  # L1
        return
    for axes in dict.fromkeys([(x.ndim - 1,), (1,), tuple(range(1, x.ndim))]):
        square = (x * x).sum(axis=axes, keepdims=True)
        for eps in subject.small_numbers():
            for divisor in divisors(square, eps):
                y = x / divisor
                for gain in (gains if gains and gains[0].size == 1 else placed(gains[0], x)) if gains else [np.ones(1)]:
                    yield y * gain
