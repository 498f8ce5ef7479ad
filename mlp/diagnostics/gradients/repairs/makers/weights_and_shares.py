"""Alternatives in losses: a weight of one class on both of them, a uniform share of a setting that is missing."""

import ast
import re
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values, is_size

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


def filled_with_shares(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield an array filled with a share of a setting for one of zeros: np.full(s, e / K) for np.zeros(s)."""
    parent, zeros = slot.parent, re.match(r"np\.zeros(_like)?\((.*)\)$", ast.unparse(slot.node))
    if zeros is None or not isinstance(parent, ast.Assign):
        return
    for share in shares_of(ast.unparse(parent.targets[0]), values):
        full = f"np.full{zeros[1] or ''}({zeros[2]}, {share})"
        yield f"the share `{share}` of each class is missing: `{full}` belongs here", parsed(full)


def uniform_shares(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield an array with a share of a setting subtracted from each of its places, or added: p - e / K."""
    node, parent = slot.node, slot.parent
    if not isinstance(parent, ast.Assign) or slot.field != "value" or not isinstance(node, ast.BinOp | ast.Call):
        return
    for share in shares_of(ast.unparse(parent.targets[0]), values):
        for sign, op in (("-", ast.Sub()), ("+", ast.Add())):
            text = f"the share `{sign} {share}` of each class is missing in `{text_of(node)}`"
            yield text, ast.BinOp(node, op, parsed(share))


def shares_of(target: str, values: Values) -> Iterator[str]:
    """Yield what settings between 0 and 1 give each of the K places in a row of an array, e / K or e / (K - 1)."""
    held = values.get(target)
    if not isinstance(held, np.ndarray) or held.ndim != 2:
        return
    arrays = [name for name, value in values.items() if name != target and getattr(value, "shape", ()) == held.shape]
    sizes = [name for name, value in values.items() if is_size(value) and value == held.shape[1]]
    for name, value in values.items():
        for size in (*sizes, *(f"{array}.shape[1]" for array in arrays[:1])):
            if type(value) is float and 0.0 < value < 1.0:
                yield f"{name} / {size}"
                yield f"{name} / ({size} - 1)"


def are_bits(value: Any) -> bool:
    """Return whether a value is an array of 0 and 1, with both of them."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf" or not value.ndim:
        return False
    return bool(np.isin(value, (0, 1)).all() and value.any() and not value.all())
