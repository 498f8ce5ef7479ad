"""How a well-known loss is written here: as the losses of single values, with names for its parts.

A value function takes outputs y (..., N, K), targets t (N, K) (one-hot rows for classes), settings s, and `part`, and
returns losses (..., N, K), where an axis may have one element; their sum is the loss up to a mean. It hands each part
that a derivative goes through to `part(name, value)`. So a part can be held constant, as in a forgotten product rule,
or be where the derivative ends, as in a forgotten sigmoid.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlp.typing import Array

MOVE = 1e-5
Options = dict[str, Any]
Value = Callable[[Array, Array, Options, "Parts"], Array]
Gradient = Callable[[Array, Array, Options], Array]  # (y, t, s) -> (N, K), of the sum of the losses


class Parts:
    """The parts of a loss at one point; those in `held` keep the value that is given there."""

    def __init__(self, held: Mapping[str, Array] | None = None) -> None:
        self.held = dict(held or {})
        self.values: dict[str, Array] = {}

    def __call__(self, name: str, value: Array) -> Array:
        self.values[name] = value
        return self.held.get(name, value)


@dataclass(frozen=True)
class Wrong:
    """A usual mistake in a loss: another value, whose gradient is wrong, too, or another gradient alone.

    Attributes:
        name, sentence: of the diagnosis.
        value: of the wrong loss. gradient: in its place, where backward alone can be wrong like this.
        needs: a setting without which the mistake makes no difference.
    """

    name: str
    sentence: str
    value: Value | None = None
    gradient: Gradient | None = None
    needs: str = ""


@dataclass(frozen=True)
class KnownLoss:
    """A well-known loss.

    Attributes:
        name: as it stands in a sentence, "the Huber loss".
        value: see the module.
        usual: the numbers that are tried for each setting, next to those of the student's loss.
        wrong: its usual mistakes.
    """

    name: str
    value: Value
    usual: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    wrong: tuple[Wrong, ...] = ()


def differences_of(function: Callable[[Array], Array], x: Array) -> Array:
    """Return the gradient of the sum of function(x) with respect to x (N, K), by central differences, all at once."""
    steps = MOVE * np.eye(x.size).reshape(x.size, *x.shape)
    difference = (function(x + steps) - function(x - steps)).sum(axis=(-2, -1))
    return np.asarray(difference.reshape(x.shape) / (2.0 * MOVE))


def gradient_of(value: Value, y: Array, t: Array, s: Options, held: Mapping[str, Array] | None = None) -> Array:
    """Return the gradient of a loss with respect to y, with some parts held constant."""
    return differences_of(lambda moved: np.broadcast_to(*like(moved, value(moved, t, s, Parts(held)))), y)


def like(moved: Array, losses: Array) -> tuple[Array, tuple[int, ...]]:
    """Return losses and the shape that they need: all leading axes of the moved outputs."""
    return losses, (*moved.shape[:-2], *losses.shape[-2:])


def its_parts(value: Value, y: Array, t: Array, s: Options) -> dict[str, Array]:
    """Return the parts of a loss at one point, by their names."""
    parts = Parts()
    value(y, t, s, parts)
    return parts.values


def having(value: Value, **changed: Any) -> Value:
    """Return a loss with other settings."""
    return lambda y, t, s, part: value(y, t, {**s, **changed}, part)
