"""Alternatives to matrix products, a @ b, np.matmul(a, b) or a.dot(b): other orders and transposes of their factors."""

import ast
from collections.abc import Iterator
from typing import Any

from mlp.diagnostics.gradients.repairs.operators import function_of
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of


def matrix_products(slot: Slot) -> Iterator[Alternative]:
    """Factors of a matrix product that are transposed wrongly, or in the wrong order."""
    both = factors_of_product(slot.node)
    if both:
        yield from products(*both)


def factors_of_product(node: Any) -> list[ast.expr]:
    """Return the two factors of a @ b, np.matmul(a, b), np.dot(a, b) or a.dot(b); none for anything else."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return [node.left, node.right]
    if function_of(node) not in ("matmul", "dot"):
        return []
    method = getattr(node.func.value, "id", "") not in ("np", "numpy")
    both = [node.func.value, *node.args] if method else node.args
    return both if len(both) == 2 else []


def products(a: Any, b: Any) -> Iterator[Alternative]:
    """Matrix products: other orders and transposes of the two factors."""

    def turned(node: Any) -> Any:
        transposed = isinstance(node, ast.Attribute) and node.attr == "T"
        return node.value if transposed else ast.Attribute(node, "T", ast.Load())

    one, two = text_of(a), text_of(b)
    text = f"the matrix product `{one} @ {two}` has"
    yield f"{text} its second factor transposed wrongly", ast.BinOp(a, ast.MatMult(), turned(b))
    yield f"{text} its first factor transposed wrongly", ast.BinOp(turned(a), ast.MatMult(), b)
    yield f"{text} its factors in the wrong order", ast.BinOp(b, ast.MatMult(), a)
    yield f"{text} both factors transposed wrongly", ast.BinOp(turned(a), ast.MatMult(), turned(b))
    yield f"{text} its factors in the wrong order", ast.BinOp(turned(b), ast.MatMult(), turned(a))


def turned_stacks(node: ast.AST) -> Iterator[Alternative]:
    """Yield matrix products of stacks of matrices, one of them transposed along its last two axes."""
    factors = factors_of_product(node)
    for i, part in enumerate(factors):
        both = list(factors)
        both[i] = parsed(f"np.swapaxes({ast.unparse(part)}, -1, -2)")
        text = f"`{text_of(part)}` must be transposed over its last two axes in `{text_of(node)}`"
        yield text, ast.BinOp(both[0], ast.MatMult(), both[1])
