"""Gradient descent: go a little way downhill.

    w <- w - h g

With the gradient of a batch in place of that of all data it is called stochastic gradient descent.
"""

from mlp.learning_rules.base import LearningRule


class GradientDescent(LearningRule):
    """w <- w - h g. Settings: weight_decay and the others of `LearningRule`."""

    def __init__(self, learning_rate=1e-2, **settings):
        super().__init__(learning_rate, **settings)

    def change(self, gradient):
        return self.learning_rate * gradient
