"""What may stand in a function: its names, what they hold, and what forward has."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from mlp.diagnostics.gradients.repairs.copied import index_parts, loops_of
from mlp.diagnostics.gradients.repairs.makers.axes import axes_in
from mlp.diagnostics.gradients.repairs.makers.like_forward import Words, made_once, words_in
from mlp.diagnostics.gradients.repairs.makers.of_arrays import shapes_in
from mlp.diagnostics.gradients.repairs.makers.sums_and_conditions import Addend, addends_of, conditions_of
from mlp.diagnostics.gradients.repairs.names import (
    functions_in,
    names_in,
    numbers_and_targets,
    of_upstream,
    unused_in,
    uses,
)
from mlp.diagnostics.gradients.repairs.reorders import turns_of
from mlp.diagnostics.gradients.repairs.search.slots import Alternative, Slot, parsed
from mlp.diagnostics.gradients.repairs.terms.divisors import divisors_of
from mlp.diagnostics.gradients.repairs.terms.rests import rests_of
from mlp.diagnostics.gradients.repairs.values import Values, is_size


@dataclass(frozen=True)
class Scope:
    """What may stand in a function.

    Attributes:
        arrays: names that may stand in the place of others, or be missing as terms. factors: that may be missing.
        values: what names hold, as far as it is known. parts: indices that forward and backward use.
        upstream: names that hold gradients. functions: of single values, that forward applies.
        unused: names that are given a value, and never used. numbers: in forward. targets: what lines give values to.
        divisors: what forward and backward divide by. loops: variables of loops over numbers.
        rests: (name, part) of which the other part alone is read. tree: of the function itself.
        turns: orders of axes that forward and backward transpose to, and back.
        conditions: on which the slope of forward depends. addends: settings and numbers that forward adds.
        made: {name: value} in forward. words: that it calls functions with.
        axes: of sums, those that forward and backward name first.
    """

    arrays: Sequence[str]
    factors: Sequence[str] = ()
    values: Values = field(default_factory=dict)
    parts: Sequence[ast.expr] = ()
    upstream: frozenset[str] = frozenset()
    functions: Sequence[str] = ()
    unused: Sequence[str] = ()
    numbers: Sequence[float] = ()
    targets: Sequence[str] = ()
    divisors: Sequence[ast.expr] = ()
    loops: Sequence[str] = ()
    rests: Sequence[tuple[str, str]] = ()
    shapes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tree: ast.FunctionDef | None = None
    turns: Sequence[tuple[int, ...]] = ()
    made: Mapping[str, ast.expr] = field(default_factory=dict)
    words: Words = field(default_factory=dict)
    axes: Sequence[str] = ()
    conditions: Sequence[str] = ()
    addends: Sequence[Addend] = ()

    @property
    def rows(self) -> list[str]:
        """The arrays with a number for each sample, as columns: n[:, None]."""
        held = {name: array for name in self.arrays if isinstance(array := self.values.get(name), np.ndarray)}
        return [f"{name}[:, None]" for name, array in held.items() if array.ndim == 1 and array.dtype.kind == "f"]

    @cached_property
    def no_sizes(self) -> list[str]:
        """The arrays and names that hold no size."""
        return [name for name in self.arrays if not is_size(self.values.get(name))]

    @cached_property
    def gradients(self) -> frozenset[str]:
        """The arrays, factors and unused names that are made of the upstream gradient."""
        return frozenset(name for name in {*self.arrays, *self.factors, *self.unused} if self.is_gradient(parsed(name)))

    @cached_property
    def sizes(self) -> frozenset[str]:
        """The factors that are made of sizes, C // G: no size is wrong by a 2."""
        return frozenset(factor for factor in self.factors if self.is_of_sizes(factor))

    def is_gradient(self, node: ast.AST) -> bool:
        """Return whether an expression is made of the upstream gradient."""
        return uses(node, self.upstream)

    def factors_of(self, slot: Slot, factors: Sequence[str]) -> Sequence[str]:
        """Return the factors that a node may lack: none has two gradients in it."""
        names = [ast.unparse(one) for one in ast.walk(slot.node) if isinstance(one, ast.Name | ast.Attribute)]
        of_shape = isinstance(slot.node, ast.Subscript) and ast.unparse(slot.node.value).endswith("shape")
        if of_shape or (names and all(is_size(self.values.get(name)) for name in names)):
            return [factor for factor in self.factors if factor in self.sizes]
        if not self.upstream or not self.is_gradient(slot.node):
            return factors
        return [factor for factor in factors if factor not in self.gradients]

    def is_of_sizes(self, factor: str) -> bool:
        """Return whether an expression is made of sizes."""
        names = [ast.unparse(one) for one in ast.walk(parsed(factor)) if isinstance(one, ast.Name | ast.Attribute)]
        return bool(names) and (".shape" in factor or all(is_size(self.values.get(name)) for name in names))

    def like(self, slot: Slot) -> list[str]:
        """Return the arrays that may be added to a node: gradients to a gradient."""
        gradient = self.is_gradient(slot.node)
        return [name for name in self.arrays if (name in self.gradients) == gradient]

    @cached_property
    def of_loops(self) -> Mapping[str, tuple[int, int]]:
        """The names of places and numbers that one loop alone gives values to, with its first and last line."""
        nodes = [] if self.tree is None else list(ast.walk(self.tree))
        spans: dict[str, tuple[int, int]] = {}
        for loop in [node for node in nodes if isinstance(node, ast.For)]:  # the outer ones first
            for name in stored_in(loop):
                spans.setdefault(name.id, (loop.lineno, loop.end_lineno or loop.lineno))
        for name in [name for node in nodes if isinstance(node, ast.Assign) for name in stored_in(node)]:
            first, last = spans.get(name.id, (name.lineno, name.lineno))
            if not first <= name.lineno <= last:
                del spans[name.id]
        return {name: span for name, span in spans.items() if not isinstance(self.values.get(name), np.ndarray)}

    def in_reach(self, slot: Slot, alternatives: Iterator[Alternative]) -> Iterator[Alternative]:
        """Yield the alternatives without those that read what a loop, which has ended, leaves: the last index."""
        far = [name for name, (first, last) in self.of_loops.items() if not first <= slot.line <= last]
        for text, node in alternatives:
            if not far or not isinstance(node, ast.expr) or uses(slot.node, far) or not uses(node, far):
                yield text, node

    def unlike(self, slot: Slot) -> list[str]:
        """Return the other arrays: a gradient stands where none belongs, or the reverse."""
        like = self.like(slot)
        return [name for name in self.arrays if name not in like]


def stored_in(tree: ast.AST) -> list[ast.Name]:
    """Return the names that code gives values to."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]


def scope_of(tree: ast.FunctionDef, forward: ast.FunctionDef | None, values: Values) -> Scope:
    """Return what may stand in a function, also of what its forward has."""
    arrays, factors = names_in(tree, forward, values)
    if forward is None:  # it is forward: what the object has may be missing in it
        held = [name for name, value in values.items() if name.startswith("self.") and isinstance(value, np.ndarray)]
        arrays = [*arrays, *(name for name in held if name not in arrays and name.count(".") == 1)]
    trees = [tree] if forward is None else [forward, tree]
    written, targets = numbers_and_targets(tree, forward)
    return Scope(
        arrays,
        factors,
        values,
        index_parts(trees),
        upstream=of_upstream(tree, values, backward=forward is not None),
        functions=functions_in(tree, forward),
        unused=unused_in(tree, forward),
        numbers=written,
        targets=targets,
        divisors=divisors_of(trees),
        loops=list(dict.fromkeys(loops_of(tree))),
        rests=rests_of(tree),
        shapes=shapes_in(forward),
        tree=tree,
        turns=turns_of(trees),
        made={} if forward is None else made_once(forward),
        words={} if forward is None else words_in(forward),
        axes=axes_in(trees),
        conditions=[] if forward is None else conditions_of(forward, tree),
        addends=[] if forward is None else addends_of(forward, values),
    )
