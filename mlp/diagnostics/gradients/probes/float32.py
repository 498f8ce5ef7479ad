"""Does a layer keep float32? The check itself runs in float64; networks train in float32, and nothing is cast for them.

A forward and a backward with inputs and weights of float32 show it, and nothing is looked at but the dtypes.
"""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Point
from mlp.diagnostics.gradients.student_layer import StudentLayer
from mlp.errors import ShapeError
from mlp.own_code import OWN_ERRORS

ADVICE = "write new arrays with x.dtype (np.zeros(shape, x.dtype)) and numbers as Python floats"


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
