"""What a planted bug is: a class that is wrong in one line, what is wrong, and what the check should say about it.

`Spoiled` and `OneWeight` are base classes that several of the wrong layers share.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.check import check_layer
from mlp.diagnostics.gradients.losses.check import check_loss
from mlp.diagnostics.gradients.report import GradientReport
from mlp.diagnostics.rules.check import check_rule
from mlp.layers import Layer, Parameter
from mlp.learning_rules import LearningRule
from mlp.losses import Loss
from mlp.typing import Array, Shape


@dataclass(frozen=True)
class PlantedBug:
    """One wrong layer, loss or learning rule.

    Attributes:
        kind: the wrong class; the first line of its docstring says what is wrong.
        expected: the name of the diagnosis that comes first.
        arguments: returns what its constructor gets, a tuple.
        shape: of the inputs of a layer, of the outputs under a loss; () for a rule.
    """

    kind: type
    expected: str
    arguments: Callable[[], tuple[Any, ...]] = tuple
    shape: Shape = ()

    @property
    def name(self) -> str:
        return self.kind.__name__

    @property
    def wrong(self) -> str:
        """What is wrong, in one sentence."""
        return (self.kind.__doc__ or "").strip().partition("\n")[0]

    @property
    def family(self) -> str:
        """The file of the gallery it is in: "affine"."""
        return self.kind.__module__.rpartition(".")[2]

    def make(self) -> Any:
        """Return a new object of the wrong class."""
        return self.kind(*self.arguments())

    def right(self) -> Any:
        """Return a new object of the right class, the one of the library that it derives from; it may be none."""
        base = next(base for base in self.kind.__mro__ if "gallery" not in base.__module__)
        return base() if base in (Layer, Loss) else base(*self.arguments())

    def check(self, seed: int = 0) -> GradientReport:
        """Return the report about the wrong object."""
        return checked(self.make(), self.shape, seed)

    def check_right(self, seed: int = 0) -> GradientReport:
        """Return the report about the right one."""
        return checked(self.right(), self.shape, seed)


def checked(subject: Any, shape: Shape, seed: int) -> GradientReport:
    """Return the report of the check that is meant for a layer, a loss or a rule."""
    if isinstance(subject, LearningRule):
        return check_rule(subject, seed=seed)
    return (check_loss if isinstance(subject, Loss) else check_layer)(subject, shape, seed=seed)


class Spoiled(Layer):
    """Gradients that the other base class computes right, and that are spoiled afterwards."""

    weight: Parameter
    bias: Any  # a Parameter: none of these layers is made without

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = super().backward(grad_outputs)
        self.spoil(grad_outputs)
        return grad_inputs

    def spoil(self, grad_outputs: Array) -> None:
        """Change the gradients of the parameters."""


class OneWeight(Layer):
    """A layer with one array of weights, of the shape that its constructor gets."""

    def __init__(self, *shape: int) -> None:
        self.weight = Parameter(np.random.default_rng(0).standard_normal(shape))
