"""RMSProp: divide each weight's step by the usual size of its recent gradients.

    v <- a v + (1 - a) g^2                  v = 0 at first
    w <- w - h g / (sqrt(v) + eps)          w weights, g their gradient, h learning rate

AdaGrad with a memory that fades, so that steps do not go to zero.

Reference: Tieleman and Hinton, Lecture 6.5: RMSProp, 2012.
"""

from typing import Any

from mlp.backend import get_array_module
from mlp.checks import fraction, positive
from mlp.learning_rules.base import LearningRule
from mlp.typing import Array


class RMSProp(LearningRule):
    """w <- w - h g / (sqrt(v) + eps), PyTorch's defaults.

    Args:
        learning_rate: h. decay: a, how long the mean remembers. eps: keeps the division away from zero.
        settings: weight_decay and the others of `LearningRule`.

    Raises:
        ConfigurationError: a value out of its range.
    """

    moment_names = ("square",)

    def __init__(self, learning_rate: float = 1e-2, decay: float = 0.99, eps: float = 1e-8, **settings: Any) -> None:
        super().__init__(learning_rate, **settings)
        self.decay, self.eps = fraction("decay", decay), positive("eps", eps)

    def change(self, gradient: Array) -> Array:
        v = self.moments["square"]
        v *= self.decay
        v += (1.0 - self.decay) * (gradient * gradient)
        return self.learning_rate * gradient / (get_array_module(v).sqrt(v) + self.eps)
