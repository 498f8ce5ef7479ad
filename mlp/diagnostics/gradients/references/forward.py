"""Is forward what its name says, and if not, which line of it is wrong?

The outputs are compared with all that count as right (`families`). Where none of them fits, the source of forward is
changed in one place at a time until the outputs are right, at a second point as well; where no change does that, what
can be said of the outputs as a whole is said: their size, a factor, their order.
"""

import re
from collections.abc import Iterator, Sequence
from types import FunctionType

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.diagnoses.repeated.second_point import other_shapes
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.probes.twins import other_settings
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.diagnostics.gradients.references.families import named_layer, right_outputs
from mlp.diagnostics.gradients.references.outputs import difference, is_one_of, largest_difference, not_used
from mlp.diagnostics.gradients.references.promises import text_of_code
from mlp.diagnostics.gradients.references.subject import NOT_ONE_LINE, LayerAtPoint, NamedLayer
from mlp.diagnostics.gradients.repairs.choice.right_changes import RightChanges
from mlp.diagnostics.gradients.repairs.forward_line import gradients_fit
from mlp.diagnostics.gradients.repairs.kinds import OF_EMPTY_SLICES, OF_LENGTHS
from mlp.diagnostics.gradients.repairs.search.changes import Search, repairs
from mlp.diagnostics.gradients.repairs.search.constructor import constructor_of
from mlp.diagnostics.gradients.repairs.search.influence import Influence
from mlp.diagnostics.gradients.repairs.search.replay import all_held, put_all_back
from mlp.diagnostics.gradients.repairs.sources import Source
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.diagnostics.gradients.styles.student_layer import code_of
from mlp.diagnostics.gradients.written.documentation import documentation_of
from mlp.layers.machinery.base import Layer
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

ALL_RIGHT = "with that line changed, the outputs and all gradients are right"
OUTPUTS_RIGHT = "with that line changed, the outputs are right"
SECONDS = 3.0  # of work for looking for the line


def another_forward(
    layer: Layer, names: tuple[Sequence[str], str], place: tuple[Sequence[int], int]
) -> Iterator[Diagnosis]:
    """Yield what is wrong with a forward that is not what its name says.

    Args:
        names: the words of the layer's name, and which normalization it is, or "". place: shape of the inputs, seed.
    """
    found = against_its_name(layer, names, place)
    if found is None or found[2] or not found[3]:
        return
    family, probe, _, right = found
    words, y, training = tuple(names[0]), probe.outputs(), probe.training
    known = family.mistakes(subject_of(probe, words)) if family.mistakes else ()
    what, where = next(((text, where) for text, where, wrong in known if is_one_of(y, [wrong])), ("", ""))
    searched = where != NOT_ONE_LINE
    line, evidence = wrong_line_of_forward(probe, family, words, right) if searched else ("", "")
    line = line if re.search(where, line.partition("`")[2].partition("`")[0]) else ""
    mode = "training" if training else "evaluation"
    alike = any(one.shape == y.shape for one in right)
    rule = family.rule if alike or not family.sizes else family.sizes
    text = f"forward is not that of {family.title}: {rule}"
    if line:
        text = f"{line}; {what or text}"
        yield Diagnosis("forward", "outputs", mode, text, evidence)
        return
    if what:
        yield Diagnosis("forward", "outputs", mode, what)
        return
    what = (not_used(probe) or difference(y, right)) if family.sure or alike else ""
    if what or family.sure:
        yield Diagnosis("forward", "outputs", mode, f"{text}. {what or largest_difference(y, right)}")
    else:
        text = f"the outputs are not those of {family.title} in any of its usual forms: {family.rule}"
        yield Diagnosis("forward", "outputs", "remark", text)


def against_its_name(
    layer: Layer, names: tuple[Sequence[str], str], place: tuple[Sequence[int], int]
) -> tuple[NamedLayer, Probe, bool, list[Array]] | None:
    """Return (what the name promises, the layer at a point, whether it is that, all outputs that count as right).

    None for a name that promises nothing.
    """
    family = named_layer(*names)
    if family is None:
        return None
    probe = random_probe(layer, tuple(place[0]), generator(place[1], "probe", "named"), training=bool(names[1]))
    right = right_outputs(family, subject_of(probe, tuple(names[0])))
    return family, probe, is_one_of(probe.outputs(), right), right


def subject_of(probe: Probe, words: Sequence[str]) -> LayerAtPoint:
    """Return what a formula may look at."""
    owner = probe.owner
    weights = {name.lower().removeprefix("params."): a for name, a in probe.arrays.items() if name != "inputs"}
    constants: dict[str, Array] = {}
    if isinstance(owner, FunctionPair):
        held = owner.options()
        constants = {name: value for name, value in held.items() if isinstance(value, np.ndarray)}
        for value in list(held.values()):
            held |= value if isinstance(value, dict) else {}
    else:
        of_class = {name: value for one in reversed(type(owner).__mro__[:-1]) for name, value in vars(one).items()}
        held = {name: v for name, v in of_class.items() if isinstance(v, int | float | tuple)} | dict(vars(owner))
    settings = {str(name).lower().strip("_"): value for name, value in held.items()}
    whole = getattr(probe.layer, "whole", None)
    x = probe.x if whole is None else whole.of_shape(probe.x.shape)
    text = documentation_of(owner)
    return LayerAtPoint(tuple(words), x, probe.outputs().shape, weights, settings, text, text_of_code(owner), constants)


# --- the line -----------------------------------------------------------------------------------------------------


def wrong_line_of_forward(
    probe: Probe, family: NamedLayer, words: Sequence[str], right: Sequence[Array]
) -> tuple[str, str]:
    """Return the change of a line with which the outputs are right, also at a second point, and what is right then."""
    layer = probe.layer
    owner, name, _ = code_of(layer)
    other = second(probe, family, words)
    kept = all_held(probe)

    def run() -> dict[str, Array]:
        return {"outputs": probe.outputs()}

    def fits(source: Source, function: FunctionType) -> bool:
        put_all_back(kept)  # what the change before has done
        with source.replaced(function):
            return is_one_of(probe.outputs(), right)

    def compare(before: dict[str, Array], after: dict[str, Array]) -> Influence:
        one, two = before["outputs"], after["outputs"]
        moved = 1.0 if one.shape != two.shape else float((one != two).mean())
        return Influence(frozenset(["outputs"] if moved else []), moved, 0.0)

    made = None if isinstance(owner, FunctionPair) else constructor_of(owner)
    first = (*OF_EMPTY_SLICES, *OF_LENGTHS)
    search = Search(run, compare, frozenset({"outputs"}), SECONDS, more=[made], first=first)  # type: ignore[arg-type]
    twins: list[tuple[Probe, list[Array]]] | None = None
    unsure = RightChanges()

    def grade(source: Source, function: FunctionType) -> int:
        return sum(fits_at(one, source, function) for one in twins or ())

    for source, edit, function in repairs(owner, (name,), None, fits, search):
        if other is not None and not fits_at(other, source, function):
            continue
        if twins is None:
            twins = [one for one in of_twins(probe, family, words) if one[1]]
        sure = not twins or grade(source, function) > 0
        (search.found if sure else unsure).add(source, edit, function)
    put_all_back(kept)
    best = search.found.best(grade) or unsure.best()
    if best is None:
        return "", ""
    source, edit, function = best
    text = f"in line {edit.line}, `{edit.statement}`: {edit.text}"
    return text, ALL_RIGHT if gradients_fit(probe, source, function) else OUTPUTS_RIGHT


def fits_at(place: tuple[Probe, list[Array]], source: Source, function: FunctionType) -> bool:
    """Return whether a change makes the outputs right at another point."""
    probe, right = place
    kept = all_held(probe)
    try:
        with source.of(probe.layer).replaced(function), np.errstate(all="ignore"):
            return is_one_of(probe.outputs(), right)
    except OWN_ERRORS:
        return False
    finally:
        put_all_back(kept)


def of_twins(probe: Probe, family: NamedLayer, words: Sequence[str]) -> Iterator[tuple[Probe, list[Array]]]:
    """Yield the layer with other settings, with the outputs that count as right there."""
    for twin in other_settings(probe.layer, probe.x):
        there = Probe(twin, probe.x.copy(), training=probe.training)
        yield there, right_outputs(family, subject_of(there, words))


def second(probe: Probe, family: NamedLayer, words: Sequence[str]) -> tuple[Probe, list[Array]] | None:
    """Return another point, with the outputs that count as right there."""
    N, *sizes = probe.x.shape
    wider = [(2 * sizes[0], *sizes[1:]), (*sizes[:-1], 2 * sizes[-1])] if len(sizes) == 3 else []  # more channels
    larger = [(images, *size) for size in wider for images in (N + 1, N)]  # N may be equal to another size
    for shape in (*larger, *other_shapes(probe.x.shape)):
        try:
            other = random_probe(probe.layer, shape, generator(1, "probe", "named"), training=probe.training)
            right = right_outputs(family, subject_of(other, words))
            wrong_there = bool(right) and not is_one_of(other.outputs(), right)  # else it tells nothing apart
        except OWN_ERRORS:  # the layer does not take this shape
            continue
        if wrong_there:
            return other, right
    return None
