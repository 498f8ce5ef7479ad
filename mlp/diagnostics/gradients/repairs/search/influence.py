"""Which expressions of backward the wrong values come from: each is moved a little, and what moves with it is seen.

A change of an expression can mend only what depends on it, and spoils what is right and depends on it. So those
expressions come first on which all wrong values depend and no right ones, and many need not be looked at.
"""

import ast
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.budget import now, spend
from mlp.diagnostics.gradients.repairs.search.slots import Slot, short, slots_of
from mlp.diagnostics.gradients.repairs.sources import Source
from mlp.own_code import OWN_ERRORS

RANKS = 4
ALL = 0.95  # a share of values that counts as all
MOVED = "__moved__"  # the name of `Mover.moved` in the changed code
WRAPPED = (ast.Name, ast.Attribute, ast.Subscript, ast.Call, ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp)


@dataclass(frozen=True)
class Influence:
    """What depends on an expression.

    Attributes:
        arrays: names of the gradients. wrong: the share of all wrong values. right: the share of the right values.
    """

    arrays: frozenset[str] = frozenset()
    wrong: float = 0.0
    right: float = 0.0

    def __or__(self, other: "Influence") -> "Influence":
        return Influence(self.arrays | other.arrays, max(self.wrong, other.wrong), max(self.right, other.right))


Run = Callable[[], Mapping[str, Any]]
Compare = Callable[[Mapping[str, Any], Mapping[str, Any]], Influence]


@dataclass
class Mover:
    """Moves the value of one expression, the active one, and remembers whose values can be moved."""

    active: int = -1
    movable: set[int] = field(default_factory=set)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))

    def moved(self, number: int, value: Any) -> Any:
        if self.active < 0:
            if (isinstance(value, np.ndarray) and value.dtype.kind in "bf") or isinstance(value, float | np.floating):
                self.movable.add(number)
            return value
        if number != self.active or not np.size(value):
            return value
        if isinstance(value, np.ndarray) and value.dtype.kind == "b":
            return value ^ (self.rng.random(value.shape) < 0.5)
        return value + (0.3 * np.abs(value).mean() + 1e-3) * self.rng.standard_normal(np.shape(value))


class Wrapper(ast.NodeTransformer):
    """Puts each numbered expression into a call of a function."""

    def __init__(self, name: str) -> None:
        self.name = name

    def visit(self, node: ast.AST) -> Any:
        number = getattr(node, "number", None)
        node = self.generic_visit(node)
        if number is None:
            return node
        arguments: list[Any] = [ast.Constant(number), node]
        return ast.Call(ast.Name(self.name, ast.Load()), arguments, [])


def with_calls(tree: ast.FunctionDef, name: str) -> tuple[ast.FunctionDef, list[Slot]]:
    """Return a tree in which each expression that is read is name(number, expression), and the places of these."""
    wrapped = [slot for slot in slots_of(tree) if can_be_wrapped(slot)]
    wrapped.sort(key=lambda slot: not isinstance(slot.parent, ast.stmt))  # whole lines first
    for number, slot in enumerate(wrapped):
        slot.node.number = number
    changed: ast.FunctionDef = ast.fix_missing_locations(Wrapper(name).visit(copy.deepcopy(tree)))
    for slot in wrapped:
        del slot.node.number
    return changed, wrapped


def influences(source: Source, run: Run, compare: Compare, work: tuple[float, float]) -> dict[int, Influence]:
    """Return, by the id of a node of a source's tree, what depends on it; nothing if the function cannot run.

    Args:
        run: returns the gradients. compare: (gradients, gradients after a move) -> what has moved.
        work: seconds of it for one run, and for all.
    """
    mover, end = Mover(), now() + work[1]
    tree, wrapped = with_calls(source.tree, MOVED)
    space = source.function.__globals__
    space[MOVED] = mover.moved
    found: dict[int, Influence] = {}
    try:
        function = replace(source, tree=tree).compiled()
        with source.replaced(function), np.errstate(all="ignore"):
            before = run()
            for number, slot in enumerate(wrapped):
                around = found.get(id(slot.parent))
                if around is not None and not around.wrong:
                    found[id(slot.node)] = around
                elif number in mover.movable and now() < end:
                    spend(work[0])
                    mover.active = number
                    with_influence(found, slot, run, compare, before)
    except OWN_ERRORS:
        return {}
    finally:
        del space[MOVED]
    return everywhere_in(source.tree, found)


def with_influence(
    found: dict[int, Influence], slot: Slot, run: Run, compare: Compare, before: Mapping[str, Any]
) -> None:
    """Add what depends on an expression to what was found; where it cannot be moved, nothing is said."""
    try:
        found[id(slot.node)] = compare(before, run())
    except OWN_ERRORS:
        return


def can_be_wrapped(slot: Slot) -> bool:
    """Return whether a node is an expression that is read, and no name of a function or an object."""
    node, parent = slot.node, slot.parent
    if not isinstance(node, WRAPPED) or not isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
        return False
    if isinstance(parent, ast.Call) and slot.field == "func":
        return False
    if isinstance(parent, ast.Attribute) and isinstance(node, ast.Name | ast.Attribute):
        return False
    within_target = isinstance(parent, ast.Subscript | ast.Attribute) and not isinstance(parent.ctx, ast.Load)
    return not (within_target and slot.field == "value")


def everywhere_in(tree: ast.FunctionDef, found: Mapping[int, Influence]) -> dict[int, Influence]:
    """Return what depends on every node: what was measured, else what depends on what it stands in or contains."""
    everywhere: dict[int, Influence] = {}

    def walk(node: ast.AST, around: Influence | None) -> None:
        own = found.get(id(node))
        if own is None and isinstance(node, ast.stmt):
            own = together(found[id(one)] for one in ast.walk(node) if id(one) in found)
        own = around if own is None else own
        if own is not None:
            everywhere[id(node)] = own
        for child in ast.iter_child_nodes(node):
            walk(child, own)

    for statement in tree.body:
        walk(statement, None)
    of_names(tree, everywhere, found)
    return everywhere


def of_names(tree: ast.FunctionDef, everywhere: dict[int, Influence], found: Mapping[int, Influence]) -> None:
    """Let a line that makes a size or an index have what depends on all places where its names are used."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign | ast.AugAssign | ast.For) or any(
            id(one) in found for one in nodes_of(node)
        ):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = {one.id for target in targets for one in ast.walk(target) if isinstance(one, ast.Name)}
        used = together(
            everywhere[id(one)]
            for one in ast.walk(tree)
            if isinstance(one, ast.Name) and one.id in names and isinstance(one.ctx, ast.Load) and id(one) in everywhere
        )
        if used is not None:
            everywhere.update((id(one), used) for one in nodes_of(node))


def nodes_of(statement: ast.Assign | ast.AugAssign | ast.For) -> Iterator[ast.AST]:
    """Yield the nodes of an assignment, or of the head of a loop."""
    if isinstance(statement, ast.For):
        yield from ast.walk(statement.target)
        yield from ast.walk(statement.iter)
        return
    yield from ast.walk(statement)


def together(several: Iterator[Influence] | Sequence[Influence]) -> Influence | None:
    """Return what depends on one of several expressions; None if there is none."""
    total: Influence | None = None
    for one in several:
        total = one if total is None else total | one
    return total


def ranked(
    tree: ast.FunctionDef, known: Mapping[int, Influence], wrong: frozenset[str], forward: ast.FunctionDef | None
) -> list[list[Slot]]:
    """Return the places of a tree in `RANKS` ranks.

    First come those on which just the wrong values depend; then those on which all wrong arrays do, and no right ones;
    those on which some of the wrong ones do; the others, with lines that stand in forward, too. What no wrong value
    depends on is left out.
    """
    ranks: list[list[Slot]] = [[] for _ in range(RANKS)]
    of_forward = {short(node) for node in ast.walk(forward) if isinstance(node, ast.Assign)} if forward else set()
    for slot in slots_of(tree):
        one = known.get(id(slot.node))
        if "np.zeros" in slot.statement or slot.statement in of_forward:  # what is filled later, or copied
            ranks[RANKS - 1].append(slot)
        elif one is None:
            ranks[2 if known else 1].append(slot)
        elif not one.arrays <= wrong:
            ranks[3].append(slot)
        elif one.wrong > ALL and one.right < 1.0 - ALL:
            ranks[0].append(slot)
        elif one.wrong or not one.arrays:
            ranks[1 if one.arrays == wrong else 2].append(slot)

    def order(slot: Slot) -> tuple[float, float]:
        one = known.get(id(slot.node))
        return (1.0, 1.0) if one is None else (1.0 - round(one.wrong, 1), round(one.right, 1))

    return [sorted(rank, key=order) for rank in ranks]
