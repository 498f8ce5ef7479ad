"""Graph convolutions: a matrix S of the neighbours, A with a 1 for each edge, takes the place of a sum over windows."""

from collections.abc import Iterator, Sequence

import numpy as np

from mlp.diagnostics.gradients.references.subject import NOT_ONE_LINE, LayerAtPoint, Mistakes, NamedLayer
from mlp.typing import Array

OWN_LOOPS = r"A \+ I|A_?hat|A_?tilde|self.?loop|renormali[sz]ation"
BOTH_SIDES = r"-\s?1/2|-\s?0\.5|symmetric|kipf"


def graph_convolutions(subject: LayerAtPoint) -> Iterator[Array]:
    """S x W + b with A, with or without self-loops, divided by the degrees on both sides or on one, or as it is."""
    for A, known in adjacencies(subject):
        loops = A + np.eye(len(A))
        for B in (loops,) if known and subject.says(OWN_LOOPS) else (loops, A):
            both = known and subject.says(BOTH_SIDES)
            for axis in (1, 0):
                yield from outputs(subject, [by_degrees(B, B, -0.5, axis), *([] if both else [by_rows(B, B, axis)])])
            yield from outputs(subject, [] if both else [B])


def wrong_graph_convolutions(subject: LayerAtPoint) -> Mistakes:
    """Yield (what is wrong, a pattern for the line where, outputs) for the usual mistakes."""
    for A, _ in adjacencies(subject):
        loops = A + np.eye(len(A))
        for axis in (1, 0):
            text = "the degrees are those of A, before the self-loops were added, and must be those of A + I"
            wrong = [(text, "sum", by_degrees(loops, A, -0.5, axis)), (text, "sum", by_rows(loops, A, axis))]
            text = "the self-loops are missing: each node must be a neighbour of itself, A + I"
            wrong += [(text, "A", by_degrees(A, A, -0.5, axis)), (text, "A", by_rows(A, A, axis))]
            text = "the degrees are those of A + I, and the matrix is A without self-loops: it must be A + I, too"
            wrong += [(text, NOT_ONE_LINE, by_degrees(A, loops, -0.5, axis))]
            text = "multiplied by the roots of the degrees, and must be divided by them: D^-1/2 (A + I) D^-1/2"
            wrong += [(text, "sqrt|power|[*][*]|/", by_degrees(loops, loops, 0.5, axis))]
            text = "divided by the degrees on both sides, and must be by their roots: D^-1/2 (A + I) D^-1/2"
            wrong += [(text, "sqrt|power|[*][*]|/", by_degrees(loops, loops, -1.0, axis))]
            yield from ((said, where, y) for said, where, S in wrong for y in outputs(subject, [S]))


def adjacencies(subject: LayerAtPoint) -> list[tuple[Array, bool]]:
    """Return the square arrays of the nodes that have no gradient, and whether they are of 0 and 1; these alone, if
    there are any: the others are normalized already."""
    held = [one for one in {**subject.settings, **subject.constants}.values() if isinstance(one, np.ndarray)]
    square = [one.astype(float) for one in held if one.shape == (len(subject.x),) * 2]
    plain = [one for one in square if np.isin(one, (0, 1)).all()]
    return [(one, bool(plain)) for one in plain or square]


def by_degrees(B: Array, of: Array, power: float, axis: int) -> Array:
    """Return D^p B D^p, D being the degrees of an array: its sums along an axis."""
    with np.errstate(all="ignore"):
        d = of.sum(axis) ** power
        return d[:, None] * B * d


def by_rows(B: Array, of: Array, axis: int) -> Array:
    """Return D^-1 B: the mean of the neighbours."""
    with np.errstate(all="ignore"):
        return B / of.sum(axis)[:, None]


def outputs(subject: LayerAtPoint, matrices: Sequence[Array]) -> Iterator[Array]:
    """Yield S x W + b and S^T x W + b, without S where it is not finite."""
    for S in matrices:
        for W in subject.matrices() if np.isfinite(S).all() else ():
            for turned in (S, S.T) if len(W) == subject.x.shape[1] else ():
                y = turned @ subject.x @ W
                yield from (y + b for b in subject.vectors() if b.shape == y.shape[1:])
                yield y


GRAPH_CONVOLUTION = NamedLayer(
    "a graph convolution",
    r"(gcn|graph|graphconv(olution)?)",
    r"conv|convolution|convolutional|network|net|block|kipf",
    graph_convolutions,
    "D^-1/2 (A + I) D^-1/2 x W + b, D being the degrees of A + I",
    activated=True,
    mistakes=wrong_graph_convolutions,
)
