"""Alternatives with a line more: what is not kept for the next call, what the other one of a pair gets."""

import ast
import copy
import re
from collections.abc import Collection, Iterator

import numpy as np

from mlp.diagnostics.gradients.repairs.search.homes import homes_not_written, lines_back
from mlp.diagnostics.gradients.repairs.search.moves import Exchange, blocks_of, head
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed, text_of
from mlp.diagnostics.gradients.repairs.values import Values

AXES = {"0": "1", "1": "0", "2": "1", "-1": "-2", "-2": "-1"}  # of a matrix of pairs: the one, and the other


def missing_lines(tree: ast.FunctionDef) -> Iterator[tuple[Slot, Iterator[Alternative]]]:
    """Yield each line with those that may be missing after it."""
    homes = homes_not_written(tree)
    targets = [node.target for node in ast.walk(tree) if isinstance(node, ast.For)]
    loops = [target.id for target in targets if isinstance(target, ast.Name)]
    for node, field, block in blocks_of(tree):
        for i, line in enumerate(block):
            back = [(text, new) for after, text, new in lines_back(block, homes) if after == i]
            new = [*back, *of_both(line, loops), *of_other_neighbour(line), *of_itself(line)]
            found = [(text, [*block[: i + 1], one, *block[i + 1 :]]) for text, one in new]
            if found:
                yield Slot(node, field, None, block, text_of(line), line.lineno), iter(found)


def gates_in_time(
    tree: ast.FunctionDef, gradients: Collection[str], values: Values
) -> Iterator[tuple[Slot, Iterator[Alternative]]]:
    """Yield each loop with one line more at its end: a gradient that the step before gets is multiplied by a gate."""
    for loop in (node for node in ast.walk(tree) if isinstance(node, ast.For)):
        stored = {n.id for line in loop.body for n in ast.walk(line) if isinstance(n, ast.Name)} & set(gradients)
        arrays = [n for n, v in values.items() if isinstance(v, np.ndarray) and "." not in n and n not in gradients]
        slot = Slot(loop, "body", None, loop.body, head(loop), loop.lineno)
        for name in stored if len(loop.body) > 1 else ():
            gates = [n for n in arrays if values[n].shape == getattr(values.get(name), "shape", None)]
            texts = [f"{name} = {name} * {gate}" for gate in gates]
            yield (
                slot,
                ((f"the line `{one}` is missing at the end of the loop", [*loop.body, line_of(one)]) for one in texts),
            )


def line_of(text: str) -> ast.stmt:
    """Return a line of code as a node."""
    return ast.parse(text).body[0]


def of_both(line: ast.stmt, loops: list[str]) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the line for the other one of a pair: d[j] -= g after d[i] += g."""
    if not isinstance(line, ast.AugAssign) or not isinstance(line.target, ast.Subscript):
        return
    index = ast.unparse(line.target.slice)
    inside = {node.id for node in ast.walk(line.target.slice) if isinstance(node, ast.Name)}
    for one in [name for name in loops if name in inside]:
        for other in [name for name in loops if name not in inside]:
            for op in (ast.Sub(), ast.Add()):
                new = copy.deepcopy(line)
                new.op = op if isinstance(line.op, ast.Add) else (ast.Add() if isinstance(op, ast.Sub) else ast.Sub())
                part = Exchange({one: other}).visit(new.target.slice)  # type: ignore[union-attr]
                assert isinstance(part, ast.expr) and isinstance(new.target, ast.Subscript)
                new.target.slice = part
                text = (
                    f"only the one of each pair, [{index}], gets a gradient; the other one has its own: the line "
                    f"`{head(new)}` is missing"
                )
                yield text, new


def of_other_neighbour(line: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the line for the other one of two neighbours: d[:, :-1] -= g after d[:, 1:] += g."""
    if not isinstance(line, ast.AugAssign) or not isinstance(line.target, ast.Subscript):
        return
    index = ast.unparse(line.target)
    for one, other in (("1:", ":-1"), (":-1", "1:")):
        twin = re.sub(rf"(?<=[\[ ]){one}(?=[,\]])", other, index)  # a whole slice, not the end of a longer one
        for sign in ("-=", "+=") if twin != index else ():
            new = f"{twin} {sign} {ast.unparse(line.value)}"
            yield f"only the one of two neighbours gets a gradient: the line `{new}` is missing", line_of(new)


def of_itself(line: ast.stmt) -> Iterator[tuple[str, ast.stmt]]:
    """Yield the line that leaves each row out of its own comparison: the diagonal of the scores is -inf."""
    if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
        name, value = line.targets[0].id, line.value
        if any(isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult) for node in ast.walk(value)):
            new = f"np.fill_diagonal({name}, -np.inf)"
            text = f"each row is compared with itself, too, and must be left out: the line `{new}` is missing"
            yield text, line_of(new)


def both_sides(slot: Slot) -> Iterator[Alternative]:
    """Yield a sum over pairs with the sum over the other axis: p.sum(axis=1) - p.sum(axis=0)."""
    node = slot.node
    sums = isinstance(node, ast.Call) and ast.unparse(node.func).endswith("sum")
    if not sums or isinstance(slot.parent, ast.BinOp):
        return
    for i, keyword in enumerate(node.keywords):
        other = AXES.get(ast.unparse(keyword.value)) if keyword.arg == "axis" else None
        for sign in ("-", "+") if other else ():
            twin = copy.deepcopy(node)
            twin.keywords[i] = ast.keyword("axis", parsed(str(other)))
            text = f"only the one of each pair gets a gradient: the term `{sign} {ast.unparse(twin)}` is missing"
            yield text, parsed(f"{ast.unparse(node)} {sign} {ast.unparse(twin)}")
