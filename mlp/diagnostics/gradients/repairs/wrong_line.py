"""The line that is wrong: the one whose change makes all gradients right, at a second point, too.

This needs no idea of what the layer computes. The changes are those that undo usual slips (`edits`), and the right
gradients are known from finite differences, so each change costs one forward and one backward.
"""

import ast
import time
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Point, distance
from mlp.diagnostics.gradients.diagnoses.repeated.second_point import other_shapes, point_of
from mlp.diagnostics.gradients.repairs.edits import Edit, additions, edits
from mlp.diagnostics.gradients.repairs.sources import Source, helpers, source_of, tree_of
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.diagnostics.gradients.styles.student_layer import StudentLayer
from mlp.own_code import OWN_ERRORS

REPAIRED = 1e-5
FORMS = (
    "(1 - {}**2)",
    "({0} * (1 - {0}))",
    "({} > 0)",
    "(1 - {})",
    "np.exp({})",
    "(1 / (1 + np.exp(-{})))",
    "np.sqrt({})",
)
SECONDS = 4.0  # of CPU for all changes of one layer
MOST_FACTORS = 100
Test = Callable[[Source, FunctionType], bool]  # whether all is right with a function in the place of a source


def wrong_line(points: Sequence[Point]) -> Iterator[Diagnosis]:
    """Yield the change of one line of backward that makes all gradients of a layer right, also at a second point."""
    point = points[0]
    layer = point.probe.layer
    if layer.children() or not all(one.complete for one in points):
        return
    owner = layer.student if isinstance(layer, StudentLayer) else layer
    name = layer.calls.backward if isinstance(layer, StudentLayer) else "backward"

    def right(source: Source, function: FunctionType) -> bool:
        with source.replaced(function):
            return is_right(point)

    for source, edit, function in repairs(owner, (name,), forward_of(layer, owner), right):
        if elsewhere(point, source, function):
            yield diagnosis_of(edit, ", ".join(point.wrong), point.mode)
            return


def diagnosis_of(edit: Edit, arrays: str, mode: str) -> Diagnosis:
    """Return what a change that makes everything right says."""
    return Diagnosis(
        edit.kind, arrays, mode, f"in `{edit.statement}`: {edit.text}", "with that line changed, all is right"
    )


def forward_of(layer: Any, owner: Any) -> Callable[..., Any]:
    """Return the user's own forward."""
    if isinstance(owner, FunctionPair):
        return owner.functions[0]
    found: Callable[..., Any] = getattr(owner, layer.calls.forward if isinstance(layer, StudentLayer) else "forward")
    return found


def repairs(
    owner: Any, names: Sequence[str], forward: Callable[..., Any] | None, right: Test
) -> Iterator[tuple[Source, Edit, FunctionType]]:
    """Yield (source, what is wrong, the changed function) for each change of one line with which all is right.

    Args:
        owner: an object. names: of its methods that may be wrong; those that they call are looked at, too.
        forward: the function whose settings and arrays may be missing in them, or None.
        right: whether all is right with a function in the place of a source.
    """
    sources = list(filter(None, (source_of(owner, name) for name in names)))
    others = dict.fromkeys(helper for source in sources for helper in helpers(owner, source.tree))
    sources += filter(None, (source_of(owner, helper) for helper in others if helper not in names))
    start = time.process_time()
    for source, edit in edits_of(sources, None if forward is None else tree_of(forward)):
        if time.process_time() - start > SECONDS:
            return
        try:
            function = source.compiled()
            with np.errstate(all="ignore"):
                fits = right(source, function)
        except (*OWN_ERRORS, RecursionError):
            continue
        if fits:
            yield source, edit, function


def edits_of(sources: Sequence[Source], forward: ast.FunctionDef | None) -> Iterator[tuple[Source, Edit]]:
    """Yield the edits of all sources: first those of what is there, then those that add what may be missing."""
    names = [names_in(source.tree, forward) for source in sources]
    for source, (arrays, _) in zip(sources, names, strict=True):
        yield from ((source, edit) for edit in edits(source.tree, arrays))
    for source, (arrays, factors) in zip(sources, names, strict=True):
        yield from ((source, edit) for edit in additions(source.tree, arrays, factors))


def is_right(point: Point) -> bool:
    """Return whether backward, as it is now, gives all gradients of a point; what it changed is put back."""
    saved = {name: array.copy() for name, array in point.probe.arrays.items()}
    try:
        given = point.probe.backward(point.upstream.copy())
        names = [*point.wrong, *(name for name in point.numeric if name not in point.wrong)]
        return all(
            isinstance(given[name], np.ndarray)
            and given[name].shape == point.numeric[name].shape
            and (distance(given[name], point.numeric[name]) < REPAIRED or nothing(given[name], point, name))
            for name in names
        )
    finally:
        for name, array in point.probe.arrays.items():
            array[...] = saved[name]


def nothing(given: Any, point: Point, name: str) -> bool:
    """Return whether a gradient is zero where it should be, up to the rounding of the differences."""
    largest = max(float(np.abs(array).max(initial=0.0)) for array in point.numeric.values())
    return bool(np.abs(given - point.numeric[name]).max(initial=0.0) < 1e-8 * largest)


def elsewhere(point: Point, source: Source, function: FunctionType) -> bool:
    """Return whether the change makes a second point of another shape right, too."""
    for shape in other_shapes(point.x.shape):
        try:
            other = point_of(point, shape, "repair")
            layer = other.probe.layer
            owner = layer.student if isinstance(layer, StudentLayer) else layer
            other.numeric = {name: other.probe.differences(other.upstream, name) for name in point.wrong}
            other.wrong = list(point.wrong)
            moved = Source(owner, source.name, source.function, source.tree)
            with moved.replaced(function):
                return is_right(other)
        except OWN_ERRORS:  # the layer does not take this shape
            continue
    return True


def names_in(tree: ast.FunctionDef, forward: ast.FunctionDef | None) -> tuple[list[str], list[str]]:
    """Return the arrays that a function can use, and expressions that may be missing as factors in it.

    The factors are the settings of forward, the usual derivatives of what it keeps, and sizes.
    """
    trees = [tree, *([] if forward is None else [forward])]
    kept = [
        ast.unparse(node)
        for one in trees
        for node in ast.walk(one)
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "self"
    ]
    called = {ast.unparse(node.func) for one in trees for node in ast.walk(one) if isinstance(node, ast.Call)}
    own = [arg.arg for arg in tree.args.args if arg.arg not in ("self", "cache")]
    stored = [n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    parts = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Subscript) and is_part(node)]
    parts += map(neighbour, list(parts))
    arrays = [name for name in dict.fromkeys([*own, *kept, *parts, *stored]) if name not in called]
    constants = [
        ast.unparse(node)
        for node in (ast.walk(forward) if forward is not None else ())
        if isinstance(node, ast.Call | ast.BinOp) and needs_no_names(node)
    ]
    factors = ["2", "0.5", *constants, *arrays, f"np.sqrt({own[0]}.shape[-1])" if own else "2"]
    for name in arrays:
        if name not in own and (name not in stored or forward is None or len(arrays) < 10):
            factors += [form.format(name) for form in FORMS]
    if own:
        factors += [f"{own[0]}.shape[{axis}]" for axis in (0, -1)] + [f"({own[0]}.size // len({own[0]}))"]
    return arrays[:16], list(dict.fromkeys(factors))[:MOST_FACTORS]


def is_part(node: ast.Subscript) -> bool:
    """Return whether a subscript is read and has one index, a name or a sum: h[t], self.h[t + 1]."""
    return isinstance(node.ctx, ast.Load) and isinstance(node.slice, ast.Name | ast.BinOp)


def neighbour(part: str) -> str:
    """Return the next one of a part: self.h[t + 1] for self.h[t], and the reverse."""
    return part.replace(" + 1]", "]") if part.endswith(" + 1]") else f"{part[:-1]} + 1]"


def needs_no_names(node: ast.AST) -> bool:
    """Return whether an expression of forward needs no local names: np.sqrt(3), 1 - self.p."""
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}
    return names <= {"np", "math", "self"}
