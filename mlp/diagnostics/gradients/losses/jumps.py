"""A loss that jumps: its gradient is right almost everywhere, and its two parts do not meet.

One output after the other is moved through a range in small steps. Where the loss changes by more than its gradient
allows, the step is halved again and again: what is left of the change in a step of no length is a jump.
"""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.losses.known.forward import has_more
from mlp.diagnostics.gradients.losses.lines import LossPlace, owner_and_names, tried_loss
from mlp.diagnostics.gradients.losses.measured import differences, loss_at_other_settings
from mlp.diagnostics.gradients.losses.points import LossPoint, settings_of
from mlp.diagnostics.gradients.repairs.search.changes import Search, repairs
from mlp.diagnostics.gradients.repairs.search.points import REPAIRED
from mlp.diagnostics.gradients.repairs.sources import Source
from mlp.diagnostics.gradients.report import Findings, fault
from mlp.diagnostics.gradients.styles.losses import as_number
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

OUTPUTS, STEPS, REACH = 3, 120, 3.0
FURTHEST = 10.0  # a setting that is larger is no place where a loss changes its form
HALVINGS = 40
JUMP = 1e-6  # of the size of the loss
SECONDS = 1.5  # of work for the line


@dataclass(frozen=True)
class Jump:
    """Where a loss jumps, just below and just above, and from where to where."""

    index: tuple[int, ...]
    at: tuple[float, float]
    values: tuple[float, float]


def jumps_of(loss: Any, outputs: Array, targets: Array) -> Findings:
    """Return a fault for a loss that jumps; none for one that chooses among its values, as hard samples are."""
    owner = getattr(loss, "student", loss)
    if has_more(getattr(owner, "__name__", type(owner).__name__), inspect.getdoc(owner) or ""):
        return Findings()
    try:
        with np.errstate(all="ignore"):
            value = float(as_number(loss.forward(outputs.copy(), targets.copy())))
            given = np.asarray(loss.backward(), float)
            point = LossPoint(given, given, outputs, targets, sums=False, settings=settings_of(loss), value=value)
            jumps = list(loss_jumps([(loss, point), *loss_at_other_settings(loss, [point], measured=False)]))
    except OWN_ERRORS:
        return Findings()
    return fault(jumps[0], outputs.shape, jumps[0].name) if jumps else Findings()


def loss_at(loss: Any, point: LossPoint, index: tuple[int, ...], y: float) -> float:
    """Return the value of a loss with one output changed."""
    moved = point.outputs.copy()
    moved[index] = y
    return float(as_number(loss.forward(moved, point.targets.copy())))


def jump_of(loss: Any, point: LossPoint) -> Jump | None:
    """Return the first jump that is found, or None."""
    y = point.outputs
    inside = bool(((y > 0.0) & (y < 1.0)).all())  # probabilities
    limits = [abs(v) for v in point.settings.values() if isinstance(v, float) and abs(v) < FURTHEST]
    reach = REACH + max(limits, default=0.0)
    for flat in np.linspace(0, y.size - 1, min(OUTPUTS, y.size)).astype(int):
        index = tuple(int(i) for i in np.unravel_index(flat, y.shape))
        ends = (0.02, 0.98) if inside else (y[index] - reach, y[index] + reach)
        places = np.linspace(ends[0], ends[1], STEPS)
        values = np.array([loss_at(loss, point, index, at) for at in places])
        if not np.isfinite(values).all():
            continue
        changes = np.abs(np.diff(values))
        around = np.maximum(np.r_[0.0, changes[:-1]], np.r_[changes[1:], 0.0])
        for i in np.argsort(around - changes)[:2]:
            if changes[i] > 2.0 * around[i] + JUMP:
                found = halved(loss, point, index, (places[i], places[i + 1]))
                if found is not None:
                    return found
    return None


def halved(loss: Any, point: LossPoint, index: tuple[int, ...], ends: tuple[float, float]) -> Jump | None:
    """Return the jump between two places, None if the loss is continuous there or grows without bound."""
    low, high = ends
    beside = 1e-3 * (high - low)
    below, above = (loss_at(loss, point, index, at) for at in ends)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        value = loss_at(loss, point, index, middle)
        if abs(value - below) > abs(above - value):
            high, above = middle, value
        else:
            low, below = middle, value
    if not abs(above - below) > JUMP * (1.0 + abs(below)) or of_another_count(below, above):
        return None
    before, after = loss_at(loss, point, index, low - beside), loss_at(loss, point, index, high + beside)
    if abs(below - before) + abs(after - above) > 0.5 * abs(above - below):  # a pole: no side has an end
        return None
    return Jump(index, (low, high), (below, above))


def of_another_count(one: float, other: float) -> bool:
    """Return whether two values are means of the same sum over n and n + 1: over the margins that are violated."""
    share = min(one, other) / max(one, other) if min(one, other) > 0.0 else 1.0
    n = share / (1.0 - share) if share < 1.0 else 0.0
    return round(n) > 2 and abs(n - round(n)) < JUMP * n


def loss_jumps(places: Sequence[LossPlace]) -> Iterator[Diagnosis]:
    """Yield that a loss jumps, with the line of forward that makes its parts meet, if one change does."""
    loss, point = places[0]
    found = jump_of(loss, point)
    if found is None:
        return
    where = at_which_value(point, found)
    text = (
        f"the loss jumps{where}, from {found.values[0]:.4g} to {found.values[1]:.4g}, and its gradient cannot show it: "
        "the parts of a loss must meet where one goes over into the other (a constant of one of them is wrong)"
    )
    line = next(line_that_meets(places, found), "")
    yield Diagnosis("the loss jumps", "outputs", "loss", f"{line}; {text}" if line else f"in forward: {text}")


def at_which_value(point: LossPoint, jump: Jump) -> str:
    """Return where a loss jumps in words: " where |y - t| = delta"."""
    y = jump.at[0]
    values = {"y": y, "|y|": abs(y)}
    if point.numbers:
        t = float(point.targets[jump.index])
        values |= {"|y - t|": abs(y - t), "t y": t * y}
    limits = {name: v for name, v in point.settings.items() if isinstance(v, float)} | {"1": 1.0, "0": 0.0}
    for text, value in values.items():
        for name, limit in limits.items():
            if abs(value - limit) < 1e-6:
                return f" where {text} = {name}"
    return f" where the output {list(jump.index)} is {y:.4g}"


def line_that_meets(places: Sequence[LossPlace], jump: Jump) -> Iterator[str]:
    """Yield the change of one line of forward with which a loss does not jump, and has the same gradient."""
    (loss, point), (owner, names) = places[0], owner_and_names(places[0][0])

    def value(source: Source, function: Any, outputs: Array) -> float:
        moved = LossPoint(point.given, point.right, outputs, point.targets, point.sums)
        return float(tried_loss(loss, source, function, moved)[0])

    def meets(source: Source, function: Any) -> bool:
        both = []
        for at in jump.at:
            outputs = point.outputs.copy()
            outputs[jump.index] = at
            both.append(value(source, function, outputs))
        return abs(both[0] - both[1]) < 1e-3 * abs(jump.values[0] - jump.values[1])

    def right(source: Source, function: Any) -> bool:
        return meets(source, function) and all(same_slopes(one, source, function) for one in places)

    def run() -> dict[str, Any]:
        return {"loss": loss.forward(point.outputs.copy(), point.targets.copy())}

    for _, edit, _ in repairs(owner, names[-1:], None, right, Search(run, seconds=SECONDS)):
        yield f"in forward, line {edit.line}, `{edit.statement}`: {edit.text}"
        return


def same_slopes(place: LossPlace, source: Source, function: Any) -> bool:
    """Return whether a changed loss has the gradient that backward gives, and no jump."""
    loss, point = place

    class Changed:
        def forward(self, outputs: Array, targets: Array) -> float:
            moved = LossPoint(point.given, point.right, outputs, targets, point.sums)
            return float(tried_loss(loss, source, function, moved)[0])

    try:
        slopes = differences(Changed(), point.outputs, point.targets)
        return distance(slopes, point.given) < REPAIRED and jump_of(Changed(), point) is None
    except OWN_ERRORS:
        return False
