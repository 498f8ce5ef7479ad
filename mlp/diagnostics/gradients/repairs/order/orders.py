"""Alternatives to the place of a line: elsewhere in its block, in a loop, out of a loop or a branch.

A line moves only past lines that it has to do with: one of the two changes a name that stands in the other.
"""

import ast
import copy
from collections.abc import Iterator

from mlp.diagnostics.gradients.repairs.order.order_matters import Names, same_arrays
from mlp.diagnostics.gradients.repairs.search.moves import blocks_of, head, is_text
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, text_of

LINES = 40  # of a block in which lines change places
Loops = (ast.For, ast.While, ast.If)
Line = ast.Assign | ast.AugAssign | ast.AnnAssign | ast.Expr


def orders(tree: ast.FunctionDef) -> Iterator[tuple[Slot, Iterator[Alternative]]]:
    """Yield lines with the places where they may belong: elsewhere in the block, out of a loop or a branch, in it."""
    alias = same_arrays(tree)
    for node, field, block in blocks_of(tree):
        names = [Names.of(line, alias) for line in block] if 1 < len(block) <= LINES else []
        moves = [(i, j) for i in range(len(names)) for j in range(len(names)) if i != j and names[i].meet(names[j])]
        for i, j in sorted(moves, key=lambda move: abs(move[0] - move[1])):  # the nearest places first
            line = block[i]
            if isinstance(line, Line) and not is_text(line):
                yield Slot(node, field, None, block, text_of(line), line.lineno), elsewhere(block, i, j)
        for i, line in enumerate(block):
            for inner in line.body if isinstance(line, Loops) and len(line.body) > 1 else ():
                if isinstance(inner, Line | ast.Return):
                    yield Slot(node, field, None, block, text_of(inner), inner.lineno), outside(block, i, inner)


def elsewhere(block: list[ast.stmt], i: int, j: int) -> Iterator[Alternative]:
    """Yield a block with its line i beyond its line j, or within it if that is a loop."""
    line, other, rest = block[i], block[j], [*block[:i], *block[i + 1 :]]
    if j < i:
        yield f"this line comes too late: it belongs before `{head(other)}`", [*rest[:j], line, *rest[j:]]
    elif j > i + 1 and not isinstance(other, ast.Return):
        yield f"this line comes too early: it belongs after `{head(other)}`", [*rest[:j], line, *rest[j:]]
    if isinstance(other, ast.For | ast.While):
        for where, body in (("start", [line, *other.body]), ("end", [*other.body, line])):
            changed = copy.copy(other)
            changed.body = body
            new = [changed if one is other else one for one in rest]
            yield f"this line belongs into `{head(other)}`, at its {where}", new


def outside(block: list[ast.stmt], i: int, inner: ast.stmt) -> Iterator[Alternative]:
    """Yield a block with a line of one of its loops or branches before or after it."""
    loop = copy.copy(block[i])
    assert isinstance(loop, Loops)
    loop.body = [line for line in loop.body if line is not inner]
    what = "branch" if isinstance(loop, ast.If) else "loop"
    for word, both in (("before", [inner, loop]), ("after", [loop, inner])):
        text = f"this line stands in the {what} `{head(loop)}`, and belongs {word} it"
        yield text, [*block[:i], *both, *block[i + 1 :]]
