"""Alternatives to indices and slices: x[a:b], or slice(a, b) with a name of its own."""

import ast
import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, cast

import numpy as np

from mlp.diagnostics.gradients.repairs.search.moves import Exchange, loaded
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values, is_size

MOST_EXCHANGED = 8  # numbers of a place of which two are exchanged


def indices(slot: Slot) -> Iterator[Alternative]:
    """Indices and slices that are off by one."""
    node = slot.node
    if isinstance(node, ast.Subscript):
        if isinstance(node.ctx, ast.Load):
            turned = "::-1" in ast.unparse(node.slice)
            what = "runs backwards, and must be taken as it is" if turned else "is a part where the whole belongs"
            yield f"`{text_of(node)}` {what}", node.value
        if isinstance(node.slice, ast.Name | ast.BinOp):
            for word, op in (("early", ast.Add()), ("late", ast.Sub())):
                moved = ast.BinOp(node.slice, op, parsed("1"))
                yield f"the index of `{text_of(node)}` is one too {word}", ast.Subscript(node.value, moved, node.ctx)
    if is_call_of_slice(node):
        slices = indices(replace(slot, node=as_slice(node)))
        yield from ((text, as_call(part)) for text, part in slices if isinstance(part, ast.Slice))
    if isinstance(node, ast.Slice):
        for bounds in ((None, node.upper, node.step), (node.lower, None, node.step), (node.lower, node.upper, None)):
            if bounds != (node.lower, node.upper, node.step):
                what = "the step" if bounds[2] is not node.step else "a bound"
                yield f"{what} of the slice `{text_of(node)}` is one too many", ast.Slice(*bounds)
        for word, op in (("early", ast.Add()), ("late", ast.Sub())):
            if node.lower is not None and node.upper is not None:
                low, high = (ast.BinOp(end, op, parsed("1")) for end in (node.lower, node.upper))
                yield f"the slice `{text_of(node)}` starts and ends one too {word}", ast.Slice(low, high, node.step)
        if node.step is None and node.lower is None and node.upper is not None:
            text = f"the slice `{text_of(node)}` is cut off at the wrong end: "
            negative = isinstance(node.upper, ast.UnaryOp) and isinstance(node.upper.op, ast.USub)
            end = node.upper.operand if negative else ast.UnaryOp(ast.USub(), node.upper)  # type: ignore[attr-defined]
            yield f"{text}`{ast.unparse(end)}:` belongs here", ast.Slice(end, None, None)
        if node.step is None and node.lower is not None and node.upper is None:
            text = f"the slice `{text_of(node)}` is cut off at the wrong end: "
            negative = isinstance(node.lower, ast.UnaryOp) and isinstance(node.lower.op, ast.USub)
            end = node.lower.operand if negative else ast.UnaryOp(ast.USub(), node.lower)  # type: ignore[attr-defined]
            yield f"{text}`:{ast.unparse(end)}` belongs here", ast.Slice(None, end, None)
        if node.step is None and node.lower is None and node.upper is None:
            yield "an axis runs the wrong way: [::-1] is missing", ast.Slice(None, None, parsed("-1"))


def is_call_of_slice(node: Any) -> bool:
    """Return whether a node is slice(...), a slice with a name of its own."""
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "slice" and 1 <= len(node.args) <= 3


def as_slice(node: Any) -> ast.Slice:
    """Return slice(a, b) as it is written in an index: a:b."""
    ends = [None if ast.unparse(one) == "None" else one for one in node.args]
    low, high, step = [None, *ends, None] if len(ends) == 1 else [*ends, None][:3]
    return ast.Slice(low, high, step)


def as_call(node: ast.Slice) -> ast.expr:
    """Return a:b as slice(a, b)."""
    return cast(ast.expr, parsed(index_text(node).replace(", None)", ")")))


def index_text(node: ast.expr) -> str:
    """Return an index as an argument: slice(None) for a colon."""
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    texts = []
    for part in parts:
        ends = (part.lower, part.upper, part.step) if isinstance(part, ast.Slice) else ()
        bounds = ", ".join("None" if end is None else ast.unparse(end) for end in ends)
        texts.append(
            "slice(None)" if bounds == "None, None, None" else f"slice({bounds})" if ends else ast.unparse(part)
        )
    return f"({', '.join(texts)})" if len(texts) > 1 else texts[0]


def split_indices(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield the row or the column of the place k in an image, or both, as k // W and k % W for k % H and k // H."""
    parts = slot.node.elts if isinstance(slot.node, ast.Tuple) else [slot.node]
    splits = [one for one in parts if isinstance(one, ast.BinOp) and isinstance(one.op, ast.Mod | ast.FloorDiv)]
    if len(splits) < len(parts) or len({(ast.dump(one.left), ast.dump(one.right)) for one in splits}) != 1:
        return
    k, own = ast.unparse(splits[0].left), ast.unparse(slot.node).strip("()")
    signs = ["//" if isinstance(one.op, ast.FloorDiv) else "%" for one in splits]
    turned = ["%" if sign == "//" else "//" for sign in signs]
    for size in [ast.unparse(splits[0].right), *(name for name, value in values.items() if is_size(value))]:
        for some in (signs, turned):
            right = ", ".join(f"{k} {sign} {size}" for sign in some)
            if right != own:
                yield f"`{own}` splits the index in another way than it was made: `{right}` belongs here", parsed(right)


def indices_exchanged(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a place that is written to with two numbers exchanged: d[n, i + r, j + c] for d[n, i + c, j + r]."""
    node = slot.node
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Store):
        return
    names = [name for name in loaded(node.slice) if is_size(values.get(name))]
    for one, other in combinations(names[:MOST_EXCHANGED], 2):
        new = Exchange({one: other, other: one}).visit(copy.deepcopy(node))
        yield f"`{one}` and `{other}` are exchanged in `{text_of(node)}`", new


def before_the_first(slot: Slot, loops: Sequence[str], values: Values) -> Iterator[Alternative]:
    """Yield what a loop takes of the turn before, with what stands before the first: h[t - 1] is the last at t = 0."""
    node = slot.node
    if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
        return
    own, parts = ast.unparse(node), node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    for turn in loops:
        axes = [axis for axis, part in enumerate(parts) if ast.unparse(part) == f"{turn} - 1"]
        if not axes:
            continue
        why = f"`{own}` is the last one where `{turn}` is 0, because -1 counts from the end:"
        yield f"{why} nothing comes before the first", parsed(f"{own} * ({turn} > 0)")
        whole: Any = values.get(ast.unparse(node.value))
        shape = np.shape(whole)
        one = shape[: axes[0]] + shape[axes[0] + 1 :]
        firsts = [name for name, value in values.items() if isinstance(value, np.ndarray) and value.shape == one]
        for name in firsts:
            first = f"{own} if {turn} > 0 else {name}"
            yield f"{why} `{first}` belongs here", parsed(f"({first})")
