"""Alternatives with a second term: the other path of an array that is used twice, the derivative of a term by itself.

They are looked for in losses and learning rules: there they are few, and what students forget.
"""

import ast
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.repairs.derivatives import base_of_square
from mlp.diagnostics.gradients.repairs.names import uses
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values
from mlp.typing import Array

Factor = tuple[str, ast.expr]  # of a product, and what stands before it: "*" or "/"


def other_side(slot: Slot) -> Iterator[Alternative]:
    """Yield both paths to an array that stands on both sides of a product: d @ z + d.T @ z, where z @ z.T is used."""
    node = slot.node
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.MatMult):
        return
    left, right = (bracketed(side) for side in (node.left, node.right))
    for twin in (f"{transposed(left)} @ {right}", f"{left} @ {transposed(right)}"):
        text = (
            f"the term `{twin}` is missing beside `{text_of(node)}`: the array stands on both sides of its product "
            "with itself, and a gradient comes back to it from each side"
        )
        yield text, parsed(f"({left} @ {right} + {twin})")


def bracketed(node: ast.expr) -> str:
    """Return a factor of a matrix product as code, in brackets if it needs them."""
    text = ast.unparse(node)
    return text if isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call) else f"({text})"


def transposed(text: str) -> str:
    """Return a matrix as code, transposed: d.T for d, and d for d.T."""
    return text.removesuffix(".T") if text.endswith(".T") else f"{text}.T"


def terms_by_themselves(slot: Slot, values: Values, upstream: Collection[str] = ()) -> Iterator[Alternative]:
    """Yield a product with a 1 beside its arrays: 0.5 * (1 - d**2 / var) for -0.5 * d**2 / var.

    Args:
        upstream: names of gradients, which multiply the 1, too.
    """
    node, parent = slot.node, slot.parent
    inner = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult | ast.Div)
    if inner or not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult | ast.Div):
        return
    scales: list[Factor] = []
    arrays: list[Factor] = []
    for operator, factor in signed_factors(node):
        of_array = holds_array(factor, values) and not uses(factor, upstream)
        (arrays if of_array else scales).append((operator, factor))
    if not arrays or len(arrays) + len(scales) < 2:
        return
    inside = as_product(arrays)
    for sign in "-+":
        whole = ("*", parsed(f"({inside} {sign} 1)"))
        right = as_product(
            [*(one for one in scales if one[0] == "*"), whole, *(one for one in scales if one[0] == "/")]
        )
        text = (
            f"the term `{sign} 1` is missing beside `{inside}`: a term that stands by itself in forward has a "
            f"derivative, too; `{right}` belongs here"
        )
        yield text, parsed(f"({right})")


def holds_array(factor: ast.expr, values: Values) -> bool:
    """Return whether a factor is an array, and not a number or a size."""
    text = ast.unparse(factor)
    names = [ast.unparse(one) for one in ast.walk(factor) if isinstance(one, ast.Name | ast.Attribute)]
    of_arrays = any(isinstance(values.get(name), np.ndarray) and np.ndim(values[name]) for name in names)
    return of_arrays and not any(word in text for word in ("len(", ".shape", ".size"))


def signed_factors(node: ast.expr, operator: str = "*") -> list[Factor]:
    """Return the factors of a product with what stands before each of them: "*" or "/"."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div) and operator == "*":
        last = "*" if isinstance(node.op, ast.Mult) else "/"
        return [*signed_factors(node.left), *signed_factors(node.right, last)]
    return [(operator, node)]


def as_product(factors: Sequence[Factor]) -> str:
    """Return a product as code, from its factors and what stands before each."""
    text = "" if factors[0][0] == "*" else "1"
    for operator, factor in factors:
        code = ast.unparse(factor)
        power = isinstance(factor, ast.BinOp) and isinstance(factor.op, ast.Pow)
        plain = power or not isinstance(factor, ast.BinOp | ast.Compare | ast.BoolOp | ast.IfExp)
        text += f"{f' {operator} ' if text else ''}{code if plain else f'({code})'}"
    return text


def scaled_terms(slot: Slot, names: Sequence[str], values: Values) -> Iterator[Alternative]:
    """Yield an array with a term beside it that is a setting times another array: g + self.weight_decay * w for g."""
    node = slot.node
    if not isinstance(node, ast.Name | ast.Subscript | ast.Attribute) or not isinstance(node.ctx, ast.Load):
        return
    base = ast.unparse(node)
    own, inner = held_by(base, values), isinstance(slot.parent, ast.Subscript | ast.Attribute)
    if own is None or own.dtype.kind != "f" or inner:
        return
    settings = [name for name, value in values.items() if name.startswith("self.") and isinstance(value, float)]
    arrays = [(name, held_by(name, values)) for name in names if name != base]
    for name in (name for name, array in arrays if array is not None and array.shape == own.shape):
        for term in (f"{setting} * {name}" for setting in settings):
            for sign in "+-":
                yield f"the term `{sign} {term}` is missing beside `{base}`", parsed(f"({base} {sign} {term})")


def squared_distances(slot: Slot, names: Sequence[str], values: Values) -> Iterator[Alternative]:
    """Yield the square of a difference in the place of a square: (g - m)**2 for g**2, and for g * g in c * g * g."""
    node, first = slot.node, ""
    base = base_of_square(node) if isinstance(node, ast.expr) else ""
    left = node.left if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) else None
    if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mult) and ast.dump(left.right) == ast.dump(node.right):
        base, first = ast.unparse(node.right), f"({ast.unparse(left.left)}) * "
    held = held_by(base, values) if base else None
    for other in names if held is not None else ():
        twin = held_by(other, values)
        if other != base and twin is not None and held is not None and twin.ndim == held.ndim:
            right = f"({base} - {other})**2"
            wrong = f"{base} * {base}" if first else text_of(node)
            yield f"`{wrong}` stands where `{right}` belongs", parsed(f"{first}{right}")


def held_by(name: str, values: Values) -> Array | None:
    """Return the array that a name holds, or the last one of a dictionary: for m, self.m and self.m[key]."""
    found: Any = values.get(name)
    if found is None and name.endswith("]"):
        kept: Any = values.get(name.partition("[")[0])
        found = next(reversed(kept.values()), None) if isinstance(kept, dict) else None
    return found if isinstance(found, np.ndarray) else None


def of_each_row(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a column in the place of an array that meets the columns: w[:, None] for class_weights."""
    name = ast.unparse(slot.node) if isinstance(slot.node, ast.Name | ast.Attribute) else ""
    held = values.get(name)
    loads = isinstance(getattr(slot.node, "ctx", None), ast.Load) and isinstance(slot.parent, ast.BinOp | ast.AugAssign)
    if not (loads and isinstance(held, np.ndarray) and held.ndim == 1):
        return
    flat = {one: value for one, value in values.items() if isinstance(value, np.ndarray) and value.ndim == 1}
    columns = [one for one, value in flat.items() if value.dtype.kind == "f" and one != name]
    columns += [f"{name}[{one}]" for one, value in flat.items() if value.dtype.kind in "iu"]
    for column in (name, *columns):
        right = f"{column}[:, None]"
        yield f"`{name}` goes along the columns, where each row has its own: `{right}` belongs here", parsed(right)


def never_large(slot: Slot) -> Iterator[Alternative]:
    """Yield an exponential that never overflows: np.exp(-np.abs(z)) for np.exp(z) and np.exp(-z)."""
    node = slot.node
    of_exp = isinstance(slot.parent, ast.Call) and ast.unparse(slot.parent.func) == "np.exp" and slot.field == "args"
    if of_exp and isinstance(node, ast.expr):
        inside = node.operand if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) else node
        right = f"-np.abs({ast.unparse(inside)})"
        text = f"`np.exp({text_of(node)})` grows without bound: `np.exp({right})` belongs here"
        yield text, parsed(right)
