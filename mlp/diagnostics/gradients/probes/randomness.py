"""Holding random numbers still: finite differences need a forward that gives the same outputs for the same inputs.

In layers of `mlp` the random numbers are a function of a counter, and probes put the counter back. Your own layer may
draw from NumPy's global generator, or from one of its own: these are put back into the same state before every forward.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.styles.parts import objects_in
from mlp.layers.machinery.base import Layer


def rewinders(layer: Layer) -> list[Callable[[], Any]]:
    """Return functions that put each random generator in reach back into the state it has now."""
    found: list[Callable[[], Any]] = [partial(np.random.set_state, np.random.get_state())]  # noqa: NPY002
    for value in inner_values(layer):
        if isinstance(value, np.random.Generator):
            bits = value.bit_generator
            found.append(partial(setattr, bits, "state", bits.state))
        elif isinstance(value, np.random.RandomState):  # noqa: NPY002
            found.append(partial(value.set_state, value.get_state()))
    return found


def inner_values(layer: Layer) -> Iterator[Any]:
    """Yield all attributes of all layers in `layer`, and of the student's objects in them, however deep."""
    for _, child in layer.named_layers():
        for _, part in objects_in(child, ""):
            yield from vars(part).values()
