"""What wrong outputs have in common with the right ones: another size, a factor, another order."""

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import distance
from mlp.diagnostics.gradients.finite_differences import Probe, restoring
from mlp.typing import Array

SAME = 1e-6  # a forward may round to float32


def is_one_of(y: Array, right: Sequence[Array]) -> bool:
    """Return whether outputs are one of those that count as right."""
    return any(one.shape == y.shape and distance(y, one) < SAME for one in right)


def not_used(probe: Probe) -> str:
    """Return which parameter the outputs do not depend on."""
    before = probe.outputs()
    for name, array in probe.arrays.items():
        if name != "inputs":
            with restoring([array]):
                array += 0.5
                same = np.array_equal(probe.outputs(), before)
            if same:
                return f"The outputs do not depend on {name}: forward has to use it"
    return ""


def difference(y: Array, right: Sequence[Array]) -> str:
    """Return what all of the outputs have in common: another size, a factor, an order; "" if nothing."""
    alike = [one for one in right if one.shape == y.shape]
    if not alike:
        turned = [one.shape for one in right if sorted(one.shape) == sorted(y.shape) and one.shape[0] == len(y)]
        shape, more = (turned[0], ": height and width are exchanged") if turned else (right[0].shape, "")
        return f"Its outputs have the shape {y.shape}, and {shape} is right{more}"
    for one in alike:
        moved = in_another_order(y, one)
        if moved:
            return moved
        factor = float((y * one).sum() / max((one * one).sum(), 1e-300))
        if distance(y, factor * one) < SAME:
            return f"Its outputs are {factor:.5g} times what they should be"
    return ""


def in_another_order(y: Array, right: Array) -> str:
    """Return how the right values stand in another order."""
    if distance(np.sort(y.ravel()), np.sort(right.ravel())) > SAME:
        return ""
    for axis in range(y.ndim):
        if distance(np.flip(y, axis), right) < SAME:
            return f"Its outputs run backwards along axis {axis}"
    for order in list(permutations(range(y.ndim)))[1:] if y.ndim <= 5 else ():
        back = np.argsort(order)
        if distance(right.transpose(order).reshape(y.shape), y) < SAME:
            there = tuple(right.shape[i] for i in order)
            return (
                f"Its outputs are right, and stand in the wrong places: what has the shape {there} is reshaped to "
                f"{y.shape}, and a reshape does not change the order of axes; transpose{tuple(map(int, back))} does"
            )
    return "Its outputs have the right values in the wrong places: look at every reshape and transpose"


def largest_difference(y: Array, right: Sequence[Array]) -> str:
    """Return the output that differs most."""
    one = min((r for r in right if r.shape == y.shape), key=lambda r: distance(y, r))
    wrong = ~np.isclose(y, one, 1e-6, 1e-9)
    index = np.unravel_index(int(np.abs(y - one).argmax()), y.shape)
    place = ", ".join(str(int(i)) for i in index)
    return (
        f"{int(wrong.sum())} of {y.size} outputs differ; at ({place}) it gives {y[index]:.5g}, and {one[index]:.5g} is "
        "right"
    )
