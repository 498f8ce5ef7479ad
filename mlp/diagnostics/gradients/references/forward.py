"""Is forward what its name says, and if not, which line of it is wrong?

The outputs are compared with all that count as right (`families`). Where none of them fits, the source of forward is
changed in one place at a time until the outputs are right, at a second point as well; where no change does that, what
can be said of the outputs as a whole is said: their size, a factor, their order.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import permutations
from types import FunctionType

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.diagnoses.repeated.second_point import other_shapes
from mlp.diagnostics.gradients.finite_differences import Probe, restoring
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.diagnostics.gradients.references.families import named_layer, right_outputs
from mlp.diagnostics.gradients.references.subject import LayerAtPoint, NamedLayer
from mlp.diagnostics.gradients.repairs.edits import OF_EMPTY_SLICES, OF_LENGTHS
from mlp.diagnostics.gradients.repairs.search.changes import RightChanges, Search, repairs
from mlp.diagnostics.gradients.repairs.search.constructor import constructor_of
from mlp.diagnostics.gradients.repairs.search.influence import Influence
from mlp.diagnostics.gradients.repairs.search.replay import all_held, put_all_back
from mlp.diagnostics.gradients.repairs.search.settings import other_settings
from mlp.diagnostics.gradients.repairs.sources import Source
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.diagnostics.gradients.styles.student_layer import code_of
from mlp.diagnostics.gradients.written.documentation import documentation_of
from mlp.layers.machinery.base import Layer
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

SAME = 1e-6  # a forward may round to float32
SECONDS = 3.0  # of CPU for looking for the line


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
    subject = subject_of(probe, words)
    line = wrong_line_of_forward(probe, family, words, right)
    known = family.mistakes(subject) if family.mistakes else ()
    what, where = next(((text, where) for text, where, wrong in known if is_one_of(y, [wrong])), ("", ""))
    line = line if re.search(where, line.partition("`")[2].partition("`")[0]) else ""
    mode = "training" if training else "evaluation"
    rule = family.rule if right[0].shape == y.shape or not family.sizes else family.sizes
    text = f"forward is not that of {family.title}: {rule}"
    if line:
        text = f"{line}; {what or text}"
        yield Diagnosis("forward", "outputs", mode, text, "with that line changed, the outputs are right")
        return
    if what:
        yield Diagnosis("forward", "outputs", mode, what)
        return
    told = family.sure or any(one.shape == y.shape for one in right)
    what = (not_used(probe) or difference(y, right)) if told else ""
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
    if isinstance(owner, FunctionPair):
        held = owner.options()
        for value in list(held.values()):
            held |= value if isinstance(value, dict) else {}
    else:
        of_class = {name: value for one in reversed(type(owner).__mro__[:-1]) for name, value in vars(one).items()}
        held = {name: v for name, v in of_class.items() if isinstance(v, int | float | tuple)} | dict(vars(owner))
    settings = {str(name).lower().strip("_"): value for name, value in held.items()}
    whole = getattr(probe.layer, "whole", None)
    x = probe.x if whole is None else whole.of_shape(probe.x.shape)
    return LayerAtPoint(tuple(words), x, probe.outputs().shape, weights, settings, documentation_of(owner))


def is_one_of(y: Array, right: Sequence[Array]) -> bool:
    """Return whether outputs are one of those that count as right."""
    return any(one.shape == y.shape and distance(y, one) < SAME for one in right)


# --- the line -----------------------------------------------------------------------------------------------------


def wrong_line_of_forward(probe: Probe, family: NamedLayer, words: Sequence[str], right: Sequence[Array]) -> str:
    """Return the change of a line of forward that makes the outputs right, also at a second point; "" for none."""
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
    for source, edit, function in repairs(owner, (name,), None, fits, search):
        if other is not None and not fits_at(other, source, function):
            continue
        if twins is None:
            twins = [one for one in of_twins(probe, family, words) if one[1]]
        sure = not twins or any(fits_at(one, source, function) for one in twins)
        (search.found if sure else unsure).add(source, edit, function)
    put_all_back(kept)
    best = search.found.best() or unsure.best()
    return "" if best is None else f"in line {best[1].line}, `{best[1].statement}`: {best[1].text}"


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
    wider = [(N, 2 * sizes[0], *sizes[1:]), (N, *sizes[:-1], 2 * sizes[-1])] if len(sizes) == 3 else []  # more channels
    for shape in (*wider, *other_shapes(probe.x.shape)):
        try:
            other = random_probe(probe.layer, shape, generator(1, "probe", "named"), training=probe.training)
            right = right_outputs(family, subject_of(other, words))
        except OWN_ERRORS:  # the layer does not take this shape
            continue
        if right:
            return other, right
    return None


# --- the outputs as a whole ---------------------------------------------------------------------------------------


def not_used(probe: Probe) -> str:
    """Return which parameter the outputs do not depend on."""
    before = probe.outputs()
    for name, array in probe.arrays.items():
        if name != "inputs":
            with restoring([array]):
                array += 0.5
                same = np.array_equal(probe.outputs(), before)
            if same:
                return f"The outputs do not depend on {name}: forward has to use it"
    return ""


def difference(y: Array, right: Sequence[Array]) -> str:
    """Return what all of the outputs have in common: another size, a factor, an order; "" if nothing."""
    alike = [one for one in right if one.shape == y.shape]
    if not alike:
        turned = [one.shape for one in right if sorted(one.shape) == sorted(y.shape) and one.shape[0] == len(y)]
        shape, more = (turned[0], ": height and width are exchanged") if turned else (right[0].shape, "")
        return f"Its outputs have the shape {y.shape}, and {shape} is right{more}"
    for one in alike:
        moved = in_another_order(y, one)
        if moved:
            return moved
        factor = float((y * one).sum() / max((one * one).sum(), 1e-300))
        if distance(y, factor * one) < SAME:
            return f"Its outputs are {factor:.5g} times what they should be"
    return ""


def in_another_order(y: Array, right: Array) -> str:
    """Return how the right values stand in another order."""
    if distance(np.sort(y.ravel()), np.sort(right.ravel())) > SAME:
        return ""
    for axis in range(y.ndim):
        if distance(np.flip(y, axis), right) < SAME:
            return f"Its outputs run backwards along axis {axis}"
    for order in list(permutations(range(y.ndim)))[1:] if y.ndim <= 5 else ():
        back = np.argsort(order)
        if distance(right.transpose(order).reshape(y.shape), y) < SAME:
            there = tuple(right.shape[i] for i in order)
            return (
                f"Its outputs are right, and stand in the wrong places: what has the shape {there} is reshaped to "
                f"{y.shape}, and a reshape does not change the order of axes; transpose{tuple(map(int, back))} does"
            )
    return "Its outputs have the right values in the wrong places: look at every reshape and transpose"


def largest_difference(y: Array, right: Sequence[Array]) -> str:
    """Return the output that differs most."""
    one = min((r for r in right if r.shape == y.shape), key=lambda r: distance(y, r))
    wrong = ~np.isclose(y, one, 1e-6, 1e-9)
    index = np.unravel_index(int(np.abs(y - one).argmax()), y.shape)
    place = ", ".join(str(int(i)) for i in index)
    return (
        f"{int(wrong.sum())} of {y.size} outputs differ; at ({place}) it gives {y[index]:.5g}, and {one[index]:.5g} is "
        "right"
    )
