"""Learning rules (others say optimizers): how the gradient changes the weights. One rule a file."""

from mlp.learning_rules.adam import Adam
from mlp.learning_rules.base import LearningRule
from mlp.learning_rules.gradient_descent import GradientDescent
from mlp.learning_rules.momentum import Momentum

RULES = {"gradient_descent": GradientDescent, "momentum": Momentum, "adam": Adam}

__all__ = ["RULES", "Adam", "GradientDescent", "LearningRule", "Momentum"]
