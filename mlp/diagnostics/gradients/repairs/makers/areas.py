"""Alternatives to the product of two sizes, of a window perhaps: pool_h * pool_w for stride * stride."""

import ast
from collections.abc import Collection, Iterator
from itertools import combinations

from mlp.diagnostics.gradients.repairs.choice.doubts import USUAL, telling_apart
from mlp.diagnostics.gradients.repairs.makers.of_settings import numbers_held
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, own_names, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values, is_size

MOST_PAIRS = 40


def areas(slot: Slot, values: Values, loops: Collection[str], forward: str) -> Iterator[Alternative]:
    """Yield the product of two other sizes in the place of one; rows and columns first, then those that forward names.

    Args:
        loops: variables of loops, which are no sizes. forward: its code.
    """
    node = slot.node
    sizes = {name: value for name, value in sizes_held(values).items() if name not in loops and value > 1}
    own = factors_of(node)
    if len(own) != 2 or not all(ast.unparse(one) in sizes for one in own):
        return

    def unlikely(pair: tuple[str, str]) -> tuple[bool, int]:
        return not are_two_sides(*pair), -sum(bool(own_names(name, forward)) for name in pair)

    for one, other in sorted(combinations(sizes, 2), key=unlikely)[:MOST_PAIRS]:
        if {one, other} != {ast.unparse(part) for part in own}:
            right = f"{one} * {other}"
            yield f"`{text_of(node)}` is the wrong number of values: `{right}` belongs here", parsed(f"({right})")


def factors_of(node: ast.AST) -> list[ast.expr]:
    """Return the two factors of a product, or of a square."""
    if not isinstance(node, ast.BinOp):
        return []
    if isinstance(node.op, ast.Mult):
        return [node.left, node.right]
    square = isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant) and node.right.value == 2
    return [node.left, node.left] if square else []


def sizes_held(values: Values) -> dict[str, int]:
    """Return all sizes by their names: single ones, those of dictionaries, and the two of a tuple."""
    found = {name: value for name, value in values.items() if is_size(value)} | numbers_held(values, int)
    pairs = {name: value for name, value in values.items() if isinstance(value, tuple | list) and len(value) == 2}
    found |= {f"{name}[{i}]": value[i] for name, value in pairs.items() for i in (0, 1) if is_size(value[i])}
    return found


def are_two_sides(one: str, other: str) -> bool:
    """Return whether two names are those of a row and a column: pool_h and pool_w, kernel[0] and kernel[1]."""
    return telling_apart(one, other) in (*USUAL, "01") and len(one.split(".")) == len(other.split("."))
