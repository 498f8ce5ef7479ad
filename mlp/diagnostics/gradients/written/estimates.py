"""Layers whose backward is no derivative, and that say so: estimates such as straight-through, gradient reversal.

Of a forward that rounds, the derivative is 0 everywhere; one that takes a value for a constant (stop gradient) means
another derivative than the one that can be measured. Their gradients cannot be compared with finite differences.
"""

import inspect
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from mlp.diagnostics.gradients.diagnoses import Point
from mlp.diagnostics.gradients.report import Findings
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.diagnostics.gradients.styles.student_layer import code_of
from mlp.diagnostics.gradients.written.documentation import documentation_of
from mlp.layers.machinery.base import Layer

SAYS_ESTIMATE = re.compile(
    r"straight[\s_-]*through|stop(ped|s)?[\s_-]*(the )?grad|grad(ient)?s?[\s_-]*(is |are )?(revers|stop)|"
    r"(revers|surrogate|pseudo)\w*[\s_-]*(of )?(the )?grad|no gradient (flows|goes|passes)",
    re.IGNORECASE,
)
NOT_COMPARED = "not compared"


def says_estimate(layer: Layer) -> bool:
    """Return whether its name, its documentation or its backward says that its gradient is no derivative."""
    owner, _, backward = code_of(layer)
    function = owner.functions[1] if isinstance(owner, FunctionPair) else getattr(type(owner), backward, None)
    source = ""
    with suppress(OSError, TypeError):  # code that stands in no file
        source = inspect.getsource(function) if function is not None else ""
    return SAYS_ESTIMATE.search(f"{type(owner).__name__}\n{documentation_of(owner)}\n{source}") is not None


def without_estimates(found: Findings, points: Sequence[Point]) -> Findings:
    """Return what was found without the comparison of the gradients that differ from finite differences.

    Faults without a number, such as a wrong shape, stay.
    """
    known = {(one.mode, one.array) for one in found.diagnoses}
    differ = [row for row in found.rows if not row.passed and (row.mode, row.array) not in known]
    rows = [replace(r, error=float("nan"), passed=True, note=NOT_COMPARED) if r in differ else r for r in found.rows]
    for point in points:
        point.wrong = [name for name in point.wrong if (point.mode, name) in known]
    names = ", ".join(dict.fromkeys(row.array for row in differ))
    remark = f"it says that its gradient is no derivative: that of {names} was not compared with finite differences."
    return replace(found, rows=tuple(rows), remarks=(*found.remarks, *([remark] if differ else [])))
