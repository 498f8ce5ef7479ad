"""Inputs like those that the user gave: a logarithm or a root takes positive numbers alone.

given           drawn, from standard normal z
any numbers     z
all positive    exp(z / 2)
all in (0, 1)   1 / (1 + exp(-z))
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from mlp.typing import Array

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
