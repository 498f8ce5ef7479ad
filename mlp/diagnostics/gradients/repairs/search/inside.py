"""The values inside backward: dz is compared with dL/dz, which is measured by moving z right after forward made it.

So each value is right or wrong by itself, even where a later line spoils all gradients that depend on it.
"""

import ast
import copy
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.budget import affordable
from mlp.diagnostics.gradients.diagnoses.evidence import Point, distance
from mlp.diagnostics.gradients.finite_differences import STEP
from mlp.diagnostics.gradients.repairs.search.moves import blocks_of
from mlp.diagnostics.gradients.repairs.sources import Source
from mlp.typing import Array, Shape

INSERTED = "__moved__"  # the name of `Move` in the changed code
OF_NAME = re.compile(r"(?:self\.)?_?(?:d_?[lL]_?d_?|grads?_?|delta_?|d_?|g_?)(\w+)")  # dz, d_z, dLdz, grad_z
BEFORE_WORD = re.compile(r"(?:self\.)?_?(\w+?)_?(?:grad|delta)")  # z_grad
COORDINATES = 24  # of each value
SAME = 1e-5


@dataclass(frozen=True)
class Inside:
    """A value of backward and what it should be.

    Attributes:
        name: in backward, dz. of: what forward calls the value, z, with its shape. places: in the flat array that were
            measured. right: the derivatives there.
    """

    name: str
    of: str
    shape: Shape
    places: Array
    right: Array

    @property
    def whole(self) -> Array | None:
        """The derivative everywhere; None where it was not measured everywhere."""
        if self.places.size < math.prod(self.shape):
            return None
        return self.right[np.argsort(self.places)].reshape(self.shape)

    def is_right(self, value: Any) -> bool:
        """Return whether a value that backward gave is the derivative."""
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or value.size <= self.places.max():
            return False
        return distance(value.ravel()[self.places], self.right) < SAME


@dataclass
class Move:
    """Moves one coordinate of one name's value; keeps all values of all names, while it moves none."""

    name: str = ""
    place: int = 0
    step: float = 0.0
    seen: dict[str, list[Any]] = field(default_factory=dict)

    def __call__(self, name: str, value: Any) -> Any:
        if not self.name:
            self.seen.setdefault(name, []).append(value)
        if name != self.name:
            return value
        value = np.array(value)
        value.flat[self.place] += self.step
        return value


def values_inside(point: Point, forward: Source, backward: Source) -> list[Inside]:
    """Return the values of backward whose derivatives could be measured, in the order of its lines."""
    made = names_made(forward.tree)
    short = {name.removeprefix("self.").lstrip("_"): name for name in made}
    pairs = {name: short[key] for name in gradients_made(backward.tree) for key in meanings(name) if key in short}
    move = Move()
    space = forward.function.__globals__
    tree = with_moves(forward.tree, set(pairs.values()))
    space[INSERTED] = move
    try:
        with forward.replaced(replace(forward, tree=tree).compiled()):
            point.probe.outputs()
            once = {name: seen[0] for name, seen in move.seen.items() if len(seen) == 1}
            pairs = {name: of for name, of in pairs.items() if is_array(once.get(of))}
            if not affordable(point.probe.outputs, 2 * COORDINATES * len(pairs) + 1):
                return []
            found = [measured(point, move, name, (of, once[of].shape)) for name, of in pairs.items()]
    finally:
        del space[INSERTED]
    return [one for one in found if one.right.any()]


def is_array(value: Any) -> bool:
    """Return whether a value is an array of floats."""
    return isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size > 1


def measured(point: Point, move: Move, name: str, of: tuple[str, Shape]) -> Inside:
    """Return the derivative with respect to a value of forward, of a name and a shape, at a few places."""
    move.name, shape = of
    places = np.random.default_rng(0).permutation(math.prod(shape))[:COORDINATES]
    slopes = []
    for place in places:
        move.place = int(place)
        ends = []
        for move.step in (STEP, -STEP):
            ends.append(point.probe.outputs())
        slopes.append(float((point.upstream * (ends[0] - ends[1])).sum()) / (2.0 * STEP))
    move.name = ""
    return Inside(name, of[0], shape, places, np.array(slopes))


def meanings(name: str) -> Iterator[str]:
    """Yield what a name may be the gradient of: z for dz."""
    for pattern in (OF_NAME, BEFORE_WORD):
        match = pattern.fullmatch(name)
        if match:
            yield match.group(1)


def stores(tree: ast.AST) -> Iterator[tuple[str, ast.AST, ast.expr | None]]:
    """Yield (name, statement, value) for each name or attribute of self that a function gives a value to.

    The value is None where only a part of it is written, or where several are made by one call.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                yield from of_target(target, node, node.value if len(node.targets) == 1 else None)
        elif isinstance(node, ast.AugAssign | ast.For):
            yield from of_target(node.target, node, None)


def of_target(target: ast.expr, statement: ast.AST, value: ast.expr | None) -> Iterator[tuple[str, ast.AST, Any]]:
    """Yield (name, statement, value) for each name of a target."""
    if isinstance(target, ast.Tuple | ast.List):
        values = value.elts if isinstance(value, ast.Tuple) else [value and ast.Constant(None)] * len(target.elts)
        for one, own in zip(target.elts, values, strict=False):
            yield from of_target(one, statement, own)
        return
    part = isinstance(target, ast.Subscript)
    base = target.value if isinstance(target, ast.Subscript) else target
    if isinstance(base, ast.Name | ast.Attribute):
        yield ast.unparse(base), statement, None if part else value


def names_made(tree: ast.FunctionDef) -> dict[str, ast.AST]:
    """Return the names to which forward gives one value, once and as a whole, with the statement; no second names."""
    found = list(stores(tree))
    names = [name for name, _, _ in found]
    arguments = {arg.arg for arg in tree.args.args}
    once = [one for one in found if names.count(one[0]) == 1 and one[2] is not None and one[0] not in arguments]
    return {name: at for name, at, value in once if not isinstance(value, ast.Name | ast.Attribute)}


def gradients_made(tree: ast.FunctionDef) -> list[str]:
    """Return the names to which backward gives one value, which may be added to or filled later, in their order."""
    arguments = {arg.arg for arg in tree.args.args}
    whole = [name for name, at, value in stores(tree) if value is not None and isinstance(at, ast.Assign)]
    return [name for name in dict.fromkeys(whole) if whole.count(name) == 1 and name not in arguments]


def with_moves(tree: ast.FunctionDef, names: set[str]) -> ast.FunctionDef:
    """Return a forward in which some names get their moved values, right after they were made."""
    tree = copy.deepcopy(tree)
    made = names_made(tree)
    lines = {id(at): [name for name in names if made.get(name) is at] for at in made.values()}
    for node, part, block in list(blocks_of(tree)):
        new = []
        for line in block:
            moves = [f"{name} = {INSERTED}({name!r}, {name})" for name in lines.get(id(line), [])]
            new += [line, *(ast.parse(move).body[0] for move in moves)]
        setattr(node, part, new)
    return ast.fix_missing_locations(tree)


def with_right_value(tree: ast.FunctionDef, name: str) -> tuple[ast.FunctionDef, ast.stmt] | None:
    """Return a backward in which a name gets its right value after the last line that writes it, and this line."""
    tree = copy.deepcopy(tree)
    lines = [(i, line) for i, line in enumerate(tree.body) if name in {one for one, _, _ in stores(line)}]
    if not lines:
        return None
    at, line = lines[-1]
    tree.body.insert(at + 1, ast.parse(f"{name} = {INSERTED}").body[0])
    return ast.fix_missing_locations(tree), line
