"""Alternatives taken from forward, or for several places at once: indices, names, the Jacobian of a softmax."""

import ast
import copy
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.repairs.makers.slices import as_call, as_slice, is_call_of_slice
from mlp.diagnostics.gradients.repairs.operators import between_two
from mlp.diagnostics.gradients.repairs.search.moves import Exchange
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values, alike, is_numeric, is_size

LIMITS = ("min", "max", "range", "np.arange")  # functions of numbers that count or bound


def index_parts(trees: Sequence[ast.FunctionDef]) -> list[ast.expr]:
    """Return the indices and slices that functions use, one along each axis, without repetitions."""
    found: dict[str, ast.expr] = {}
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Subscript) or is_call_of_slice(node):
                whole = node.slice if isinstance(node, ast.Subscript) else as_slice(node)
                for part in [whole, *whole.elts] if isinstance(whole, ast.Tuple) else [whole]:
                    if any(isinstance(one, ast.Name) for one in ast.walk(part)) or "::" in ast.unparse(part):
                        found.setdefault(ast.unparse(part), part)
    for part in list(found.values()):
        if isinstance(part, ast.Slice) and part.lower is None and part.upper is not None and part.step is None:
            for loop in loops_of(trees[-1]):
                size = ast.unparse(part.upper)
                moved = ast.Slice(parsed(f"{loop} * ({size})"), parsed(f"({loop} + 1) * ({size})"))
                found.setdefault(ast.unparse(moved), moved)
    return list(found.values())[:24]


def loops_of(tree: ast.FunctionDef) -> list[str]:
    """Return the names that loops run over."""
    targets = [node.target for node in ast.walk(tree) if isinstance(node, ast.For | ast.comprehension)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def other_indices(slot: Slot, parts: Sequence[ast.expr]) -> Iterator[Alternative]:
    """Yield another index or slice of forward or backward in the place of one."""
    node, parent = slot.node, slot.parent
    if is_call_of_slice(node):
        for one in parts:
            if isinstance(one, ast.Slice) and ast.dump(one) != ast.dump(as_slice(node)):
                yield f"`{text_of(node)}` is wrong: `{ast.unparse(as_call(one))}` belongs here", as_call(one)
        return
    inside = isinstance(parent, ast.Subscript) and slot.field == "slice"
    of_tuple = isinstance(parent, ast.Tuple) and slot.field == "elts" and isinstance(parent.ctx, ast.Load)
    if not (inside or of_tuple) or not isinstance(node, ast.expr):
        return
    own = ast.unparse(node)
    for part in parts:
        other = ast.unparse(part)
        if other != own and kind_of(part) == kind_of(node):
            yield f"the index `{own}` is wrong: `{other}` belongs here", copy.deepcopy(part)


def turned_back(slot: Slot, parts: Sequence[ast.expr], values: Values) -> Iterator[Alternative]:
    """Yield an array that is turned round as forward does it: dx[:, ::-1] for dx."""
    node = slot.node
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load) or isinstance(slot.parent, ast.Attribute):
        return
    array: Any = values.get(node.id)
    turns = any("::-1" in ast.unparse(part) for part in parts) and isinstance(array, np.ndarray)
    for index in (":, " * axis + "::-1" for axis in range(array.ndim)) if turns else ():
        turned = f"{node.id}[{index}]"
        yield f"`{node.id}` must be turned round here, too: `{turned}`", parsed(turned)


def other_targets(slot: Slot, tree_targets: Sequence[str], values: Values) -> Iterator[Alternative]:
    """Yield another array that a line may write to, where its own is written more than once."""
    node = slot.node
    if not isinstance(node, ast.Name | ast.Attribute | ast.Subscript) or not isinstance(node.ctx, ast.Store):
        return
    own = ast.unparse(node)
    if tree_targets.count(own) < 2 or slot.field != "targets":
        return
    for name, value in values.items():
        if name not in tree_targets and name.startswith("self.") == own.startswith("self.") and is_numeric(value):
            target = parsed(name)
            target.ctx = ast.Store()
            yield f"`{own}` is written twice: `{name}` belongs here", target


def kind_of(index: ast.expr) -> tuple[bool, int]:
    """Return what may stand in the place of an index: whether it is a slice, and for how many axes it is."""
    return isinstance(index, ast.Slice), len(index.elts) if isinstance(index, ast.Tuple) else 1


def everywhere(slot: Slot, arrays: Sequence[str], values: Values) -> Iterator[Alternative]:
    """Yield a statement with another array in all places of one that it uses more than once."""
    node = slot.node
    if not isinstance(node, ast.Assign | ast.AugAssign | ast.Return) or node.value is None:
        return
    names = Counter(
        ast.unparse(one)
        for one in ast.walk(node.value)
        if isinstance(one, ast.Name | ast.Attribute) and isinstance(one.ctx, ast.Load)
    )
    for name, count in names.items():
        if count < 2 or name not in arrays:
            continue
        for other in arrays:
            if other != name and name in values and other in values and alike(values[name], values[other]):
                changed = Exchange({name: other}).visit(copy.deepcopy(node))
                yield f"`{name}` stands where `{other}` belongs, in all places of this line", changed


def operators_everywhere(slot: Slot) -> Iterator[Alternative]:
    """Yield a statement with another operator, or without one, in all places of what it computes more than once."""
    node = slot.node
    if not isinstance(node, ast.Assign | ast.AugAssign | ast.Return) or node.value is None:
        return
    operations = {ast.unparse(one): one for one in ast.walk(node) if isinstance(one, ast.BinOp)}
    counts = Counter(ast.unparse(one) for one in ast.walk(node) if isinstance(one, ast.BinOp))
    for own in [text for text, count in counts.items() if count > 1]:
        for text, new in between_two(operations[own]):
            changed = Exchange({own: f"({ast.unparse(new)})"}).visit(copy.deepcopy(node))
            yield f"{text}: `{ast.unparse(new)}` for `{own}`, in all places of this line", changed


def jacobians(slot: Slot) -> Iterator[Alternative]:
    """Yield p (g - sum(g p)), the product with the Jacobian of a softmax, for p (1 - p) g, its diagonal."""
    node = slot.node
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult):
        return
    factors = [ast.unparse(factor) for factor in product_parts(node)]
    for p in factors:
        rest = [factor for factor in factors if factor not in (p, f"1 - {p}", f"1.0 - {p}")]
        if len(rest) == len(factors) - 2 and rest:
            g = " * ".join(f"({factor})" for factor in rest)
            text = (
                f"`{text_of(node)}` takes the diagonal of the Jacobian of the softmax `{p}` alone: every output of a "
                f"softmax depends on all of its inputs, so with u = {' * '.join(rest)} it is {p} * (u - sum(u * {p}))"
            )
            yield text, parsed(f"{p} * ({g} - ({g} * {p}).sum(axis=-1, keepdims=True))")


def missing_one(slot: Slot) -> Iterator[Alternative]:
    """Yield a length, or where a window or slice begins or ends, one larger or smaller, unless a number ends it."""
    node, parent = slot.node, slot.parent
    if not isinstance(node, ast.BinOp):
        return
    if isinstance(node.op, ast.Add | ast.Sub) and isinstance(node.right, ast.Constant):
        return
    assigned = slot.field == "value" and isinstance(parent, ast.Assign)
    limit = isinstance(parent, ast.Call) and ast.unparse(parent.func) in LIMITS
    if assigned or limit or isinstance(parent, ast.Slice):
        yield f"`- 1` is missing after `{text_of(node)}`", ast.BinOp(node, ast.Sub(), parsed("1"))
        yield f"`+ 1` is missing after `{text_of(node)}`", ast.BinOp(node, ast.Add(), parsed("1"))


def one_off(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a size in a product, one larger or smaller: (h - 1) * s for h * s, d * (k - 1) + 1 for d * k."""
    node, parent = slot.node, slot.parent
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        a, b = map(ast.unparse, (node.left, node.right))
        for right in (f"{a} * ({b} - 1) + 1", f"({a} - 1) * {b} + 1") if {a, b} <= values.keys() else ():
            yield f"`{right}` belongs here for `{text_of(node)}`", parsed(f"({right})")
    size = isinstance(node, ast.Name | ast.Attribute) and is_size(values.get(ast.unparse(node)))
    if size and isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult | ast.FloorDiv):
        for sign, op in (("-", ast.Sub()), ("+", ast.Add())):
            yield f"`{text_of(node)} {sign} 1` belongs here for `{text_of(node)}`", ast.BinOp(node, op, parsed("1"))


def other_lengths(slot: Slot, values: Values) -> Iterator[Alternative]:
    """Yield a difference of two sizes, one larger or smaller: h - k + 1 for h - k."""
    node = slot.node
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        sizes = all(is_size(values.get(ast.unparse(side))) for side in (node.left, node.right))
        for longer in (f"{text_of(node)} + 1", f"{text_of(node)} - 1") if sizes else ():
            yield f"`{longer}` belongs here for `{text_of(node)}`", parsed(longer)


def not_added(slot: Slot, unused: Sequence[str], gradients: Sequence[str], values: Values) -> Iterator[Alternative]:
    """Yield a line whose value is never used as one that adds it to a gradient: dx = dx + (...) for other = ..."""
    node = slot.node
    if not isinstance(node, ast.Assign) or len(node.targets) != 1:
        return
    yield from carried_over(slot, node)
    if ast.unparse(node.targets[0]) not in unused:
        return
    name = ast.unparse(node.targets[0])
    held = values.get(name)
    if not isinstance(held, np.ndarray):
        return
    for other in gradients:
        twin = values.get(other)
        if other.isidentifier() and other != name and isinstance(twin, np.ndarray) and twin.shape == held.shape:
            text = f"`{name}` is computed and never used: it must be added, `{other} = {other} + {name}`"
            total = parsed(f"{other} + ({ast.unparse(node.value)})")
            yield text, ast.Assign([ast.Name(other, ast.Store())], total, lineno=node.lineno)


def carried_over(slot: Slot, node: ast.Assign) -> Iterator[Alternative]:
    """Yield a line that overwrites what the end of the loop left for this step as one that adds to it."""
    target, loop, index = node.targets[0], slot.parent, slot.index or 0
    if not isinstance(loop, ast.For) or slot.field != "body" or not isinstance(target, ast.Name):
        return
    named = [[n for n in ast.walk(line) if isinstance(n, ast.Name) and n.id == target.id] for line in loop.body]
    later = any(isinstance(n.ctx, ast.Store) for line in named[index + 1 :] for n in line)
    if later and len(named[index]) == 1 and not any(named[:index]):
        total = f"{target.id} + ({ast.unparse(node.value)})"
        text = f"`{target.id}`, which the end of the loop left for this step, is overwritten: it must be added"
        yield f"{text}, `{target.id} = {total}`", ast.Assign([target], parsed(total), lineno=node.lineno)


def chosen(slot: Slot, loops: Sequence[str], values: Values) -> Iterator[Alternative]:
    """Yield a gradient for the kept place alone, zero elsewhere: g * (best == p) for g."""
    name = ast.unparse(slot.node) if isinstance(slot.node, ast.Name) and isinstance(slot.node.ctx, ast.Load) else ""
    held = values.get(name)
    if not isinstance(held, np.ndarray) or held.ndim == 0:
        return
    whole = [n for n, v in values.items() if isinstance(v, np.ndarray) and v.dtype.kind == "i"]
    for place in [n for n in whole if values[n].shape == held.shape]:
        for loop in loops:
            mask = f"({place} == {loop})"
            yield f"the factor `{mask}` is missing in `{name}`: only the chosen one gets it", parsed(f"{name} * {mask}")


def fewer_factors(slot: Slot) -> Iterator[Alternative]:
    """Yield a product without two of its factors."""
    node, parent = slot.node, slot.parent
    inner = isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult) and slot.field == "left"
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Mult) or inner:
        return
    factors = product_parts(node)
    for a, b in combinations(range(len(factors)), 2):
        rest = [factor for i, factor in enumerate(factors) if i not in (a, b)]
        if rest:
            text = f"the factors `{text_of(factors[a])}` and `{text_of(factors[b])}` are too many"
            yield text, parsed(" * ".join(f"({ast.unparse(factor)})" for factor in rest))


def product_parts(node: ast.expr) -> list[ast.expr]:
    """Return the factors of a product."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*product_parts(node.left), *product_parts(node.right)]
    return [node]
