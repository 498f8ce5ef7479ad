"""Alternatives to whole lines: kept for the next call, a copy, with two names exchanged."""

import ast
import copy
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import combinations

import numpy as np

from mlp.diagnostics.gradients.repairs.search.homes import home_of
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, text_of
from mlp.diagnostics.gradients.repairs.values import Values, alike

NAMES = 8  # of a line in which two are exchanged
MOST_SLICES = 3


def blocks_of(tree: ast.FunctionDef | ast.For) -> Iterator[tuple[ast.AST, str, list[ast.stmt]]]:
    """Yield (node, name of its field, lines) for each block of lines in a function or a loop."""
    for node in ast.walk(tree):
        for field in ("body", "orelse"):
            block = getattr(node, field, None)
            if isinstance(block, list):
                yield node, field, block


def is_text(line: ast.stmt) -> bool:
    """Return whether a line is a text alone, as a docstring is."""
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant)


def head(line: ast.stmt) -> str:
    """Return the first line of a statement as short code."""
    text = ast.unparse(line).partition("\n")[0]
    return text if len(text) <= 60 else f"{text[:57]}..."


def kept(slot: Slot, values: Values, gradients: Collection[str] = ()) -> Iterator[Alternative]:
    """Yield a line that keeps its value also where the old one stands, and one that takes a copy.

    No array is kept where a number, a setting, stands; what starts at 0 may be an array later.
    """
    node = slot.node
    if not isinstance(node, ast.Assign) or len(node.targets) != 1 or not isinstance(node.targets[0], ast.Name):
        return
    name = node.targets[0].id
    asked = [home_of(call) for call in ast.walk(node.value) if isinstance(call, ast.Call)]
    for old in [*loaded(node.value), *filter(None, asked)]:
        of_gradient = re.split(r"[.\[]", old)[0] in gradients  # they are not remembered
        number = type(values.get(old)) in (int, float) and values[old] != 0
        setting = number and isinstance(values.get(name), np.ndarray)
        fixed = of_gradient or setting or old.startswith(("np.", "math.", "grad"))
        if not old.isidentifier() and not fixed:
            store = ast.parse(f"{old} = 0").body[0]
            assert isinstance(store, ast.Assign)
            text = f"`{name}` is computed and not kept for the next step: `{old} = {name}` is missing"
            yield text, ast.Assign([*store.targets, node.targets[0]], node.value, lineno=node.lineno)
    if isinstance(node.value, ast.Name | ast.Attribute | ast.Subscript):
        whole = ast.unparse(node.value)
        new = ast.Assign(
            node.targets, ast.Call(ast.Attribute(node.value, "copy", ast.Load()), [], []), lineno=node.lineno
        )
        yield f"`{name}` is `{whole}` itself, and changes with it: take `{whole}.copy()`", new


def not_copied(slot: Slot) -> Iterator[Alternative]:
    """Yield a copy of what is kept: {k: p.copy() for k, p in params.items()} for {k: p ...}, self.old = g.copy()."""
    node, parent = slot.node, slot.parent
    in_comprehension = isinstance(parent, ast.DictComp | ast.ListComp) and slot.field in ("value", "elt")
    assigned = isinstance(parent, ast.Assign) and slot.field == "value"
    stored = assigned and not isinstance(parent.targets[0], ast.Name)
    method = parent.func.attr if isinstance(parent, ast.Call) and isinstance(parent.func, ast.Attribute) else ""
    if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript | ast.Call):
        return
    if not (in_comprehension or stored or (method in ("append", "setdefault") and slot.field == "args")):
        return
    own = ast.unparse(node)
    copies = [f"{own}.copy()"]
    if isinstance(node, ast.Call):  # a new dictionary or list, of the same arrays
        inner = ast.unparse(node.args[0]) if node.args else own.removesuffix(".copy()")
        copies = {"dict": [copies_of_all(inner)[0]], "list": [copies_of_all(inner)[1]]}.get(ast.unparse(node.func), [])
        if own.endswith(".copy()"):
            copies = copies_of_all(inner)
    elif stored:
        copies += copies_of_all(own)
    for right in copies:
        what = "holds the same arrays" if " for " in right else "is the same array"
        text = f"what is kept here {what} as `{own}`, and changes with it: take `{right}`"
        yield text, ast.parse(right, mode="eval").body


def copies_of_all(name: str) -> list[str]:
    """Return code for a copy of all arrays in a dictionary, and in a list."""
    return [f"{{k: v.copy() for k, v in {name}.items()}}", f"[v.copy() for v in {name}]"]


def rebound(tree: ast.FunctionDef) -> Iterator[tuple[Slot, Iterator[Alternative]]]:
    """Yield lines that give a loop's name to a new array, as lines that write into the array of the loop."""
    for loop in [node for node in ast.walk(tree) if isinstance(node, ast.For)]:
        names = {node.id for node in ast.walk(loop.target) if isinstance(node, ast.Name)}
        lines = [(block, i, line) for _, _, block in blocks_of(loop) for i, line in enumerate(block)]
        for block, i, line in lines:
            target = line.targets[0] if isinstance(line, ast.Assign) and len(line.targets) == 1 else None
            if isinstance(line, ast.Assign) and isinstance(target, ast.Name) and target.id in names:
                name, right = ast.Name(target.id, ast.Load()), ast.unparse(line.value)
                text = (
                    f"it gives only the name `{target.id}` in the loop a new array, and what is remembered stays as it "
                    f"was: write into it, `{target.id}[...] = {right}`"
                )
                holder = ast.Module(block, [])  # the block itself: a change of it is one of the loop
                new = ast.Assign([ast.Subscript(name, ast.Constant(...), ast.Store())], line.value, lineno=line.lineno)
                yield Slot(holder, "body", i, line, text_of(line), line.lineno), iter([(text, new)])


def loaded(value: ast.expr) -> list[str]:
    """Return the names, attributes and parts that an expression reads, without repetitions."""
    called = {id(node.func) for node in ast.walk(value) if isinstance(node, ast.Call)}
    inner = {id(node.value) for node in ast.walk(value) if isinstance(node, ast.Attribute | ast.Subscript)}
    found = [
        ast.unparse(node)
        for node in ast.walk(value)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and id(node) not in called | inner
    ]
    return list(dict.fromkeys(found))


def names_exchanged(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a line with its two slices exchanged, or two of its names, wherever they stand in it."""
    node = slot.node
    if not isinstance(node, ast.Assign | ast.AugAssign | ast.Return | ast.Expr) or node.value is None or is_text(node):
        return
    slices = {ast.unparse(one): one for one in ast.walk(node) if isinstance(one, ast.Slice)}
    parts = [text for text in slices if text != ":"]
    for one, other in combinations(parts, 2) if len(parts) <= MOST_SLICES else ():
        twins = {one: slices[other], other: slices[one]}
        yield f"the slices `{one}` and `{other}` are exchanged", ExchangeSlices(twins).visit(copy.deepcopy(node))
    names = loaded(node.value)
    for one, other in combinations(names[:NAMES], 2):
        if one not in values or other not in values or alike(values[one], values[other]):
            changed = copy.copy(node)
            value = Exchange({one: other, other: one}).visit(copy.deepcopy(node.value))
            assert isinstance(value, ast.expr)
            changed.value = value
            yield f"`{one}` and `{other}` are exchanged", changed


def exchanged_everywhere(tree: ast.FunctionDef, values: Values) -> Iterator[tuple[Slot, Iterator[Alternative]]]:
    """Yield a function with two settings, numbers that are attributes, exchanged in all its lines."""
    names = [name for name, value in values.items() if name.startswith("self.") and isinstance(value, float)]
    read = {ast.unparse(node): node for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for one, other in combinations([name for name in names if name in read][:NAMES], 2):
        change = Exchange({one: other, other: one})
        body = [change.visit(copy.deepcopy(line)) for line in tree.body]
        line, lines = first_with(tree.body, one, other), lines_with(tree.body, one, other)
        text = f"`{one}` and `{other}` are exchanged{', here and in all lines' if len(lines) > 1 else ''}"
        yield Slot(tree, "body", None, tree.body, head(line), line.lineno), iter([(text, body)])


def lines_with(body: Sequence[ast.stmt], one: str, other: str) -> list[ast.stmt]:
    """Return the simple lines of a body that have one of two names in them."""
    lines = [node for line in body for node in ast.walk(line) if isinstance(node, ast.stmt)]
    simple = [line for line in lines if not hasattr(line, "body")]
    return [line for line in simple if any(ast.unparse(node) in (one, other) for node in ast.walk(line))]


def first_with(body: Sequence[ast.stmt], one: str, other: str) -> ast.stmt:
    """Return the first line of a body that has one of two names in it, also within a loop or a condition."""
    lines = [node for line in body for node in ast.walk(line) if isinstance(node, ast.stmt)]
    parts = [node for line in lines for node in ast.walk(line) if ast.unparse(node) in (one, other)]
    first = min(parts, key=lambda node: node.lineno).lineno  # type: ignore[attr-defined]
    return max((line for line in lines if line.lineno <= first), key=lambda line: line.lineno)


class ExchangeSlices(ast.NodeTransformer):
    """Puts slices in the places of others."""

    def __init__(self, others: dict[str, ast.Slice]) -> None:
        self.others = others

    def visit_Slice(self, node: ast.Slice) -> ast.Slice:  # noqa: N802
        return copy.deepcopy(self.others.get(ast.unparse(node), node))


class Exchange(ast.NodeTransformer):
    """Puts expressions in the places of others."""

    def __init__(self, others: dict[str, str]) -> None:
        self.others = others

    def visit(self, node: ast.AST) -> ast.AST:
        named = isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and isinstance(node.ctx, ast.Load)
        if named or isinstance(node, ast.BinOp):
            other = self.others.get(ast.unparse(node))
            if other is not None:
                return ast.parse(other, mode="eval").body
        return self.generic_visit(node)
