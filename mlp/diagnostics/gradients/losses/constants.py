"""Which value of forward does backward treat as a constant? Forward is differentiated with each of them held."""

import ast
import copy
import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.budget import now, seconds_left, spend, work_of
from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.losses.lines import LossPlace, owner_and_names
from mlp.diagnostics.gradients.losses.measured import differences
from mlp.diagnostics.gradients.losses.points import LossPoint
from mlp.diagnostics.gradients.repairs.search.points import REPAIRED
from mlp.diagnostics.gradients.repairs.search.slots import Slot, located, slots_of
from mlp.diagnostics.gradients.repairs.sources import Source, source_of
from mlp.diagnostics.gradients.styles.losses import StudentLoss, as_number
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

LOOSE = 1e-4
HELD = "__held__"  # the name of the function that holds a value, in the changed code
LOOK = 3  # places
SECONDS = 1.0  # of work


class Held:
    """A function that stands round a value in the changed code: what it is in the first run, it stays in all others."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.again: Iterator[Any] | None = None

    def __call__(self, value: Any) -> Any:
        if self.again is not None:
            return copy.copy(next(self.again))
        self.values.append(copy.copy(value))
        return value

    def hold(self) -> None:
        """End the first run."""
        self.again = itertools.cycle(self.values)


def treated_as_constant(places: Sequence[LossPlace]) -> Iterator[Diagnosis]:
    """Yield the value of forward with which held constant its derivative is what backward gives, at all places."""
    owner, names = owner_and_names(places[0][0])
    source = source_of(owner, names[-1])
    slots = [] if source is None else values_to_hold(source.tree)
    if source is None or not slots:
        return
    each, end = work_of(lambda: same_with(source, slots[0], places[:1])), now() + min(SECONDS, seconds_left())
    for slot in slots:
        spend(each)
        if now() > end:
            return
        product = whole_product(slot, source.tree)
        same = same_with(source, slot, places[:LOOK])
        if same and product is not slot:  # else a whole term is held, and that is none of a rule
            same = not same_with(source, product, places[:1])
        if same:
            whole = isinstance(slot.parent, ast.Assign)
            name = ast.unparse(slot.parent.targets[0] if whole else slot.node)
            rule = "product, quotient or chain rule" if whole else "product or quotient rule"
            text = (
                f"{'' if whole else 'the factor '}`{name}` of line {slot.line}, `{slot.statement}`, is treated as a "
                f"constant in the gradient, and depends on the outputs, too: its derivative is missing ({rule})"
            )
            evidence = f"with {name} held, the derivative of the loss is what backward gives"
            yield Diagnosis("part as a constant", "outputs", "loss", text, evidence)
            return


def values_to_hold(tree: ast.FunctionDef) -> list[Slot]:
    """Return the values that have a name, then the factors inside formulas, the shortest first."""
    named, factors = [], []
    for slot in slots_of(tree):
        parent, node = slot.parent, slot.node
        if not isinstance(node, ast.expr) or isinstance(node, ast.Constant):
            continue
        if isinstance(parent, ast.Assign) and slot.field == "value":
            to_a_name = len(parent.targets) == 1 and isinstance(parent.targets[0], ast.Name | ast.Attribute)
            named += [slot] if to_a_name and not isinstance(node, ast.Name) else []
        elif isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Mult | ast.Div):
            factors.append(slot)
    return [*named, *sorted(factors, key=lambda slot: len(ast.unparse(slot.node)))]


def whole_product(slot: Slot, tree: ast.FunctionDef) -> Slot:
    """Return the largest product that a factor stands in; the place itself if it is no factor."""
    above = {id(one.node): one for one in slots_of(tree)}
    while isinstance(slot.parent, ast.BinOp) and isinstance(slot.parent.op, ast.Mult | ast.Div):
        slot = above[id(slot.parent)]
    return slot


def same_with(source: Source, slot: Slot, places: Sequence[LossPlace]) -> bool:
    """Return whether with a value held the gradient is the one under test at all places."""
    slot.put(located(ast.Call(ast.Name(HELD, ast.Load()), [slot.node], [], lineno=slot.line, col_offset=0)))
    try:
        return all(is_given(source, other, point) for other, point in places)
    finally:
        slot.put(slot.node)


def is_given(source: Source, loss: Any, point: LossPoint) -> bool:
    """Return whether a loss with a value held has the gradient under test at a point, and another one than with it."""
    space, held = source.function.__globals__, Held()
    with suppress(*OWN_ERRORS):
        space[HELD] = held
        try:
            gradient = gradient_with(source, loss, point, held)
        finally:
            del space[HELD]
        return distance(gradient, point.given) < REPAIRED < distance(gradient, point.right)
    return False


def gradient_with(source: Source, loss: Any, point: LossPoint, held: Held) -> Array:
    """Return the gradient of the changed forward by differences; the first run tells what is held."""
    function, owner = source.compiled(), getattr(loss, "student", loss)

    def of(changed: Any) -> Array:
        changed.forward(point.outputs.copy(), point.targets.copy())
        held.hold()
        return differences(changed, point.outputs, point.targets) if held.values else point.right

    with np.errstate(all="ignore"):
        if isinstance(source.owner, type(function)):
            function.__defaults__ = owner.__defaults__
            return of(StudentLoss(function))
        with Source(owner, source.name, source.function, source.tree).replaced(function):
            return of(StudentLoss(owner) if isinstance(loss, StudentLoss) else loss)


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
