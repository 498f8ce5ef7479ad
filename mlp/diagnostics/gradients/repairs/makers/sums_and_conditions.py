"""Alternatives that forward suggests: the condition of a mask, and what it adds to a value: + smooth, - margin."""

import ast
from collections.abc import Iterator, Sequence

from mlp.diagnostics.gradients.repairs.names import names_read
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.terms.slopes import names_across, slopes_of
from mlp.diagnostics.gradients.repairs.values import Values

TURNED = {
    ast.Gt: ast.Lt(),
    ast.GtE: ast.Lt(),
    ast.Lt: ast.Gt(),
    ast.LtE: ast.Gt(),
}  # a < b is b > a
JOINED = ast.BitAnd | ast.BitOr
Addend = tuple[ast.Add | ast.Sub, str]
MOST_ADDENDS = 4


def conditions_of(forward: ast.FunctionDef, tree: ast.FunctionDef) -> list[str]:
    """Return the conditions on which the slope of forward depends, in the names of backward: e > 0 of max(0, e)."""
    stored = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    known = [*(arg.arg for arg in tree.args.args), *stored]
    slopes = [parsed(slope) for slope in slopes_of(forward, known, names_across(forward, tree))]
    return list(dict.fromkeys(ast.unparse(number_last(slope)) for slope in slopes if is_condition(slope)))


def is_condition(node: ast.AST) -> bool:
    """Return whether an expression is a comparison, or is made of several."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
        return is_condition(node.operand)
    if isinstance(node, ast.BinOp) and isinstance(node.op, JOINED):
        return is_condition(node.left) and is_condition(node.right)
    return isinstance(node, ast.Compare) and len(node.ops) == 1


def number_last(node: ast.expr) -> ast.expr:
    """Return a comparison with its number on the right, and strict: e > 0 for 0 <= e."""
    if isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant) and type(node.ops[0]) in TURNED:
        return ast.Compare(node.comparators[0], [TURNED[type(node.ops[0])]], [node.left])
    return node


def as_forward_chooses(slot: Slot, conditions: Sequence[str]) -> Iterator[Alternative]:
    """Yield a condition of forward in the place of another one: d_pos - d_neg + margin > 0 for d_pos > d_neg."""
    node = slot.node
    whole = not (isinstance(slot.parent, ast.BinOp) and isinstance(slot.parent.op, JOINED))
    if not is_condition(node) or not whole:
        return
    for condition in conditions:
        right = parsed(condition)
        if names_read(right) & names_read(node) and ast.dump(right) != ast.dump(node):
            left_out = sorted(names_read(right) - names_read(node))
            lacks = f" leaves out `{'`, `'.join(left_out)}`:" if left_out else " is not that of forward:"
            yield f"the condition `{text_of(node)}`{lacks} `{condition}` belongs here", right


def addends_of(forward: ast.FunctionDef, values: Values) -> list[Addend]:
    """Return the settings and numbers that forward adds to values, with their signs."""
    within = {id(part) for node in ast.walk(forward) if isinstance(node, ast.Subscript) for part in ast.walk(node)}
    found = []
    for node in ast.walk(forward):
        if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Add | ast.Sub) or id(node) in within:
            continue
        sides = [node.right] if isinstance(node.op, ast.Sub) else [node.left, node.right]
        if "//" not in ast.unparse(node):
            found += [(node.op, ast.unparse(side)) for side in sides if is_addend(side, values)]
    return list({(type(op), text): (op, text) for op, text in found}.values())[:MOST_ADDENDS]


def is_addend(node: ast.expr, values: Values) -> bool:
    """Return whether what is added is a number, or a setting that holds one."""
    held = node.value if isinstance(node, ast.Constant) else values.get(ast.unparse(node))
    return type(held) is float or (type(held) is int and isinstance(node, ast.Constant | ast.Attribute))


def added_in_forward(slot: Slot, addends: Sequence[Addend]) -> Iterator[Alternative]:
    """Yield a value with what forward adds to it: 2 * inter + self.smooth for 2 * inter."""
    node, parent = slot.node, slot.parent
    part = isinstance(parent, ast.BinOp) and not isinstance(parent.op, ast.FloorDiv | ast.Mod)
    assigned = isinstance(parent, ast.Assign) and slot.field == "value"
    if not isinstance(node, ast.BinOp | ast.Name | ast.Attribute | ast.Subscript | ast.Call) or not (part or assigned):
        return
    for op, addend in addends:
        sign = "+" if isinstance(op, ast.Add) else "-"
        right = ast.BinOp(node, op, parsed(addend))
        yield f"`{sign} {addend}`, which forward has, is missing: `{ast.unparse(right)}` for `{text_of(node)}`", right
