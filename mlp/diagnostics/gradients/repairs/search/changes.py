"""Trying changes of an object's code, one after the other, until all is right with one of them."""

import ast
import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from types import FunctionType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.budget import seconds_left
from mlp.diagnostics.gradients.repairs.edits import (
    EMPTY_SLICE,
    KINDS,
    LIKELY_KINDS,
    OF_EMPTY_SLICES,
    Edit,
    Maker,
    edits,
    line_edits,
    longer_loops,
    repeated_edits,
)
from mlp.diagnostics.gradients.repairs.search.influence import Compare, Influence, influences, ranked
from mlp.diagnostics.gradients.repairs.search.scope import scope_of
from mlp.diagnostics.gradients.repairs.search.slots import slots_of
from mlp.diagnostics.gradients.repairs.sources import Source, beside, helpers, methods_of_parts, source_of, tree_of
from mlp.diagnostics.gradients.repairs.values import values_in
from mlp.own_code import OWN_ERRORS

ONE_SEARCH = 3.0  # of CPU for all changes of one object
ONE_LINE = 0.5  # of CPU for the other changes of a line of which one change is right
A_NUMBER = 2.0  # the same, where that change is another number: a name in its place says more
MOVED = 3  # what is unlikely, a line in another place or 1 - z turned round, counts as this much more code
ALSO_RIGHT = 0.3  # of CPU for other changes of the same kind
Test = Callable[[Source, FunctionType], bool]  # whether all is right with a function in the place of a source


@dataclass
class RightChanges:
    """The changes of one line with which all is right: the first one found, and then the others of its line.

    Attributes:
        fits: (source, change, changed function, nodes of the changed tree).
    """

    fits: list[tuple[Source, Edit, FunctionType, int]] = field(default_factory=list)
    until: float = float("inf")

    def add(self, source: Source, edit: Edit, function: FunctionType) -> None:
        """Keep a change; from now on only those of the same line are tried."""
        if not self.fits:
            longer = edit.kind == "wrong number" or only_reads(edit)
            self.until = time.process_time() + (A_NUMBER if longer else ONE_LINE)
        unlikely = edit.kind == "order of lines" or edit.text.startswith("the difference `1 - ")
        a_number = re.match(r"the (factor|division by) `\d", edit.text) is not None  # a name of its value says more
        length = complexity(source.tree) + MOVED * unlikely + 2 * a_number
        self.fits.append((source, edit, function, length))

    def leaves_out(self, source: Source, edit: Edit) -> bool:
        """Return whether a change is of another line than the first one that was right.

        Where that one only reads what forward kept, a later line may be the wrong one.
        """
        if not self.fits or all(only_reads(one) for _, one, _, _ in self.fits):
            return False
        first = next(one for one in self.fits if not only_reads(one[1]))
        return (source.name, edit.line) != (first[0].name, first[1].line)

    def best(
        self, grade: Callable[[Source, FunctionType], int] | None = None
    ) -> tuple[Source, Edit, FunctionType] | None:
        """Return the change that is right at the most other settings, and of these the simplest; None if there is none.

        Args:
            grade: at how many other settings a change is right; they tell apart what has the same value by accident.
        """
        if not self.fits:
            return None
        grades = [0] * len(self.fits)
        if len(self.fits) > 1 and grade is not None:
            grades = [grade(source, function) for source, _, function, _ in self.fits]

        def order(i: int) -> tuple[int, bool, bool, int, bool]:
            edit = self.fits[i][1]
            return -grades[i], edit.kind != EMPTY_SLICE, only_reads(edit), self.fits[i][3], edit.kind == "wrong number"

        return self.fits[min(range(len(self.fits)), key=order)][:3]


def only_reads(edit: Edit) -> bool:
    """Return whether the statement of a change only gives names to entries of what is kept: `x, w = cache["x"], w`."""
    return gives_names(edit.statement)


@lru_cache(maxsize=1024)
def gives_names(text: str) -> bool:
    """Return whether a statement only gives names to entries of what is kept."""
    try:
        (statement,) = ast.parse(text).body
    except (SyntaxError, ValueError):
        return False
    entries = (ast.Name, ast.Attribute, ast.Subscript, ast.Constant, ast.Tuple, ast.expr_context)
    if not isinstance(statement, ast.Assign) or not any(
        isinstance(n, ast.Subscript) for n in ast.walk(statement.value)
    ):
        return False
    return all(isinstance(node, entries) for node in ast.walk(statement.value))


def complexity(tree: ast.AST) -> int:
    """Return how long the code of a function is; a power counts more than a product."""
    return sum(2 if isinstance(node, ast.Pow) else 1 for node in ast.walk(tree))


@dataclass(frozen=True)
class Search:
    """How to look for the wrong line.

    Attributes:
        run: returns the gradients; to see what names hold, and which lines the wrong ones come from. None: not known.
        compare: what has moved between two sets of gradients. wrong: the names of the wrong ones.
        seconds: of CPU that it may take. kinds: of changes. found: what was right so far. more: other code that
            may be wrong. first: kinds of changes that are tried in all places before the others.
    """

    run: Callable[[], Mapping[str, Any]] | None = None
    compare: Compare | None = None
    wrong: frozenset[str] = frozenset()
    seconds: float = ONE_SEARCH
    kinds: Sequence[tuple[Maker, str]] = KINDS
    found: RightChanges = field(default_factory=RightChanges)
    more: Sequence[Source | None] = ()
    first: Sequence[tuple[Maker, str]] = OF_EMPTY_SLICES


def repairs(
    owner: Any, names: Sequence[str], forward: Callable[..., Any] | None, right: Test, search: Search = Search()
) -> Iterator[tuple[Source, Edit, FunctionType]]:
    """Yield (source, what is wrong, the changed function) for each change of one line with which all is right.

    Args:
        owner: an object. names: of its methods that may be wrong; those that they call are looked at, too.
        forward: the function whose settings and arrays may be missing in them, or None.
        right: whether all is right with a function in the place of a source.
        search: how to look.
    """
    sources = list(filter(None, (source_of(owner, name) for name in names)))
    tree = None if forward is None else tree_of(forward)
    known = {*names, *(helpers(owner, tree) if tree is not None else ())}  # what forward calls is not wrong
    for source in sources:  # it grows: helpers have helpers
        others = [helper for helper in dict.fromkeys(helpers(owner, source.tree)) if helper not in known]
        known.update(others)
        sources += filter(None, (source_of(owner, helper) for helper in others))
        sources += [one for one in methods_of_parts(source) if one.name not in {two.name for two in sources}]
    sources += filter(None, search.more)
    given = {source.name for source in sources}
    sources += [other for source in sources for other in beside(source, tree) if other.name not in given]
    start, seconds = time.process_time(), min(search.seconds, seconds_left())
    for source, edit in until_no_python(edits_of(sources, tree, search, 0.2 * seconds)):
        now = time.process_time()
        if now - start > seconds or now > search.found.until:
            return
        if search.found.leaves_out(source, edit):
            continue
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                function = source.compiled()
                fits = right(source, function)
        except (*OWN_ERRORS, RecursionError):
            continue
        if fits:
            yield source, edit, function


def of_one_kind(found: Iterator[tuple[Source, Edit, FunctionType]]) -> Iterator[tuple[Source, Edit]]:
    """Yield the first change that is right, and for a moment those of the same kind: one of them may be likelier."""
    kind, until = "", float("inf")
    for source, edit, _ in found:
        if kind and (edit.kind != kind or time.process_time() > until):
            return
        if not kind:
            kind, until = edit.kind, time.process_time() + ALSO_RIGHT
        yield source, edit


def until_no_python(found: Iterator[tuple[Source, Edit]]) -> Iterator[tuple[Source, Edit]]:
    """Yield the edits up to one whose text is no Python: that ends the search, and not the check."""
    with suppress(SyntaxError):
        yield from found


def edits_of(
    sources: Sequence[Source], forward: ast.FunctionDef | None, search: Search, seconds: float
) -> Iterator[tuple[Source, Edit]]:
    """Yield the edits of all sources: first in the places from which all that is wrong comes."""
    values: dict[str, dict[str, Any]] = {}
    known: list[Mapping[int, Influence]] = [{} for _ in sources]
    run, compare = search.run, search.compare
    if run is not None:
        with suppress(*OWN_ERRORS):
            values = values_in({source.name: source.function.__code__ for source in sources}, run)
        if compare is not None:
            known = [influences(source, run, compare, seconds / len(sources)) for source in sources]
    held = [{**constants_of(source), **values.get(source.name, {})} if values else {} for source in sources]
    trees = [source.forward_tree(forward) for source in sources]
    scopes = [scope_of(one.tree, tree, now) for one, tree, now in zip(sources, trees, held, strict=True)]
    ranks = [ranked(one.tree, now, search.wrong, tree) for one, now, tree in zip(sources, known, trees, strict=True)]
    on_the_way = [] if values else values_on_the_way(sources, run)  # of code that raises an exception
    places = list(zip(sources, [scope_of(one.tree, None, now) for one, now in on_the_way] or scopes, strict=True))
    for source, scope in places:
        yield from ((source, edit) for edit in edits(list(slots_of(source.tree)), scope, search.first))
    likely, rest = search.kinds[:LIKELY_KINDS], search.kinds[LIKELY_KINDS:]
    rounds = ((0, likely), (1, likely), (0, rest), (1, rest), (2, search.kinds), (3, search.kinds))
    for number, (rank, kinds) in enumerate(rounds):
        if number == (1 if compare is None else 4):  # lines of rules are often in the wrong place
            for source, scope in zip(sources, scopes, strict=True):
                yield from ((source, edit) for edit in line_edits(source.tree, scope))
        for source, scope in zip(sources, scopes, strict=True) if number == 2 and forward is not None else ():
            yield from ((source, edit) for edit in longer_loops(source.tree, scope))
        for source, scope, slots in zip(sources, scopes, ranks, strict=True):
            yield from ((source, edit) for edit in edits(slots[rank], scope, kinds))
        for source, scope, slots in zip(sources, scopes, ranks, strict=True) if kinds is rest and rank else ():
            yield from ((source, edit) for edit in repeated_edits([one for part in slots[:3] for one in part], scope))


def values_on_the_way(
    sources: Sequence[Source], run: Callable[[], Mapping[str, Any]] | None
) -> list[tuple[Source, dict[str, Any]]]:
    """Return each source with what its names hold when it returns, or when it raises an exception."""

    def attempt() -> None:
        with suppress(*OWN_ERRORS):
            _ = None if run is None else run()

    values = values_in({source.name: source.function.__code__ for source in sources}, attempt)
    return [(source, values[source.name]) for source in sources]


def constants_of(source: Source) -> dict[str, Any]:
    """Return the numbers that the file of a source gives names to."""
    numbers = {name: value for name, value in source.function.__globals__.items() if type(value) in (int, float)}
    return {name: value for name, value in numbers.items() if not name.startswith("_")}
