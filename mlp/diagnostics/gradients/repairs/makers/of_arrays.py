"""Alternatives to what is done with whole arrays: no copy, tile for repeat, no conjugate, a mean over what counts."""

import ast
import copy
from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.repairs.search.moves import Exchange
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values

NEW_AXES = ("None", "np.newaxis")
OTHER_SIDE = {"floor": "ceil", "ceil": "floor"}


def of_arrays(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield all of them, those that are seldom wrong last."""
    yield from conjugates(slot, values)
    yield from like_its_neighbour(slot)
    yield from repeated_otherwise(slot, values)
    yield from means_of_rows(slot, values)


def copies(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a copy for another name of the same array, and `a = a * b` for `a *= b`, which writes into it."""
    node = slot.node
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute | ast.Subscript):
        held = values.get(ast.unparse(node.value))
        plain = isinstance(node.targets[0], ast.Name | ast.Attribute)
        if plain and isinstance(held, np.ndarray) and held.dtype.kind == "f":
            right = ast.Assign(node.targets, parsed(f"{ast.unparse(node.value)}.copy()"), lineno=node.lineno)
            text = (
                f"`{text_of(node)}` makes no new array, only another name for the same one, and what is written into "
                f"it later changes both: `{ast.unparse(right)}` belongs here"
            )
            yield text, right
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name | ast.Attribute):
        name = ast.unparse(node.target)
        if isinstance(values.get(name), np.ndarray):
            value = ast.BinOp(parsed(name), node.op, node.value)
            right = ast.Assign([node.target], value, lineno=node.lineno)
            text = (
                f"`{text_of(node)}` writes into an array that is still used under another name: "
                f"`{ast.unparse(right)}` makes a new one"
            )
            yield text, right


def conjugates(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield the conjugate of complex numbers, of a Fourier transform, say, or the numbers themselves."""
    node = slot.node
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("conj", "conjugate"):
        inside = node.args[0] if node.args else node.func.value
        yield f"`{text_of(node)}` stands where `{text_of(inside)}` belongs, without the conjugate", inside
        return
    name = ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) else ""
    held = values.get(name)
    if not isinstance(held, np.ndarray) or held.dtype.kind != "c" or not isinstance(node.ctx, ast.Load):
        return
    if isinstance(slot.parent, ast.BinOp) or slot.field == "args":
        text = (
            f"`{name}` stands where `np.conj({name})` belongs: the gradient of a product of Fourier transforms takes "
            "the conjugate of the other factor (a convolution becomes a correlation)"
        )
        yield text, parsed(f"np.conj({name})")


def like_its_neighbour(slot: Slot) -> Iterator[Alternative]:
    """Yield a slice that moves as that of the other axis does: j * s:j * s + K for j:j + K beside i * s:i * s + K."""
    node, parent = slot.node, slot.parent
    if not isinstance(node, ast.Slice) or not isinstance(parent, ast.Tuple):
        return
    own = [one.id for one in ast.walk(node) if isinstance(one, ast.Name)]
    for other in [one for one in parent.elts if isinstance(one, ast.Slice) and one is not node]:
        theirs = [one.id for one in ast.walk(other) if isinstance(one, ast.Name)]
        mine_alone = [name for name in dict.fromkeys(own) if name not in theirs]
        theirs_alone = [name for name in dict.fromkeys(theirs) if name not in own]
        for chosen in permutations(theirs_alone, len(mine_alone)) if 0 < len(mine_alone) < 3 else ():
            right = Exchange(dict(zip(chosen, mine_alone, strict=True))).visit(copy.deepcopy(other))
            if ast.unparse(right) != ast.unparse(node):
                text = f"`{ast.unparse(node)}` does not move as `{ast.unparse(other)}` does along the other axis"
                yield f"{text}: `{ast.unparse(right)}` belongs here", right


def repeated_otherwise(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield np.repeat for np.tile, a a b b for a b a b, and the reverse; floor for ceil."""
    node = slot.node
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return
    name, of_np = node.func.attr, getattr(node.func.value, "id", "") in ("np", "math")
    arguments = [*node.args] if of_np else [node.func.value, *node.args]
    if name in OTHER_SIDE and of_np:
        right = f"{ast.unparse(node.func.value)}.{OTHER_SIDE[name]}({', '.join(map(ast.unparse, node.args))})"
        yield f"`{text_of(node)}` rounds to the wrong side: `{right}` belongs here", parsed(right)
    if name == "tile" and len(arguments) == 2:
        array, counts = ast.unparse(arguments[0]), arguments[1]
        each = counts.elts if isinstance(counts, ast.Tuple | ast.List) else [counts]
        right = array
        for place, count in enumerate(each, -len(each)):
            if ast.unparse(count) != "1":
                right = f"np.repeat({right}, {ast.unparse(count)}, axis={place})"
        text = "np.tile repeats the whole array, a b a b, and each value must be repeated, a a b b"
        yield f"{text}: `{right}` belongs here", parsed(right)
    axis = next((one.value for one in node.keywords if one.arg == "axis"), None)
    dimensions = getattr(values.get(ast.unparse(arguments[0])), "ndim", 0) if arguments else 0
    if name == "repeat" and len(arguments) == 2 and axis is not None and dimensions:
        number: Any = ast.literal_eval(axis) if isinstance(axis, ast.Constant | ast.UnaryOp) else None
        if isinstance(number, int):
            many = ["1"] * dimensions
            many[number] = ast.unparse(arguments[1])
            right = f"np.tile({ast.unparse(arguments[0])}, ({', '.join(many)}))"
            text = "np.repeat repeats each value, a a b b, and the whole array must be repeated, a b a b"
            yield f"{text}: `{right}` belongs here", parsed(right)


def means_of_rows(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a mean over the places that count, for one over all of an axis: (a * m).sum(1) / m.sum(1)."""
    node = slot.node
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "mean":
        return
    if not any(keyword.arg == "axis" for keyword in node.keywords):
        return
    of_np = getattr(node.func.value, "id", "") == "np"
    inside = node.args[0] if of_np else node.func.value
    how = ", ".join(ast.unparse(keyword) for keyword in node.keywords)
    held = {ast.unparse(one): values.get(ast.unparse(one)) for one in ast.walk(inside) if isinstance(one, ast.expr)}
    for name in [name for name, value in held.items() if of_zeros_and_ones(value)]:
        right = f"({ast.unparse(inside)}).sum({how}) / {name}.sum({how})"
        text = f"the mean runs over all places, and must run over those alone where `{name}` is 1"
        yield f"{text}: `{right}` belongs here", parsed(f"({right})")


def of_zeros_and_ones(value: Any) -> bool:
    """Return whether a value is an array of 0 and 1, both of them."""
    return (
        isinstance(value, np.ndarray) and value.ndim > 0 and bool(np.isin(value, (0, 1)).all()) and np.ptp(value) == 1
    )


def shapes_in(forward: ast.FunctionDef | None) -> dict[str, list[str]]:
    """Return {array: with the axes that forward gives it}: self.a -> self.a[:, None, None], self.a.reshape(1, -1)."""
    found: dict[str, list[str]] = {}
    for node in ast.walk(forward) if forward is not None else ():
        if isinstance(node, ast.Subscript) and any(ast.unparse(i) in NEW_AXES for i in ast.walk(node.slice)):
            found.setdefault(ast.unparse(node.value), []).append(ast.unparse(node))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "reshape":
            found.setdefault(ast.unparse(node.func.value), []).append(ast.unparse(node))
    return found


def with_its_axes(slot: Slot, shapes: Mapping[str, Sequence[str]]) -> Iterator[Alternative]:
    """Yield an array with the axes that forward gives it, in the place of the array, or of a part of it."""
    node, parent = slot.node, slot.parent
    if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript) or not isinstance(node.ctx, ast.Load):
        return
    part = isinstance(node, ast.Subscript) and not (
        isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
    )
    own, base = (
        ast.unparse(node),
        ast.unparse(node.value) if part and isinstance(node, ast.Subscript) else ast.unparse(node),
    )
    if not isinstance(parent, ast.Attribute | ast.Subscript):
        for form in shapes.get(base, ()):
            if form != own:
                yield f"`{own}` stands where `{form}` belongs, as in forward", parsed(form)
