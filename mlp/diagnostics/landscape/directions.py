"""Random directions in the space of all weights, made so that pictures of different networks can be compared.

A filter f is everything that makes one output channel: W[..., f] of a convolution, column W[:, j] of an affine layer.
A direction d is drawn from N(0, 1) and scaled filter by filter to the size of the network's own,

    d_f <- d_f |w_f| / (|d_f| + 1e-10)                                                       (1)

Without this a picture says nothing about the loss. Multiply one convolution by 7 and the next by 1/7: leaky ReLU lets
positive factors through, so the network computes what it did before, but a step of the same length now moves the first
convolution seven times less in proportion. With (1) the step grows with the filter.

One-dimensional parameters (biases, gamma, beta) stay where they are: d = 0. So |d| = |w| over all weights that move.
"""

from collections.abc import Mapping

import numpy as np

from mlp.backend import to_numpy
from mlp.layers.machinery.base import Layer
from mlp.rng import generator
from mlp.typing import Array

GUARD = 1e-10  # against a division by zero; it is added in float64, which does not round it away


def random_direction(model: Layer, k: int = 0, seed: int = 0) -> dict[str, Array]:
    """Return a filter-normalized random direction {name of a parameter: array of its shape and dtype}.

    Args:
        k: 0 for the horizontal direction of a figure, 1 for the vertical one.
        seed: it gives the same numbers in every precision and on every device.
    """
    model.set_paths()
    direction = {}
    for name, parameter in model.named_parameters():
        weight = to_numpy(parameter.data)
        if weight.ndim < 2:
            direction[name] = np.zeros_like(weight)
        else:
            drawn = generator(seed, "probe", "landscape", k, name).standard_normal(weight.shape)
            direction[name] = filter_normalized(drawn, weight).astype(weight.dtype)
    return direction


def filter_normalized(drawn: Array, weight: Array) -> Array:
    """Return `drawn` with each filter scaled to the size of the one in `weight`, equation (1), in float64.

    A filter of zeros stays where it is: its direction is 0.
    """
    others = tuple(range(weight.ndim - 1))  # all axes but the last, that of the filters
    drawn = drawn.astype(np.float64)
    own = np.sqrt(np.square(weight.astype(np.float64)).sum(axis=others))  # (F,)
    return drawn * (own / (np.sqrt(np.square(drawn).sum(axis=others)) + GUARD))


def cosine(first: Mapping[str, Array], second: Mapping[str, Array]) -> float:
    """Return the cosine of the angle between two directions; NaN if one of them is 0.

    Random directions need not be made orthogonal: among P weights their cosine is about 1/sqrt(P).
    """
    names = [name for name in first if name in second]
    a = np.concatenate([np.ravel(first[name]).astype(np.float64) for name in names])
    b = np.concatenate([np.ravel(second[name]).astype(np.float64) for name in names])
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / norms if norms else float("nan")
