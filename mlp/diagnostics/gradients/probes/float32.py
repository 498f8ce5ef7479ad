"""Does a layer keep float32, and does it compute in float32 what is checked in float64?

Networks train in float32 and nothing is cast for them. A forward and a backward with inputs and weights of float32 show
whether a layer makes float64 of it; nothing is looked at but the dtypes.

The check itself runs in float64, and a layer that allocates its outputs as float32 is not wrong: only nothing can be
measured there. So a check lends such a layer a NumPy whose float32 is float64 (`in_float64`), and says so.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Point
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.diagnostics.gradients.styles.student_layer import StudentLayer
from mlp.errors import ShapeError
from mlp.own_code import OWN_ERRORS

ADVICE = "write new arrays with x.dtype (np.zeros(shape, x.dtype)) and numbers as Python floats"
ROUNDED = (
    "something inside is float32 whatever the inputs are (astype, dtype=): it was checked as float64. Take x.dtype."
)
NAMES = ("float32", "single", "half", "float16")
MAKERS = ("zeros", "empty", "ones", "full", "array", "asarray", "zeros_like", "empty_like", "ones_like")
SINGLE = np.dtype("f4")  # also where np.float32 is another type
WORDS = ("float32", "f4", "f", "single", "<f4")


@contextmanager
def in_float64() -> Iterator[None]:
    """Within this context np.float32 is np.float64, also for functions that make arrays with dtype="float32"."""
    saved = {name: getattr(np, name) for name in (*NAMES, *MAKERS)}
    try:
        for name in NAMES:
            setattr(np, name, np.float64)
        for name in MAKERS:
            setattr(np, name, widened(saved[name]))
        yield
    finally:
        for name, value in saved.items():
            setattr(np, name, value)


def widened(maker: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that makes arrays, with float64 where dtype says float32 in words."""

    def wide(*arguments: Any, **named: Any) -> Any:
        if isinstance(named.get("dtype"), str) and named["dtype"] in WORDS:
            named["dtype"] = np.float64
        if len(arguments) > 1 and isinstance(arguments[1], str) and arguments[1] in WORDS:
            arguments = (arguments[0], np.float64, *arguments[2:])
        return maker(*arguments, **named)

    return wide


def needs_float64(layer: Any, input_shape: Sequence[int]) -> bool:
    """Return whether a layer rounds what comes in as float64, and stops doing so in `in_float64`."""
    if not rounds(layer, input_shape):
        return False
    with in_float64():
        return not rounds(layer, input_shape)


def rounds(layer: Any, input_shape: Sequence[int]) -> bool:
    """Return whether forward or backward of a layer rounds to float32 what comes in as float64."""
    for training in (True, False):
        try:
            probe = random_probe(layer, input_shape, np.random.default_rng(0), training=training)
            probe.hold_randomness()
            outputs = probe.outputs()
            if is_rounded(probe):
                return True
            given = probe.backward(np.random.default_rng(1).standard_normal(outputs.shape))
        except ShapeError as error:  # a parameter that refused a gradient of float32
            return "got float32" in str(error)
        except OWN_ERRORS:  # the check will run into it again, and report it
            return False
        floats = [array for array in given.values() if isinstance(array, np.ndarray) and array.dtype.kind == "f"]
        if any(array.dtype == SINGLE or fits_float32(array) for array in floats):
            return True
    return False


def is_rounded(probe: Probe) -> bool:
    """Return whether the outputs are float32, or look rounded to it, or stay the same when the inputs are rounded."""
    outputs, inputs = probe.outputs(), probe.x.copy()
    if outputs.dtype != np.float64:
        return bool(outputs.dtype == SINGLE)
    if fits_float32(outputs) and not fits_float32(inputs):
        return True
    probe.x[...] = inputs.astype(SINGLE)
    rounded = probe.outputs()
    probe.x[...] = inputs
    return (
        bool(outputs.any()) and np.array_equal(outputs, rounded) and not np.array_equal(inputs, inputs.astype(SINGLE))
    )


def fits_float32(values: np.ndarray) -> bool:
    """Return whether float32 can hold all values exactly, and they are not all small whole numbers or the like.

    Among random float64 numbers that is no accident: they went through float32. Their error, about 1e-7, may be just
    small enough to pass.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        exact = values.astype(SINGLE).astype(values.dtype) == values
        short = values.astype(np.dtype("f2")).astype(values.dtype) == values
    return bool(exact.all() and not short.all())


def becomes_float64(point: Point) -> Iterator[str]:
    """Yield a remark if inputs and weights of float32 become something else in a layer of `mlp`."""
    if isinstance(point.layer, StudentLayer):  # of another protocol, with arrays of its own making
        return
    twin = copy.deepcopy(point.layer).astype(np.float32).set_paths()
    try:
        outputs = twin.forward(point.probe.x.astype(np.float32), point.probe.training)
        grad_inputs = twin.backward(point.upstream.astype(np.float32))
    except ShapeError as error:  # of a layer inside, or of a parameter that was given such a gradient
        yield f"float32 is not kept: {error}"
        return
    except OWN_ERRORS:  # what is right in float64 may fail for other reasons in float32
        return
    results: dict[str, Any] = {"forward": outputs, "backward": grad_inputs}
    wrong = [name for name, array in results.items() if getattr(array, "dtype", None) != np.float32]
    if wrong:
        kind = getattr(results[wrong[0]], "dtype", "no array")
        yield f"{' and '.join(wrong)} made {kind} of float32, in which networks are trained: {ADVICE}."
