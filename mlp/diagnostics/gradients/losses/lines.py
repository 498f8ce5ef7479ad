"""The line of a loss's own source that is wrong: the one whose change makes the gradient right and keeps the value."""

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import FunctionType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.losses.points import LossPoint
from mlp.diagnostics.gradients.repairs.choice.right_changes import complexity
from mlp.diagnostics.gradients.repairs.edits import Edit
from mlp.diagnostics.gradients.repairs.kinds import KINDS, OF_ADDENDS, OF_CONDITIONS, OF_ITSELF, Maker
from mlp.diagnostics.gradients.repairs.makers.weights_and_shares import (
    filled_with_shares,
    uniform_shares,
    weights_by_target,
)
from mlp.diagnostics.gradients.repairs.search.changes import Search, of_one_kind, repairs
from mlp.diagnostics.gradients.repairs.search.points import REPAIRED
from mlp.diagnostics.gradients.repairs.search.second_terms import of_each_row, other_side, terms_by_themselves
from mlp.diagnostics.gradients.repairs.sources import Source
from mlp.diagnostics.gradients.repairs.wrong_line import diagnosis_of
from mlp.diagnostics.gradients.styles.losses import StudentLoss, as_number
from mlp.typing import Array

LOSS_SECONDS = 3.5, 1.5  # of work that the search may take
KEEPING_SECONDS = 0.2
SAME = 1e-9
OF_LOSSES: tuple[tuple[Maker, str], ...] = (  # kinds of changes, the likeliest first
    *OF_CONDITIONS,
    *OF_ITSELF,
    *OF_ADDENDS,
    (lambda slot, _: other_side(slot), "path missing"),
    (lambda slot, s: terms_by_themselves(slot, s.values), "term missing"),
    (lambda slot, s: weights_by_target(slot, s.values), "weight of another class"),
    (lambda slot, s: uniform_shares(slot, s.values), "term missing"),
    (lambda slot, s: of_each_row(slot, s.values), "weight of another class"),
    *KINDS[len(OF_ITSELF) :],
)
OF_ZEROS: tuple[tuple[Maker, str], ...] = (  # lines that make zeros are looked at last by all others
    (lambda slot, s: filled_with_shares(slot, s.values), "term missing"),
)
OF_KEEPING = tuple(kind for kind in KINDS if kind[1] == "not kept")  # few, also those of forward
LossPlace = tuple[Any, LossPoint]  # a loss, with its own settings, and what is known of it at a point


def line_of_loss(places: Sequence[LossPlace], *, known: bool) -> Iterator[Diagnosis]:
    """Yield the change of one line of a loss that makes the gradient right and keeps the value, at all places.

    Args:
        known: whether it is known already what is wrong: the line is looked for not so long then.
    """
    loss, first = places[0]

    def right(source: Source, function: FunctionType) -> bool:
        for other, point in places:
            value, given = tried_loss(other, source, function, point)
            if abs(value - point.value) > SAME * (1.0 + abs(point.value)) or given.shape != point.right.shape:
                return False
            if not distance(given, point.right) < REPAIRED:
                return False
        return True

    def run() -> dict[str, Any]:
        loss.forward(first.outputs.copy(), first.targets.copy())
        return {"outputs": loss.backward()}

    owner, names = owner_and_names(loss)
    value = owner if inspect.isfunction(owner) else getattr(owner, names[-1])
    for kinds, seconds in ((OF_KEEPING, KEEPING_SECONDS), (OF_LOSSES, LOSS_SECONDS[known])):
        found: list[tuple[int, bool, int, Edit]] = []  # changes of one kind with which all is right
        search = Search(run, seconds=seconds, kinds=kinds, first=OF_ZEROS if kinds is OF_LOSSES else ())
        for source, edit in of_one_kind(repairs(owner, names, value, right, search)):
            of_factor = edit.kind == "factor or term missing"
            a_name = of_factor and re.search(r"missing in `\w+`", edit.text) is not None  # not where it is made
            found.append((complexity(source.tree), a_name, 0 if of_factor else -edit.line, edit))
        if found:  # the simplest; of these the last line: what follows from a value that is changed changes, too
            yield diagnosis_of(min(found, key=lambda one: one[:3])[3], "outputs", "loss")
            return


def owner_and_names(loss: Any) -> tuple[Any, list[str]]:
    """Return what the source of a loss belongs to, and the names of its functions: that of the gradient first."""
    if not isinstance(loss, StudentLoss):
        return loss, ["backward", "forward"]
    if inspect.isfunction(loss.student):
        return loss.student, [loss.student.__name__]
    methods = filter(None, (loss.gradient, loss.value))
    return loss.student, list(dict.fromkeys(method.__name__ for method in methods))


def tried_loss(loss: Any, source: Source, function: FunctionType, point: LossPoint) -> tuple[Any, Array]:
    """Return the value of a loss and its gradient with a changed function in the place of a source."""

    def both(changed: Any) -> tuple[Any, Array]:
        value = as_number(changed.forward(point.outputs.copy(), point.targets.copy()))
        return value, np.asarray(changed.backward(), float)

    owner = getattr(loss, "student", loss)
    if inspect.isfunction(source.owner):
        function.__defaults__ = owner.__defaults__
        return both(StudentLoss(function))
    before = dict(vars(owner)) if hasattr(owner, "__dict__") else {}
    try:
        with replace(source, owner=source.owner and owner).replaced(function):
            return both(StudentLoss(owner) if isinstance(loss, StudentLoss) else loss)
    finally:  # a change may have written to a setting
        if hasattr(owner, "__dict__"):
            vars(owner).clear()
            vars(owner).update(before)
