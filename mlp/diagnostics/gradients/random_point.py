"""Where a gradient is checked: a random point, because special values hide faults.

A forgotten gamma does not show where gamma is 1, nor a forgotten running mean where it is 0. So

    parameters   are drawn anew and moved a little, and weights (matrices, kernels) get the size that keeps signals
                 alive, He et al. 2015: a formula is right at all weights or at none, and with default weights the
                 gradients of a deep plain network vanish below what finite differences can resolve
    buffers      hold the statistics of a few random batches, as after some training, times random factors, so that they
                 are those of no batch in particular; variances stay positive
    inputs       are standard normal, or positive like those that were given
"""

import copy
from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.random import Generator

from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.like_given import like_given, moved_like_given
from mlp.errors import ConfigurationError
from mlp.layers.machinery.base import Layer
from mlp.typing import Array

WARM_UP = 10  # training batches that fill the running statistics


def random_probe(layer: Layer, input_shape: Sequence[int], rng: Generator, *, training: bool) -> Probe:
    """Return a `Probe` of a float64 copy of `layer` on the CPU, at a random point without special values.

    Args:
        layer: any layer; it stays as it is.
        input_shape: with the batch axis.
        training: the mode of the probe.
        rng: generator of the point.
    """
    layer = copy.deepcopy(layer).to("cpu").astype(np.float64)
    layer.initialize(int(rng.integers(2**31)))
    for _, parameter in layer.named_parameters():
        shape = parameter.data.shape
        if moved_like_given(parameter.data, rng):
            continue
        parameter.data += 0.1 * rng.standard_normal(shape)
        if len(shape) > 1:  # a matrix or a kernel, outputs last
            he = float(np.sqrt(2.0 / np.prod(shape[:-1])))
            parameter.data *= he / float(np.sqrt(np.mean(parameter.data**2)))
    for _ in range(WARM_UP):
        layer.forward(like_given(rng.standard_normal(input_shape)), training=True)
    for _, array in layer.named_buffers():
        if array.dtype.kind == "f":  # statistics; counters stay as they are
            array *= rng.uniform(0.5, 1.5, array.shape)
    return Probe(layer, like_given(rng.standard_normal(input_shape)), training=training)


def random_classes(output_shape: Sequence[int], rng: Generator) -> Array:
    """Return targets for outputs (N, K): N random classes."""
    return rng.integers(0, output_shape[-1], output_shape[0])


def check_shape(name: str, shape: Any) -> None:
    """Raise a ConfigurationError unless `shape` is a sequence of whole numbers of at least 1."""
    if isinstance(shape, np.ndarray):
        raise ConfigurationError(f"{name} is an array of shape {shape.shape} and dtype {shape.dtype}: give a shape")
    sizes = shape if isinstance(shape, Sequence) and not isinstance(shape, str) else ()
    if not sizes or not all(isinstance(size, Integral) and int(size) >= 1 for size in sizes):
        raise ConfigurationError(
            f"{name}={shape!r}: expected whole numbers of at least 1, the batch first, such as (4, 3) or (4, 6, 6, 3)"
        )
