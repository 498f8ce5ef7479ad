"""Dropout: in training, set every unit to 0 with probability p, so that none can rely on another being there.

    r  mask of independent draws: 0 with probability p, else 1              (the shape of x)

    training      y = x r / (1 - p)            dL/dx = dL/dy r / (1 - p)                       (1)
    evaluation    y = x                        dL/dx = dL/dy                                   (2)

Dividing by 1 - p keeps the mean: E[r / (1 - p)] = 1. The variance grows by x^2 p / (1 - p), but only in training. So
a batch norm after dropout keeps a running variance that is too large for evaluation.

The mask of step t is a function of (seed, path of the layer, t), see `mlp.rng`: a resumed run draws the same masks.
Each forward in training counts one step. The counter is a buffer: it is saved with the weights, and `frozen_buffers`
puts it back after forwards that are no training steps, such as those of a gradient check.

References: Srivastava et al., Dropout, 2014; Li et al., Understanding the disharmony between dropout and batch
normalization by variance shift, 2019.
"""

import numpy as np
from numpy.random import Generator

from mlp.backend import get_array_module
from mlp.checks import fraction
from mlp.layers.machinery.base import Layer
from mlp.rng import generator
from mlp.typing import Array


class Dropout(Layer):
    """Sets units to 0 at random in training, any shape.

    Args:
        p: the probability for each unit, 0 <= p < 1.
        seed: of the masks; `model.initialize(seed)` draws another for each layer.

    Raises:
        ConfigurationError: a probability outside 0 <= p < 1.
    """

    buffer_names = ("step",)

    def __init__(self, p: float = 0.5, seed: int = 0) -> None:
        self.p = fraction("p", p)
        self.seed = seed
        self.step = np.zeros((), np.int64)  # training forwards so far

    def reset_parameters(self, rng: Generator) -> None:
        self.seed = int(rng.integers(2**32))
        self.step[...] = 0

    def forward(self, x: Array, training: bool = False) -> Array:
        if not training or self.p == 0.0:
            self.keep(None)
            return x  # (2)
        draws = generator(self.seed, "dropout", self.path, int(self.step)).random(x.shape, np.float32)
        self.step += 1
        mask = (draws >= self.p).astype(x.dtype)  # r
        scale = get_array_module(x).asarray(mask * (1.0 / (1.0 - self.p)))
        self.keep(scale)
        return x * scale  # (1)

    def backward(self, grad_outputs: Array) -> Array:
        scale = self.take()
        return grad_outputs if scale is None else grad_outputs * scale  # (2), (1)

    def __repr__(self) -> str:
        return f"Dropout({self.p})"
