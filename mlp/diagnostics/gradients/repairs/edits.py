"""Changes of a function's tree in one place, the likeliest first, each with the mistake that it would undo.

The tree is changed in place while an edit is looked at, and put back before the next one.
"""

import ast
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mlp.diagnostics.gradients.repairs.calls import calls, sums_over
from mlp.diagnostics.gradients.repairs.copied import everywhere, index_parts, jacobians, other_indices
from mlp.diagnostics.gradients.repairs.forms import counts, forms, other_paths, siblings
from mlp.diagnostics.gradients.repairs.operators import missing, operators, other_names
from mlp.diagnostics.gradients.repairs.places import indices, numbers, statements
from mlp.diagnostics.gradients.repairs.reorders import reorders
from mlp.diagnostics.gradients.repairs.slots import Alternative, Slot, slots_of
from mlp.diagnostics.gradients.repairs.values import Values

NO_VALUES: Values = {}
KINDS = (
    (operators, "sign, factor or term"),
    (calls, "function or axis"),
    (sums_over, "sum over other axes"),
    (numbers, "wrong number"),
    (indices, "wrong index"),
    (statements, "overwritten or one line too many"),
    (reorders, "order of axes or parts"),
)


@dataclass(frozen=True)
class Edit:
    """What kind of mistake it is, what is wrong, and in which statement."""

    kind: str
    text: str
    statement: str


def edits(
    tree: ast.FunctionDef,
    arrays: Sequence[str],
    values: Values = NO_VALUES,
    forward: ast.FunctionDef | None = None,
) -> Iterator[Edit]:
    """Yield one edit of what is there after the other; the tree is changed until the next is asked for.

    Args:
        arrays: names that may stand in the place of others. values: what names hold, as far as it is known.
        forward: of which parts may be missing.
    """
    slots = list(slots_of(tree))
    parts = index_parts([tree] if forward is None else [forward, tree])
    for kind, name in KINDS:
        for slot in slots:
            yield from tried(slot, name, kind(slot))
    for slot in slots:
        yield from tried(slot, "another array", other_names(slot, arrays, values))
    for slot in slots if values else ():
        yield from tried(slot, "wrong index", other_indices(slot, parts))
        yield from tried(slot, "another array", everywhere(slot, arrays, values))
        yield from tried(slot, "only the diagonal", jacobians(slot))
        yield from tried(slot, "function or sign", forms(slot, values))
        yield from tried(slot, "wrong number of values", counts(slot, values))
        yield from tried(slot, "term missing", siblings(slot, arrays))
        yield from tried(slot, "term missing", other_paths(slot, values))


def additions(tree: ast.FunctionDef, arrays: Sequence[str], factors: Sequence[str]) -> Iterator[Edit]:
    """Yield edits that add what may be missing: one of the factors, or of the arrays as a term."""
    for slot in slots_of(tree):
        yield from tried(slot, "factor or term missing", missing(slot, factors, arrays))


def tried(slot: Slot, kind: str, alternatives: Iterator[Alternative]) -> Iterator[Edit]:
    """Yield an edit for each alternative, while it stands in the tree."""
    for text, node in possible(alternatives):
        slot.put(node)
        yield Edit(kind, text, slot.statement)
        slot.put(slot.node)


def possible(alternatives: Iterator[Alternative]) -> list[Alternative]:
    """Return the alternatives up to the first that would be no Python (a term added to a slice)."""
    found = []
    with suppress(SyntaxError):
        for alternative in alternatives:
            found.append(alternative)
    return found
