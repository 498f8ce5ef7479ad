"""Is a loss of several arrays, two functions, the one that its name and its docstring say?"""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.losses.known.as_named import of_forward_line
from mlp.diagnostics.gradients.losses.known.forward import has_more
from mlp.diagnostics.gradients.losses.known.joint import JointLoss, joint_losses, sums_in_all_forms
from mlp.diagnostics.gradients.losses.known.value_line import Meant, value_line
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.diagnostics.gradients.repairs.sources import Source
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.layers.machinery.base import Layer
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

TINY_NUMBER = 1e-3  # in code: an eps
POINTS = 4  # of a loss of several arrays


Compared = tuple[JointLoss, Meant, list[Probe], Array]  # the loss that is meant; where it was taken, and its values


def compared_jointly(layer: Layer, input_shape: Sequence[int], seed: int) -> Iterator[Compared]:
    """Yield what two functions that compute a loss of several arrays are compared with: the loss of their name.

    It may have more in it than the name says, see `has_more`.
    """
    pair = getattr(layer, "student", layer)
    if not isinstance(pair, FunctionPair):
        return
    rng = generator(seed, "probe", "joint loss")
    try:
        with np.errstate(all="ignore"):
            probes = [random_probe(layer, input_shape, rng, training=False) for _ in range(POINTS)]
            values = np.array([float(np.sum(probe.outputs())) for probe in probes])
            shape = probes[0].outputs().shape
    except OWN_ERRORS:
        return
    if shape not in ((), (1,), tuple(input_shape[:1])):
        return
    arrays, text = [arrays_of(pair, probe) for probe in probes], inspect.getdoc(pair.functions[0]) or ""
    for loss in joint_losses(pair.__name__, text, list(arrays[0])):
        meant = meant_jointly(loss, arrays, settings_of_pair(pair))
        if meant is not None:
            yield loss, meant, probes, values
        return


def is_right_jointly(layer: Layer, input_shape: Sequence[int], seed: int) -> bool:
    """Return whether two functions compute the loss of several arrays that their name promises."""
    return any(meant.has_form(values) for _, meant, _, values in compared_jointly(layer, input_shape, seed))


def joint_as_named(layer: Layer, input_shape: Sequence[int], seed: int) -> Iterator[Diagnosis]:
    """Yield what is wrong with two functions that compute a loss whose values are not those that its name promises."""
    forward = getattr(getattr(layer, "student", layer), "functions", (None,))[0]
    more = forward is None or has_more(forward.__name__, inspect.getdoc(forward) or "")
    found = None if more else next(compared_jointly(layer, input_shape, seed), None)
    if found is not None and not found[1].has_form(found[3]):
        loss, meant, probes, _ = found

        def tried(source: Source, function: Any) -> Array:
            now = []
            for probe in probes:
                with source.of(probe.layer).replaced(function):
                    now.append(float(np.sum(probe.outputs())))
            return np.array(now)

        def run() -> dict[str, Any]:
            return {"outputs": probes[0].outputs()}

        for edit in value_line(getattr(probes[0].layer, "student", layer), ("forward",), tried, meant, run):
            yield of_forward_line(edit, "outputs", "evaluation", f"{loss.name}, {loss.formula}")


def arrays_of(pair: FunctionPair, probe: Probe) -> dict[str, Array]:
    """Return the arrays that a function takes, by their names and in its order."""
    found: dict[str, Array] = {}
    for i, name in enumerate(inspect.signature(pair.functions[0]).parameters):
        array = probe.x if i == 0 else probe.arrays.get(name, pair.settings.get(name))
        if isinstance(array, np.ndarray):
            found[name] = array
    return found


def settings_of_pair(pair: FunctionPair) -> dict[str, Any]:
    """Return the numbers that a function takes, also by default, and those that its code or its file has."""
    forward = pair.functions[0]
    code, globals_ = forward.__code__, forward.__globals__
    written = {f"number {value}": value for value in code.co_consts if isinstance(value, float) and value > TINY_NUMBER}
    there = {name: globals_[name] for name in code.co_names if name in globals_}
    defaults = {name: p.default for name, p in inspect.signature(forward).parameters.items()}
    found = {**written, **there, **defaults, **pair.settings}
    return {name: value for name, value in found.items() if type(value) in (int, float)}


def meant_jointly(loss: JointLoss, arrays: Sequence[dict[str, Array]], settings: dict[str, Any]) -> Meant | None:
    """Return the sums of a loss at some points, in all its forms; None if it cannot be taken of these arrays."""
    with np.errstate(all="ignore"):
        rows = [list(sums_in_all_forms(loss, list(one.values()), settings)) for one in arrays]
    sums = np.array(rows, float).T
    sums = sums[np.isfinite(sums).all(axis=1) & (np.abs(sums) > 1e-12).all(axis=1)]
    first = next(iter(arrays[0].values()))
    sizes = dict.fromkeys((1.0, float(len(first)), float(first.size), float(first.size / len(first)), 2.0 * len(first)))
    numbers = [float(value) for value in settings.values() if value > 0]
    divisors = np.array([[size] * len(arrays) for size in sizes])
    return Meant(sums, divisors, len(arrays), (numbers, ())) if len(sums) else None
