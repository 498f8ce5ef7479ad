"""Where do gradients go? To inputs that do not matter, to the same step alone, to another place, to several inputs?"""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Evidence
from mlp.diagnostics.gradients.diagnoses.linear.windows import VANISHING
from mlp.diagnostics.gradients.diagnoses.rearranged import rearranged
from mlp.typing import Array

TINY = 1e-6  # of a gradient that is handed on


def wrong_places(e: Evidence) -> Iterator[Diagnosis]:
    """Backward hands the gradients of outputs to inputs that do not move them, in no order that has a name."""
    matrices = e.rows() if e.of_inputs else None
    if matrices is None:
        return
    J, B = (np.abs(M) > VANISHING * np.abs(M).max() for M in matrices)
    extra = np.argwhere(B & ~J)
    if not len(extra) or is_dense(J):
        return
    out, inside = (int(i) for i in extra[0])
    x_shape, y_shape = e.point.x.shape, e.point.outputs.shape
    moved = [tuple(map(int, np.unravel_index(i, x_shape))) for i in np.flatnonzero(J[out])[:4]]
    text = (
        "backward hands gradients to inputs that do not move these outputs: the places are wrong, as after a reshape, "
        f"a transpose or a slice that does not undo that of forward. {example(out, inside, x_shape, y_shape)}; it "
        f"depends on {', '.join(map(str, moved)) or 'no input'}"
    )
    yield e.found("wrong places", text, f"{len(extra)} of {np.count_nonzero(B)} pairs of an output and an input")


def is_dense(support: Array) -> bool:
    """Return whether every output depends on nearly every input."""
    return bool(support.mean() > 0.9)


def through_time(e: Evidence) -> Iterator[Diagnosis]:
    """A sequence (N, T, D) whose outputs depend on all earlier steps, while backward knows of the same step alone."""
    matrices = e.rows() if e.of_inputs and e.point.x.ndim == 3 and e.point.outputs.ndim == 3 else None
    if matrices is None or e.point.x.shape[1] != e.point.outputs.shape[1]:
        return
    steps = []
    for M in matrices:
        out, inside = np.argwhere(np.abs(M) > VANISHING * np.abs(M).max()).T
        at = np.unravel_index(out, e.point.outputs.shape)[1] - np.unravel_index(inside, e.point.x.shape)[1]
        steps.append((int(at.min()), int(at.max())))
    (first, last), (_, reached) = steps
    if any(e.confirm(guess) for guess in rearranged(e)):  # it is moved in time, say
        return
    if first == 0 and last > 0 and reached == 0:
        text = (
            "outputs of later steps depend on this step, too, through the state that is handed on, and backward does "
            "not go through it: the gradient of the state from the next step must be added (backpropagation through "
            "time, from the last step to the first)"
        )
        yield e.found("path through time", text)


def misplaced(e: Evidence) -> Iterator[Diagnosis]:
    """Each input moves one output, and gets the gradient of another one: parts split at the wrong place."""
    matrices = e.rows() if e.of_inputs else None
    if matrices is None:
        return
    J, B = (np.abs(M) > VANISHING * np.abs(M).max() for M in matrices)
    if not ((J.sum(axis=0) == 1).all() and (B.sum(axis=0) == 1).all()):
        return
    right, mine = J.argmax(axis=0), B.argmax(axis=0)
    every = np.arange(len(right))
    if np.array_equal(right, mine) or not np.allclose(matrices[0][right, every], matrices[1][mine, every], atol=1e-5):
        return
    text = (
        "each input gets the gradient of another output than the one it moves, times the right factor: grad_outputs is "
        "split (or concatenated, or reordered) at the wrong place; the parts must have the widths and the order of "
        "forward"
    )
    yield e.found("split at the wrong place", text, example(int(mine[0]), 0, e.point.outputs.shape, e.point.x.shape))


def example(out: int, inside: int, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> str:
    """Return one output and one input that belong together in backward alone."""
    y_index, x_index = (tuple(map(int, np.unravel_index(i, s))) for i, s in ((out, y_shape), (inside, x_shape)))
    return f"output {y_index} does not depend on input {x_index}, and hands it a gradient"


def shared_by(e: Evidence) -> str:
    """Return how backward shares the gradient of an output among several inputs, if it is the same for all outputs."""
    matrices = e.rows()
    if matrices is None:
        return ""
    B = matrices[1]
    chosen = np.abs(B) > TINY
    sizes = chosen.sum(axis=1)
    if sizes.min() < 2 or np.ptp(sizes) or np.ptp(B[chosen]) > TINY:
        return ""
    each, number = float(B[chosen].mean()), int(sizes[0])
    if abs(each * number - 1.0) < TINY:
        return f"; here all {number} values share it evenly, as in average pooling"
    return f"; here each of {number} values gets {each:.4g} times the gradient of the output"
