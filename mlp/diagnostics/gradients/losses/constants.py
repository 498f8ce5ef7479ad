"""Which value of forward does backward treat as a constant? Forward is differentiated with each of them held."""

import ast
import copy
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.losses.lines import LossPlace, owner_and_names
from mlp.diagnostics.gradients.losses.measured import differences
from mlp.diagnostics.gradients.losses.points import LossPoint
from mlp.diagnostics.gradients.repairs.search.points import REPAIRED
from mlp.diagnostics.gradients.repairs.sources import Source, source_of
from mlp.diagnostics.gradients.repairs.values import values_in
from mlp.diagnostics.gradients.styles.losses import StudentLoss, as_number
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

LOOSE = 1e-4
HELD = "__held__"  # the name of the value that is held, in the changed code
LOOK = 3  # places


def treated_as_constant(places: Sequence[LossPlace]) -> Iterator[Diagnosis]:
    """Yield the value of forward with which held constant its derivative is what backward gives, at all places."""
    loss = places[0][0]
    owner, names = owner_and_names(loss)
    source = source_of(owner, names[-1])
    if source is None:
        return
    for line in [node for node in ast.walk(source.tree) if isinstance(node, ast.Assign) and len(node.targets) == 1]:
        target, value = line.targets[0], line.value
        if not isinstance(target, ast.Name | ast.Attribute) or isinstance(value, ast.Name | ast.Constant):
            continue
        name = ast.unparse(target)
        line.value = ast.copy_location(ast.Name(HELD, ast.Load()), value)
        same = all(is_given(source, name, other, point) for other, point in places[:LOOK])
        line.value = value
        if same:
            text = (
                f"`{name}` of line {line.lineno}, `{ast.unparse(line)}`, is treated as a constant in the gradient, and "
                "depends on the outputs, too: its derivative is missing (product, quotient or chain rule)"
            )
            evidence = f"with {name} held, the derivative of the loss is what backward gives"
            yield Diagnosis("part as a constant", "outputs", "loss", text, evidence)
            return


def is_given(source: Source, name: str, loss: Any, point: LossPoint) -> bool:
    """Return whether a loss with a value held has the gradient under test at a point, and another one than with it."""
    space, owner = source.function.__globals__, getattr(loss, "student", loss)
    with suppress(*OWN_ERRORS):
        codes = {source.name: source.function.__code__}
        seen = values_in(codes, lambda: loss.forward(point.outputs.copy(), point.targets.copy()))
        space[HELD] = seen[source.name][name]
        try:
            held = gradient_with(source, owner, loss, point)
        finally:
            del space[HELD]
        return distance(held, point.given) < REPAIRED < distance(held, point.right)
    return False


def gradient_with(source: Source, owner: Any, loss: Any, point: LossPoint) -> Array:
    """Return the gradient of the changed forward by differences."""
    function = source.compiled()
    with np.errstate(all="ignore"):
        if isinstance(source.owner, type(function)):
            return differences(StudentLoss(function), point.outputs, point.targets)
        with Source(owner, source.name, source.function, source.tree).replaced(function):
            other = StudentLoss(owner) if isinstance(loss, StudentLoss) else loss
            return differences(other, point.outputs, point.targets)


def unused_settings(loss: Any, point: LossPoint) -> Iterator[Diagnosis]:
    """Yield the settings that the value of a loss depends on, and its gradient does not."""
    for name, old in point.settings.items():
        other = copy.deepcopy(loss)
        try:
            setattr(getattr(other, "student", other), name, 1.3 * old)
            value = as_number(other.forward(point.outputs.copy(), point.targets.copy()))
            given, right = np.asarray(other.backward()), differences(other, point.outputs, point.targets)
        except (*OWN_ERRORS, AttributeError):
            continue
        if value != point.value and distance(right, point.right) > LOOSE and np.array_equal(given, point.given):
            text = f"the loss depends on `{name}`, and the gradient does not: backward does not use it"
            yield Diagnosis(
                "setting not used", "outputs", "loss", text, f"with {name} changed, backward gives the same"
            )
            return
