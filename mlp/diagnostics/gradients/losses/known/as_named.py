"""Is a loss the one that its name and its docstring say? Its values are compared with all right forms of that one.

Where they differ, the line of forward is looked for whose change makes them right.
"""

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.losses.factors import counted_places
from mlp.diagnostics.gradients.losses.known.forward import family_of, has_more, taking_probabilities
from mlp.diagnostics.gradients.losses.known.identity import Place, places_of
from mlp.diagnostics.gradients.losses.known.joint import JointLoss, joint_losses, sums_in_all_forms
from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Options, Parts
from mlp.diagnostics.gradients.losses.known.value_line import Meant, value_line
from mlp.diagnostics.gradients.losses.lines import LossPlace, owner_and_names, tried_loss
from mlp.diagnostics.gradients.losses.points import LossPoint
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.diagnostics.gradients.repairs.edits import Edit
from mlp.diagnostics.gradients.repairs.sources import Source
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.diagnostics.gradients.styles.losses import as_number
from mlp.layers.machinery.base import Layer
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

NAME = "another loss than its name says"
OVER_OTHERS = "over the other classes"  # in the name of a loss
SAYS_OTHERS = re.compile(r"(?i)\b(k|c|n_?classes|num_classes) - 1\b|\bother(s| classes)\b")
TINY_NUMBER = 1e-3  # in code: an eps
POINTS = 4  # of a loss of several arrays


def loss_as_named(places: Sequence[LossPlace]) -> Iterator[Diagnosis]:
    """Yield the line of forward that makes a loss of outputs and targets another one than its name says.

    Args:
        places: the loss, with its own settings and others, and the points where it was measured.
    """
    loss, owner = places[0][0], getattr(places[0][0], "student", places[0][0])
    name, text = getattr(owner, "__name__", type(owner).__name__), inspect.getdoc(owner) or ""
    family = [] if has_more(name, text) else family_of(name, text)
    seen = [place for _, point in places for place in places_of([point])]
    if not family or len(seen) < len(places):
        return
    family = [*family, *taking_probabilities(family, seen, name)]
    own = sum(one is loss for one, _ in places)
    meant, values = meant_of_family(family, seen, own), np.array([place.point.value for place in seen])
    if meant is None or meant.has_form(np.abs(values)) or differs_by_targets(places, seen, family, own):
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
    (loss, point), (owner, names) = places[0], owner_and_names(places[0][0])
    counts = [counted_places(one) for _, one in places]
    wanted = [one.value * whole / number for (_, one), (number, whole) in zip(places, counts, strict=True)]

    def tried(source: Source, function: Any) -> Array:
        return np.array([tried_loss(one, source, function, at)[0] for one, at in places], float)

    def run() -> dict[str, Any]:
        return {"loss": loss.forward(point.outputs.copy(), point.targets.copy())}

    meant = Meant(np.array([wanted]), np.ones((1, len(places))), sum(one is loss for one, _ in places))
    for edit in value_line(owner, names[-1:], tried, meant, run):
        text = f"in forward, line {edit.line}, `{edit.statement}`: {edit.text}: only the places that count are averaged"
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
            rows.append([sum_at(known, place, s) for place, s in zip(places, options, strict=True)])
    sums = np.array(rows, float)
    if rows and whole:
        sums = sums[np.isfinite(sums).all(axis=1) & (np.abs(sums) > 1e-12).all(axis=1)]
    divisors = np.array(list(zip(*(place.divisors for place in places), strict=False)))
    numbers = [[v for v in place.point.settings.values() if isinstance(v, float) and v > 0] for place in places]
    return Meant(sums, divisors, own, (numbers[0], numbers[-1])) if len(sums) else None


def sum_at(known: KnownLoss, place: Place, s: Options) -> float:
    """Return the sum of the losses at a place; NaN if they cannot be taken there."""
    try:
        with np.errstate(all="ignore"):
            return float(known.value(place.y, place.t, s, Parts()).sum())
    except (ValueError, IndexError):
        return float("nan")


def options_tried(known: KnownLoss, points: Sequence[LossPoint]) -> Iterator[list[Options]]:
    """Yield the settings that a loss may have at each point: its own ones, by their names, or the usual numbers."""
    first = points[0].settings
    numbers = list({value: name for name, value in first.items() if isinstance(value, float)}.values())
    arrays = [name for name, value in first.items() if isinstance(value, np.ndarray)]
    choices = [
        arrays if key == "weights" else [key] if key in first else [*numbers, *usual]
        for key, usual in known.usual.items()
    ]
    below = [{}, {"below_alone": True}] if "smooth" in known.usual else [{}]  # a small number in the denominator alone
    for chosen, more in product(product(*choices), below):
        pairs = list(zip(known.usual, chosen, strict=True))
        yield [{key: p.settings[c] if isinstance(c, str) else c for key, c in pairs} | more for p in points]


# --- losses of several arrays -----------------------------------------------------------------------------------------


Compared = tuple[JointLoss, Meant, list[Probe], Array]  # the loss that is meant; where it was taken, and its values


def compared_jointly(layer: Layer, input_shape: Sequence[int], seed: int) -> Iterator[Compared]:
    """Yield what two functions that compute a loss of several arrays are compared with: the loss of their name.

    It may have more in it than the name says, see `has_more`.
    """
    pair = getattr(layer, "student", layer)
    if not isinstance(pair, FunctionPair):
        return
    rng = generator(seed, "probe", "joint loss")
    try:
        with np.errstate(all="ignore"):
            probes = [random_probe(layer, input_shape, rng, training=False) for _ in range(POINTS)]
            values = np.array([float(np.sum(probe.outputs())) for probe in probes])
            shape = probes[0].outputs().shape
    except OWN_ERRORS:
        return
    if shape not in ((), (1,), tuple(input_shape[:1])):
        return
    arrays, text = [arrays_of(pair, probe) for probe in probes], inspect.getdoc(pair.functions[0]) or ""
    for loss in joint_losses(pair.__name__, text, list(arrays[0])):
        meant = meant_jointly(loss, arrays, settings_of_pair(pair))
        if meant is not None:
            yield loss, meant, probes, values
        return


def is_right_jointly(layer: Layer, input_shape: Sequence[int], seed: int) -> bool:
    """Return whether two functions compute the loss of several arrays that their name promises."""
    return any(meant.has_form(values) for _, meant, _, values in compared_jointly(layer, input_shape, seed))


def joint_as_named(layer: Layer, input_shape: Sequence[int], seed: int) -> Iterator[Diagnosis]:
    """Yield what is wrong with two functions that compute a loss whose values are not those that its name promises."""
    forward = getattr(getattr(layer, "student", layer), "functions", (None,))[0]
    more = forward is None or has_more(forward.__name__, inspect.getdoc(forward) or "")
    found = None if more else next(compared_jointly(layer, input_shape, seed), None)
    if found is not None and not found[1].has_form(found[3]):
        loss, meant, probes, _ = found

        def tried(source: Source, function: Any) -> Array:
            now = []
            for probe in probes:
                with source.of(probe.layer).replaced(function):
                    now.append(float(np.sum(probe.outputs())))
            return np.array(now)

        def run() -> dict[str, Any]:
            return {"outputs": probes[0].outputs()}

        for edit in value_line(getattr(probes[0].layer, "student", layer), ("forward",), tried, meant, run):
            yield of_forward_line(edit, "outputs", "evaluation", f"{loss.name}, {loss.formula}")


def arrays_of(pair: FunctionPair, probe: Probe) -> dict[str, Array]:
    """Return the arrays that a function takes, by their names and in its order."""
    found: dict[str, Array] = {}
    for i, name in enumerate(inspect.signature(pair.functions[0]).parameters):
        array = probe.x if i == 0 else probe.arrays.get(name, pair.settings.get(name))
        if isinstance(array, np.ndarray):
            found[name] = array
    return found


def settings_of_pair(pair: FunctionPair) -> dict[str, Any]:
    """Return the numbers that a function takes, also by default, and those that its code or its file has."""
    forward = pair.functions[0]
    code, globals_ = forward.__code__, forward.__globals__
    written = {f"number {value}": value for value in code.co_consts if isinstance(value, float) and value > TINY_NUMBER}
    there = {name: globals_[name] for name in code.co_names if name in globals_}
    defaults = {name: p.default for name, p in inspect.signature(forward).parameters.items()}
    found = {**written, **there, **defaults, **pair.settings}
    return {name: value for name, value in found.items() if type(value) in (int, float)}


def meant_jointly(loss: JointLoss, arrays: Sequence[dict[str, Array]], settings: dict[str, Any]) -> Meant | None:
    """Return the sums of a loss at some points, in all its forms; None if it cannot be taken of these arrays."""
    with np.errstate(all="ignore"):
        rows = [list(sums_in_all_forms(loss, list(one.values()), settings)) for one in arrays]
    sums = np.array(rows, float).T
    sums = sums[np.isfinite(sums).all(axis=1) & (np.abs(sums) > 1e-12).all(axis=1)]
    first = next(iter(arrays[0].values()))
    sizes = dict.fromkeys((1.0, float(len(first)), float(first.size), float(first.size / len(first)), 2.0 * len(first)))
    numbers = [float(value) for value in settings.values() if value > 0]
    divisors = np.array([[size] * len(arrays) for size in sizes])
    return Meant(sums, divisors, len(arrays), (numbers, ())) if len(sums) else None
