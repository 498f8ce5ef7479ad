"""Slices that end at -0 are empty, or everything: their ends written so that they count from the start."""

import ast
import copy
import operator
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot
from mlp.diagnostics.gradients.repairs.values import Values, is_size

OF_SIZES: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}


def ends_at_zero(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a line whose slices end at a negative number that is 0 here, with ends that count from the start.

    a[p:-p] is empty where p is 0, because -0 is 0, and a[-p:] is all of a.
    """
    if isinstance(slot.node, ast.Assign | ast.AugAssign | ast.Return | ast.Expr):
        change = EndsWrittenOut(values)
        new = change.visit(copy.deepcopy(slot.node))
        if change.told:
            yield "; ".join(f"{what}: write {' and '.join(right)}" for what, right in change.told.items()), new


class EndsWrittenOut(ast.NodeTransformer):
    """Writes p:a.shape[0] - p for p:-p where p is 0, or p:p + H where one name alone holds the size that is left.

    Attributes:
        values: of names. told: what is wrong with each slice that was changed, and what to write.
    """

    def __init__(self, values: Values) -> None:
        self.values = values
        self.told: dict[str, list[str]] = {}

    def visit_Subscript(self, node: ast.Subscript) -> ast.Subscript:  # noqa: N802
        self.generic_visit(node)
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        dots = [isinstance(one, ast.Constant) and one.value is ... for one in parts]
        axes = [i - len(parts) if any(dots[:i]) else i for i in range(len(parts))]
        new = [self.written_out(node.value, *pair) for pair in zip(parts, axes, strict=True)]
        node.slice = ast.Tuple(new, ast.Load()) if isinstance(node.slice, ast.Tuple) else new[0]
        return node

    def written_out(self, array: ast.expr, part: ast.expr, axis: int) -> ast.expr:
        """Return one place of an index, with an end that counts from the start if it is a slice that ends at -0."""
        if not isinstance(part, ast.Slice) or part.step is not None:
            return part
        end = part.lower if part.upper is None else part.upper
        if not isinstance(end, ast.UnaryOp) or isinstance(end.operand, ast.Constant) or self.number(end) != 0:
            return part
        start = "" if part.lower is None or part.upper is None else ast.unparse(part.lower)
        right = f"{ast.unparse(array)}.shape[{axis}] - {ast.unparse(end.operand)}"
        if part.upper is None:
            right = f"{right}:"
        else:
            left = self.name_of_size(array, axis)
            right = f"{start}:{start} + {left}" if left and start else f"{start}:{right}"
        what = "all of the axis" if part.upper is None else "empty"
        text = f"`{ast.unparse(part)}` is {what} where `{ast.unparse(end.operand)}` is 0, because -0 is 0"
        self.told.setdefault(text, []).append(f"`{right}`")
        changed = ast.parse(f"a[{right}]", mode="eval").body
        assert isinstance(changed, ast.Subscript)
        return changed.slice

    def number(self, node: ast.expr) -> int | None:
        """Return the whole number that an expression of settings has; None if it is not known."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            positive = self.number(node.operand)
            return None if positive is None else -positive
        value: Any = self.values.get(ast.unparse(node))
        if isinstance(node, ast.Attribute) and value is None:  # of the class
            value = getattr(self.values.get(ast.unparse(node.value)), node.attr, None)
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant):
            with suppress(KeyError, IndexError, TypeError):
                value = self.values[ast.unparse(node.value)][node.slice.value]
        if isinstance(node, ast.BinOp) and type(node.op) in OF_SIZES:
            left, right = self.number(node.left), self.number(node.right)
            value = None if left is None or right is None else OF_SIZES[type(node.op)](left, right)
        if isinstance(node, ast.Constant):
            value = node.value
        return int(value) if is_size(value) else None

    def name_of_size(self, array: ast.expr, axis: int) -> str:
        """Return the one name in capitals that holds the size of an array along an axis; "" if there is no such."""
        shape = np.shape(self.values.get(ast.unparse(array), 0.0))
        if not -len(shape) <= axis < len(shape):
            return ""
        names = [name for name, one in self.values.items() if is_size(one) and one == shape[axis] and name.isupper()]
        return names[0] if len(names) == 1 else ""
