"""AdaGrad: each weight's steps shrink with all the gradients it has seen.

    s <- s + g^2                            s = 0 at first
    w <- w - h g / (sqrt(s) + eps)          w weights, g their gradient, h learning rate

Weights with rare gradients keep large steps. s only grows, so all steps go to zero in the end.

Reference: Duchi et al., Adaptive subgradient methods for online learning and stochastic optimization, 2011.
"""

from typing import Any

from mlp.backend import get_array_module
from mlp.checks import positive
from mlp.learning_rules.base import LearningRule
from mlp.typing import Array


class AdaGrad(LearningRule):
    """w <- w - h g / (sqrt(s) + eps), PyTorch's defaults.

    Args:
        learning_rate: h. eps: keeps the division away from zero.
        settings: weight_decay and the others of `LearningRule`.

    Raises:
        ConfigurationError: a value out of its range.
    """

    moment_names = ("square_sum",)

    def __init__(self, learning_rate: float = 1e-2, eps: float = 1e-10, **settings: Any) -> None:
        super().__init__(learning_rate, **settings)
        self.eps = positive("eps", eps)

    def change(self, gradient: Array) -> Array:
        s = self.moments["square_sum"]
        s += gradient * gradient
        return self.learning_rate * gradient / (get_array_module(s).sqrt(s) + self.eps)
