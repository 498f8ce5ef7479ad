"""Alternatives to where windows begin and end: in loops over them, and in what is cut out of a padded array."""

import ast
import copy
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values, is_size


def starts(slot: Slot, loops: Sequence[str], values: Values) -> Iterator[Alternative]:
    """An index within a window that lacks the start of the window: i * stride + argmax for argmax."""
    node, parent = slot.node, slot.parent
    if not isinstance(parent, ast.Tuple | ast.Subscript) or not isinstance(node, ast.expr) or slot.field == "value":
        return
    if isinstance(node, ast.Slice | ast.Constant | ast.Tuple) or not isinstance(
        getattr(parent, "ctx", None), ast.Load | ast.Store
    ):
        return
    sizes = [name for name, value in values.items() if is_size(value) and name not in loops]
    for loop in loops:
        for size in sizes[:8] if ast.unparse(node) != loop else ():
            start = f"{loop} * {size}"
            text = f"the place `{text_of(node)}` counts from the start of the window: `{start} + ` is missing before it"
            yield text, parsed(f"{start} + ({ast.unparse(node)})")


def steps(slot: Slot, loops: Sequence[str], values: Values) -> Iterator[Alternative]:
    """A window that starts at i in place of i * stride, along all axes."""
    node = slot.node
    if not isinstance(node, ast.Subscript) or not any(isinstance(one, ast.Slice) for one in ast.walk(node.slice)):
        return
    yield from cropped(node, values)
    inside = [one.id for one in ast.walk(node.slice) if isinstance(one, ast.Name) and one.id in loops]
    for size in [name for name, value in values.items() if is_size(value) and name not in loops][:8] if inside else ():
        moved = re.sub(rf"\b({'|'.join(dict.fromkeys(inside))})\b", rf"\1 * {size}", ast.unparse(node.slice))
        with suppress(SyntaxError):
            text = f"the windows `{text_of(node)}` start at {inside[0]}, and must start at {inside[0]} * {size}"
            yield text, ast.Subscript(node.value, parsed(f"x[{moved.strip('()')}]").slice, node.ctx)


def corners(slot: Slot, loops: Sequence[str], values: Values) -> Iterator[Alternative]:
    """Loops over windows whose corners are i, j in place of i * stride, j * stride, wherever that is said in them."""
    node = slot.node
    if not isinstance(node, ast.For) or not isinstance(slot.parent, ast.FunctionDef):
        return
    for size in [name for name, value in values.items() if is_size(value) and value > 1 and name not in loops][:8]:
        moved = Corners(loops, size)
        new = moved.visit(copy.deepcopy(node))
        if moved.told:
            lines = " and ".join(f"`{right}` for `{wrong}`" for wrong, right in moved.told.items())
            yield f"the corners of the windows lack the factor `{size}`: {lines} belongs here", new


class Corners(ast.NodeTransformer):
    """Multiplies the variables of loops with a number where they get another name, r, c = i, j.

    Attributes:
        loops, size: the variables, and the name of the number. told: {line: as it is then}.
    """

    def __init__(self, loops: Sequence[str], size: str) -> None:
        self.loops, self.size = loops, size
        self.told: dict[str, str] = {}

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:  # noqa: N802
        names = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
        if all(isinstance(one, ast.Name) and one.id in self.loops for one in names):
            before, right = ast.unparse(node), [parsed(f"{ast.unparse(one)} * {self.size}") for one in names]
            node.value = ast.Tuple(right, ast.Load()) if isinstance(node.value, ast.Tuple) else right[0]
            self.told[before] = ast.unparse(node)
        return node


def cropped(node: ast.Subscript, values: Values) -> Iterator[Alternative]:
    """A part from the corner of a padded array, which must be cut at both ends: d[:, p:p + H] for d[:, :H]."""
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    corners = [one for one in parts if isinstance(one, ast.Slice) and one.upper is not None and one.lower is None]
    if not isinstance(node.ctx, ast.Load) or not corners or any(isinstance(c.upper, ast.UnaryOp) for c in corners):
        return
    for size in [name for name, value in values.items() if is_size(value) and value > 0][:12]:
        new = [f"{size}:{size} + {ast.unparse(one)[1:]}" if one in corners else ast.unparse(one) for one in parts]
        right = f"{ast.unparse(node.value)}[{', '.join(new)}]"
        text = f"`{text_of(node)}` begins at the corner, and the padding must be cut off at both ends"
        yield f"{text}: `{right}` belongs here", parsed(right)
