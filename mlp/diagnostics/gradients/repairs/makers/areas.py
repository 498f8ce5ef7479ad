"""Alternatives to the product of two sizes, of a window perhaps: pool_h * pool_w for stride * stride."""

import ast
from collections.abc import Collection, Iterator
from itertools import combinations

from mlp.diagnostics.gradients.repairs.choice.doubts import USUAL, telling_apart
from mlp.diagnostics.gradients.repairs.makers.of_settings import numbers_held
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values, is_size

MOST_PAIRS = 40


def areas(slot: Slot, values: Values, loops: Collection[str]) -> Iterator[Alternative]:
    """Yield the product of two other sizes in the place of one, those of rows and columns first.

    Args:
        loops: variables of loops, which are no sizes.
    """
    sizes = {name: value for name, value in sizes_held(values).items() if name not in loops and value > 1}
    node, own = slot.node, [ast.unparse(one) for one in both_factors(slot.node)]
    if not own or not {*own} <= sizes.keys():
        return
    twice = isinstance(node.op, ast.Div)
    told = " * ".join(own) if twice else text_of(node)
    pairs = sorted(combinations(sizes, 2), key=lambda pair: not are_two_sides(*pair))
    for one, other in pairs[:MOST_PAIRS]:
        if sorted((one, other)) != sorted(own):
            right = parsed(f"({one} * {other})")
            whole = ast.BinOp(node.left.left, ast.Div(), right) if twice else right
            yield f"`{told}` is the wrong number of values: `{one} * {other}` belongs here", whole


def both_factors(node: ast.AST) -> list[ast.expr]:
    """Return the two factors of a product or a square, a * b or a ** 2, or what is divided by twice, x / a / b."""
    if not isinstance(node, ast.BinOp):
        return []
    if isinstance(node.op, ast.Pow) and ast.unparse(node.right) == "2":
        return [node.left, node.left]
    if isinstance(node.op, ast.Div) and isinstance(node.left, ast.BinOp) and isinstance(node.left.op, ast.Div):
        return [node.left.right, node.right]
    return [node.left, node.right] if isinstance(node.op, ast.Mult) else []


def sizes_held(values: Values) -> dict[str, int]:
    """Return all sizes by their names: single ones, those of dictionaries, and the two of a tuple."""
    found = {name: value for name, value in values.items() if is_size(value)} | numbers_held(values, int)
    pairs = {name: value for name, value in values.items() if isinstance(value, tuple | list) and len(value) == 2}
    found |= {f"{name}[{i}]": value[i] for name, value in pairs.items() for i in (0, 1) if is_size(value[i])}
    return found


def are_two_sides(one: str, other: str) -> bool:
    """Return whether two names are those of a row and a column: pool_h and pool_w, kernel[0] and kernel[1]."""
    return telling_apart(one, other) in (*USUAL, "01") and len(one.split(".")) == len(other.split("."))
