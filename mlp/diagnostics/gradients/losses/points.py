"""A loss at one point: what is known there when its gradient is wrong."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mlp.typing import Array


@dataclass(frozen=True)
class LossPoint:
    """The gradient under test, the right one, outputs, targets, whether the loss is a sum, and the loss's settings.

    `settings` are its attributes that are numbers or arrays of one number per class: a temperature, a margin, weights.
    """

    given: Array
    right: Array
    outputs: Array
    targets: Array
    sums: bool
    settings: Mapping[str, Any] = field(default_factory=dict)
    value: float = 0.0  # of the loss

    @property
    def whole_numbers(self) -> bool:
        return self.targets.ndim == 1 and self.targets.dtype.kind in "iu"

    @property
    def classes(self) -> bool:
        """Whether the targets are classes, as numbers 0 .. K - 1 or as one-hot rows."""
        if self.outputs.ndim != 2:
            return False
        t = self.targets
        if self.whole_numbers:
            return bool((t >= 0).all() and (t < self.outputs.shape[1]).all())
        rows = t.shape == self.outputs.shape and t.shape[1] > 1
        return rows and bool(np.isin(t, (0.0, 1.0)).all() and (t.sum(axis=1) == 1.0).all())

    @cached_property
    def labels(self) -> Array:
        """The true class of each sample, (N,)."""
        return self.targets if self.whole_numbers else np.asarray(self.targets.argmax(axis=1))

    @property
    def one_hot(self) -> Array:
        return np.asarray(np.eye(self.outputs.shape[1])[self.labels])

    @property
    def numbers(self) -> bool:
        """Whether there is a target for each output."""
        return self.targets.shape == self.outputs.shape


def settings_of(loss: Any) -> dict[str, Any]:
    """Return the attributes of a loss that are numbers, or arrays of one axis; of a function, defaults and globals."""
    owner = getattr(loss, "student", loss)
    found: dict[str, Any] = {}
    if inspect.isfunction(owner):
        globals_ = owner.__globals__
        given = {name: globals_[name] for name in owner.__code__.co_names if name in globals_}
        given |= {name: p.default for name, p in inspect.signature(owner).parameters.items()}
    else:
        given = {name: getattr(owner, name, None) for name in dir(owner) if not name.startswith("_")}
    for name, value in given.items():
        if isinstance(value, float | int) and not isinstance(value, bool):
            found[name] = float(value)
        elif isinstance(value, np.ndarray | list | tuple) and is_row(value):
            found[name] = np.asarray(value, float)
    return found


def is_row(values: Any) -> bool:
    """Return whether values are numbers along one axis."""
    try:
        row = np.asarray(values)
    except ValueError:  # of lists that are not equally long
        return False
    return row.ndim == 1 and row.dtype.kind in "fiu"


def softmax(z: Array, axis: int = -1) -> Array:
    """Return exp(z) / sum exp(z) along an axis."""
    exps = np.exp(z - z.max(axis=axis, keepdims=True))
    return np.asarray(exps / exps.sum(axis=axis, keepdims=True))
