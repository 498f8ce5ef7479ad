"""Is a loss the one that its name and its docstring say? Its values are compared with all right forms of that one.

Where they differ, the line of forward is looked for whose change makes them right.
"""

import inspect
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.losses.factors import counted_places
from mlp.diagnostics.gradients.losses.known.forward import family_of, has_more, taking_probabilities
from mlp.diagnostics.gradients.losses.known.identity import Place, places_of
from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Options, Parts
from mlp.diagnostics.gradients.losses.known.value_line import Meant, value_line
from mlp.diagnostics.gradients.losses.lines import LossPlace, owner_and_names, tried_loss
from mlp.diagnostics.gradients.losses.measured import LEAST_SETTING, with_other_settings
from mlp.diagnostics.gradients.losses.points import LossPoint
from mlp.diagnostics.gradients.repairs.edits import Edit
from mlp.diagnostics.gradients.repairs.sources import Source
from mlp.diagnostics.gradients.styles.arrays import vars_of
from mlp.diagnostics.gradients.styles.losses import as_number
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

NAME = "another loss than its name says"
OVER_OTHERS = "over the other classes"  # in the name of a loss
WITH_SQUARES = "with squares"  # at the end of the name of a loss
SAYS_SQUARES = re.compile(r"(?i)squares in the denominator|squared denominator|v-?net")
SAYS_COUNTED = re.compile(
    r"(?i)(mean|averaged?) (is )?(taken )?(over|of|across) (the |all )*"
    r"(real|valid|non-?pad|not pad|unpad|unmask|actual|counted)"
)
SAYS_OTHERS = re.compile(r"(?i)\b(k|c|n_?classes|num_classes) - 1\b|\bother(s| classes)\b")


def loss_as_named(places: Sequence[LossPlace]) -> Iterator[Diagnosis]:
    """Yield the line of forward that makes a loss of outputs and targets another one than its name says.

    Args:
        places: the loss, with its own settings and others, and the points where it was measured.
    """
    loss, owner = places[0][0], getattr(places[0][0], "student", places[0][0])
    name, text = getattr(owner, "__name__", type(owner).__name__), inspect.getdoc(owner) or ""
    family = [] if has_more(name, text) else family_of(name, text)
    family = [] if is_wider(owner, family) else family
    seen = [place for _, point in places for place in places_of([point])]
    if not family or len(seen) < len(places):
        return
    family = [*family, *taking_probabilities(family, seen, name)]
    if SAYS_COUNTED.search(text):
        seen = [replace(place, over_all=False) for place in seen]
    if SAYS_SQUARES.search(text):
        family = [one for one in family if one.name.endswith(WITH_SQUARES)] or family
    own = sum(one is loss for one, _ in places)
    meant, values = meant_of_family(family, seen, own), np.array([place.point.value for place in seen])
    if meant is None or meant.has_form(np.abs(values)) or differs_by_targets(places, seen, family, own):
        return
    if has_weight(loss, seen[:own], family):
        return
    its_owner, names = owner_and_names(loss)

    def tried(source: Source, function: Any) -> Array:
        return np.array([tried_loss(one, source, function, point)[0] for one, point in places], float)

    def run() -> dict[str, Any]:
        return {"loss": loss.forward(seen[0].point.outputs.copy(), seen[0].point.targets.copy())}

    told = [one for one in family if OVER_OTHERS in one.name] if SAYS_OTHERS.search(text) else []
    for members in filter(None, (told, family)):
        meant = meant_of_family(members, seen, own) or meant
        edits = list(value_line(its_owner, names[-1:], tried, meant, run))
        plain = re.sub(" of (each sample|all|prob).*", "", members[0].name)
        yield from (of_forward_line(edit, "outputs", "loss", plain) for edit in edits)
        if edits:
            return


def is_wider(owner: Any, family: Sequence[KnownLoss]) -> bool:
    """Return whether a setting of a family is no number in a loss: `margins` of the classes, say, an array or None."""
    keys = {key for known in family for key, usual in known.usual.items() if usual and len(key) > 1}
    defaults = inspect.signature(owner).parameters.items() if inspect.isfunction(owner) else ()
    held = vars_of(owner) | {name: one.default for name, one in defaults if one.default is not one.empty}
    plural = {f"{key}s" for key in keys}
    return any(name in {*keys, *plural} and not isinstance(value, int | float) for name, value in held.items())


def differs_by_targets(
    places: Sequence[LossPlace], seen: Sequence[Place], family: Sequence[KnownLoss], own: int
) -> bool:
    """Return whether a loss is one of a family plus something that does not depend on the outputs."""
    turned = [replace(place, y=nearby(place.y)) for place in seen]
    one, other = (meant_of_family(family, where, own, whole=False) for where in (seen, turned))
    if one is None or other is None or any(place.counted is not None for place in seen):
        return False
    values = []
    for loss, point in places:
        moved = as_number(loss.forward(nearby(point.outputs), point.targets.copy()))
        values.append(point.value - float(moved))
    return replace(one, totals=one.totals - other.totals).has_form(np.array(values))


def has_weight(loss: Any, places: Sequence[Place], family: Sequence[KnownLoss]) -> bool:
    """Return whether a loss is a plain one of a family once its numbers are 1: a weight that its name does not tell.

    A family with other settings than weights may have them in the wrong place.
    """
    plain = [known for known in family if not known.usual]
    if any(not known.usual.keys() <= {"pos_weight", "weights"} for known in family):
        return False
    with suppress(*OWN_ERRORS):
        other = with_other_settings(loss, neutral)
        if other is not None:
            values = [as_number(other.forward(p.point.outputs.copy(), p.point.targets.copy())) for p in places]
            meant = meant_of_family(plain, places, len(places))
            return meant is not None and meant.has_form(np.abs(np.array(values, float)))
    return False


def neutral(name: str, value: Any) -> Any:
    """Return 1 for a number that may be a weight; one of the positive class has its known place."""
    weight = type(value) in (int, float) and value >= LEAST_SETTING and "pos" not in name
    return type(value)(1) if weight else value


def nearby(outputs: Array) -> Array:
    """Return other outputs in the range of some: every other row is moved towards the one before it."""
    moved = outputs.copy()
    moved[::2] = 0.6 * outputs[::2] + 0.4 * np.roll(outputs, 1, axis=0)[::2]
    return moved


def of_forward_line(edit: Edit, array: str, mode: str, name: str) -> Diagnosis:
    """Return what a change of forward says."""
    text = f"in forward, line {edit.line}, `{edit.statement}`: {edit.text}; as it is written it is not {name}"
    return Diagnosis(NAME, array, mode, text, "with that line changed, its values are the right ones")


def mean_line(places: Sequence[LossPlace]) -> Iterator[Diagnosis]:
    """Yield the change of one line of forward with which a loss is divided by the places that count, not by all."""
    counts = [counted_places(one) for _, one in places]
    wanted = [one.value * whole / number for (_, one), (number, whole) in zip(places, counts, strict=True)]
    yield from line_for_values(places, wanted, ": only the places that count are averaged")


def mean_forgotten_line(places: Sequence[LossPlace]) -> Iterator[Diagnosis]:
    """Yield the change of one line of forward with which a loss is divided by the number of samples."""
    yield from line_for_values(places, [point.value / len(point.outputs) for _, point in places], "")


def line_for_values(places: Sequence[LossPlace], wanted: Sequence[float], why: str) -> Iterator[Diagnosis]:
    """Yield the change of one line of forward with which a loss has the values that are wanted at all places."""
    (loss, point), (owner, names) = places[0], owner_and_names(places[0][0])

    def tried(source: Source, function: Any) -> Array:
        return np.array([tried_loss(one, source, function, at)[0] for one, at in places], float)

    def run() -> dict[str, Any]:
        return {"loss": loss.forward(point.outputs.copy(), point.targets.copy())}

    meant = Meant(np.array([wanted]), np.ones((1, len(places))), sum(one is loss for one, _ in places))
    for edit in value_line(owner, names[-1:], tried, meant, run):
        text = f"in forward, line {edit.line}, `{edit.statement}`: {edit.text}{why}"
        yield Diagnosis(edit.kind, "outputs", "loss", text, "with that line changed, all is right")


def meant_of_family(
    family: Sequence[KnownLoss], places: Sequence[Place], own: int, *, whole: bool = True
) -> Meant | None:
    """Return the sums of the losses of a family at some places; None if none of them can be taken there.

    Args:
        own: how many of the places have the loss's own settings; those behind them have others.
        whole: whether forms that cannot be taken there are left out.
    """
    rows = []
    for known in family:
        for options in options_tried(known, [place.point for place in places]):
            both = [sum_at(known, place, s) for place, s in zip(places, options, strict=True)]
            rows += [[total for total, _ in both], *([[mean for _, mean in both]] if "hinge" in known.name else [])]
    sums = np.array(rows, float)
    if rows and whole:
        sums = sums[np.isfinite(sums).all(axis=1) & (np.abs(sums) > 1e-12).all(axis=1)]
    divisors = np.array(list(zip(*(place.divisors for place in places), strict=False)))
    numbers = [[v for v in place.point.settings.values() if isinstance(v, float) and v > 0] for place in places]
    return Meant(sums, divisors, own, (numbers[0], numbers[-1])) if len(sums) else None


def sum_at(known: KnownLoss, place: Place, s: Options) -> tuple[float, float]:
    """Return the sum of the losses at a place, and their mean over those that are not 0; NaN if there are none."""
    try:
        with np.errstate(all="ignore"):
            losses = known.value(place.y, place.t, s, Parts())
    except (ValueError, IndexError):
        return float("nan"), float("nan")
    return float(losses.sum()), float(losses.sum()) / max(1, int(np.count_nonzero(losses)))


def options_tried(known: KnownLoss, points: Sequence[LossPoint]) -> Iterator[list[Options]]:
    """Yield the settings that a loss may have at each point: its own ones, by their names, or the usual numbers."""
    first = points[0].settings
    numbers = list({value: name for name, value in first.items() if isinstance(value, float)}.values())
    arrays = [name for name, value in first.items() if isinstance(value, np.ndarray)]
    choices = [
        arrays if key == "weights" else [key] if key in first else [*numbers, *(arrays if key == "q" else ()), *usual]
        for key, usual in known.usual.items()
    ]
    below = [{}, {"below_alone": True}] if "smooth" in known.usual else [{}]  # a small number in the denominator alone
    for chosen, more in product(product(*choices), below):
        pairs = list(zip(known.usual, chosen, strict=True))
        yield [{key: p.settings[c] if isinstance(c, str) else c for key, c in pairs} | more for p in points]
