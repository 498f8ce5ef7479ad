"""The paths through a mean and a standard deviation, where they were taken for constants.

    z = (x - m) / s            dz passes to x directly and through m and s
    dx = dz / s                                                       m and s as constants
    dx = (dz - mean(dz) - z mean(dz z)) / s                           means over the axes of m and s
    dx = (dz - z mean(dz z)) / s                                      without a mean: z = x / sqrt(mean(x^2))

No name tells which array is z: it has mean 0 and variance 1 (without a mean, the mean square 1) along some axes.
"""

import ast
from collections.abc import Collection, Iterator
from itertools import combinations
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.repairs.names import names_of_target, uses
from mlp.diagnostics.gradients.repairs.search.scope import Scope
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values

CLOSE_TO_ONE = 0.02  # a variance may be a little smaller than 1, by epsilon
ZERO = 1e-6


def through_statistics(slot: Slot, scope: Scope) -> Iterator[Alternative]:
    """Yield dz / s and dz * (1 / s) with the paths through the mean and the standard deviation."""
    node = slot.node
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult | ast.Div):
        return
    if not scope.is_gradient(node.left) or scope.is_gradient(node.right):
        return
    written = ast.unparse(node.left)
    g = written if isinstance(node.left, ast.Name | ast.Attribute) else f"({written})"
    for z, axes, centred in normalized_arrays(scope.values):
        if is_made_of(node.left, z, scope.tree):
            continue  # some of these paths are there
        over = f"axis={axes if len(axes) > 1 else axes[0]}, keepdims=True"
        mean = f" - {g}.mean({over})" if centred else ""
        inside = f"{g}{mean} - {z} * ({g} * {z}).mean({over})"
        what = "mean and standard deviation are" if centred else "the root of the mean square is"
        text = f"{what} taken for constants in `{text_of(node)}`, and depend on the array, too: `{inside}` belongs here"
        yield f"{text} for `{text_of(node.left)}`", ast.BinOp(parsed(f"({inside})"), node.op, node.right)


def is_made_of(node: ast.expr, z: str, tree: ast.FunctionDef | None) -> bool:
    """Return whether an expression has z in it, a sum or a mean, by itself or by the names that it reads."""
    known, before = {z}, 0
    while tree is not None and len(known) > before:
        before = len(known)
        for line in ast.walk(tree):
            if isinstance(line, ast.Assign | ast.AugAssign) and has_any(line.value, known):
                targets = line.targets if isinstance(line, ast.Assign) else [line.target]
                known |= {name for target in targets for name in names_of_target(target)}
    return has_any(node, known)


def has_any(node: ast.expr, known: Collection[str]) -> bool:
    """Return whether an expression has one of some names in it, or a sum or a mean."""
    called = (ast.unparse(one.func).rpartition(".")[2] for one in ast.walk(node) if isinstance(one, ast.Call))
    return uses(node, known) or any(name in ("sum", "mean") for name in called)


def normalized_arrays(values: Values) -> Iterator[tuple[str, tuple[int, ...], bool]]:
    """Yield (name, axes, whether the mean is 0, too) for each array whose mean square is 1 along the fewest axes."""
    for name, array in values.items():
        found = statistics_axes(array)
        if found is not None:
            yield (name, *found)


def statistics_axes(array: Any) -> tuple[tuple[int, ...], bool] | None:
    """Return (axes, whether the mean is 0) along which the mean square of an array is 1; None if there are none."""
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or not 2 <= array.ndim <= 5 or array.size < 4:
        return None
    square = array * array
    for count in range(1, array.ndim + 1):
        for axes in combinations(range(array.ndim), count):
            means = square.mean(axis=axes)
            if means.max() < 1.0 + ZERO and means.min() > 1.0 - CLOSE_TO_ONE:
                return axes, bool(np.abs(array.mean(axis=axes)).max() < ZERO)
    return None
