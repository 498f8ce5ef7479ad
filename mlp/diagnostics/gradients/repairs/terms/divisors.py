"""What is divided by: another divisor of forward or backward, or the number of values in a part of an array."""

import ast
import copy
from collections.abc import Iterator, Sequence
from typing import TypeGuard

from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of


def divisors_of(trees: Sequence[ast.FunctionDef]) -> list[ast.expr]:
    """Return what functions divide by, without repetitions."""
    nodes = [node for tree in trees for node in ast.walk(tree)]
    below = [node.right for node in nodes if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)]
    below += [node.value for node in nodes if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Div)]
    named = {
        node.targets[0].id: node.value for node in nodes if isinstance(node, ast.Assign) and is_name(node.targets[0])
    }
    below += [
        named[node.id] for node in below if is_name(node) and isinstance(named.get(node.id), ast.BinOp | ast.Call)
    ]
    parts = [node for node in ast.walk(trees[-1]) if isinstance(node, ast.Subscript)]
    below += [parsed(count) for part in parts for count in sizes_of_part(part)]
    return list({ast.unparse(node): node for node in below}.values())


def sizes_of_part(node: ast.Subscript) -> Iterator[str]:
    """Yield the number of values in a part with slices a:b: (b - a) * (d - c); names may stand for slices, too."""
    if is_name(node.slice):
        part = ast.unparse(node)
        yield from (f"{part}.size", f"{part}[0].size", f"{part}[0, 0].size")
    parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    names = [one.id for one in parts if isinstance(one, ast.Name)]
    if names:
        yield " * ".join(f"({name}.stop - {name}.start)" for name in names)
    both = [(one.lower, one.upper) for one in parts if isinstance(one, ast.Slice) and one.lower and one.upper]
    if both:
        sizes = [ast.BinOp(upper, ast.Sub(), lower) for lower, upper in both]
        yield " * ".join(f"({ast.unparse(size)})" for size in sizes)


def is_name(node: ast.AST) -> TypeGuard[ast.Name]:
    """Return whether a node is a name."""
    return isinstance(node, ast.Name)


def other_divisors(slot: Slot, below: Sequence[ast.expr]) -> Iterator[Alternative]:
    """Yield another divisor of forward or backward in the place of one."""
    node, parent = slot.node, slot.parent
    of_product = isinstance(parent, ast.BinOp) and slot.field == "right" and isinstance(parent.op, ast.Div)
    of_line = isinstance(parent, ast.AugAssign) and slot.field == "value" and isinstance(parent.op, ast.Div)
    target = parent.targets[0] if isinstance(parent, ast.Assign) and slot.field == "value" else None
    of_name = target is not None and isinstance(node, ast.BinOp) and ast.unparse(target) in map(ast.unparse, below)
    if of_product or of_line or of_name:
        for other in below:
            if ast.unparse(other) != ast.unparse(node):
                text = f"divided by `{text_of(node)}`, and must be by `{ast.unparse(other)}`"
                yield text, copy.deepcopy(other)
