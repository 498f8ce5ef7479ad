"""Changes of lines in which a rule remembers something in a wrong way: only once, the last value, in another place."""

import ast
import copy
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, located, parsed, short

MOST_READS = 6  # of a maximum, below the line that makes it
HoldsValues = ast.Name | ast.Attribute | ast.Subscript


def written_always(slot: Slot) -> Iterator[Alternative]:
    """Yield an assignment in the place of setdefault, which keeps the first value: x = d.setdefault(k, new)."""
    node = slot.node
    call = node.value if isinstance(node, ast.Expr | ast.Assign) else None
    if not isinstance(call, ast.Call) or len(call.args) != 2:
        return
    if isinstance(call.func, ast.Attribute) and call.func.attr == "setdefault":
        place = ast.Subscript(call.func.value, call.args[0], ast.Store())
        targets = node.targets if isinstance(node, ast.Assign) else []
        new = located(ast.Assign([*targets, place], call.args[1]))
        text = (
            "`setdefault` changes nothing where the key is there already, so what is remembered stays as it was in "
            f"the first step: `{ast.unparse(new)}` belongs here"
        )
        yield text, new


def largest_kept(slot: Slot) -> Iterator[Alternative]:
    """Yield the larger one of the old value and the new one, where a line remembers the new one: a = max(a, v)."""
    node = slot.node
    target = node.targets[0] if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
    if not isinstance(target, ast.Attribute | ast.Subscript) or not isinstance(node.value, HoldsValues):
        return
    home, value = ast.unparse(target), ast.unparse(node.value)
    before = [home]
    if isinstance(target, ast.Subscript):
        before.append(f"{ast.unparse(target.value)}.get({ast.unparse(target.slice)}, 0.0)")
    for old in before:
        line = f"{home} = np.maximum({old}, {value})"
        yield f"the largest one so far is to be kept: `{line}` belongs here", ast.parse(line).body[0]


def largest_used(slot: Slot, tree: ast.FunctionDef | None) -> Iterator[Alternative]:
    """Yield the maximum where one of its values is read below it: a = max(a, v), and then v."""
    node = slot.node
    if tree is None or not isinstance(node, HoldsValues) or not isinstance(node.ctx, ast.Load):
        return
    own = ast.unparse(node)
    for line in [one for one in ast.walk(tree) if isinstance(one, ast.Assign) and one.lineno < node.lineno]:
        largest = target_of(line)
        if own in values_of_maximum(line) and own != largest:
            yield f"`{own}` stands where the maximum `{largest}` belongs", parsed(largest)


def own_maxima(tree: ast.FunctionDef) -> Iterator[tuple[Slot, Iterator[Alternative]]]:
    """Yield a function whose maximum v = max(a, v) is kept in a, and read from there in some of the lines below."""
    for line in [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]:
        target, largest = target_of(line), other_of_maximum(line)
        if largest:
            slot = Slot(tree, "body", None, tree.body, short(line), line.lineno)
            yield slot, with_own_maximum(tree, line, target, largest)


def with_own_maximum(tree: ast.FunctionDef, line: ast.Assign, mean: str, largest: str) -> Iterator[Alternative]:
    """Yield the body with the maximum in another place; as many of the lines below as possible read it there."""
    reads = ReadsBelow(line.lineno, mean, largest)
    reads.visit(copy.deepcopy(tree))
    in_place = "[...]" if ast.unparse(line.targets[0]) != mean else ""
    new = f"{largest}{in_place} = {ast.unparse(line.value)}"
    text = f"`{new}` belongs here, and `{largest}` where the maximum is used below"
    for number in range(reads.count if reads.count <= MOST_READS else 0):
        for left_out in combinations(range(reads.count), number):
            changed: Any = ReadsBelow(line.lineno, mean, largest, left_out).visit(copy.deepcopy(tree))
            twin = next(one for one in ast.walk(changed) if isinstance(one, ast.Assign) and same_place(one, line))
            twin.targets = ast.parse(new).body[0].targets  # type: ignore[attr-defined]
            yield text, changed.body


def other_of_maximum(line: ast.Assign) -> str:
    """Return a for v = np.maximum(a, v); or ""."""
    names = values_of_maximum(line)
    return next((one for one in names if one != target_of(line)), "") if target_of(line) in names else ""


def values_of_maximum(line: ast.Assign) -> list[str]:
    """Return the names of a and v for x = np.maximum(a, v); none for other lines."""
    value = line.value
    if len(line.targets) != 1 or not isinstance(value, ast.Call) or not ast.unparse(value.func).endswith(".maximum"):
        return []
    return [ast.unparse(one) for one in value.args if isinstance(one, HoldsValues)]


def target_of(line: ast.Assign) -> str:
    """Return what a line gives a new value, also one that is written in place: v for v[...]."""
    target = line.targets[0]
    whole = isinstance(target, ast.Subscript) and ast.unparse(target.slice) in ("...", ":")
    return ast.unparse(target.value if whole and isinstance(target, ast.Subscript) else target)


def same_place(one: ast.Assign, other: ast.Assign) -> bool:
    return (one.lineno, one.col_offset) == (other.lineno, other.col_offset)


class ReadsBelow(ast.NodeTransformer):
    """Reads another expression wherever one is read below a line, but for some of these places; counts them."""

    def __init__(self, line: int, name: str, other: str, left_out: Sequence[int] = ()) -> None:
        self.line, self.name, self.other, self.left_out, self.count = line, name, other, left_out, 0

    def visit(self, node: ast.AST) -> ast.AST:
        if not isinstance(node, HoldsValues) or not isinstance(node.ctx, ast.Load) or node.lineno <= self.line:
            return self.generic_visit(node)
        if ast.unparse(node) != self.name:
            return self.generic_visit(node)
        self.count += 1
        return node if self.count - 1 in self.left_out else ast.parse(self.other, mode="eval").body
