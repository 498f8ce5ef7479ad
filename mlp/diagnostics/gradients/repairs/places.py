"""Alternatives to numbers, indices and whole lines."""

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Any

from mlp.diagnostics.gradients.repairs.calls import inverse_order, other_orders
from mlp.diagnostics.gradients.repairs.copied import carried_over
from mlp.diagnostics.gradients.repairs.makers.axes import is_axis
from mlp.diagnostics.gradients.repairs.makers.slices import index_text
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values

OF_A_ROOT = re.compile(r"\*\* ?\(?-?(1\.5|3)\b")


def is_of_a_root(slot: Slot) -> bool:
    """Return whether a number is the 1/2 in the derivative of v^(-1/2), -1/2 v^(-3/2): it is right."""
    return slot.node.value == 0.5 and bool(OF_A_ROOT.search(slot.statement))


def numbers(slot: Slot) -> Iterator[Alternative]:
    """Numbers, and tuples of axes or gradients in another order."""
    node = slot.node
    of_shape = isinstance(slot.parent, ast.Subscript) and holds_shape(slot.parent.value)
    if of_shape or is_default(slot) or not isinstance(node, ast.expr):  # see `other_sizes`
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        value = node.value
        if is_of_a_root(slot):
            return
        others = (
            [value + 1, value - 1, 2 * value, value / 2, 0, -1]
            if isinstance(value, int)
            else [2 * value, value / 2, 10 * value, value / 10]
        )
        filled = isinstance(slot.parent, ast.Call) and ast.unparse(slot.parent.func) in ("np.where", "np.full")
        if value == 0 and filled:
            yield f"the number {value} is wrong: it should be -np.inf", parsed("-np.inf")
        for other in dict.fromkeys(others):
            if other != value and not (isinstance(value, int) and not float(other).is_integer()):
                number = int(other) if isinstance(value, int) else other
                what = f"axis={value}" if is_axis(slot) else f"the number {value}"
                yield f"{what} is wrong: it should be {number}", ast.Constant(number)
    if (
        isinstance(node, ast.Tuple)
        and len(node.elts) > 1
        and isinstance(slot.parent, ast.Call | ast.Subscript | ast.Return | ast.Tuple)
    ):
        for order, why in [*inverse_order(node.elts), *((order, "") for order in other_orders(node.elts))]:
            right = ", ".join(map(ast.unparse, order))
            yield f"the order in `{text_of(node)}` is wrong: ({right}) is right{why}", ast.Tuple(order, node.ctx)
    if isinstance(node, ast.Tuple) and isinstance(slot.parent, ast.Tuple):
        beside = {ast.unparse(one) for one in slot.parent.elts if isinstance(one, ast.Tuple)} - {ast.unparse(node)}
        for twin in sorted(beside):
            yield f"`{text_of(node)}` stands where `{twin}` belongs", parsed(twin)


def is_default(slot: Slot) -> bool:
    """Return whether a node is what a setting is where none is given: config.setdefault("beta", 0.9)."""
    func = slot.parent.func if isinstance(slot.parent, ast.Call) else None
    return slot.field == "args" and getattr(func, "attr", "") in ("setdefault", "get", "pop")


def setting_for_number(slot: Slot, values: Values) -> Iterator[Alternative]:
    """A setting of the layer in the place of a number that it happens to be by default: self.alpha for 1."""
    node, parent = slot.node, slot.parent
    number = isinstance(node, ast.Constant) and type(node.value) in (int, float)
    if number and isinstance(parent, ast.BinOp | ast.Call):
        for name in [name for name, value in values.items() if name.startswith("self.") and type(value) is float]:
            yield f"`{text_of(node)}` stands where `{name}` belongs", parsed(name)


def holds_shape(node: ast.expr) -> bool:
    """Return whether an expression is the shape of an array: x.shape, self.x_shape, shape."""
    return ast.unparse(node).rpartition(".")[2].endswith("shape")


def is_limit(slot: Slot) -> bool:
    """Return whether a node is the number of a maximum or minimum: with another one forward has no mask."""
    name = ast.unparse(slot.parent.func) if isinstance(slot.parent, ast.Call) else ""
    return name in ("np.maximum", "np.minimum", "max", "min", "np.clip")


def numbers_of_forward(slot: Slot, written: Sequence[float]) -> Iterator[Alternative]:
    """A number that forward has in the place of another one."""
    node = slot.node
    one = isinstance(node, ast.Constant) and isinstance(node.value, float)
    if one and not is_default(slot) and not is_of_a_root(slot):
        for other in written:
            if other != node.value:
                yield f"the number {node.value} is wrong: it should be {other}, as in forward", ast.Constant(other)


def other_sizes(slot: Slot) -> Iterator[Alternative]:
    """The size of an array along another axis: a.shape[1] for a.shape[0]."""
    node = slot.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        sizes = [
            part for part in (node.left, node.right) if isinstance(part, ast.Subscript) and holds_shape(part.value)
        ]
        arrays = {ast.unparse(part.value) for part in sizes}
        for one, other in ((1, 2), (2, 3)) if len(sizes) == 2 and len(arrays) == 1 else ():
            right = f"{min(arrays)}[{one}] * {min(arrays)}[{other}]"
            yield f"`{text_of(node)}` are the sizes of other axes: `{right}` belongs here", parsed(f"({right})")
    if not isinstance(node, ast.Subscript) or not holds_shape(node.value):
        return
    if isinstance(node.slice, ast.Constant):
        for axis in (0, 1, 2, 3, -1):
            if axis != node.slice.value:
                right = f"{ast.unparse(node.value)}[{axis}]"
                yield f"`{text_of(node)}` is the size of another axis: `{right}` belongs here", parsed(right)


def statements(slot: Slot) -> Iterator[Alternative]:
    """Lines that overwrite, subtract, or are one too many."""
    node = slot.node
    if not isinstance(node, ast.Assign | ast.AugAssign) or (isinstance(node, ast.Assign) and len(node.targets) > 1):
        return
    target: Any = node.target if isinstance(node, ast.AugAssign) else node.targets[0]
    constant = isinstance(node.value, ast.Constant) or ast.unparse(node.value).startswith("np.zeros")
    named = isinstance(target, ast.Name) and isinstance(node.value, ast.BinOp | ast.Call)
    named = named and isinstance(node, ast.Assign) and not any(carried_over(slot, node))
    if isinstance(node, ast.Assign) and not constant and (named or isinstance(target, ast.Subscript | ast.Attribute)):
        text = f"`{text_of(target)} =` overwrites what is there: += must add to it"
        yield text, ast.AugAssign(target, ast.Add(), node.value, lineno=node.lineno)
    if isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice | ast.Constant):
        array, index = ast.unparse(target.value), index_text(target.slice)
        text = f"an index that comes more than once is written once alone: `np.add.at({array}, {index}, ...)` adds all"
        add = parsed(f"np.add.at({array}, {index}, {ast.unparse(node.value)})")
        yield text, ast.Expr(add, lineno=node.lineno)
    if isinstance(node, ast.AugAssign):
        yield from of_operator(node, target)
        yield "= belongs here: it adds to what was there before", ast.Assign([target], node.value, lineno=node.lineno)
    if isinstance(target, ast.Name | ast.Subscript) or isinstance(node, ast.AugAssign):
        yield "this line is one too many", ast.Pass(lineno=node.lineno)


def of_operator(node: ast.AugAssign, target: Any) -> Iterator[Alternative]:
    """Lines with -= for +=, or with *= for /=, and the reverse."""
    if isinstance(node.op, ast.Add | ast.Sub):
        sign, other, op = ("+=", "-=", ast.Sub()) if isinstance(node.op, ast.Add) else ("-=", "+=", ast.Add())
        yield f"`{sign}` stands where `{other}` belongs", ast.AugAssign(target, op, node.value, lineno=node.lineno)
    if isinstance(node.op, ast.Mult | ast.Div):
        turned = ast.Div() if isinstance(node.op, ast.Mult) else ast.Mult()
        text = "multiplied where it must be divided, or the reverse"
        yield text, ast.AugAssign(target, turned, node.value, lineno=node.lineno)
