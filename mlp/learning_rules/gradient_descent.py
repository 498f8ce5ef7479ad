"""Gradient descent: go a little way downhill.

    w <- w - h g

With the gradient of a batch in place of that of all data it is called stochastic gradient descent.
"""

from mlp.learning_rules.base import LearningRule


class GradientDescent(LearningRule):
    """w <- w - h g."""

    def __init__(self, learning_rate=1e-2, weight_decay=0.0):
        super().__init__(learning_rate, weight_decay)

    def change(self, gradient):
        return self.learning_rate * gradient
