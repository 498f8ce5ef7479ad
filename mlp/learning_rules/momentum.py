"""Momentum: a heavy ball that keeps part of its velocity.

    v <- mu v + g            v = 0 at first
    w <- w - h v             w weights, g their gradient, h learning rate

Steps along a steady gradient add up to 1/(1 - mu) times their size, while those across a narrow valley cancel. This
is PyTorch's form: the learning rate stands outside v, so a change of h acts at once on the whole velocity.

Reference: Polyak, Some methods of speeding up the convergence of iteration methods, 1964.
"""

from typing import Any

from mlp.checks import fraction
from mlp.learning_rules.base import LearningRule
from mlp.typing import Array


class Momentum(LearningRule):
    """w <- w - h v, v <- mu v + g.

    Args:
        learning_rate: h. momentum: mu, 0 <= mu < 1.
        settings: weight_decay and the others of `LearningRule`.

    Raises:
        ConfigurationError: a value out of its range.
    """

    moment_names = ("velocity",)

    def __init__(self, learning_rate: float = 1e-2, momentum: float = 0.9, **settings: Any) -> None:
        super().__init__(learning_rate, **settings)
        self.momentum = fraction("momentum", momentum)

    def change(self, gradient: Array) -> Array:
        v = self.moments["velocity"]
        v *= self.momentum
        v += gradient
        return self.learning_rate * v
