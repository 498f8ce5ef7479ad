"""Learning rules (others say optimizers): how the gradient changes the weights. Each file has one rule or family."""

from mlp.checks import names_elsewhere
from mlp.learning_rules.adagrad import AdaGrad
from mlp.learning_rules.adam import Adam, AdamW
from mlp.learning_rules.base import LearningRule
from mlp.learning_rules.gradient_descent import GradientDescent
from mlp.learning_rules.momentum import Momentum
from mlp.learning_rules.nesterov import Nesterov
from mlp.learning_rules.rmsprop import RMSProp

RULES = {
    "gradient_descent": GradientDescent,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": AdaGrad,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
}

__all__ = [
    "RULES",
    "AdaGrad",
    "Adam",
    "AdamW",
    "GradientDescent",
    "LearningRule",
    "Momentum",
    "Nesterov",
    "RMSProp",
]

__getattr__ = names_elsewhere(
    __name__,
    {
        "SGD": "GradientDescent, or Momentum",
        "Optimizer": "LearningRule",
        "RMSprop": "RMSProp",
        "Adagrad": "AdaGrad",
        "NAG": "Nesterov",
        "GradientDescentLearningRule": "GradientDescent",
        "MomentumLearningRule": "Momentum",
        "AdamLearningRule": "Adam",
    },
)
