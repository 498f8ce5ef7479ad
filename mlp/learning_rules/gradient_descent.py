"""Gradient descent: go a little way downhill.

    w <- w - h g            w weights, g their gradient, h learning rate

With the gradient of a batch in place of that of all data it is called stochastic gradient descent.
"""

from typing import Any

from mlp.learning_rules.base import LearningRule
from mlp.typing import Array


class GradientDescent(LearningRule):
    """w <- w - h g. Settings: weight_decay and the others of `LearningRule`."""

    def __init__(self, learning_rate: float = 1e-2, **settings: Any) -> None:
        super().__init__(learning_rate, **settings)

    def change(self, gradient: Array) -> Array:
        return self.learning_rate * gradient
