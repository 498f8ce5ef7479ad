"""Do the arrays that forward keeps still hold what they held, when backward takes them?

An array that is kept and then changed in place (out += x, x *= 2, a mask that is filled again) hands other numbers to
backward. Forward runs while every array is copied at the moment when it is kept; then backward gets the copies. If the
gradient is right with them, it was the change.
"""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlp.backend import to_numpy
from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Evidence, distance
from mlp.layers import frozen_buffers

CLOSE = 1e-6


def kept_changed(e: Evidence) -> Iterator[Diagnosis]:
    """Yield the diagnosis of kept arrays that were changed in place after they were kept."""
    probe, layer, owner = e.point.probe, e.point.probe.layer, e.point.probe.owner
    copies: dict[str, Any] = {}
    kind = type(owner)

    def remember(self: Any, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if self is owner and holds_arrays(value):
            copies[name] = copy.deepcopy(value)

    try:
        watched = type(kind.__name__, (kind,), {"__setattr__": remember})
        owner.__class__ = watched
    except TypeError:  # a class with __slots__
        return
    try:
        with frozen_buffers(layer):
            probe.forward()
            changed = [name for name, value in copies.items() if not same(value, vars(owner).get(name))]
            for name in changed:
                object.__setattr__(owner, name, copies[name])
            gradient = layer.backward(e.point.upstream.copy()) if changed else None
    finally:
        owner.__class__ = kind
    if not changed:
        return
    given = gradient if e.of_inputs else dict(layer.named_parameters())[e.array].grad
    if given is not None and distance(to_numpy(given), e.numeric) < CLOSE:
        what = "what keep() got" if changed == ["_kept"] else ", ".join(f"self.{name}" for name in changed)
        text = (
            f"an array that was kept for backward ({what}) is changed in place afterwards, in forward itself (as by "
            "+=, *= or [...] =): write out = out + x, which makes a new array"
        )
        yield e.found("kept array changed", text)


def holds_arrays(value: Any) -> bool:
    """Return whether a value is an array, or a tuple or list with one."""
    return isinstance(value, np.ndarray) or (isinstance(value, tuple | list) and any(map(holds_arrays, value)))


def same(one: Any, other: Any) -> bool:
    """Return whether two kept values are equal."""
    if isinstance(one, tuple | list):
        return isinstance(other, tuple | list) and len(one) == len(other) and all(map(same, one, other))
    return np.array_equal(one, other, equal_nan=True) if isinstance(one, np.ndarray) and one.dtype.kind == "f" else True
