"""What a check did not see: weights that stand where no one looks for them.

A layer's weights are its attributes that are a `Parameter`, and those of its attributes that are a `Layer`. One in a
list, a tuple or a dict, or in the class instead of the object, is not found: it is neither trained nor checked, and a
check that passes would say nothing about it.
"""

import ast
import inspect
import re
import textwrap
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Point
from mlp.diagnostics.gradients.report import Findings, fault
from mlp.diagnostics.gradients.styles.arrays import GRADIENT_NAMES, is_constant, leaves_of, split_path
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.diagnostics.gradients.styles.student_layer import StudentLayer
from mlp.layers.machinery.base import Layer
from mlp.layers.machinery.lost_parts import leaves
from mlp.layers.parameter import Parameter
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

COMPUTED = re.compile(r"\b(sin|cos|arange|linspace|eye|tri|tril|triu|outer|hanning|hamming|meshgrid|indices|array\(\[)")
RANDOM_WORDS = re.compile(r"rand|normal|uniform|rng|glorot|xavier|kaiming|init", re.IGNORECASE)


def unchecked(layer: Layer, input_shape: Sequence[int]) -> Findings:
    """Return a fault for everything with weights that a check of `layer` would not see.

    Then nothing should be measured: a right gradient of the inputs alone would say little.
    """
    found = Findings()
    for name, note, text in (
        *integers(layer),
        *hidden(layer),
        *copied_params(layer),
        *without_params(layer, input_shape),
    ):
        kind = "integers" if "integers" in note else "not checked"
        found += fault(Diagnosis(kind, name, "training", text), (), note)
    return found


def hidden(layer: Layer) -> Iterator[tuple[str, str, str]]:
    """Yield (name, note, sentence) for each attribute that hides a Parameter or a Layer."""
    known = {id(child) for _, child in layer.named_layers()} | {id(p) for p in layer.parameters()}
    known |= {id(p.data) for p in layer.parameters()}
    for _, child in layer.named_layers():
        owner = getattr(child, "student", child)
        kind = type(owner)
        if kind.__module__.startswith("mlp."):
            continue
        for name, value in attributes(owner):
            lost = next((one for one in leaves(value) if is_lost(one, known, foreign=owner is not child)), None)
            if lost is not None:
                note = f"{kind.__name__}.{name} hides a {type(lost).__name__}: it is not checked"
                yield name, note, f"{note}, and will not be trained: {advice(owner, name, value)}"


def attributes(owner: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of an object, and those of its classes that hold a Parameter or a Layer."""
    own = {name: value for name, value in vars(owner).items() if name != "_kept"}
    yield from own.items()
    for kind in type(owner).__mro__:
        if not kind.__module__.startswith("mlp."):
            yield from ((name, value) for name, value in vars(kind).items() if name not in own)


def is_lost(value: Any, known: set[int], *, foreign: bool) -> bool:
    """Return whether a value has weights that are not `known`; of a foreign class, layers without weights are fine."""
    if isinstance(value, Parameter):
        return id(value) not in known and id(value.data) not in known
    if not isinstance(value, Layer) or id(value) in known:
        return False
    return not foreign or any(is_lost(p, known, foreign=foreign) for p in value.parameters())


def advice(owner: Any, name: str, value: Any) -> str:
    """Return where the weights should stand instead."""
    if not isinstance(owner, Layer):
        return f"derive {type(owner).__name__} from mlp.layers.Layer, so that the weights inside are found"
    if name not in vars(owner):
        return f"it belongs to the class, and all layers share it; assign it in __init__, self.{name} = ..."
    kind = type(value).__name__
    return f"nothing is looked for in a {kind}; give each an attribute, self.{name}_0 = ..., or layers to a Sequential"


def copied_params(layer: Layer) -> Iterator[tuple[str, str, str]]:
    """Yield (name, note, sentence) if `params` of a foreign layer makes its arrays anew at every call."""
    if not isinstance(layer, StudentLayer) or not layer.declared():
        return
    first, second = layer.arrays(), layer.arrays()
    if any(array is not second.get(name) for name, array in first.items()):
        note = "params makes new arrays at every call: the weights cannot be checked"
        yield "params", note, f"{note}, nor trained; return the arrays themselves that forward uses"


def without_params(layer: Layer, input_shape: Sequence[int]) -> Iterator[tuple[str, str, str]]:
    """Yield (name, note, sentence) if a stateless layer has gradients of weights, but does not name the weights."""
    if not isinstance(layer, StudentLayer) or not layer.stateless or layer.parameters():
        return
    student = layer.student
    x = np.ones(input_shape)
    try:
        if not len(student.grads_wrt_params(x, np.ones_like(layer.forward(x, training=True)))):
            return  # there are no weights
    except NotImplementedError:
        return
    except OWN_ERRORS:  # it cannot even be called, and is there all the same
        pass
    missing = "returns no weights" if hasattr(student, "params") else "is missing"
    note = f"grads_wrt_params is there, but params {missing}: the weights were not checked"
    yield "params", note, f"{note}; write params, a list of the weights in the order of their gradients"


def without_effect(points: Sequence[Point]) -> Iterator[str]:
    """Yield a remark for each parameter on which the outputs of no mode depend, though its gradient may be right, 0.

    A bias before batch norm has the gradient 0 as well, but moving it changes the rounding of the outputs. Here not a
    single bit may change.
    """
    for name in points[0].numeric if points else ():
        if name != "inputs" and not any(moves_outputs(point, name) for point in points):
            yield (
                f"the outputs do not depend on {name}, so its gradient is 0, whatever backward does: does forward use "
                f"{name} itself, and not another array with the same values?"
            )


def moves_outputs(point: Point, name: str) -> bool:
    """Return whether the outputs change at all when every value of an array is moved."""
    if np.nan_to_num(point.numeric[name]).any():
        return True
    return matters(point, point.probe.arrays[name])


def matters(point: Point, array: Array) -> bool:
    """Return whether the outputs change when every value of an array is moved, which is put back; a view may refuse."""
    if not array.flags.writeable:
        return False
    before, values = point.probe.outputs(), array.copy()
    try:
        array += np.linspace(0.5, 1.5, array.size).reshape(array.shape)
        return not np.array_equal(before, point.probe.outputs())
    except OWN_ERRORS:  # the user's own code may refuse such values, so they may matter
        return True
    finally:
        array[...] = values


def without_gradient(points: Sequence[Point], constants: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Yield (name, note, sentence) for each array that the outputs depend on and that has no gradient.

    An array that is constant is read-only, or belongs to the class, or its name says so (see `is_constant`). One that
    is computed has no note: that it was taken for a constant is a remark.
    """
    layer = points[0].probe.layer if points else None
    if layer is None or (isinstance(layer, StudentLayer) and (layer.stateless or layer.declared())):
        return
    for kind, owner, known in owners(layer):
        seen = [points[0].probe.x, *known.values()]  # forward may keep them, or views of them, as attributes
        for path, value in leaves_of(owner).items():
            if value.dtype.kind != "f" or path in constants or is_constant(path) or path.startswith("_kept"):
                continue
            if any(np.may_share_memory(value, array) for array in seen) or not matters(points[0], value):
                continue
            if isinstance(owner, FunctionPair):
                if path.startswith("settings."):  # what forward kept is computed, or one of the arrays that it took
                    yield path, "", f"{split_path(path)[1]} is taken for a constant: backward has no gradient of it."
                continue
            if is_computed(kind, path):
                yield path, "", f"{path} is taken for a constant: __init__ computes it without random numbers."
                continue
            note = f"the outputs depend on {path}, which was not checked: backward leaves no gradient for it"
            names = ", ".join(form.format(split_path(path)[1]) for form in GRADIENT_NAMES[:4])
            how = (
                f"call its gradient {names}"
                if isinstance(layer, StudentLayer)
                else f"write self.{path} = Parameter(...)"
            )
            yield (
                path,
                note,
                (f"{note}. If it is a weight, {how}; if it is a constant, say so: self.{path}.flags.writeable = False"),
            )


def is_computed(kind: type, path: str) -> bool:
    """Return whether __init__ computes an array without random numbers, as a table of positions: it is no weight.

    Zeros and ones alone are the start of a bias or a gain, and may be weights.
    """
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(kind.__init__)))  # type: ignore[misc]
    except (OSError, TypeError, SyntaxError):
        return False
    names, code = {f"self.{path}"}, ""
    for _ in range(2):  # also what a local name holds that is given to the attribute
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign | ast.AugAssign):
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            bases = {ast.unparse(t.value if isinstance(t, ast.Subscript) else t) for t in targets}
            if bases & names:
                code += ast.unparse(node) + "\n"
                names |= {one.id for one in ast.walk(node.value) if isinstance(one, ast.Name)}
    return bool(COMPUTED.search(code)) and not RANDOM_WORDS.search(code)


def read_only(layer: Any) -> set[str]:
    """Return the paths of the arrays of a layer that are read-only: its constants. A copy of it is not read-only."""
    children = [child for _, child in layer.named_layers()] if isinstance(layer, Layer) else [layer]
    return {path for child in children for path, array in leaves_of(child).items() if not array.flags.writeable}


def owners(layer: Layer) -> Iterator[tuple[type, Any, dict[str, Array]]]:
    """Yield (class, object, arrays in it that are known) for each object of a class that is not part of `mlp`."""
    if isinstance(layer, StudentLayer):
        yield type(layer.student), layer.student, layer.arrays()
        return
    for _, child in layer.named_layers():
        if not type(child).__module__.startswith("mlp."):
            own = {name: value for name, value in vars(child).items() if not isinstance(value, Layer | Parameter)}
            buffers = {name: getattr(child, name) for name in child.buffer_names}
            yield type(child), own, {**{name: p.data for name, p in child.named_parameters()}, **buffers}


def integers(layer: Layer) -> Iterator[tuple[str, str, str]]:
    """Yield (name, note, sentence) for each weight that is an array of whole numbers."""
    whole = list(layer.integers) if isinstance(layer, StudentLayer) else []
    whole += [name for name, parameter in layer.named_parameters() if parameter.data.dtype.kind in "iu"]
    for name in whole:
        note = f"{name} is an array of integers: it cannot be trained"
        yield name, note, f"{note}, each step would be rounded; write floats, np.zeros(shape) or dtype=np.float32"
