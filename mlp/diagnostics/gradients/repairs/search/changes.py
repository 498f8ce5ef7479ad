"""Trying changes of an object's code, one after the other, until all is right with one of them."""

import ast
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.budget import A_FUNCTION, A_TREE, now, seconds_left, spend, work_of
from mlp.diagnostics.gradients.repairs.choice.right_changes import RightChanges
from mlp.diagnostics.gradients.repairs.edits import Edit, edits, line_edits, longer_loops, repeated_edits
from mlp.diagnostics.gradients.repairs.kinds import KINDS, LIKELY_KINDS, OF_CONDITIONS, OF_EMPTY_SLICES, Maker
from mlp.diagnostics.gradients.repairs.search.influence import Compare, Influence, influences, ranked
from mlp.diagnostics.gradients.repairs.search.scope import scope_of
from mlp.diagnostics.gradients.repairs.search.slots import slots_of
from mlp.diagnostics.gradients.repairs.sources import Source, beside, helpers, methods_of_parts, source_of, tree_of
from mlp.diagnostics.gradients.repairs.values import values_in
from mlp.own_code import OWN_ERRORS

ONE_SEARCH = 3.0  # of work for all changes of one object
ALSO_RIGHT = 0.3  # of work for other changes of the same kind
LARGEST_SIZE = 100_000  # a larger constant in the place of a size makes arrays that fill the memory
Test = Callable[[Source, FunctionType], bool]  # whether all is right with a function in the place of a source


@dataclass(frozen=True)
class Search:
    """How to look for the wrong line.

    Attributes:
        run: returns the gradients; to see what names hold, and which lines the wrong ones come from. None: not known.
        compare: what has moved between two sets of gradients. wrong: the names of the wrong ones.
        seconds: of work that it may take. runs: how many times the work of `run` a test takes.
        kinds: of changes. found: what was right so far. more: other code that may be wrong.
        first: kinds of changes that are tried in all places before the others.
    """

    run: Callable[[], Mapping[str, Any]] | None = None
    compare: Compare | None = None
    wrong: frozenset[str] = frozenset()
    seconds: float = ONE_SEARCH
    runs: float = 1.0
    kinds: Sequence[tuple[Maker, str]] = KINDS
    found: RightChanges = field(default_factory=RightChanges)
    more: Sequence[Source | None] = ()
    first: Sequence[tuple[Maker, str]] = (*OF_EMPTY_SLICES, *OF_CONDITIONS)


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
    search.found.forward = ast.unparse(tree) if tree is not None else ""
    known = {*names, *(helpers(owner, tree) if tree is not None else ())}  # what forward calls is not wrong
    for source in sources:  # it grows: helpers have helpers
        others = [helper for helper in dict.fromkeys(helpers(owner, source.tree)) if helper not in known]
        known.update(others)
        sources += filter(None, (source_of(owner, helper) for helper in others))
        sources += [one for one in methods_of_parts(source) if one.name not in {two.name for two in sources}]
    sources += filter(None, search.more)
    given = {source.name for source in sources}
    sources += [other for source in sources for other in beside(source, tree) if other.name not in given]
    seconds, each = min(search.seconds, seconds_left()), work_of_run(search)
    end = now() + seconds
    for source, edit in until_no_python(edits_of(sources, tree, search, (each, 0.2 * seconds))):
        spend(A_TREE)
        if now() > min(end, search.found.until) or seconds_left() < 0.0:
            return
        if search.found.leaves_out(source, edit):
            continue
        spend(A_FUNCTION + search.runs * each)
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
        if kind and (edit.kind != kind or now() > until):
            return
        if not kind:
            kind, until = edit.kind, now() + ALSO_RIGHT
        yield source, edit


def work_of_run(search: Search) -> float:
    """Return how many seconds of work one run is; 0 if it fails, or is not known."""
    with suppress(*OWN_ERRORS):
        return 0.0 if search.run is None else work_of(search.run)
    return 0.0


def until_no_python(found: Iterator[tuple[Source, Edit]]) -> Iterator[tuple[Source, Edit]]:
    """Yield the edits up to one whose text is no Python: that ends the search, and not the check."""
    with suppress(SyntaxError):
        yield from found


def edits_of(
    sources: Sequence[Source], forward: ast.FunctionDef | None, search: Search, work: tuple[float, float]
) -> Iterator[tuple[Source, Edit]]:
    """Yield the edits of all sources: first in the places from which all that is wrong comes.

    Args:
        work: seconds of it for one run, and for finding out what comes from where.
    """
    values: dict[str, dict[str, Any]] = {}
    known: list[Mapping[int, Influence]] = [{} for _ in sources]
    run, compare = search.run, search.compare
    if run is not None:
        with suppress(*OWN_ERRORS):
            values = values_in({source.name: source.function.__code__ for source in sources}, run)
        if compare is not None:
            known = [influences(source, run, compare, (work[0], work[1] / len(sources))) for source in sources]
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
    named = {name: value for name, value in source.function.__globals__.items() if not name.startswith("_")}
    return {
        name: value
        for name, value in named.items()
        if type(value) is float or (type(value) is int and abs(value) <= LARGEST_SIZE)
    }
