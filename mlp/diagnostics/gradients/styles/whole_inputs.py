"""Inputs that are whole numbers, the indices of an embedding: they have no gradient, and the weights are checked."""

import copy
from contextlib import suppress
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.styles.arrays import leaves_of, vars_of
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array, Shape

FEW = 3  # kinds of indices, where nothing says how many there are
PADDING = ("padding_idx", "pad_idx", "padding", "pad", "pad_index", "padding_index", "pad_id", "pad_token")


class WholeInputs:
    """Indices in the place of inputs, the same ones for each shape, some of them more than once.

    Args:
        given: an array of indices, or None. limit: they lie below it.
    """

    def __init__(self, given: Array | None, limit: int, padding: int | None = None) -> None:
        self.given, self.limit, self.padding = given, limit, padding

    def of_shape(self, shape: Shape) -> Array:
        """Return indices of a shape."""
        allowed = [i for i in range(self.limit) if i != self.padding]
        if self.given is not None and self.given.shape == shape:
            return np.where(self.given == self.padding, allowed[0], self.given)
        rng = np.random.default_rng(int(np.prod(shape)))
        few = rng.permutation(allowed)[: max(2, int(np.prod(shape)) // 2)]
        return rng.choice(few, size=shape)


def whole_inputs(student: Any, given: Array | None) -> WholeInputs:
    """Return the indices that an object takes: rows of its first matrix, without that of the padding."""
    held = {**vars_of(student), **vars_of(student).get("params", {})} if is_mapping(student) else vars_of(student)
    padding = next((held[name] for name in PADDING if type(held.get(name)) is int), None)
    rows = [len(array) for array in leaves_of(student).values() if array.ndim == 2 and array.dtype.kind == "f"]
    limit = int(given.max()) + 1 if given is not None else min(rows, default=FEW)
    return WholeInputs(given, limit, padding)


def wants_indices(layer: Any, x: Array, given: Array | None) -> bool:
    """Return whether the forward of a student's layer refuses numbers as indices, and takes whole ones."""
    trial = copy.deepcopy(layer)
    try:
        trial.forward(x, training=True)
    except (IndexError, TypeError):
        trial = copy.deepcopy(layer)
        trial.whole = whole_inputs(trial.student, given)
        with suppress(*OWN_ERRORS):
            return isinstance(trial.forward(x, training=True), np.ndarray)
    except OWN_ERRORS:
        return False
    return False


def is_mapping(student: Any) -> bool:
    """Return whether an object keeps its weights in a dictionary."""
    return isinstance(vars_of(student).get("params"), dict)


def gradients_of_weights(result: Any) -> Any:
    """Return the gradients that backward returned, without that of the indices: a list, a dictionary, or None."""
    if isinstance(result, dict):
        return result
    several = list(result) if isinstance(result, tuple | list) else [result]
    arrays = [one for one in several if isinstance(one, np.ndarray) and one.dtype.kind == "f"]
    return arrays or None
