"""Alternatives to the order of axes: transposes missing or too many, reshapes, letters of einsum, lists, loops."""

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.repairs.makers.matrix_products import turned_stacks
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values

TURNS = ("transpose", "swapaxes", "T")


def reorders(slot: Slot) -> Iterator[Alternative]:
    """Yield what may be wrong with the order of axes, parts or steps in a node."""
    node = slot.node
    if isinstance(node, ast.Attribute) and node.attr == "T" and isinstance(node.ctx, ast.Load):
        yield f"`{text_of(node)}` is transposed, and must not be", node.value
    yield from turned_stacks(node)
    if isinstance(node, ast.List) and 1 < len(node.elts) <= 4 and isinstance(slot.parent, ast.Call):
        for order in list(permutations(node.elts))[1:]:
            yield f"the parts in `{text_of(node)}` are in the wrong order", ast.List(list(order), ast.Load())
    if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Store) and 1 < len(node.elts) <= 3 and parts(slot):
        for order in list(permutations(node.elts))[1:]:
            yield f"the names `{text_of(node)}` are in the wrong order", ast.Tuple(list(order), ast.Store())
    yield from exchanged_widths(slot)
    yield from blocks(slot)
    if isinstance(node, ast.Call):
        yield from of_call(slot, node)


def not_transposed(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a square matrix transposed where it is a term, a factor or all of a value: its shape fits either way."""
    node, held = (
        slot.node,
        values.get(ast.unparse(slot.node)) if isinstance(slot.node, ast.Name | ast.Attribute) else None,
    )
    square = isinstance(held, np.ndarray) and held.ndim == 2 and held.shape[0] == held.shape[1]
    term = isinstance(slot.parent, ast.BinOp) and not isinstance(slot.parent.op, ast.MatMult)
    if square and (term or isinstance(slot.parent, ast.Assign | ast.Return)) and isinstance(node.ctx, ast.Load):
        name = ast.unparse(node)
        yield f"`{name}` must be transposed here: `{name}.T` belongs here", parsed(f"{name}.T")


def turned_parts(slot: Slot) -> Iterator[Alternative]:
    """Yield a part of what is joined, or what is returned, the other way round in time: b[:, ::-1] for b."""
    node, parent = slot.node, slot.parent
    joined = isinstance(parent, ast.List | ast.Tuple) and slot.field == "elts" and isinstance(parent.ctx, ast.Load)
    whole = isinstance(parent, ast.Return) or (isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add))
    argument = isinstance(parent, ast.Call) and slot.field == "args"
    if not (joined or whole or argument) or not isinstance(node, ast.Name | ast.Attribute | ast.Call):
        return
    for turn in ("[:, ::-1]", "[::-1]"):
        yield (
            f"`{text_of(node)}` runs the wrong way: `{text_of(node)}{turn}` belongs here",
            parsed(f"({ast.unparse(node)}){turn}"),
        )


def blocks(slot: Slot) -> Iterator[Alternative]:
    """Yield the sum over each block of s x s values for one value of it: g[:, :, ::s, ::s] takes one of them."""
    node = slot.node
    if (
        not isinstance(node, ast.Subscript)
        or not isinstance(node.slice, ast.Tuple)
        or not isinstance(node.ctx, ast.Load)
    ):
        return
    places = [ast.unparse(one) for one in node.slice.elts]
    steps = {i: one[2:] for i, one in enumerate(places) if re.fullmatch(r"::[\w.\[\]]+", one)}
    if not steps:
        return
    starts = {i: f"i{i}_" for i in steps}
    inner = ", ".join(f"{starts[i]}::{steps[i]}" if i in steps else one for i, one in enumerate(places))
    loops = " ".join(f"for {starts[i]} in range({step})" for i, step in steps.items())
    text = (
        f"`{text_of(node)}` takes one value of each block of {' x '.join(steps.values())}: each input went to all of "
        "the block, so all gradients of the block must be summed"
    )
    yield text, parsed(f"sum([{ast.unparse(node.value)}[{inner}] {loops}])")


def exchanged_widths(slot: Slot) -> Iterator[Alternative]:
    """Yield two parts cut from the other end: a, b = g[:, -n:], g[:, :-n] for a, b = g[:, :n], g[:, n:]."""
    node = slot.node
    if not isinstance(node, ast.Tuple) or len(node.elts) != 2 or not isinstance(slot.parent, ast.Assign):
        return
    texts = [ast.unparse(one) for one in node.elts]
    found = [re.fullmatch(r"(.*\[(?::, )*)(?::(-?[\w.]+)|(-?[\w.]+):)\]", text) for text in texts]
    if slot.field != "value" or not all(found) or any(one and one.group(2) and one.group(3) for one in found):
        return
    groups = [one.groups() for one in found if one]
    turned = [
        f"{start}{negative(upper)}:]" if upper else f"{start}:{negative(lower)}]" for start, upper, lower in groups
    ]
    text = f"the parts lie the other way round, as forward joins them: `{', '.join(turned)}` belongs here"
    yield text, parsed(", ".join(turned))


def negative(text: str) -> str:
    """Return a bound counted from the other end: -n for n, n for -n."""
    return text[1:] if text.startswith("-") else f"-{text}"


def parts(slot: Slot) -> bool:
    """Return whether the names on the left of an assignment are parts of something: a split, two slices."""
    value = getattr(slot.parent, "value", None)
    values = value.elts if isinstance(value, ast.Tuple) else [value]
    return any(isinstance(one, ast.Subscript | ast.Call) for one in values) and "take" not in ast.unparse(slot.parent)


def of_call(slot: Slot, node: ast.Call) -> Iterator[Alternative]:
    """Yield what may be wrong with the order of axes in a call."""
    method = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") != "np"
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    value: Any = node.func.value if method else (node.args[0] if node.args else None)  # type: ignore[attr-defined]
    if name in TURNS and value is not None:
        yield f"`{text_of(value)}` is transposed here, and must not be", value
    if name == "transpose" and node.args and not isinstance(node.args[-1], ast.Tuple | ast.Constant):
        axes = node.args[-1]
        back = ast.Call(node.func, [*node.args[:-1], parsed(f"np.argsort({ast.unparse(axes)})")], [])
        text = f"`{text_of(axes)}` is the order of forward: what undoes it is `np.argsort({text_of(axes)})`"
        yield text, back
    if name == "einsum" and node.args and isinstance(node.args[0], ast.Constant):
        yield from letters(node)
    if name == "reversed" and node.args:
        yield f"the loop over `{text_of(node)}` must run forwards", node.args[0]
    if name == "range" and isinstance(slot.parent, ast.For):
        yield (
            f"the loop over `{text_of(node)}` must run backwards",
            ast.Call(ast.Name("reversed", ast.Load()), [node], []),
        )


def letters(node: ast.Call) -> Iterator[Alternative]:
    """Yield einsum with two letters of one of its parts exchanged."""
    first = node.args[0]
    written = str(first.value) if isinstance(first, ast.Constant) else ""
    parts = written.replace("->", ",").split(",")
    for i, part in enumerate(parts):
        for a, b in combinations(range(len(part)), 2):
            swapped = list(part)
            swapped[a], swapped[b] = part[b], part[a]
            changed = [*parts[:i], "".join(swapped), *parts[i + 1 :]]
            text = f"{','.join(changed[:-1])}->{changed[-1]}"
            what = "of the result" if i == len(parts) - 1 else f"of factor {i + 1}"
            yield (
                f'the letters {what} in einsum("{written}") are exchanged: it should be "{text}"',
                ast.Call(node.func, [ast.Constant(text), *node.args[1:]], node.keywords),
            )


def turns_of(trees: Sequence[ast.FunctionDef]) -> list[tuple[int, ...]]:
    """Return the orders of axes that functions transpose to, and those that undo them."""
    found: dict[tuple[int, ...], None] = {}
    for node in (one for tree in trees for one in ast.walk(tree)):
        given = list(node.args) if isinstance(node, ast.Call) and "transpose" in ast.unparse(node.func) else []
        axes = given[-1].elts if given and isinstance(given[-1], ast.Tuple) else given
        order = tuple(one.value for one in axes if isinstance(one, ast.Constant) and isinstance(one.value, int))
        if len(order) > 2 and sorted(order) == list(range(len(order))):
            found |= dict.fromkeys((order, tuple(order.index(i) for i in range(len(order)))))
    return list(found)


def turned_as_elsewhere(slot: Slot, turns: Sequence[tuple[int, ...]]) -> Iterator[Alternative]:
    """Yield a reshape of an array that is transposed before as forward does it, or back."""
    node = slot.node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reshape":
        for turn in turns:
            inside = ast.Call(
                ast.Attribute(node.func.value, "transpose", ast.Load()), [ast.Constant(i) for i in turn], []
            )
            text = f"`{text_of(node.func.value)}` must be transposed before it is reshaped: `.transpose{turn}`"
            right = ast.Call(ast.Attribute(inside, "reshape", ast.Load()), node.args, node.keywords)
            yield f"{text} is missing, which forward has, or its reverse", right
