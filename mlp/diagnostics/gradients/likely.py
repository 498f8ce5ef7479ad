"""What is likely wrong, from all that a check has found: the real mistake before its by-products."""

import math
from dataclasses import replace

from mlp.diagnostics.gradients.diagnoses import Diagnosis, Point, is_unsure, last_resort, merged
from mlp.diagnostics.gradients.diagnoses.known_layers import is_as_named, wrong_forward
from mlp.diagnostics.gradients.diagnoses.repeated.behaviour import wiring, wrong_inside
from mlp.diagnostics.gradients.losses.known.as_named import joint_as_named
from mlp.diagnostics.gradients.probes.mode import Setting, check_mode, random_upstream
from mlp.diagnostics.gradients.repairs.forward_line import forward_line
from mlp.diagnostics.gradients.repairs.wrong_line import with_line, wrong_line
from mlp.diagnostics.gradients.report import Findings
from mlp.layers.machinery.base import Layer

FORWARD_SECONDS = 2.0  # of CPU for looking for a wrong line of forward
SMALL = 400  # inputs up to which a layer inside a model is measured in all coordinates


def check_both_modes(setting: Setting) -> tuple[Findings, list[Point]]:
    """Return what was found in both modes, and the points that were measured."""
    found, points = Findings(), []
    for training in (True, False):
        more, point = check_mode(setting, training=training)
        found += more
        points += [] if point is None else [point]
    return found, points


def likely_faults(found: Findings, points: list[Point], setting: Setting) -> list[Diagnosis]:
    """Return what is likely wrong: faults come first, then layers inside, then hypotheses about numbers."""
    right = [point for point in points if not point.wrong]
    broken = [point for point in points if not point.gradients]
    faulty = {(one.mode, one.array) for one in found.diagnoses if one.name != "never written"}  # they are known already
    for point in points:
        point.wrong = [name for name in point.wrong if (point.mode, name) not in faulty]
    wrong = [point for point in points if point.wrong and point.gradients]
    diagnoses = list(found.diagnoses)
    if broken and not wrong:
        return lines_of_exception(diagnoses, broken, right)
    if wrong:
        by_products = [one for one in diagnoses if one.name in ("exception", "never written")]
        diagnoses = [one for one in diagnoses if one not in by_products]

        def check_part(layer: Layer, input_shape: tuple[int, ...]) -> list[Diagnosis]:
            shape = (min(input_shape[0], 2), *input_shape[1:])
            coordinates = None if math.prod(shape) <= SMALL else 8
            part = Setting(layer, shape, random_upstream, coordinates, setting.seed, setting.tolerance)
            return merged(likely_faults(*check_both_modes(part), part))

        inside, layers = wrong_inside(wrong[0], check_part)
        if not inside and not layers:
            place = setting.layer, setting.input_shape, setting.seed
            joint = list(joint_as_named(*place))
            if joint:
                return joint
            known = list(wrong_forward(*place))
            diagnoses += [one for one in known if one.mode != "remark"]
        likely = inside or with_line(wrong, right)
        shown = not likely or "all is right" not in likely[0].evidence + likely[0].sentence
        doubtful = shown and not layers and is_unsure(likely)
        if doubtful and not is_as_named(setting.layer, setting.input_shape, setting.seed):
            likely = [*forward_line(wrong, FORWARD_SECONDS), *likely]
        first = [one for one in by_products if one.name == "never written" and shown]
        diagnoses += [*first, *likely, *(one for one in by_products if one not in first)]
        if not diagnoses:
            diagnoses += [wiring(wrong[0])] if layers else last_resort(wrong)
    return diagnoses


def lines_of_exception(known: list[Diagnosis], broken: list[Point], right: list[Point]) -> list[Diagnosis]:
    """Return what is known of a backward that raises an exception or gives no gradient, with the line to change."""
    lines = [one for one in wrong_line(broken, right) if "all is right" in one.evidence]
    if not lines or known[0].name in ("exception", "no gradient", "wrong shape", "never written"):
        return [*lines, *known]
    text = f"{lines[0].sentence} (with that line changed, all is right); {known[0].sentence}"
    first = replace(lines[0], name=known[0].name, sentence=text, evidence=known[0].evidence)
    return [first, *(one for one in known if one.name != first.name)]
