"""The line of forward that makes a loss another one than its name says: with it changed, the values are the right ones.

A gradient that belongs to a wrong loss is right by finite differences. So the values of the loss are compared with the
formula, at several points and with other settings, in all its usual forms, each as a sum or as one of the usual means.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import FunctionType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.budget import now
from mlp.diagnostics.gradients.repairs.choice.right_changes import complexity
from mlp.diagnostics.gradients.repairs.edits import Edit
from mlp.diagnostics.gradients.repairs.kinds import KINDS, OF_ITSELF, Maker
from mlp.diagnostics.gradients.repairs.makers.of_settings import missing_shares
from mlp.diagnostics.gradients.repairs.names import names_read
from mlp.diagnostics.gradients.repairs.search.changes import ALSO_RIGHT, Search, repairs
from mlp.diagnostics.gradients.repairs.search.second_terms import never_large
from mlp.diagnostics.gradients.repairs.sources import Source, tree_of
from mlp.typing import Array

SAME = 1e-6
WITH_EPS = 1e-4  # a small eps inside may shift the values of a right loss by this much
OF_VALUES: tuple[tuple[Maker, str], ...] = (
    (lambda slot, _: never_large(slot), "function or sign"),
    *OF_ITSELF,
    (lambda slot, s: missing_shares(slot, s.values), "factor or term missing"),
    *(pair for pair in KINDS[len(OF_ITSELF) :] if pair[1] != "not kept"),  # a value needs nothing that is kept
)
TINY = 1e-2  # an eps is not larger
CONSTANTS = (1.0, 0.5, 2.0)  # that a loss may be multiplied with
EXACT_SECONDS = 0.4  # of work for the right loss itself, after a change that gives a multiple of it
GUARDS = ("maximum", "max", "clip", "logaddexp", "log1p", "abs")  # they keep exp and log finite
VALUE_SECONDS = 2.5  # of work that the search may take


@dataclass(frozen=True)
class Meant:
    """What a loss should be: its sums in all right forms at each point, and what they may be divided by there.

    Attributes:
        totals: (forms, points), NaN where a form cannot be. divisors: (kinds of means, points).
        own: the number of points with the loss's own settings; those behind them have others.
        settings: numbers that the whole loss may be multiplied or divided by, for the own ones and for the others.
        factors: other numbers that it may be multiplied by.
    """

    totals: Array
    divisors: Array
    own: int
    settings: tuple[Sequence[float], Sequence[float]] = ((), ())
    factors: tuple[float, ...] = CONSTANTS

    def constants(self, values: Array, same: float = SAME) -> list[Array]:
        """Return c for each form and mean with which values = c total / divisor, with each kind of settings; or NaN."""
        with np.errstate(all="ignore"):
            ratios = values * self.divisors[None] / self.totals[:, None]  # (forms, means, points)
        parts = [ratios[..., : self.own], *([ratios[..., self.own :]] if self.own < values.size else [])]
        middles = [part.mean(axis=-1) for part in parts]
        pairs = zip(parts, middles, strict=True)
        return [np.where(np.ptp(part, axis=-1) < same * np.abs(c), c, np.nan) for part, c in pairs]

    def has_form(self, values: Array) -> bool:
        """Return whether values are those of a right form, up to a positive factor."""
        return bool(np.logical_and.reduce([np.nan_to_num(c) > 0.0 for c in self.constants(values, WITH_EPS)]).any())

    def is_right(self, values: Array) -> bool:
        """Return whether values are those of a right form as it is usually written."""
        fits = []
        for found, numbers in zip(self.constants(values), self.settings, strict=False):
            usual = [*self.factors, *numbers, *(1.0 / n for n in numbers if n)]
            fits.append(np.logical_or.reduce([np.abs(found - c) < SAME * c for c in usual]))
        return bool(np.logical_and.reduce(fits).any())


ValuesWith = Callable[[Source, FunctionType], Array]  # at all points, with a function in the place of a source


def value_line(
    owner: Any, names: Sequence[str], values: ValuesWith, meant: Meant, run: Callable[[], Any]
) -> Iterator[Edit]:
    """Yield the change of one line with which a loss is the one that is meant, at all points.

    A change that takes a name away is none: it would make a plain loss of another one (a weight, a penalty). A name
    that is made of it (the scores with their maximum subtracted) may stand in its place. Neither is one that takes an
    eps away, which a right loss may have.

    Args:
        owner: the object or function. names: of its methods that compute the value. run: computes the value once.
    """

    def right(source: Source, function: FunctionType) -> bool:
        if not meant.is_right(values(source, function)):
            return False
        tree = tree_of(source.function) or source.tree
        names, now, made = names_of_lines(tree), names_of_lines(source.tree), made_of(source.tree)
        kept = all(with_sources(now.get(line, set()), made) >= some for line, some in names.items())
        return kept and tiny_numbers(source.tree) >= tiny_numbers(tree)

    exact = replace(meant, factors=(1.0,), settings=((), ()))
    found: list[tuple[int, int, Edit]] = []
    until = float("inf")
    undone: list[Edit] = []  # changes that take away what keeps a loss finite for large outputs
    since = now()
    multiples: list[Edit] = []  # changes with which it is 2 times the right loss, or so
    for source, edit, function in repairs(
        owner, names, None, right, Search(run, seconds=VALUE_SECONDS, kinds=OF_VALUES)
    ):
        if found and (edit.kind != found[0][2].kind or now() > until):
            break
        tree = tree_of(source.function)
        if tree is not None and not guards_of(source.tree) >= guards_of(tree):
            undone.append(edit)
        elif exact.is_right(values(source, function)):
            handed_on = edit.statement.startswith("return (")  # a value that was made before
            of_mean = re.match(
                "the division by `[A-Za-z]", edit.text
            )  # it stands in the last line, others in the first
            line = -edit.line if of_mean and not handed_on else edit.line
            found.append((complexity(source.tree), line, edit))
            until = min(until, now() + ALSO_RIGHT)
        else:
            since = since if multiples else now()
            multiples.append(edit)
        if multiples and not found and now() - since > EXACT_SECONDS:
            break
    if found:  # the simplest
        yield min(found, key=lambda one: one[:2])[2]
        return
    yield from (multiples or undone)[:1]


def names_of_lines(tree: ast.AST) -> dict[int, set[str]]:
    """Return the names that each simple statement of a function reads, by its line."""
    simple = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Return, ast.Expr)
    return {node.lineno: names_read(node) for node in ast.walk(tree) if isinstance(node, simple)}


def made_of(tree: ast.AST) -> dict[str, set[str]]:
    """Return the names that each name is made of, in all lines that give it a value."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                found.setdefault(ast.unparse(target), set()).update(names_read(node.value))
    return found


def with_sources(names: set[str], made: Mapping[str, set[str]]) -> set[str]:
    """Return names and all those that they are made of."""
    more = names.union(*(made.get(name, set()) for name in names))
    return names if more == names else with_sources(more, made)


def tiny_numbers(tree: ast.AST) -> Counter[float]:
    """Return the numbers in a tree that may be an eps, and how often each is there."""
    numbers = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return Counter(value for value in numbers if isinstance(value, float) and 0.0 < value <= TINY)


def guards_of(tree: ast.AST) -> Counter[str]:
    """Return the functions in a tree that keep a loss finite for large outputs, and how often each is there."""
    return Counter(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and node.attr in GUARDS)
