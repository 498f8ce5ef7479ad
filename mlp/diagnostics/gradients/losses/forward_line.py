"""The line of a loss's forward that is wrong: with it changed, the gradient that is given belongs to the loss.

It is looked for where no line of the gradient is wrong and the loss is not known. Along one random direction the value
must change by what the gradient says, which costs two values for each change.
"""

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.finite_differences import STEP, norm
from mlp.diagnostics.gradients.losses.lines import LossPlace, owner_and_names, tried_loss
from mlp.diagnostics.gradients.losses.points import LossPoint
from mlp.diagnostics.gradients.repairs.kinds import OF_ITSELF
from mlp.diagnostics.gradients.repairs.names import names_read
from mlp.diagnostics.gradients.repairs.search.changes import Search, repairs
from mlp.diagnostics.gradients.repairs.sources import Source, tree_of
from mlp.typing import Array

SECONDS = 1.5  # of work that the search may take
FITS = 1e-6  # of the length of the gradient
SAME = 1e-12


def forward_line_of_loss(places: Sequence[LossPlace]) -> Iterator[Diagnosis]:
    """Yield the change of one line of forward with which the gradient is right, at all places.

    A change that takes a term away is none: it is the gradient that has forgotten it.
    """
    (loss, point), (owner, names) = places[0], owner_and_names(places[0][0])
    moves = [direction_of(at) for _, at in places]

    def right(source: Source, function: FunctionType) -> bool:
        whole = tree_of(source.function) or source.tree
        if not names_read(source.tree) >= names_read(whole) or terms_in(source.tree) < terms_in(whole):
            return False
        pairs = zip(places, moves, strict=True)
        return all(belongs(one, source, function, at, move) for (one, at), move in pairs)

    def run() -> dict[str, Any]:
        return {"loss": loss.forward(point.outputs.copy(), point.targets.copy())}

    search = Search(run, seconds=SECONDS, kinds=OF_ITSELF)
    for _, edit, _ in repairs(owner, names[-1:], None, right, search):
        place = f"in line {edit.line}, `{edit.statement}`, of forward"
        text = f"the gradient is right for another forward: {place}: {edit.text}"
        yield Diagnosis(edit.kind, "outputs", "loss", text, "with that line of forward changed, all is right")
        return


def direction_of(point: LossPoint) -> Array:
    """Return a direction in which the outputs are moved."""
    return np.random.default_rng(1).standard_normal(point.outputs.shape)


def terms_in(tree: ast.AST) -> int:
    """Return how many operations a function has."""
    return sum(isinstance(node, ast.BinOp | ast.Call) for node in ast.walk(tree))


def belongs(loss: Any, source: Source, function: FunctionType, point: LossPoint, move: Array) -> bool:
    """Return whether the value of a changed loss changes by what its gradient says, which is the one under test."""
    values = []
    for step in (STEP, -STEP):
        moved = replace(point, outputs=point.outputs + step * move)
        values.append(float(tried_loss(loss, source, function, moved)[0]))
    slope, told = (values[0] - values[1]) / (2.0 * STEP), float((point.given * move).sum())
    if not abs(slope - told) < FITS * norm(point.given) * norm(move):
        return False
    _, given = tried_loss(loss, source, function, point)
    return given.shape == point.given.shape and norm(given - point.given) <= SAME * norm(given)
