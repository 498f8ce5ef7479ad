"""Forward with one use of a value held fixed: nothing reaches the outputs through this use any more.

    forward     y = f(x, x)                    dL/dx = u f_1 + u f_2      one term for each use of x
    held        y = f(x, c), c = x at the point                           u f_1 alone

So the difference of both is what this use adds to the gradient. Along a direction it costs two forwards.
"""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FunctionType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.finite_differences import STEP, Probe, restoring
from mlp.diagnostics.gradients.repairs.search.influence import with_calls
from mlp.diagnostics.gradients.repairs.search.slots import Slot
from mlp.diagnostics.gradients.repairs.sources import Source, beside, helpers, methods_of_parts, source_of
from mlp.diagnostics.gradients.styles.student_layer import code_of
from mlp.layers.machinery.base import Layer
from mlp.typing import Array

HELD = "__held__"  # the name of `Holder.held` in the changed code
HeldUses = frozenset[int]  # numbers of expressions
NONE: HeldUses = frozenset()
SAME = 1e-12  # how far the outputs may move when a use is held


@dataclass
class Holder:
    """Holds the values of some expressions, the active ones, in the order in which they were recorded.

    Attributes:
        active: numbers of the expressions; None: values are recorded. values: of each expression, one for each time
            that it was read. asked: how often each active one was read in this forward.
    """

    active: HeldUses | None = None
    values: dict[int, list[Any]] = field(default_factory=dict)
    asked: Counter[int] = field(default_factory=Counter)

    def held(self, number: int, value: Any) -> Any:
        """Stand for an expression of the changed code."""
        if not isinstance(value, np.ndarray | np.floating) or value.dtype.kind not in "fc":
            return value
        if self.active is None:
            self.values.setdefault(number, []).append(value.copy())
        if self.active is None or number not in self.active:
            return value
        self.asked[number] += 1
        return self.values[number][self.asked[number] - 1].copy()


@dataclass(frozen=True)
class Uses:
    """All uses of values in one function that forward runs.

    Attributes:
        source: the function. function: the same, with its expressions handed to the holder. slots: the expressions, by
            their numbers.
    """

    source: Source
    function: FunctionType
    slots: Sequence[Slot]
    holder: Holder

    @contextmanager
    def within(self, layer: Layer) -> Iterator[None]:
        """Within this context a layer runs the changed function."""
        space = self.function.__globals__
        space[HELD] = self.holder.held
        try:
            with self.source.of(layer).replaced(self.function), np.errstate(all="ignore"):
                yield
        finally:
            del space[HELD]

    def record(self, probe: Probe) -> list[int]:
        """Let the holder remember all values at a point; return the numbers of those that can be held."""
        self.holder.active, self.holder.values = None, {}
        probe.outputs()
        return list(self.holder.values)

    def outputs(self, probe: Probe, held: HeldUses) -> Array:
        """Return the outputs with some uses held."""
        self.holder.active, self.holder.asked = held, Counter()
        return probe.outputs()

    def unmoved(self, probe: Probe, held: HeldUses, before: Array) -> bool:
        """Return whether the outputs stay as they are when uses are held: else forward writes into their values."""
        after = self.outputs(probe, held)
        return after.shape == before.shape and bool(np.abs(after - before).max(initial=0.0) <= SAME)

    def slope(self, probe: Probe, upstream: Array, name: str, move: Array, held: HeldUses = NONE) -> float:
        """Return how u y changes along a direction of one array, with some uses held, or with none."""
        array, outputs = probe.arrays[name], []
        with restoring([array]) as (before,):
            for step in (STEP, -STEP):
                array[...] = before + step * move
                outputs.append(self.outputs(probe, held))
        return float((upstream * (outputs[0] - outputs[1])).sum()) / (2.0 * STEP)


def uses_of_forward(layer: Layer) -> Iterator[Uses]:
    """Yield the uses in forward, then those in each function that it calls."""
    owner, name, _ = code_of(layer)
    first = source_of(owner, name)
    sources = [] if first is None else [first]
    for source in sources:  # it grows: helpers have helpers
        known = {one.name for one in sources}
        more = [source_of(owner, helper) for helper in helpers(owner, source.tree) if helper not in known]
        more += [*beside(source, None), *methods_of_parts(source)]
        sources += [one for one in more if one is not None and one.name not in known]
    for source in sources:
        tree, slots = with_calls(source.tree, HELD)
        yield Uses(source, replace(source, tree=tree).compiled(), slots, Holder())


def is_within(inner: ast.AST, outer: ast.AST) -> bool:
    """Return whether a node is a part of another one."""
    return inner is not outer and any(inner is node for node in ast.walk(outer))
