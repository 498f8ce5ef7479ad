"""Alternatives to derivatives: of another function, and terms of a product that are missing."""

import ast
import copy
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.repairs.copied import product_parts
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values

IDIOMS = {
    "the derivative of a sigmoid": "{0} * (1 - {0})",
    "the derivative of a tanh": "1 - {0}**2",
    "the derivative of a ReLU": "{0} > 0",
}


def derivatives(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield the derivative of another function in the place of one: 1 - t^2 for s (1 - s), 2 a for the 1 of a sum."""
    node, parent = slot.node, slot.parent
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ones_like") and len(node.args) == 1:
        whole, right = ast.unparse(node.args[0]), f"2 * ({ast.unparse(node.args[0])})"
        text = f"`{text_of(node)}` is the derivative of `{whole}` itself: `{ast.unparse(parsed(right))}`"
        yield f"{text}, the derivative of its square, belongs here", parsed(right)
    if not isinstance(node, ast.expr) or (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult)):
        return  # a part of a product: the whole product is looked at
    factors = product_parts(node)
    for of, name, rest in written_slopes(factors):
        for other, form in IDIOMS.items():
            if other != of and not (other.endswith("ReLU") and positive(values.get(name))):
                right = form.format(name)
                product = " * ".join([*(f"({ast.unparse(part)})" for part in rest), f"({right})"])
                yield (
                    f"`{IDIOMS[of].format(name)}` is {of}, with `{name}` its output, and {other} belongs here: "
                    f"`{right}`",
                    parsed(product),
                )


def other_half_of_slope(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield the other factor of a sigmoid's derivative s (1 - s), in a product that has one of them."""
    node, parent = slot.node, slot.parent
    in_product = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult)
    multiplies = isinstance(parent, ast.AugAssign) and isinstance(parent.op, ast.Mult) and slot.field == "value"
    if not isinstance(node, ast.expr) or in_product:
        return  # a part of a product: the whole product is looked at
    factors = product_parts(node)
    texts = [ast.unparse(factor) for factor in factors]
    for factor in factors if len(factors) > 1 or multiplies else ():
        of_rest = isinstance(factor, ast.BinOp) and isinstance(factor.op, ast.Sub) and is_one(factor.left)
        output = factor.right if isinstance(factor, ast.BinOp) and of_rest else factor
        s = ast.unparse(output)
        other = s if of_rest else f"1 - {s}"
        if other not in texts and is_between_0_and_1(output, values):
            told = f"the factor `{other}` is missing in `{text_of(node)}`"
            why = f"the derivative of a sigmoid is `{s} * (1 - {s})`, with `{s}` its output"
            yield f"{told}: {why}", ast.BinOp(node, ast.Mult(), parsed(other))


def is_between_0_and_1(node: ast.expr, values: Values) -> bool:
    """Return whether an array, or the one that it is a part of, holds such numbers alone, as a sigmoid gives them."""
    held = values.get(ast.unparse(node.value if isinstance(node, ast.Subscript) else node))
    if not isinstance(held, np.ndarray) or held.dtype.kind != "f" or held.size < 2:
        return False
    return bool(((held > 0.0) & (held < 1.0)).all())


def positive(value: Any) -> bool:
    """Return whether all values of an array are positive: it is no output of a ReLU."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and bool((value > 0.0).all())


def written_slopes(factors: Sequence[ast.expr]) -> Iterator[tuple[str, str, list[ast.expr]]]:
    """Yield (derivative of what, the output in it, the other factors) for each derivative in a product."""
    texts = [ast.unparse(factor) for factor in factors]
    for i, factor in enumerate(factors):
        without = [*factors[:i], *factors[i + 1 :]]
        if isinstance(factor, ast.BinOp) and isinstance(factor.op, ast.Sub) and is_one(factor.left):
            taken = ast.unparse(factor.right)
            if taken in texts:
                yield "the derivative of a sigmoid", taken, [f for f in without if ast.unparse(f) != taken]
            base = base_of_square(factor.right)
            if base:
                yield "the derivative of a tanh", base, without
        if isinstance(factor, ast.Compare) and ast.unparse(factor.comparators[0]) in ("0", "0.0"):
            yield "the derivative of a ReLU", ast.unparse(factor.left), without


def is_one(node: ast.expr) -> bool:
    """Return whether a node is the number 1."""
    return isinstance(node, ast.Constant) and node.value == 1


def base_of_square(node: ast.expr) -> str:
    """Return what is squared: "t" for t**2, t * t and np.square(t); else ""."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and ast.unparse(node.right) in ("2", "2.0"):
        return ast.unparse(node.left)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and ast.dump(node.left) == ast.dump(node.right):
        return ast.unparse(node.left)
    if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("square") and node.args:
        return ast.unparse(node.args[0])
    return ""


def terms_in_factors(slot: Slot, names: Sequence[str], values: Values) -> Iterator[Alternative]:
    """Yield a difference or a sum in the place of a factor: (h - x) for h in dy * h * t * (1 - t)."""
    node, parent = slot.node, slot.parent
    name = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""
    if name not in values or not (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult)):
        return
    for other in names:
        if other != name and (of_one_shape(values, name, other) or is_column_of(values, name, other)):
            for form in ("{} - {}", "{} + {}"):
                right = form.format(name, other)
                yield f"`{name}` stands where `{right}` belongs: a term is missing", parsed(f"({right})")


def both_turned(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a line with W + W^T for W, 2 W or W + W, or with half of it for W: the derivative of x W x, or half of it.

    It takes both sides of a square matrix.
    """
    node = slot.node
    if not isinstance(node, ast.Assign | ast.AugAssign | ast.Return) or node.value is None:
        return
    read = [one for one in ast.walk(node.value) if isinstance(one, ast.Name | ast.Attribute)]
    held: dict[str, Any] = {name: values.get(name) for name in dict.fromkeys(map(ast.unparse, read))}
    for name, array in held.items():
        square = isinstance(array, np.ndarray) and array.ndim > 1 and array.shape[-1] == array.shape[-2]
        if not square or array.dtype.kind != "f":
            continue
        both = f"{name} + {name}.T" if array.ndim == 2 else f"{name} + np.swapaxes({name}, -1, -2)"
        of_symmetric = ", which is right only where it is symmetric"
        for right, twice, why in (
            (both, False, ""),
            (both, True, of_symmetric),
            (f"0.5 * ({both})", False, of_symmetric),
        ):
            change = BothSides(name, f"({right})", twice=twice)
            new = change.visit(copy.deepcopy(node))
            text = f"`{name}` counts from both sides, with its transpose: `{right}` belongs here"
            if bool(change.dropped) == twice:
                yield f"{text} for `{change.dropped or name}`{why}", new


class BothSides(ast.NodeTransformer):
    """Puts the sum of a matrix and its transpose in the place of the matrix.

    Attributes:
        dropped: what was twice the matrix, 2 * W or W + W, and is the sum alone now, if it must be.
    """

    def __init__(self, name: str, both: str, *, twice: bool) -> None:
        self.name, self.both, self.twice, self.dropped = name, both, twice, ""

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and self.twice:
            rest = [one for one in (node.left, node.right) if ast.unparse(one) not in ("2", "2.0")]
            if len(rest) == 1:
                self.dropped = f"2 * {self.name}"
                return self.visit(rest[0])
        if isinstance(node, ast.BinOp) and ast.unparse(node) == f"{self.name} + {self.name}" and self.twice:
            self.dropped = ast.unparse(node)
            return self.visit(node.left)
        if isinstance(node, ast.Name | ast.Attribute) and ast.unparse(node) == self.name:
            return node if isinstance(node.ctx, ast.Store) else parsed(self.both)
        return self.generic_visit(node)


def missing_products(
    slot: Slot, names: Sequence[str], values: Values, gradients: Collection[str]
) -> Iterator[Alternative]:
    """Yield a sum with the product of two arrays that may be missing, one of them a gradient: dh_next * z."""
    node = slot.node
    whole = slot.field == "value" and isinstance(slot.parent, ast.Assign | ast.AugAssign | ast.Return)
    in_tuple = isinstance(slot.parent, ast.Tuple | ast.List) and slot.field == "elts"
    if not (whole or in_tuple) or not isinstance(node, ast.BinOp | ast.Name | ast.Call):
        return
    if isinstance(getattr(node, "ctx", None), ast.Store):
        return
    text = text_of(node)
    for one in names:
        for other in names if one in gradients else ():
            if other not in gradients and of_one_shape(values, one, other):
                for op, what in ((ast.Add(), "+"), (ast.Sub(), "-")):
                    for form in (f"{one} * {other}", f"{one} * (1 - {other})"):
                        yield f"the term `{what} {form}` is missing in `{text}`", ast.BinOp(node, op, parsed(form))


def through_the_total(
    slot: Slot, names: Sequence[str], values: Values, gradients: Collection[str]
) -> Iterator[Alternative]:
    """Yield a gradient that is divided by a total, or a norm, with the path through it: (g - sum(g y)) / total.

    Of y = v / total(v) and y = v / |v|: (g - sum(g y)) / total and (g - y sum(g y)) / |v|, also with means.
    """
    node, parent = slot.node, slot.parent
    divided = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Div) and slot.field == "left"
    text = ast.unparse(node) if divided else ""
    held = values.get(text)
    if not isinstance(held, np.ndarray) or held.ndim < 2 or text not in gradients:
        return
    for y in [name for name in names if name not in gradients and of_one_shape(values, text, name)]:
        for axis in range(held.ndim - 1, -1, -1):
            for what in ("sum", "mean"):
                path = f"({text} * {y}).{what}(axis={axis}, keepdims=True)"
                for term in (path, f"{y} * {path}"):
                    told = f"`{ast.unparse(parent.right)}` depends on what it divides, and the path through it"
                    right = f"{text} - {term}"
                    yield f"{told} is missing: `{right}` belongs here for `{text}`", parsed(f"({right})")


def is_column_of(values: Values, name: str, other: str) -> bool:
    """Return whether a name holds an array of floats (N, K), and the other one (N, 1)."""
    array, column = values.get(name), values.get(other)
    if not isinstance(array, np.ndarray) or not isinstance(column, np.ndarray) or column.dtype.kind != "f":
        return False
    return array.ndim > 1 and column.shape == (*array.shape[:-1], 1)


def of_one_shape(values: Values, one: str, other: str) -> bool:
    """Return whether two names hold arrays of floats of one shape."""
    arrays: list[Any] = [values.get(one), values.get(other)]
    floats = all(isinstance(array, np.ndarray) and array.dtype.kind == "f" and array.ndim for array in arrays)
    return floats and arrays[0].shape == arrays[1].shape
