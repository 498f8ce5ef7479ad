"""Alternatives to the axes of sums and means: those that forward and backward name elsewhere, and the usual ones."""

import ast
from collections.abc import Iterator, Sequence

from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of

USUAL = ("0", "1", "2", "-1", "(0, 1)", "(0, 2)", "(1, 2)", "(0, 1, 2)", "(1, 2, 3)", "(0, 2, 3)", "(2, 3)", "None")
OF_FIVE = ("(0, 2, 3, 4)", "(2, 3, 4)", "(0, 1, 2, 3)", "(3, 4)")  # of volumes, and of channels in groups
OF_BLOCKS = ("(3, 5)", "(2, 4)")  # of images (N, C, H, s, W, s) or (N, H, s, W, s, C)
OVER_AXES = ("sum", "mean", "max", "min", "var", "std")


def axes_in(trees: Sequence[ast.FunctionDef]) -> list[str]:
    """Return the axes that functions name, and then the usual ones, without repetitions.

    A tuple of rising numbers is taken for axes wherever it stands: it may have a name first.
    """
    nodes = [node for tree in trees for node in ast.walk(tree)]
    named = [node for node in nodes if isinstance(node, ast.Tuple) and are_axes(node)]
    kept = [node.value for node in nodes if isinstance(node, ast.keyword) and node.arg == "axis"]
    kept = [node for node in kept if isinstance(node, ast.Constant | ast.Attribute)]
    return list(dict.fromkeys([*map(ast.unparse, named), *map(ast.unparse, kept), *USUAL, *OF_FIVE, *OF_BLOCKS]))


def are_axes(node: ast.expr) -> bool:
    """Return whether a node is a tuple of rising numbers."""
    parts = node.elts if isinstance(node, ast.Tuple) else []
    numbers = [one.value for one in parts if isinstance(one, ast.Constant) and isinstance(one.value, int)]
    return len(numbers) == len(parts) > 1 and numbers == sorted(set(numbers))


def is_axis(slot: Slot) -> bool:
    """Return whether a number is the axis of a sum or the like, without the word: a.sum(0)."""
    func = slot.parent.func if isinstance(slot.parent, ast.Call) else None
    return isinstance(func, ast.Attribute) and func.attr in OVER_AXES and slot.field == "args"


def other_axes(slot: Slot, axes: Sequence[str]) -> Iterator[Alternative]:
    """Yield other axes of a sum or the like, with the word or without it, and of axes that have a name."""
    node, parent = slot.node, slot.parent
    worded = isinstance(node, ast.keyword) and node.arg == "axis"
    alone = isinstance(node, ast.Tuple) and are_axes(node)
    if not worded and not (alone and (is_axis(slot) or isinstance(parent, ast.Assign))):
        return
    own = node.value if worded else node
    for axis in axes:
        if axis != ast.unparse(own):
            right = ast.keyword("axis", parsed(axis)) if worded else parsed(axis)
            yield f"axis={text_of(own)} is wrong: it should be axis={axis}", right
