"""Inputs like those that the user gave: a logarithm or a root takes positive numbers alone.

given           drawn, from standard normal z
any numbers     z, and wherever that gives finite outputs: a ReLU has two branches
all positive    exp(z / 2)
all in (0, 1)   1 / (1 + exp(-z))
"""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.random import Generator

from mlp.layers.machinery.base import Layer
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array, Shape

LARGEST: ContextVar[float | None] = ContextVar("LARGEST", default=None)  # what positive inputs may be; None: any sign


@contextmanager
def drawn_like(given: Any) -> Iterator[None]:
    """Within this context inputs are drawn like an array; a shape says nothing."""
    largest = LARGEST.get()
    if isinstance(given, np.ndarray) and given.dtype.kind == "f" and given.size > 1 and given.min() > 0.0:
        largest = 1.0 if given.max() < 1.0 else np.inf
    token = LARGEST.set(largest)
    try:
        yield
    finally:
        LARGEST.reset(token)


def like_given(z: Array) -> Array:
    """Return standard normal numbers as inputs of the kind that was given."""
    largest = LARGEST.get()
    if largest is None:
        return z
    return 1.0 / (1.0 + np.exp(-z)) if largest == 1.0 else np.exp(0.5 * z)


@contextmanager
def of_any_sign(layer: Layer, shape: Shape) -> Iterator[None]:
    """Within this context inputs are drawn of any sign, if a layer gives finite outputs there.

    A loss of numbers in (0, 1), probabilities, keeps them: it may clip others, and has no gradient there.
    """
    token = None
    if LARGEST.get() is not None:
        z = np.random.default_rng(0).standard_normal(shape)
        with suppress(*OWN_ERRORS), np.errstate(all="ignore"):
            outputs = copy.deepcopy(layer).forward(z, training=False)
            probabilities = LARGEST.get() == 1.0 and np.ndim(outputs) == 0
            token = LARGEST.set(None) if np.isfinite(outputs).all() and not probabilities else None
    try:
        yield
    finally:
        if token is not None:
            LARGEST.reset(token)


def moved_like_given(weights: Array, rng: Generator) -> bool:
    """Move positive weights by a factor beside positive inputs, and return whether they were moved."""
    if LARGEST.get() is None or not (weights > 0.0).all():
        return False
    weights *= np.exp(0.1 * rng.standard_normal(weights.shape))
    return True
