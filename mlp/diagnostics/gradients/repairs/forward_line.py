"""The line of forward that is wrong: with one change of it, the gradients that backward gives are the right ones.

Backward may well be right, for the forward that was meant. Along a few random directions v the outputs must change by
what the gradients say, <u, f(x + h v) - f(x - h v)> / (2h) = <g, v>, which costs two forwards for each change.
"""

from collections.abc import Iterator, Sequence
from types import FunctionType

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Point
from mlp.diagnostics.gradients.diagnoses.repeated.second_point import point_elsewhere
from mlp.diagnostics.gradients.finite_differences import STEP, Probe, norm, restoring
from mlp.diagnostics.gradients.repairs.kinds import OF_FORWARD
from mlp.diagnostics.gradients.repairs.names import names_read
from mlp.diagnostics.gradients.repairs.search.changes import Search, repairs
from mlp.diagnostics.gradients.repairs.search.replay import all_held, put_all_back
from mlp.diagnostics.gradients.repairs.sources import Source, tree_of
from mlp.diagnostics.gradients.styles.student_layer import code_of
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

MOVES = 2
FITS = 1e-6  # of the length of the gradients


def forward_line(points: Sequence[Point], seconds: float) -> Iterator[Diagnosis]:
    """Yield the change of one line of forward that makes backward right, also at a second point.

    Args:
        points: where gradients are wrong. seconds: of work that the search may take.
    """
    point = points[0]
    if not all(one.searchable for one in points):
        return
    owner, name, _ = code_of(point.probe.layer)

    def right(source: Source, function: FunctionType) -> bool:
        with source.replaced(function), restoring(point.probe.arrays.values()):  # a change may write into the inputs
            return agree(point.probe, point.upstream) and not np.array_equal(point.probe.outputs(), point.outputs)

    other = point_elsewhere(point, "forward")
    search = Search(lambda: {"outputs": point.probe.outputs()}, seconds=seconds, kinds=OF_FORWARD)
    for source, edit, function in repairs(owner, (name,), None, right, search):
        if not names_read(source.tree) >= names_read(tree_of(source.function) or source.tree):
            continue  # what is not used any more is not what is wrong
        other_function = edit.kind == "function or axis" and "belongs" in edit.text
        if other_function or "one too many" in edit.text:  # backward has the wrong one, or has forgotten it
            continue
        if all(one is None or fits(source, function, one) for one in (other, *points[1:])):
            place = f"in line {edit.line}, `{edit.statement}`, of forward"
            text = f"backward is right for another forward: {place}: {edit.text}"
            arrays, modes = ", ".join(point.wrong), ", ".join(one.mode for one in points)
            yield Diagnosis(edit.kind, arrays, modes, text, "with that line of forward changed, all is right")
            return


def agree(probe: Probe, upstream: Array) -> bool:
    """Return whether the outputs change by what the gradients say."""
    rng = np.random.default_rng(1)
    if probe.outputs().shape != upstream.shape:
        return False
    given = probe.backward(upstream.copy())
    if any(np.shape(given[name]) != array.shape for name, array in probe.arrays.items()):
        return False
    if not given["inputs"].any():  # then forward hands nothing of them on
        return False
    for _ in range(MOVES):
        moves = {name: rng.standard_normal(array.shape) for name, array in probe.arrays.items()}
        told = sum(float((given[name] * move).sum()) for name, move in moves.items())
        length = sum(norm(given[name]) for name in moves)
        if not abs(told - slope_along(probe, upstream, moves)) < FITS * length:
            return False
    return True


def slope_along(probe: Probe, upstream: Array, moves: dict[str, Array]) -> float:
    """Return the central difference of the outputs along a direction, times the upstream gradient."""
    outputs = []
    with restoring(probe.arrays.values()) as held:
        for step in (STEP, -STEP):
            for (name, array), before in zip(probe.arrays.items(), held, strict=True):
                array[...] = before + step * moves[name]
            outputs.append(probe.outputs())
    return float((upstream * (outputs[0] - outputs[1])).sum()) / (2.0 * STEP)


def fits(source: Source, function: FunctionType, point: Point) -> bool:
    """Return whether a change makes the gradients right at another point, with a copy of the layer."""
    try:
        probe = point.probe
        with source.of(probe.layer).replaced(function), restoring(probe.arrays.values()), np.errstate(all="ignore"):
            return agree(probe, point.upstream)
    except OWN_ERRORS:
        return False


def gradients_fit(probe: Probe, source: Source, function: FunctionType) -> bool:
    """Return whether backward is right for forward as it is with a change."""
    kept = all_held(probe)
    try:
        with source.replaced(function), restoring(probe.arrays.values()), np.errstate(all="ignore"):
            upstream = generator(0, "probe", "upstream").standard_normal(probe.outputs().shape)
            return agree(probe, upstream)
    except OWN_ERRORS:
        return False
    finally:
        put_all_back(kept)
