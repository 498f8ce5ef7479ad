"""Alternatives to calls: other functions, orders of axes, branches of where, sums over other axes."""

import ast
from collections.abc import Iterator, Sequence
from itertools import combinations, permutations

from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of

EXCHANGED = {"sum": "mean", "mean": "sum", "max": "min", "min": "max", "argmax": "argmin", "argmin": "argmax"}
EXCHANGED |= {"ones_like": "zeros_like", "zeros_like": "ones_like", "ones": "zeros"}
EXCHANGED |= {"tril": "triu", "triu": "tril"}
EXCHANGED |= {"maximum": "minimum", "minimum": "maximum", "sin": "cos", "cos": "sin", "tanh": "sinh", "abs": "sign"}
FUNCTIONS = ("abs", "sign", "sqrt", "exp", "log", "square", "tanh", "sin", "cos", "maximum", "flip", "flipud", "fliplr")


def calls(slot: Slot) -> Iterator[Alternative]:
    """Functions that are too many or others than they should be, orders of axes, branches of where."""
    node = slot.node
    if isinstance(node, ast.keyword) and node.arg == "keepdims":
        yield "keepdims is wrong", ast.keyword("keepdims", parsed("False"))
    if not isinstance(node, ast.Call):
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in EXCHANGED and isinstance(node.func, ast.Attribute):
        for other in (EXCHANGED[name], *(("sum", "mean") if name in ("max", "min") else ())):
            func = ast.Attribute(node.func.value, other, ast.Load())
            yield f"`{name}` stands where `{other}` belongs", ast.Call(func, node.args, node.keywords)
    if name in FUNCTIONS and node.args:
        yield f"`{name}` is one too many", node.args[0]
    yield from norms(node)
    if name == "where" and len(node.args) == 3:
        test, yes, no = node.args
        yield f"the two branches of `{text_of(node)}` are exchanged", ast.Call(node.func, [test, no, yes], [])
        zero = parsed("0.0")
        yield "the first branch of `where` should be 0", ast.Call(node.func, [test, zero, no], [])
        yield "the second branch of `where` should be 0", ast.Call(node.func, [test, yes, zero], [])
    if name in ("transpose", "reshape") and len(node.args) > 1:
        for order, why in [*inverse_order(node.args), *((order, "") for order in other_orders(node.args))]:
            right = ", ".join(map(ast.unparse, order))
            text = f"the axes of `{text_of(node)}` are in the wrong order: ({right}) is right{why}"
            yield text, ast.Call(node.func, order, node.keywords)
    if name == "range":
        for i, argument in enumerate(node.args):
            for by, op in (("ends or starts too early", ast.Add()), ("ends or starts too late", ast.Sub())):
                others = list(node.args)
                others[i] = ast.BinOp(argument, op, parsed("1"))
                yield f"`{text_of(node)}` {by}", ast.Call(node.func, others, [])


def norms(node: ast.Call) -> Iterator[Alternative]:
    """The square of a norm for the norm, and the reverse."""
    if ast.unparse(node.func) == "np.linalg.norm":
        yield f"`{text_of(node)}` must be squared here", ast.BinOp(node, ast.Pow(), parsed("2"))
    elif ast.unparse(node.func).endswith("sum") and "** 2" in ast.unparse(node):
        yield f"the root of `{text_of(node)}` is missing", ast.Call(parsed("np.sqrt"), [node], [])


def inverse_order(items: Sequence[ast.expr]) -> Iterator[tuple[list[ast.expr], str]]:
    """Yield the order of axes that undoes one, with the reason, where it is another one."""
    axes = [one.value for one in items if isinstance(one, ast.Constant) and isinstance(one.value, int)]
    if len(axes) == len(items) and sorted(axes) == list(range(len(axes))):
        back = [axes.index(i) for i in range(len(axes))]
        if back != axes:
            yield [ast.Constant(i) for i in back], f", which undoes ({', '.join(map(str, axes))})"


def other_orders(items: Sequence[ast.expr]) -> Iterator[list[ast.expr]]:
    """Yield all other orders of a few items, or of the axes of a transpose; of many, those with two exchanged."""
    axes = sorted(ast.unparse(one) for one in items) == [str(i) for i in range(len(items))]
    if len(items) <= 5 + axes:
        yield from map(list, list(permutations(items))[1:])
        return
    for i, j in sorted(combinations(range(len(items)), 2), key=lambda pair: pair[1] - pair[0]):
        other = list(items)
        other[i], other[j] = other[j], other[i]
        yield other


def sums_over(slot: Slot, axes: Sequence[str]) -> Iterator[Alternative]:
    """Sums and means over all values, over so many axes that their shape had to be changed, or without keepdims."""
    node, axes = slot.node, [axis for axis in axes if axis != "None"]
    inner = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else node
    inner = node.value if isinstance(node, ast.Subscript) and "None" in ast.unparse(node.slice) else inner
    if inner is not node and isinstance(inner, ast.Call) and getattr(inner.func, "attr", "") in ("sum", "mean"):
        for axis in axes:
            kept = [k for k in inner.keywords if k.arg != "axis"]
            right = ast.Call(inner.func, inner.args, [*kept, ast.keyword("axis", parsed(axis))])
            yield f"the sum `{text_of(node)}` is over the wrong axes: `{ast.unparse(right)}` belongs here", right
    if not isinstance(node, ast.Call):
        return
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in ("sum", "mean", "max", "min") and not any(k.arg == "axis" for k in node.keywords):
        for axis in axes:
            text = f"`{text_of(node)}` needs another axis: axis={axis}"
            first = (
                []
                if isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") != "np"
                else node.args[:1]
            )
            kept = [k for k in node.keywords if k.arg != "axis"]
            yield text, ast.Call(node.func, first, [*kept, ast.keyword("axis", parsed(axis))])
            wide = ast.keyword("keepdims", parsed("True"))
            yield f"{text}, keepdims=True", ast.Call(node.func, first, [*kept, ast.keyword("axis", parsed(axis)), wide])
    elif name in ("sum", "mean", "max", "min") and not any(k.arg == "keepdims" for k in node.keywords):
        keywords = [*node.keywords, ast.keyword("keepdims", parsed("True"))]
        yield f"keepdims=True is missing in `{text_of(node)}`", ast.Call(node.func, node.args, keywords)
