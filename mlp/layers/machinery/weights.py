"""The first weights of an affine layer or a convolution."""

import math
from typing import Protocol

from numpy.random import Generator

from mlp.backend import device_of, move
from mlp.initializers import constant, pytorch_default
from mlp.layers.parameter import Parameter
from mlp.machine.processor import available_memory
from mlp.typing import Initializer, Shape

UNSUSPICIOUS = 2**24  # numbers of an array that is drawn without a look at the memory


class WeightAndBias(Protocol):
    """A layer with a weight and an initializer for it."""

    initializer: Initializer

    def own_parameters(self) -> list[tuple[str, Parameter]]:
        """Return the parameters that are not those of a part, by name."""


def draw_weight_and_bias(layer: WeightAndBias, fan_in: int, fan_out: int, rng: Generator) -> None:
    """Draw the weight of an affine layer or a convolution with its initializer, and its bias if it has one.

    PyTorch's default draws the bias as well; with any other initializer it starts at 0.
    """
    for name, parameter in layer.own_parameters():
        by_initializer = name == "weight" or layer.initializer is pytorch_default
        initializer = layer.initializer if by_initializer else constant(0.0)
        require_memory(name, parameter.data.shape)
        drawn = initializer(parameter.data.shape, fan_in, fan_out, rng).astype(parameter.data.dtype)
        parameter.data = move(drawn, device_of(parameter.data))


def require_memory(name: str, shape: Shape) -> None:
    """Raise MemoryError if an array is too large to be drawn: a system may end a process rather than refuse it."""
    needed = 8 * math.prod(shape)  # bytes: initializers draw float64
    available = available_memory() if needed > 8 * UNSUSPICIOUS else None
    if available is not None and needed > available:
        raise MemoryError(f"a {name} of shape {shape} takes {needed:,} bytes to draw, and {available:,} are free")
