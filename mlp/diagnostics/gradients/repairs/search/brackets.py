"""Alternatives to places in a formula: brackets, a term or a power in or out of a function, 1 - b."""

import ast
import copy
from collections.abc import Iterator
from typing import Any

from mlp.diagnostics.gradients.repairs.search.second_terms import as_product, signed_factors
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of

SUMS = (ast.Add, ast.Sub)
PRODUCTS = (ast.Mult, ast.Div, ast.FloorDiv)
CALLS = ("sum", "mean", "sqrt", "log", "exp", "abs", "square", "maximum", "minimum", "sign", "log1p", "expm1")


def brackets(slot: Slot) -> Iterator[Alternative]:
    """Yield a formula with its brackets in another place: a (b - c) for a b - c, sqrt(v) + e for sqrt(v + e)."""
    node = slot.node
    inside = isinstance(slot.parent, ast.Subscript) and slot.field == "slice"
    if not isinstance(node, ast.BinOp | ast.UnaryOp | ast.Call) or inside:
        return
    own = ast.unparse(node)
    others = [*of_operators(node)] if isinstance(node, ast.BinOp) else []
    for other in (*others, *of_functions(node)):
        text = ast.unparse(other)
        if text != own:
            yield f"the brackets in `{text_of(node)}` stand in the wrong place: `{text}` belongs here", parsed(text)


def of_operators(node: ast.BinOp) -> Iterator[ast.expr]:
    """Yield what two operators give in the other order."""
    a, b = node.left, node.right
    if isinstance(node.op, SUMS):
        first, rest = spine(node)
        if isinstance(first, ast.BinOp) and isinstance(first.op, PRODUCTS):  # a b - c: a (b - c), or (a - c) b
            yield ast.BinOp(first.left, first.op, joined(first.right, rest))
            yield ast.BinOp(joined(first.left, rest), first.op, first.right)
        if isinstance(b, ast.BinOp) and isinstance(b.op, PRODUCTS):  # a - b c: (a - b) c
            yield ast.BinOp(ast.BinOp(a, node.op, b.left), b.op, b.right)
    elif isinstance(node.op, PRODUCTS):
        yield from into_sums(node)
        if isinstance(b, ast.BinOp) and isinstance(b.op, SUMS):  # a (b - c): a b - c
            yield ast.BinOp(ast.BinOp(a, node.op, b.left), b.op, b.right)
        if isinstance(a, ast.BinOp) and isinstance(a.op, SUMS):  # (a - b) c: a - b c
            yield ast.BinOp(a.left, a.op, ast.BinOp(a.right, node.op, b))
        if isinstance(a, ast.BinOp) and isinstance(a.op, ast.Div):  # a / b c: a / (b c)
            yield ast.BinOp(a.left, ast.Div(), ast.BinOp(a.right, node.op, b))
        if isinstance(node.op, ast.Div) and isinstance(b, ast.BinOp) and isinstance(b.op, PRODUCTS):
            yield ast.BinOp(ast.BinOp(a, ast.Div(), b.left), b.op, b.right)
        if isinstance(b, ast.BinOp) and isinstance(b.op, ast.Pow):  # a b^2: (a b)^2
            yield ast.BinOp(ast.BinOp(a, node.op, b.left), ast.Pow(), b.right)
        yield from into_powers(node)
    elif isinstance(node.op, ast.Pow) and isinstance(a, ast.BinOp) and isinstance(a.op, (*SUMS, *PRODUCTS)):
        yield ast.BinOp(a.left, a.op, ast.BinOp(a.right, ast.Pow(), b))


def into_powers(node: ast.BinOp) -> Iterator[ast.expr]:
    """Yield a product with its last factor moved into a power before it: a b ** (c // d) for a b ** c // d."""
    before = node.left if isinstance(node.left, ast.BinOp) and isinstance(node.left.op, ast.Mult) else None
    power = node.left if before is None else before.right
    if isinstance(power, ast.BinOp) and isinstance(power.op, ast.Pow) and not isinstance(power.right, ast.Constant):
        moved = ast.BinOp(power.left, ast.Pow(), ast.BinOp(power.right, node.op, node.right))
        yield moved if before is None else ast.BinOp(before.left, ast.Mult(), moved)


def into_sums(node: ast.BinOp) -> Iterator[ast.expr]:
    """Yield a product with one factor moved into the brackets of a sum beside it: c (1 - s p) for c (1 - s) p."""
    factors = signed_factors(node)
    for i, (sign, whole) in enumerate(factors):
        if len(factors) < 3 or sign != "*" or not (isinstance(whole, ast.BinOp) and isinstance(whole.op, SUMS)):
            continue
        for j in [j for j in range(len(factors)) if j != i]:
            op = ast.Mult() if factors[j][0] == "*" else ast.Div()
            for left, right in (
                (whole.left, ast.BinOp(whole.right, op, factors[j][1])),
                (ast.BinOp(whole.left, op, factors[j][1]), whole.right),
            ):
                moved = ("*", ast.BinOp(left, whole.op, right))
                yield parsed(as_product([moved if k == i else one for k, one in enumerate(factors) if k != j]))


def of_functions(node: ast.expr) -> Iterator[ast.expr]:
    """Yield what a function and an operator give in the other order."""
    if isinstance(node, ast.BinOp):
        found = argument_of(node.left)
        if found:  # f(a) - b: f(a - b)
            yield with_argument(node.left, ast.BinOp(found, node.op, node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        found = argument_of(node.operand)
        if found:  # -f(a): f(-a)
            yield with_argument(node.operand, ast.UnaryOp(ast.USub(), found))
    found = argument_of(node)
    if isinstance(found, ast.BinOp):  # f(a - b): f(a) - b
        yield ast.BinOp(with_argument(node, found.left), found.op, found.right)
    if isinstance(found, ast.UnaryOp) and isinstance(found.op, ast.USub):  # f(-a): -f(a)
        yield ast.UnaryOp(ast.USub(), with_argument(node, found.operand))


def argument_of(node: ast.expr) -> ast.expr | None:
    """Return what one of the usual functions is taken of: a in np.sqrt(a), a.sum(axis=1) and np.maximum(0, a)."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in CALLS:
        return None
    if getattr(node.func.value, "id", "") in ("np", "math", "xp"):
        return node.args[-1] if node.args else None
    return node.func.value


def with_argument(node: Any, argument: ast.expr) -> ast.expr:
    """Return a call of `argument_of` with another argument."""
    new = copy.deepcopy(node)
    if getattr(new.func.value, "id", "") in ("np", "math", "xp"):
        new.args[-1] = argument
    else:
        new.func.value = argument
    assert isinstance(new, ast.expr)
    return new


def spine(node: ast.expr) -> tuple[ast.expr, list[tuple[ast.operator, ast.expr]]]:
    """Return the first term of a sum, and the others with their signs."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, SUMS):
        first, rest = spine(node.left)
        return first, [*rest, (node.op, node.right)]
    return node, []


def joined(first: ast.expr, rest: list[tuple[ast.operator, ast.expr]]) -> ast.expr:
    """Return a sum of terms with their signs."""
    for op, term in rest:
        first = ast.BinOp(first, op, term)
    return first


def exchanged_shares(slot: Slot) -> Iterator[Alternative]:
    """Yield a line with b and 1 - b exchanged, wherever they stand in it."""
    node = slot.node
    if not isinstance(node, ast.Assign | ast.AugAssign | ast.Return) or node.value is None:
        return
    rests = [one for one in ast.walk(node.value) if isinstance(one, ast.BinOp) and is_rest(one)]
    for share in dict.fromkeys(ast.unparse(one.right) for one in rests):
        changed = copy.copy(node)
        value = Shares(share).visit(copy.deepcopy(node.value))
        assert isinstance(value, ast.expr)
        changed.value = value
        if ast.unparse(changed) != ast.unparse(node):
            yield f"`{share}` and `1 - {share}` are exchanged: `{ast.unparse(changed)}` belongs here", changed


def is_rest(node: ast.AST) -> bool:
    """Return whether a node is 1 - b."""
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Sub) or not isinstance(node.left, ast.Constant):
        return False
    return node.left.value == 1 and isinstance(node.right, ast.Name | ast.Attribute | ast.Subscript)


class Shares(ast.NodeTransformer):
    """Puts 1 - b in the place of b, and b in the place of 1 - b."""

    def __init__(self, share: str) -> None:
        self.share = share

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.BinOp) and is_rest(node) and ast.unparse(node.right) == self.share:
            return parsed(self.share)
        if isinstance(node, ast.expr) and ast.unparse(node) == self.share:
            return parsed(f"1 - {self.share}")
        return self.generic_visit(node)


def fewer_targets(slot: Slot) -> Iterator[Alternative]:
    """Yield `a = v` for `a = b = v`: b must keep a value of its own."""
    node = slot.node
    if not isinstance(node, ast.Assign) or len(node.targets) < 2:
        return
    for i, target in enumerate(node.targets):
        rest = [*node.targets[:i], *node.targets[i + 1 :]]
        text = f"`{text_of(target)}` gets this value, too, and must keep its own: two arrays have to be kept apart"
        new = ast.Assign(rest, node.value, lineno=node.lineno)
        yield f"{text}, so `{text_of(new)}` belongs here", new
