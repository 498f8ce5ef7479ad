"""What a name promises of all its layers, whatever their formula: it holds, or the layer is wrong.

groups               a convolution in groups reads every input channel
causal               output t depends on the inputs 0..t alone, of every sequence that is handed in
adaptive pooling     every input counts: cell i runs from floor(i n / m) to ceil((i + 1) n / m)
max pooling          with inputs that are all negative, the outputs are negative: the border is padded with -inf
positional encoding  the vectors differ along the steps, where the text says which axis has them
softplus             it is x for large x, whatever its beta is
"""

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.finite_differences import Probe, restoring
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.typing import Array

MOVED = 1e-9
SEQUENCES = ("k", "v", "key", "keys", "value", "values")
BATCH_FIRST = re.compile(r"\(\s*(N|B|batch\w*)\s*,\s*(T|S|L|seq\w*|length|time|steps)\s*,", re.IGNORECASE)


def text_of_code(owner: Any) -> str:
    """Return the source of an object's class, or of the forward function of a pair; "" where there is none.

    Decorators are not part of it.
    """
    try:
        text = inspect.getsource(owner.functions[0] if isinstance(owner, FunctionPair) else type(owner))
    except (OSError, TypeError):
        return ""
    return re.sub(r"\A.*?^(?=\s*(class|def)\b)", "", text, count=1, flags=re.MULTILINE | re.DOTALL)


def sees_the_future(probe: Probe) -> Iterator[Diagnosis]:
    """A causal layer (N, T, C) whose earlier outputs depend on later inputs, of x or of other sequences (keys)."""
    others = [array for name, array in probe.arrays.items() if name in SEQUENCES and array.shape == probe.x.shape]
    reached = [reach(probe, array) for array in (probe.x, *others)]
    last = np.max([moved[:-1, -1] for moved in reached], axis=0)  # (T - 1,): which outputs the last step moves
    if last[0] and not last[1:].any() and len(last) > 1:
        text = (
            "the first step alone depends on later ones: the mask hides the present step, too, and leaves nothing for "
            "the first, whose weights are then all equal; it must hide the later steps alone (np.triu with k=1, "
            "np.tril with k=0)"
        )
        yield Diagnosis("hides the present", "outputs", "evaluation", text)
        return
    future = np.triu(np.max(reached, axis=0), 1)
    if not future.any():
        return
    ahead = int(max(s - t for t, s in np.argwhere(future)))
    if ahead < len(future) - 1:
        text = (
            f"each step sees {ahead} step{'s' if ahead > 1 else ''} of its future: the mask is off by {ahead}; it must "
            "hide all steps after the present one (np.triu with k=1, np.tril with k=0)"
        )
    else:
        text = (
            "outputs of earlier steps depend on the last one, and a causal layer sees the past alone: scores of later "
            "steps must be -inf (not 0) before the softmax, so that their weight is 0; a convolution is padded before "
            "the first step alone"
        )
    yield Diagnosis("sees the future", "outputs", "evaluation", text)


def reach(probe: Probe, array: Array, axis: int = 1) -> Array:
    """Return (outputs, inputs): whether the outputs at place t of an axis move where the inputs at place s do."""
    before, rows = probe.outputs(), np.moveaxis(array, axis, 0)
    others = tuple(a for a in range(before.ndim) if a != axis)
    moved = []
    for row in rows:
        with restoring([row]):
            row += 1.0
            moved.append((np.abs(probe.outputs() - before) > MOVED).any(axis=others))
    return np.stack(moved, axis=1)


def is_causal_along(probe: Probe, axis: int) -> bool:
    """Return whether the outputs have the steps of the inputs along an axis, and do not see later ones."""
    if probe.outputs().shape[axis] != probe.x.shape[axis]:
        return False
    return not np.triu(reach(probe, probe.x, axis), 1).any()


def channels_not_read(probe: Probe, groups: int) -> Iterator[Diagnosis]:
    """A convolution in groups, channels first, that does not read all of its input channels."""
    C, y = probe.x.shape[1], probe.outputs()
    if groups < 2 or C % groups or y.ndim != probe.x.ndim or y.shape[1] % groups:
        return
    read = reach(probe, probe.x)
    unread = [c for c in range(C) if not read[:, c].any()]
    size, outputs = C // groups, y.shape[1] // groups
    for g in range(groups) if unread else ():
        channels = np.flatnonzero(read[g * outputs : (g + 1) * outputs].any(axis=0)).tolist()
        wanted = list(range(g * size, (g + 1) * size))
        if channels != wanted:
            text = (
                f"input channels {unread} are read by no output; group {g} reads the channels {channels}, and its own "
                f"are {wanted}: the slice of group g must begin at g times the channels of a group, g * (C // groups)"
            )
            yield Diagnosis("channels of the groups", "outputs", "evaluation", text)
            return


def forgets_inputs(probe: Probe) -> Iterator[Diagnosis]:
    """An adaptive pooling some of whose inputs are in no cell."""
    x, before = probe.x, probe.outputs()
    unread = np.zeros(x.shape[1:], dtype=bool)
    for index in np.ndindex(*x.shape[1:]):
        with restoring([x[0]]):
            x[(0, *index)] = 1e3
            unread[index] = np.array_equal(probe.outputs(), before)
    if not unread.any():
        return
    axis = next((a for a in range(unread.ndim) if unread[(slice(None),) * a + (-1,)].all()), None)
    where = "" if axis is None else f", all of the last place along axis {axis + 1} among them"
    text = (
        f"{int(unread.sum())} of {unread.size} inputs of an image are in no cell{where}: cells of n // m values leave "
        "out what remains; cell i must run from floor(i n / m) to ceil((i + 1) n / m), n inputs and m outputs long"
    )
    yield Diagnosis("inputs left out", "outputs", "evaluation", text)


def padded_with_zeros(probe: Probe) -> Iterator[Diagnosis]:
    """A max pooling that gives zeros at the border of an image that is negative everywhere."""
    with restoring([probe.x]) as (held,):
        probe.x[...] = -1.0 - np.abs(held)
        y = probe.outputs()
    zeros = y == 0.0
    if zeros.any():
        text = (
            f"where all inputs are negative, {int(zeros.sum())} of {y.size} outputs are 0, and no input is: the border "
            "is padded with zeros, which are larger than the inputs; a maximum needs a border of -inf, "
            "np.pad(..., constant_values=-np.inf)"
        )
        yield Diagnosis("border of zeros", "outputs", "evaluation", text)


def along_the_batch(probe: Probe) -> Iterator[Diagnosis]:
    """A positional encoding of (N, T, D) whose vectors differ along the batch, and not along the steps."""
    x, y = probe.x, probe.outputs()
    if x.ndim != 3 or y.shape != x.shape or min(x.shape[:2]) < 2 or not BATCH_FIRST.search(text_of_code(probe.owner)):
        return
    P = y - x
    if np.ptp(P, axis=1).max() < MOVED < np.ptp(P, axis=0).max():
        text = (
            "the vectors differ along the batch, and all steps of a sequence get the same one: x is (N, T, D), so the "
            "table must be cut to the T steps of axis 1, P[:x.shape[1]]"
        )
        yield Diagnosis("positions along the batch", "outputs", "evaluation", text)


def softplus_without_its_divisor(probe: Probe, numbers: Sequence[float]) -> Iterator[Diagnosis]:
    """A softplus log(1 + exp(beta x)) that is not divided by beta."""
    x, y = probe.x, probe.outputs()
    for beta in numbers:
        if y.shape == x.shape and beta not in (0.0, 1.0) and distance(y, np.logaddexp(0.0, beta * x)) < MOVED:
            text = (
                f"forward computes log(1 + exp(beta x)) with beta = {beta:g}, which is beta x for large x; a softplus "
                "is x there: divide by beta, log(1 + exp(beta x)) / beta (and backward by beta as well)"
            )
            yield Diagnosis("forward", "outputs", "evaluation", text)
            return
