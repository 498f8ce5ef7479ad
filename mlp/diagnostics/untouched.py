"""What every probe promises: afterwards the network is what it was before.

A probe moves weights, runs training-mode passes and writes gradients. `untouched` saves all of it first and copies it
back at the end, also after an error or Ctrl-C: weights, gradients, and buffers, to which running statistics and
dropout's step belong. (Random numbers have no position that could move, see `mlp.rng`.) Weights come back as the saved
array. Subtracting what was added would leave rounding behind: 0.1 + 0.2 - 0.2 is not 0.1.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from mlp.layers import BatchNorm, frozen_buffers, leaf_layers
from mlp.layers.machinery.base import Layer
from mlp.typing import Array


@contextmanager
def untouched(model: Layer) -> Iterator[Layer]:
    """Within this context a model may be moved and run in any way; everything is put back at the end."""
    parameters = [(parameter, parameter.data.copy(), parameter.grad.copy()) for parameter in model.parameters()]
    try:
        with frozen_buffers(model):
            yield model
    finally:
        for parameter, data, grad in parameters:
            parameter.data, parameter.grad = data, grad
        for _, layer in model.named_layers():
            layer.forget()  # what a forward pass kept for a backward pass that will not come


@contextmanager
def adopted_statistics(model: Layer, x: Array) -> Iterator[Layer]:
    """Within this context the running statistics of all batch norms are those of the images `x`.

    One training pass with momentum 1 writes them. In evaluation mode an image's output then depends on that image
    alone, as in any evaluation, and yet every norm normalizes, which it does not at initial weights: there the running
    statistics are 0 and 1.
    """
    norms = [layer for layer in leaf_layers(model) if isinstance(layer, BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    with untouched(model):
        try:
            for norm in norms:
                norm.momentum = 1.0
            if norms:
                with np.errstate(all="ignore"):
                    model.forward(x, training=True)
        finally:
            for norm, momentum in zip(norms, momenta, strict=True):
                norm.momentum = momentum
        yield model
