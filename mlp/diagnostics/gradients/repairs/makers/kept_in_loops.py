"""What forward keeps under one name in each turn of a loop: backward finds that of the last turn alone.

With one for each turn, and that of its own turn for each turn of backward, all gradients must be right.
"""

import ast
import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Point
from mlp.diagnostics.gradients.repairs.search.moves import blocks_of
from mlp.diagnostics.gradients.repairs.search.points import another_point
from mlp.diagnostics.gradients.repairs.search.slots import parsed, short
from mlp.diagnostics.gradients.repairs.sources import Source, source_of
from mlp.diagnostics.gradients.repairs.wrong_line import mended
from mlp.diagnostics.gradients.styles.student_layer import code_of
from mlp.own_code import OWN_ERRORS

TOLD = (
    "each turn of the loop overwrites what the turn before has kept, so backward finds that of the last turn alone: "
    "keep one for each turn, in a list, and let each turn of backward take its own,"
)
EVIDENCE = "with one for each turn, all is right"


def overwritten_by_turns(points: Sequence[Point]) -> Iterator[Diagnosis]:
    """Yield the line of forward that keeps only the last turn's value, if all is right with one for each turn."""
    owner, *names = code_of(points[0].probe.layer)
    forward, backward = (source_of(owner, name) for name in names)
    if forward is None or backward is None or not all(one.searchable for one in points):
        return
    for line in kept_lines(forward.tree):
        name = ast.unparse(line.targets[0])
        for turn in turns_that_read(backward.tree, name):
            both = with_all_turns(forward, line), with_own_turn(backward, name, turn)
            places = [*points, *filter(None, [another_point(points[0])])]
            if all(right_with(both, one) for one in places):
                modes = ", ".join(one.mode for one in points)
                text = f"in line {line.lineno} of forward, `{short(line)}`: {TOLD} `{name}[{turn}]`"
                yield Diagnosis("overwritten by turns", ", ".join(points[0].wrong), modes, text, EVIDENCE)
                return


def kept_lines(tree: ast.FunctionDef) -> list[ast.Assign]:
    """Return the lines of loops that give an attribute a value."""
    lines = [one for loop in ast.walk(tree) if isinstance(loop, ast.For) for one in ast.walk(loop)]
    kept = [one for one in lines if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Attribute)]
    return list(dict.fromkeys(kept))


def turns_that_read(tree: ast.FunctionDef, name: str) -> list[str]:
    """Return the variables of the loops in which a name is read."""
    loops = [node for node in ast.walk(tree) if isinstance(node, ast.For)]
    inside = [loop for loop in loops if any(is_read(node, name) for node in ast.walk(loop))]
    turns = [node.id for loop in inside for node in ast.walk(loop.target) if isinstance(node, ast.Name)]
    return list(dict.fromkeys(turns))


def is_read(node: ast.AST, name: str) -> bool:
    """Return whether a node reads an attribute."""
    return isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load) and ast.unparse(node) == name


def with_all_turns(forward: Source, line: ast.Assign) -> Source:
    """Return forward with one more line after a line, which keeps its value in a list, too."""
    name, tree = ast.unparse(line.targets[0]), copy.deepcopy(forward.tree)
    for _, _, block in list(blocks_of(tree)):
        for i, one in enumerate(block):
            if one.lineno == line.lineno and ast.unparse(one) == ast.unparse(line):
                block.insert(i + 1, ast.parse(f"{name}_of_turns.append({name})").body[0])
                break
    tree.body.insert(0, ast.parse(f"{name}_of_turns = []").body[0])
    return replace(forward, tree=ast.fix_missing_locations(tree))


def with_own_turn(backward: Source, name: str, turn: str) -> Source:
    """Return backward with the value of its own turn in the place of the last one."""

    class Turns(ast.NodeTransformer):
        def visit_Attribute(self, node: ast.Attribute) -> Any:  # noqa: N802
            return parsed(f"{name}_of_turns[{turn}]") if is_read(node, name) else self.generic_visit(node)

    tree = Turns().visit(copy.deepcopy(backward.tree))
    return replace(backward, tree=ast.fix_missing_locations(tree))


def right_with(both: tuple[Source, Source], point: Point) -> bool:
    """Return whether all gradients of a point are right with two changed functions."""
    try:
        with ExitStack() as stack:
            for source in both:
                stack.enter_context(source.of(point.probe.layer).replaced(source.compiled()))
            with np.errstate(all="ignore"):
                return mended(point) >= frozenset(point.wrong)
    except OWN_ERRORS:
        return False
