"""Backward alone, run again and again after one forward: what it changed is put back before each run."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.styles.arrays import DEPTH, callable_only, is_own_object, vars_of
from mlp.diagnostics.gradients.styles.student_layer import StudentLayer
from mlp.layers import frozen_buffers
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array


class Replay:
    """A probe whose forward ran once, and whose backward can run many times.

    Where backward depends on more than what the layer keeps (a global list, random numbers), forward runs each time.
    """

    def __init__(self, probe: Probe, upstream: Array) -> None:
        self.probe, self.upstream = probe, upstream
        with frozen_buffers(probe.layer):
            probe.forward()
        self.kept = all_held(probe)
        self.alone = True
        self.alone = self.same_both_ways()

    def same_both_ways(self) -> bool:
        """Return whether backward alone gives what forward and backward give, also the second time."""
        outcomes = []
        for alone in (True, True, False):
            self.alone = alone
            try:
                outcomes.append(self.backward())
            except OWN_ERRORS as error:
                outcomes.append({"inputs": f"{type(error).__name__}: {error}"})
        first, second, whole = outcomes
        return equal(first, second) and (equal(first, whole) or isinstance(whole["inputs"], str))

    def backward(self) -> dict[str, Any]:
        """Return the gradients by the names of their arrays."""
        put_all_back(self.kept)
        parameters = list(self.probe.layer.named_parameters())
        for _, parameter in parameters:
            parameter.grad[...] = 0.0
        if not self.alone:
            return self.probe.backward(self.upstream.copy())
        layer, upstream = self.probe.layer, self.upstream.copy()
        if isinstance(layer, StudentLayer) and not layer.stateless:  # gradients of any shape
            inputs, others = layer.call_backward(upstream)
            given = layer.gradients(others)
            return {"inputs": inputs, **{name: given.get(name) for name, _ in parameters}}
        inputs = layer.backward(upstream)
        return {"inputs": inputs, **{name: parameter.grad.copy() for name, parameter in parameters}}


Kept = dict[int, tuple[Any, Any]]


def all_held(probe: Probe) -> Kept:
    """Return all that running a layer can change, by its id, with copies."""
    kept: Kept = {}
    for owner in (probe.layer, getattr(probe.layer, "student", None), *probe.arrays.values()):
        for target, values in held(owner, kept, 0):
            kept[id(target)] = target, values
    return kept


def put_all_back(kept: Kept) -> None:
    """Let everything hold again what it held."""
    for target, values in kept.values():
        put_back(target, values)


def held(value: Any, seen: Mapping[int, Any], depth: int) -> Iterator[tuple[Any, Any]]:
    """Yield (array, list or dictionary, a copy of it) for all that can be changed below a value."""
    if id(value) in seen or depth > DEPTH:
        return
    inner: list[Any] = []
    if isinstance(value, np.ndarray):
        if value.flags.writeable:
            yield value, value.copy()
    elif isinstance(value, list):
        yield value, list(value)
        inner = value
    elif isinstance(value, dict):
        yield value, dict(value)
        inner = list(value.values())
    elif isinstance(value, tuple):
        inner = list(value)
    elif depth == 0 or is_own_object(value):
        yield vars_of(value), {name: one for name, one in vars_of(value).items() if not is_code(one)}
        inner = list(vars_of(value).values())
    for item in inner:
        yield from held(item, seen, depth + 1)


def is_code(value: Any) -> bool:
    """Return whether a value is a function, or several: a change may stand in its place."""
    return callable_only(value) or (isinstance(value, tuple) and bool(value) and all(map(callable_only, value)))


def put_back(target: Any, values: Any) -> None:
    """Let an array, list or dictionary hold again what it held; of what is new in a dictionary only functions stay."""
    if isinstance(target, dict):
        for name in [name for name in target if name not in values and not is_code(target[name])]:
            del target[name]  # a change has made it: it may hide an attribute of the class
        target.update(values)
    else:
        target[... if isinstance(target, np.ndarray) else slice(None)] = values


def equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two sets of gradients are the same, or two exceptions."""
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)
