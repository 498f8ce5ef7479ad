"""A loss at one point, as the hypotheses about its gradient see it."""

from dataclasses import dataclass

import numpy as np

from mlp.typing import Array


@dataclass(frozen=True)
class LossPoint:
    """A loss at one point: the gradient under test, the right one, outputs, targets, and whether the loss is a sum."""

    given: Array
    right: Array
    outputs: Array
    targets: Array
    sums: bool

    @property
    def classes(self) -> bool:
        return self.targets.ndim == 1 and self.outputs.ndim == 2 and self.targets.dtype.kind in "iu"

    @property
    def one_hot(self) -> Array:
        return np.asarray(np.eye(self.outputs.shape[1])[self.targets])


def softmax(z: Array, axis: int) -> Array:
    """Return exp(z) / sum exp(z) along an axis."""
    exps = np.exp(z - z.max(axis=axis, keepdims=True))
    return np.asarray(exps / exps.sum(axis=axis, keepdims=True))
