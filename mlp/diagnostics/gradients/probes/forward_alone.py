"""Is evaluation a forward alone? Many layers save memory there: they keep nothing that backward needs.

Then backward after a forward in evaluation would be that of the last training forward, or raise an exception. A layer
is taken for such a one if its training forward keeps something of the inputs, its evaluation forward keeps nothing of
them, and backward takes no notice of evaluation. A mask of dropout depends on no inputs: that it stays is a mistake.
"""

import copy

import numpy as np

from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.styles.arrays import leaves_of, vars_of
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.diagnostics.gradients.styles.student_layer import StudentLayer
from mlp.layers.machinery.base import Layer
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

NOT_CHECKED = (
    "backward was not checked in evaluation, where forward keeps nothing of its inputs for it: call backward only "
    "after a forward in training."
)
ALL_KINDS = "fiub"  # masks as well


def is_forward_alone(probe: Probe) -> bool:
    """Return whether the layer of a probe in training has no backward in evaluation, on purpose."""
    layer, x = probe.layer, probe.x
    try:
        if not keeps_inputs(layer, x, training=True) or keeps_inputs(layer, x, training=False):
            return False
    except OWN_ERRORS:
        return False
    twin = Probe(copy.deepcopy(layer), x.copy(), training=True)
    upstream = generator(0, "probe", "upstream").standard_normal(twin.outputs().shape)
    before = twin.backward(upstream)
    twin.layer.forward(other(x), training=False)
    try:
        after = twin.layer.backward(upstream.copy())
    except OWN_ERRORS:  # what backward needs was taken away
        return True
    grads = {name: parameter.grad for name, parameter in twin.layer.named_parameters()}
    return all(np.array_equal(before[name], array) for name, array in {"inputs": after, **grads}.items())


def keeps_inputs(layer: Layer, x: Array, *, training: bool) -> bool:
    """Return whether anything that forward leaves behind depends on the inputs."""
    one, two = (left_behind(copy.deepcopy(layer), inputs, training=training) for inputs in (x.copy(), other(x)))
    return one.keys() != two.keys() or any(not np.array_equal(array, two[path]) for path, array in one.items())


def left_behind(layer: Layer, x: Array, *, training: bool) -> dict[str, Array]:
    """Return all arrays that backward finds after a forward, by their paths."""
    if not isinstance(layer, StudentLayer):
        layer.forward(x, training)
        return leaves_of(layer, ALL_KINDS)
    student, takes = layer.student, layer.calls.takes
    y, cache = layer.call_forward(x, training=training)
    if isinstance(student, FunctionPair):
        return leaves_of({"cache": student.kept[1]}, ALL_KINDS)
    given = {name: array for name, array in {"x": x, "y": y}.items() if name in takes}
    return leaves_of(vars_of(student) | given | {"the cache": cache}, ALL_KINDS)


def other(x: Array) -> Array:
    """Return other inputs of the same shape."""
    return 2.0 * x + 0.5
