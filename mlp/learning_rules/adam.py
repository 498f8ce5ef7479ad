"""Adam: momentum, with every weight's step divided by the usual size of its gradient.

    m <- b1 m + (1 - b1) g                mean of recent gradients           m = v = 0 at first
    v <- b2 v + (1 - b2) g^2              mean of their squares
    w <- w - h m' / (sqrt(v') + eps)      with m' = m / (1 - b1^t), v' = v / (1 - b2^t)

    w  weights, g  their gradient, h  learning rate

t counts the updates from 1. Starting at zero, m and v are too small at first by the factors 1 - b^t, which the
division removes. A step is about h in size whatever the scale of the gradient, as long as that is well above eps.

AdamW subtracts h d w as well, outside the division: weights decay alike, whatever the size of their gradients.

References: Kingma and Ba, Adam: a method for stochastic optimization, 2015, algorithm 1; Loshchilov and Hutter,
Decoupled weight decay regularization, 2019, algorithm 2.
"""

import math
from typing import Any

from mlp.backend import get_array_module
from mlp.checks import fraction, positive
from mlp.learning_rules.base import LearningRule
from mlp.typing import Array


class Adam(LearningRule):
    """w <- w - h m' / (sqrt(v') + eps), PyTorch's defaults.

    Args:
        learning_rate: h.
        beta1, beta2: b1 and b2, how long the two means remember.
        eps: keeps the division away from zero.
        settings: weight_decay and the others of `LearningRule`.

    Raises:
        ConfigurationError: a value out of its range.
    """

    moment_names = ("mean", "square")

    def __init__(
        self, learning_rate: float = 1e-3, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8, **settings: Any
    ) -> None:
        super().__init__(learning_rate, **settings)
        self.beta1, self.beta2 = fraction("beta1", beta1), fraction("beta2", beta2)
        self.eps = positive("eps", eps)

    def change(self, gradient: Array) -> Array:
        m, v = self.moments["mean"], self.moments["square"]
        m *= self.beta1
        m += (1.0 - self.beta1) * gradient
        v *= self.beta2
        v += (1.0 - self.beta2) * (gradient * gradient)
        correction1 = 1.0 - self.beta1**self.steps
        correction2 = 1.0 - self.beta2**self.steps
        root = get_array_module(v).sqrt(v) / math.sqrt(correction2)  # sqrt(v')
        return (self.learning_rate / correction1) * m / (root + self.eps)


class AdamW(Adam):
    """Adam with decoupled weight decay, w <- w - h d w before each step, PyTorch's defaults.

    Args:
        learning_rate: h.
        beta1, beta2, eps: as for Adam.
        decoupled_weight_decay: d >= 0.
        settings: the others of `LearningRule`.

    Raises:
        ConfigurationError: a value out of its range.
    """

    def __init__(
        self,
        learning_rate: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        decoupled_weight_decay: float = 1e-2,
        **settings: Any,
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, eps, decoupled_weight_decay=decoupled_weight_decay, **settings)
