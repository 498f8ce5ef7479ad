"""The initial weights of an affine layer or a convolution."""

import inspect
from typing import Any, Protocol

import numpy as np
from numpy.random import Generator

from mlp.backend import device_of, move
from mlp.checks import shown
from mlp.errors import ConfigurationError
from mlp.initializers import constant, pytorch_default
from mlp.layers.parameter import Parameter, require_memory
from mlp.typing import Initializer


class WeightAndBias(Protocol):
    """A layer with a weight and an initializer for it."""

    initializer: Initializer

    def own_parameters(self) -> list[tuple[str, Parameter]]:
        """Return the parameters of this layer alone, as (name, parameter) pairs."""


def generator_of(rng: Any) -> Generator:
    """Return the argument `rng` of a layer, or a new generator for None; an error if it is something else."""
    if rng is None:
        return np.random.default_rng()
    if not isinstance(rng, Generator):
        raise ConfigurationError(f"rng must be a NumPy generator, got {shown(rng)}: write rng=np.random.default_rng(0)")
    return rng


def draw_weight_and_bias(layer: WeightAndBias, fan_in: int, fan_out: int, rng: Generator) -> None:
    """Draw the weight of an affine layer or a convolution with its initializer, and its bias if it has one.

    PyTorch's default draws the bias as well; with any other initializer it starts at 0.

    Raises:
        ConfigurationError: the initializer is no function that gives an array.
    """
    try:
        inspect.signature(layer.initializer).bind((), fan_in, fan_out, rng)
    except TypeError:
        raise ConfigurationError(
            "initializer must be a function of (shape, fan_in, fan_out, rng), got "
            f"{shown(layer.initializer)}: write mlp.initializers.he_normal(), not mlp.initializers.he_normal"
        ) from None
    for name, parameter in layer.own_parameters():
        by_initializer = name == "weight" or layer.initializer is pytorch_default
        initializer = layer.initializer if by_initializer else constant(0.0)
        require_memory(8 * parameter.data.size, parameter.data.shape)  # initializers draw float64
        drawn = initializer(parameter.data.shape, fan_in, fan_out, rng).astype(parameter.data.dtype)
        parameter.data = move(drawn, device_of(parameter.data))
