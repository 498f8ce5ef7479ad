"""An array that forward keeps and then writes into under another name: with a copy, all gradients are right.

The outputs stay what they are, so nothing but the gradients can tell.
"""

from collections.abc import Iterator, Sequence
from types import FunctionType

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Point
from mlp.diagnostics.gradients.repairs.makers.of_arrays import copies
from mlp.diagnostics.gradients.repairs.search.changes import Search, repairs
from mlp.diagnostics.gradients.repairs.sources import Source
from mlp.diagnostics.gradients.repairs.wrong_line import with_change
from mlp.diagnostics.gradients.styles.student_layer import code_of

SECONDS = 0.5  # of work


def without_copy(points: Sequence[Point]) -> Iterator[Diagnosis]:
    """Yield the line of forward that lacks a copy, if all gradients of all points are right with it."""
    point = points[0]
    if not all(one.searchable for one in points):
        return
    owner, forward, _ = code_of(point.probe.layer)

    def right(source: Source, function: FunctionType) -> bool:
        return all(with_change(source, function, one) >= {*one.wrong} for one in points)

    kinds = ((lambda slot, scope: copies(slot, scope.values), "no copy"),)
    search = Search(lambda: {"outputs": point.probe.outputs()}, seconds=SECONDS, kinds=kinds)
    for _, edit, _ in repairs(owner, (forward,), None, right, search):
        if edit.kind != "no copy":  # lines in another order, the same change in several lines
            continue
        modes = ", ".join(one.mode for one in points)
        text = f"in line {edit.line} of forward, `{edit.statement}`: {edit.text}"
        yield Diagnosis("no copy", ", ".join(point.wrong), modes, text, "with that line changed, all is right")
        return
