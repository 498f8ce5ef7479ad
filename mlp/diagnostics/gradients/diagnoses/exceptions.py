"""What an exception says about the gradient that was to be: where it was raised, and the array that was refused.

A gradient of a wrong shape ends in `Parameter`, which refuses it. The array is still there, in the frame of the
function that refused it, and can be compared with the right gradient: transposed, or a sum over an axis forgotten.
"""

import inspect
import traceback
from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from pathlib import Path
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import MATCH, Diagnosis, distance
from mlp.diagnostics.gradients.report import Findings, fault
from mlp.diagnostics.gradients.styles.student_layer import code_of
from mlp.layers.machinery.base import Layer
from mlp.layers.parameter import Parameter
from mlp.typing import Array

SHAPE_WORDS = ("broadcast", "matmul", "shape", "dimension", "ax", "size", "align", "indices", "out of bounds")
PACKAGE = Path(__file__).parents[3]


def place_of(error: BaseException) -> str:
    """Return the last line of the traceback that is not part of `mlp` or of NumPy: "file.py, line 7: code"."""
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if is_own(Path(frame.filename))]
    return f"{Path(own[-1].filename).name}, line {own[-1].lineno}: {own[-1].line}" if own else ""


def forward_exception(error: BaseException, layer: Layer, mode: str, input_shape: Sequence[int]) -> Findings:
    """Return the findings of a forward that raised an exception."""
    short = f"forward raised {type(error).__name__}"
    text, name = f"{short}: {error}", "exception in forward"
    if lacks_self(layer) and isinstance(error, TypeError):
        name, text = (
            "no self",
            f"forward has no self: write def forward(self, x), and def backward(self, ...) ({error})",
        )
    return fault(Diagnosis(name, "inputs", mode, text, place_of(error)), input_shape, short, error)


def lacks_self(layer: Layer) -> bool:
    """Return whether the forward of a student's class is a method without self."""
    owner, name, _ = code_of(layer)
    method = inspect.getattr_static(type(owner), name, None)
    if not inspect.isfunction(method):  # a static method needs none
        return False
    return next(iter(inspect.signature(method).parameters), "") in ("", "x", "X", "inputs", "input", "training")


def is_own(path: Path) -> bool:
    """Return whether a file is the user's (or one of the gallery's)."""
    return (PACKAGE not in path.parents or path.parent.name == "gallery") and "site-packages" not in path.parts


def refused_gradient(error: BaseException) -> tuple[Parameter, Any] | None:
    """Return (parameter, values) if the exception is a parameter's that got a gradient of another shape or dtype."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    names = trace.tb_frame.f_locals if trace is not None else {}
    owner = names.get("self")
    return (owner, names["values"]) if isinstance(owner, Parameter) and "values" in names else None


def of_exception(
    error: BaseException, mode: str, right: dict[str, Array] | None, names: dict[int, str]
) -> Iterator[Diagnosis]:
    """Yield what a refused gradient is, compared with the right ones.

    Args:
        right: finite differences by name; None if nothing was measured.
        names: of the parameters, by their id.
    """
    place = place_of(error)
    refused = refused_gradient(error)
    if refused is None:
        sentence = f"{type(error).__name__}: {error}".partition("\n")[0]
        hint = what_to_do(error, place)
        text = f"{sentence}: {hint}" if hint else f"backward raised {type(error).__name__}: {error}"
        yield Diagnosis("exception", "backward", mode, text, place)
        return
    parameter, values = refused
    name = names.get(id(parameter), parameter.name or "parameter")
    if values is None:
        yield Diagnosis("gradient is None", name, mode, "the gradient is None: a function without return?", place)
        return
    values, shape = np.asarray(values), parameter.data.shape
    if values.shape == shape:
        yield Diagnosis(
            "wrong dtype", name, mode, f"the gradient is {values.dtype}, the parameter {parameter.data.dtype}", place
        )
        return
    numeric = None if right is None else right.get(name)
    yield Diagnosis(*explain(values, shape, numeric, name, mode), place)


def what_to_do(error: BaseException, place: str) -> str:
    """Return what the message of an exception and its line suggest, or ""."""
    message = str(error)
    if isinstance(error, ValueError) and "to unpack" in message and "take()" in place:
        return "keep all that backward needs in one call, self.keep(x, s), and take as many: x, s = self.take()"
    if "'tuple'" in message or "inhomogeneous" in message or "multiply sequence" in message:
        return "is one of them a tuple? take gives all that was kept: x, s = self.take()"
    of_shapes = isinstance(error, ValueError | IndexError) and any(word in message for word in SHAPE_WORDS)
    return "compare the shapes in this line" if of_shapes else ""


def explain(
    values: Array, shape: tuple[int, ...], right: Array | None, name: str, mode: str
) -> tuple[str, str, str, str]:
    """Return (name, array, mode, sentence) for a gradient of a wrong shape."""
    got = f"the gradient has shape {values.shape}, the array {shape}"
    for order in list(permutations(range(values.ndim)))[1:]:
        moved = values.transpose(order)
        if moved.shape == shape and (right is None or distance(moved, right) < MATCH):
            how = "when transposed" if values.ndim == 2 else f"after one more transpose{order}"
            again = "" if values.ndim == 2 else ". What transpose(axes) did is undone by transpose(np.argsort(axes))"
            return "transposed", name, mode, f"{got}: it matches {how}{again}"
    ones_dropped = values.ndim > len(shape) and tuple(n for n in values.shape if n > 1) == shape
    if ones_dropped and (right is None or distance(values.reshape(shape), right) < MATCH):
        return "keepdims", name, mode, f"{got}: it matches without the axes of size 1: drop keepdims=True"
    for count in range(1, values.ndim + 1):
        for axes in combinations(range(values.ndim), count):
            total = values.sum(axis=axes)
            if total.shape == shape and (right is None or distance(total, right) < MATCH):
                where = f"axis {axes[0]}" if count == 1 else f"axes {', '.join(map(str, axes))}"
                sizes = " x ".join(str(values.shape[axis]) for axis in axes)
                text = f"{got}: it matches when summed over {where}, {sizes} samples or pixels that all share the array"
                return "not summed", name, mode, text
    if values.ndim == len(shape) and all(a >= b for a, b in zip(values.shape, shape, strict=True)):
        edges = [(a - b) // 2 for a, b in zip(values.shape, shape, strict=True)]
        inner = values[tuple(slice(edge, edge + size) for edge, size in zip(edges, shape, strict=True))]
        if right is not None and distance(inner, right) < MATCH:
            return "border not cut off", name, mode, f"{got}: it matches when the border (the padding) is cut off"
    if values.size == int(np.prod(shape)) and (right is None or distance(values.reshape(shape), right) < MATCH):
        return "wrong shape", name, mode, f"{got}: it matches with .reshape{shape}"
    part = first_part(values, shape, right)
    return ("split at the wrong place", name, mode, f"{got}: {part}") if part else ("wrong shape", name, mode, got)


def first_part(values: Array, shape: tuple[int, ...], right: Array | None) -> str:
    """Return what is wrong, if a gradient is the beginning of the right one along an axis; else ""."""
    other = [axis for axis, (a, b) in enumerate(zip(values.shape, shape, strict=False)) if a != b]
    if right is None or values.ndim != right.ndim or len(other) != 1:
        return ""
    count, whole = values.shape[other[0]], shape[other[0]]
    if not 0 < count < whole or distance(values, np.take(right, range(count), other[0])) > MATCH:
        return ""
    return (
        f"these are the first {count} of {whole} places along axis {other[0]}, so grad_outputs is cut at the wrong "
        "place: np.split takes the places where it cuts, [a, a + b], and not the sizes of the parts, [a, b]"
    )
