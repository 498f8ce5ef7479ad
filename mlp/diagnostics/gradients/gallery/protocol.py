"""Layers that break the rules of every layer: no side effects, gradients of the right kind, nothing left to chance."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.layers import LeakyReLU, ReLU
from mlp.typing import Array


class ChangesInputs(ReLU):
    """Forward sets its inputs to zero in place."""

    def forward(self, x: Array, training: bool = False) -> Array:
        x[x < 0] = 0
        return super().forward(x, training)


class ChangesGradOutputs(LeakyReLU):
    """Backward multiplies grad_outputs in place, which a shortcut still needs."""

    def backward(self, grad_outputs: Array) -> Array:
        grad_outputs *= np.where(self.take() > 0, 1.0, self.negative_slope)
        return grad_outputs


class NoReturn(ReLU):
    """Backward returns nothing."""

    def backward(self, grad_outputs: Array) -> Array:
        super().backward(grad_outputs)
        return None  # type: ignore[return-value]


class FlatGradient(ReLU):
    """Backward returns the right numbers in one long row."""

    def backward(self, grad_outputs: Array) -> Array:
        return super().backward(grad_outputs).ravel()


class NotANumber(ReLU):
    """Backward divides zero by zero."""

    def backward(self, grad_outputs: Array) -> Array:
        return super().backward(grad_outputs) * np.nan


class Moody(ReLU):
    """Forward multiplies by a random number that nobody can draw again."""

    def forward(self, x: Array, training: bool = False) -> Array:
        return super().forward(x, training) * np.random.default_rng().random()


class NoisyEvaluation(ReLU):
    """Forward adds noise, in evaluation, too."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def forward(self, x: Array, training: bool = False) -> Array:
        return super().forward(x, training) + self.rng.standard_normal(x.shape).astype(x.dtype)


class Unstable(ReLU):
    """Backward raises an exception of its own."""

    def backward(self, grad_outputs: Array) -> Array:
        return super().backward(grad_outputs) @ np.ones((7, 7))


BUGS = [
    PlantedBug(kind, expected, shape=(5, 3))
    for kind, expected in (
        (ChangesInputs, "inputs changed"),
        (ChangesGradOutputs, "grad_outputs changed"),
        (NoReturn, "no gradient"),
        (FlatGradient, "wrong shape"),
        (NotANumber, "not finite"),
        (Moody, "not deterministic"),
        (NoisyEvaluation, "random in evaluation"),
        (Unstable, "exception"),
    )
]
