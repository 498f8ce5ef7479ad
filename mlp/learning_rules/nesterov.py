"""Nesterov's momentum: measure the slope where the ball is about to be.

    v <- mu v + g            v = 0 at first
    w <- w - h (g + mu v)    w weights, g their gradient, h learning rate

Plain momentum steps by v. Here the step is what the velocity will be one step later if the gradient stays as it is,
which amounts to taking the gradient at the place that the velocity alone would lead to. This is PyTorch's form.

References: Nesterov, A method for solving the convex programming problem with convergence rate O(1/k^2), 1983;
Sutskever et al., On the importance of initialization and momentum in deep learning, 2013.
"""

from mlp.learning_rules.momentum import Momentum
from mlp.typing import Array


class Nesterov(Momentum):
    """w <- w - h (g + mu v), v <- mu v + g. Arguments as for Momentum."""

    def change(self, gradient: Array) -> Array:
        v = self.moments["velocity"]
        v *= self.momentum
        v += gradient
        return self.learning_rate * (gradient + self.momentum * v)
