"""What every probe promises: afterwards the network is what it was before.

A probe moves weights, runs training-mode passes and writes gradients. `untouched` first saves weights, gradients and
buffers (running statistics, dropout's step), and copies them back at the end, also after an error or Ctrl-C. (Random
numbers have no position that could move, see `mlp.rng`.) Weights are copied back because subtracting what was added
would leave rounding errors: 0.1 + 0.2 - 0.2 is not 0.1.
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


def batch_norms(model: Layer) -> list[BatchNorm]:
    """Return the batch norms of a model, in forward order."""
    return [layer for layer in leaf_layers(model) if isinstance(layer, BatchNorm)]


@contextmanager
def kept_momentum(norms: list[BatchNorm]) -> Iterator[None]:
    """Within this context the momentum of batch norms may be changed; it is put back at the end."""
    saved = [norm.momentum for norm in norms]
    try:
        yield
    finally:
        for norm, momentum in zip(norms, saved, strict=True):
            norm.momentum = momentum


@contextmanager
def adopted_statistics(model: Layer, x: Array) -> Iterator[Layer]:
    """Within this context the running statistics of all batch norms are the statistics of the images `x`.

    One training pass with momentum 1 writes them. In evaluation mode the output for an image then depends on that image
    alone, and every norm normalizes. (At the initial weights it would not: there the running statistics are 0 and 1.)
    """
    norms = batch_norms(model)
    with untouched(model):
        with kept_momentum(norms), np.errstate(all="ignore"):
            for norm in norms:
                norm.momentum = 1.0
            if norms:
                model.forward(x, training=True)
        yield model
