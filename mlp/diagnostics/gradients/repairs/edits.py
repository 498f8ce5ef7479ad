"""Changes of a function's tree in one place, the likeliest first, each with the mistake that it would undo.

The tree is changed in place while an edit is looked at, and put back before the next one, or when the search ends.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlp.diagnostics.gradients.repairs.kinds import KINDS, OF_ITSELF, OTHER_SIZE, Maker
from mlp.diagnostics.gradients.repairs.order.orders import orders
from mlp.diagnostics.gradients.repairs.search.missing_lines import gates_in_time, missing_lines
from mlp.diagnostics.gradients.repairs.search.moves import exchanged_everywhere, rebound
from mlp.diagnostics.gradients.repairs.search.scope import Scope
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, alike_places, located, possible
from mlp.diagnostics.gradients.repairs.values import is_size


@dataclass(frozen=True)
class Edit:
    """What kind of mistake it is, what is wrong, and in which statement and line.

    Attributes:
        of_size: whether it stands in the place of a size: another one may be equal by accident.
    """

    kind: str
    text: str
    statement: str
    line: int = 0
    of_size: bool = False


def edits(slots: Sequence[Slot], scope: Scope, kinds: Sequence[tuple[Maker, str]] = KINDS) -> Iterator[Edit]:
    """Yield one edit in one of the places after the other; the tree is changed until the next is asked for."""
    for maker, name in kinds:
        for slot in slots:
            of_size = name == OTHER_SIZE or (
                isinstance(slot.node, ast.Name | ast.Attribute) and is_size(scope.values.get(ast.unparse(slot.node)))
            )
            yield from tried(slot, name, scope.in_reach(slot, maker(slot, scope)), of_size=of_size)


def tried(slot: Slot, kind: str, alternatives: Iterator[Alternative], *, of_size: bool = False) -> Iterator[Edit]:
    """Yield an edit for each alternative, while it stands in the tree."""
    for text, node in possible(alternatives):
        slot.put(located(node))
        try:
            yield Edit(kind, slot.told(text, node), slot.statement, slot.line, of_size)
        finally:  # also where nobody asks for the next one
            slot.put(slot.node)


def line_edits(tree: ast.FunctionDef, scope: Scope) -> Iterator[Edit]:
    """Yield edits of the order of lines, lines that are missing, and two settings that are exchanged in all of them."""
    for slot, into in rebound(tree):
        yield from tried(slot, "not kept", into)
    for slot, longer in missing_lines(tree):
        yield from tried(slot, "line missing", longer)
    for slot, places in orders(tree) if "super()" not in ast.unparse(tree) else ():  # it would just undo the line
        yield from tried(slot, "order of lines", places)
    for slot, both in exchanged_everywhere(tree, scope.values):
        yield from tried(slot, "names exchanged", both)


def longer_loops(tree: ast.FunctionDef, scope: Scope) -> Iterator[Edit]:
    """Yield edits that add a line at the end of a loop."""
    for slot, longer in gates_in_time(tree, scope.upstream, scope.values):
        yield from tried(slot, "line missing", longer)


def repeated_edits(slots: Sequence[Slot], scope: Scope) -> Iterator[Edit]:
    """Yield the same edit in all places that read alike: a mistake that was made twice."""
    for group in alike_places(slots):
        for maker, name in OF_ITSELF:
            several = [possible(maker(slot, scope)) for slot in group]
            for alternatives in zip(*several, strict=False):
                for slot, (_, node) in zip(group, alternatives, strict=True):
                    slot.put(located(node))
                others = " and ".join(f"`{s}`" for s in dict.fromkeys(slot.statement for slot in group[1:]))
                try:
                    yield Edit(name, f"{alternatives[0][0]}; the same in {others}", group[0].statement, group[0].line)
                finally:
                    for slot in group:
                        slot.put(slot.node)
