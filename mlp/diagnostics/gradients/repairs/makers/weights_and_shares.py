"""Alternatives in losses: a weight of one class on both of them, a uniform share of a setting that is missing."""

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed
from mlp.diagnostics.gradients.repairs.values import Values

BY_TARGET = (  # what belongs in the place of a weight w, of targets t
    ("{w} * {t} + (1 - {t})", "must multiply those with {t} = 1 alone"),
    ("{t} + {w} * (1 - {t})", "must multiply those with {t} = 0 alone"),
    ("{w} * {t} + (1 - {w}) * (1 - {t})", "those with {t} = 0 have the weight 1 - {w}"),
)


def weights_by_target(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a weight of the values of one class where one for all of them stands: w t + (1 - t) for w."""
    node, parent = slot.node, slot.parent
    name = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""
    factor = isinstance(parent, ast.BinOp | ast.AugAssign) and isinstance(parent.op, ast.Mult)
    named = isinstance(parent, ast.Assign) and slot.field == "value"
    if type(values.get(name)) is not float or not (factor or named):
        return
    for targets in [one for one, value in values.items() if are_bits(value)]:
        for form, why in BY_TARGET:
            right = form.format(w=name, t=targets)
            told = f"`{name}` multiplies all values, and {why.format(w=name, t=targets)}"
            yield f"{told}: `{right}` belongs here", parsed(f"({right})")


def are_bits(value: Any) -> bool:
    """Return whether a value is an array of 0 and 1, with both of them."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf" or not value.ndim:
        return False
    return bool(np.isin(value, (0, 1)).all() and value.any() and not value.all())
