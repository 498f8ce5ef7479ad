"""Alternatives to operators and names: signs, factors and terms that are too many or missing, other arrays."""

import ast
import copy
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values, alike

TAKEN_OF = ("sum", "mean", "dot", "matmul", "where", "einsum", "maximum", "minimum", "abs", "sign")
NO_HELPERS = ("len", "range", "float", "int", "enumerate", "zip", "list", "tuple", "reversed", "sorted", "bool", "str")
OF_ONE = ("power", "exp", "log", "sin", "cos", "tanh", "sqrt")  # functions whose argument may lack a factor


def operators(slot: Slot) -> Iterator[Alternative]:
    """Indices, negations and comparisons that are wrong, and operators between two values."""
    node = slot.node
    if isinstance(slot.parent, ast.Slice) and slot.field == "step":
        return
    if isinstance(slot.parent, ast.keyword) and slot.parent.arg in ("axis", "dim"):  # -1 is the name of an axis
        return
    yield from other_roundings(slot)
    if isinstance(node, ast.BinOp) and is_index(slot):
        for part, rest in ((node.left, node.right), (node.right, node.left)):
            wrong = "off by one" if isinstance(rest, ast.Constant) and rest.value == 1 else "wrong"
            yield f"the index `{text_of(node)}` is {wrong}: it should be `{text_of(part)}`", part
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Invert | ast.Not):
        what = "the minus" if isinstance(node.op, ast.USub) else "the negation"
        yield f"{what} before `{text_of(node.operand)}` is wrong", node.operand
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        turned: dict[type, ast.cmpop] = {
            ast.Gt: ast.LtE(),
            ast.GtE: ast.Lt(),
            ast.Lt: ast.GtE(),
            ast.LtE: ast.Gt(),
            ast.Eq: ast.NotEq(),
        }
        other = turned.get(type(node.ops[0]))
        if other is not None:
            yield (
                f"the comparison `{text_of(node)}` is the wrong way round",
                ast.Compare(node.left, [other], node.comparators),
            )
    if isinstance(node, ast.BinOp):
        yield from between_two(node)


def is_index(slot: Slot) -> bool:
    """Return whether a node is an index: all that stands in brackets, or one of several."""
    if isinstance(slot.parent, ast.Tuple) and slot.whole is not None:
        return any(isinstance(one, ast.Subscript) and one.slice is slot.parent for one in ast.walk(slot.whole))
    return isinstance(slot.parent, ast.Subscript) and slot.field == "slice"


def turned_signs(slot: Slot) -> Iterator[Alternative]:
    """Yield a sum for a difference, and the reverse: nothing is taken away."""
    node = slot.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        yield from ((text, other) for text, other in between_two(node) if "where a" in text or "way round" in text)


def between_two(node: ast.BinOp) -> Iterator[Alternative]:
    """Signs, factors and terms that are too many, products the wrong way round."""
    a, b = node.left, node.right
    one, two = text_of(a), text_of(b)
    if isinstance(node.op, ast.Add):
        yield f"a plus stands before `{two}` where a minus belongs", ast.BinOp(a, ast.Sub(), b)
        yield f"the term `{two}` is one too many", a
        yield f"the term `{one}` is one too many", b
    elif isinstance(node.op, ast.Sub):
        yield f"a minus stands before `{two}` where a plus belongs", ast.BinOp(a, ast.Add(), b)
        yield f"the difference `{text_of(node)}` is the wrong way round", ast.BinOp(b, ast.Sub(), a)
        yield f"`{text_of(node)}` stands where `{two}` belongs", b
        yield f"the term `{two}` is one too many", a
    elif isinstance(node.op, ast.Mult):
        yield f"the factor `{two}` is one too many", a
        yield f"the factor `{one}` is one too many", b
        yield f"multiplied by `{two}`, and must be divided by it", ast.BinOp(a, ast.Div(), b)
        yield f"multiplied by `{one}`, and must be divided by it", ast.BinOp(b, ast.Div(), a)
        for text, other, factor in ((one, b, a), (two, a, b)):
            if isinstance(factor, ast.BinOp) and not isinstance(factor.op, ast.Pow):
                root = ast.BinOp(factor, ast.Pow(), parsed("0.5"))
                yield f"multiplied by `{text}`, and must be by its root", ast.BinOp(other, ast.Mult(), root)
    elif isinstance(node.op, ast.Div | ast.FloorDiv):
        yield f"the division by `{two}` is one too many", a
        yield f"divided by `{two}`, and must be multiplied by it", ast.BinOp(a, ast.Mult(), b)
        if not (isinstance(b, ast.BinOp) and isinstance(b.op, ast.Pow)):
            root = ast.BinOp(b, ast.Pow(), parsed("0.5"))
            yield f"divided by `{two}`, and must be by its root", ast.BinOp(a, ast.Div(), root)
        yield (
            f"divided by `{two}`, and must be by its square",
            ast.BinOp(a, ast.Div(), ast.BinOp(b, ast.Pow(), parsed("2"))),
        )
        right = f"({ast.unparse(a)} + 0.5) / ({ast.unparse(b)}) - 0.5"
        yield f"the half pixels are missing: `{right}` belongs here for `{text_of(node)}`", parsed(f"({right})")
    elif isinstance(node.op, ast.Pow):
        yield f"the power in `{text_of(node)}` is one too many", a
        for word, op in (("large", ast.Sub()), ("small", ast.Add())) if not isinstance(b, ast.Constant) else ():
            moved = ast.BinOp(a, ast.Pow(), ast.BinOp(b, op, parsed("1")))
            yield f"the exponent of `{text_of(node)}` is 1 too {word}: `{ast.unparse(moved)}` belongs here", moved
        for power in ("2", "3", "0.5", "-0.5", "-1", "-1.5", "-2"):
            yield (
                f"the power in `{text_of(node)}` is wrong: it should be {power}",
                ast.BinOp(a, ast.Pow(), parsed(power)),
            )


def other_roundings(slot: Slot) -> Iterator[Alternative]:
    """Yield a quotient rounded to the other side: a // b for -(-a // b), and the reverse."""
    node, negative = slot.node, isinstance(slot.parent, ast.UnaryOp) and isinstance(slot.parent.op, ast.USub)
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.FloorDiv):
        return
    if isinstance(node.left, ast.UnaryOp) and negative:
        down = ast.BinOp(node.left.operand, ast.FloorDiv(), node.right)
        text = f"`-({text_of(node)})` rounds up, and must round down: `{ast.unparse(down)}` belongs here"
        yield text, ast.UnaryOp(ast.USub(), down)
    elif not isinstance(node.left, ast.UnaryOp) and not negative:
        up = f"-(-({ast.unparse(node.left)}) // {ast.unparse(node.right)})"
        yield f"`{text_of(node)}` rounds down, and must round up: `{up}` belongs here", parsed(up)


def other_names(slot: Slot, arrays: Sequence[str], values: Values) -> Iterator[Alternative]:
    """Another array in the place of one, or another size; where their values are known, like for like alone."""
    node = slot.node
    loads = isinstance(getattr(node, "ctx", None), ast.Load)
    name = ast.unparse(node) if loads and isinstance(node, ast.Name | ast.Attribute | ast.Subscript) else ""
    base = node.value if isinstance(node, ast.Attribute) else None
    part = isinstance(base, ast.Name) and base.id not in ("np", "self", "math")  # p.grad of a loop over parameters
    if (
        not name
        or (name not in arrays and name not in values and not part)
        or (isinstance(slot.parent, ast.Call) and slot.field == "func")
        or (isinstance(slot.parent, ast.Attribute) and slot.parent.attr == "size")
        or slot.field == "test"  # a condition is no array
    ):
        return
    for other in arrays:
        if other != name and (name not in values or other not in values or alike(values[name], values[other])):
            yield f"`{name}` stands where `{other}` belongs", parsed(other)


def missing_sign(slot: Slot) -> Iterator[Alternative]:
    """A minus that is missing before what is assigned or returned, or before a term of it."""
    copies = isinstance(slot.node, ast.Call) and getattr(slot.node.func, "attr", "") == "copy"
    if may_lack(slot) and not copies:
        yield f"the sign of `{text_of(slot.node)}` is wrong", ast.UnaryOp(ast.USub(), slot.node)


def missing(
    slot: Slot, factors: Sequence[str], arrays: Sequence[str], rows: Collection[str] = ()
) -> Iterator[Alternative]:
    """A factor, a division or a term that is missing in what is assigned or returned, or in a term of it.

    Args:
        rows: factors with a number for each sample, n[:, None], that may be divided by.
    """
    if not may_lack(slot):
        return
    node, text = slot.node, text_of(slot.node)
    for factor in factors:
        if factor == text:  # a square: see `forms`
            continue
        yield f"the factor `{factor}` is missing in `{text}`", ast.BinOp(node, ast.Mult(), parsed(factor))
        if "None]" in factor and factor not in rows:  # a mask
            continue
        if factor.startswith("(") and " " in factor and ".shape" not in factor and ".size" not in factor:
            continue  # a derivative: nothing is divided by one
        yield f"the division by `{factor}` is missing in `{text}`", ast.BinOp(node, ast.Div(), parsed(factor))
    whole = is_all_that_is_assigned(slot) or function_of(slot.parent) in OF_ONE
    for term in [term for term in arrays if term != text] if whole else ():  # a + a is the factor 2
        yield f"the term `{term}` is missing in `{text}`", ast.BinOp(copy.copy(node), ast.Add(), parsed(term))
        if isinstance(node, ast.BinOp | ast.Call):
            yield f"the term `- {term}` is missing in `{text}`", ast.BinOp(copy.copy(node), ast.Sub(), parsed(term))


def is_all_that_is_assigned(slot: Slot) -> bool:
    """Return whether a node is what is assigned or returned, or one of several."""
    assigned = slot.field == "value" and isinstance(slot.parent, ast.Assign | ast.AugAssign | ast.Return)
    return assigned or (isinstance(slot.parent, ast.Tuple) and slot.field == "elts")


def is_taken_apart(slot: Slot) -> bool:
    """Return whether a node is a tuple that several names are given to: N, D = x.shape, or x, w = cache."""
    targets = slot.parent.targets if isinstance(slot.parent, ast.Assign) else []
    return slot.field == "value" and any(isinstance(target, ast.Tuple) for target in targets)


def may_lack(slot: Slot) -> bool:
    """Return whether a factor may be missing before a node: what is assigned, summed or a term."""
    node = slot.node
    part = isinstance(slot.parent, ast.BinOp) and isinstance(slot.parent.op, ast.Add | ast.Sub | ast.MatMult)
    if not (is_all_that_is_assigned(slot) or part or is_summed(slot)) or not isinstance(node, ast.expr):
        return False
    alone = isinstance(slot.parent, ast.AugAssign)  # the 1 of `p[rows, t] -= 1` may lack a division
    if isinstance(node, ast.Tuple | ast.Starred) or is_taken_apart(slot):
        return False
    if (isinstance(node, ast.Constant) and not alone) or (isinstance(node, ast.Compare) and is_summed(slot)):
        return False
    if isinstance(node, ast.Call) and getattr(node.func, "attr", "").startswith(("zeros", "empty")):
        return False
    return not isinstance(getattr(node, "ctx", None), ast.Store)


def function_of(node: Any) -> str:
    """Return the name of the function of a call, np.tanh(...) as "tanh"; "" for anything else."""
    return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""


def is_summed(slot: Slot) -> bool:
    """Return whether a node is what a sum, a mean or a product of matrices is taken of, a branch or a part."""
    node = slot.parent
    if isinstance(node, ast.List):
        return True
    if isinstance(node, ast.Attribute):
        return node.attr in ("sum", "mean", "T", "transpose", "swapaxes") and slot.field == "value"
    name = function_of(node)
    helper = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in NO_HELPERS
    if helper and slot.field == "args" and len(node.args) == 1:  # softmax(z), of z / T
        return True
    if name == "at" and slot.field == "args" and slot.index == 2:  # np.add.at(dW, ids, dout)
        return True
    power = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and slot.field == "right"
    return power or (slot.field == "args" and name in (*TAKEN_OF, *OF_ONE))
