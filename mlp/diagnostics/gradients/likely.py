"""What is likely wrong, from all that a check has found: the real mistake before its by-products."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace

from mlp.diagnostics.gradients.budget import ONE_CHECK, limited
from mlp.diagnostics.gradients.diagnoses import Diagnosis, Point, diagnose_gradients, is_unsure, last_resort, merged
from mlp.diagnostics.gradients.diagnoses.evidence import distance
from mlp.diagnostics.gradients.diagnoses.keeping import left_from_training
from mlp.diagnostics.gradients.diagnoses.known_layers import is_as_named, wrong_forward
from mlp.diagnostics.gradients.diagnoses.normalizations.known import IN_EVALUATION
from mlp.diagnostics.gradients.diagnoses.normalizations.running_statistics import wrong_statistics
from mlp.diagnostics.gradients.diagnoses.repeated.behaviour import wiring, wrong_inside
from mlp.diagnostics.gradients.diagnoses.repeated.one_object import used_twice
from mlp.diagnostics.gradients.diagnoses.special_points import wrong_mean_of_dropout
from mlp.diagnostics.gradients.losses.known.as_named_jointly import is_right_jointly, joint_as_named
from mlp.diagnostics.gradients.paths.left_out import wrong_uses
from mlp.diagnostics.gradients.probes.forward_alone import NOT_CHECKED, is_forward_alone
from mlp.diagnostics.gradients.probes.mode import Setting, check_mode, random_upstream
from mlp.diagnostics.gradients.references.forward import ALL_RIGHT
from mlp.diagnostics.gradients.repairs.forward_line import forward_line
from mlp.diagnostics.gradients.repairs.kinds import CONDITION
from mlp.diagnostics.gradients.repairs.makers.kept_in_loops import overwritten_by_turns
from mlp.diagnostics.gradients.repairs.makers.without_copy import without_copy
from mlp.diagnostics.gradients.repairs.search.changes import ONE_SEARCH
from mlp.diagnostics.gradients.repairs.search.points import HARDLY
from mlp.diagnostics.gradients.repairs.search.several_lines import wrong_lines
from mlp.diagnostics.gradients.repairs.wrong_line import wrong_line
from mlp.diagnostics.gradients.report import Findings
from mlp.diagnostics.gradients.written.another_formula import not_as_documented
from mlp.layers.machinery.base import Layer

SYMPTOMS = (  # they say which values are wrong: the line says why
    "wrong branch",
    "outputs forgotten",
    "contributions overwritten",
    "part of the window",
    "mask of the inputs",
    "not linear",
    "window size",
    "gradient is zero",
)
TRACES = (*SYMPTOMS, "overlaps overwritten", "split at the wrong place", "factor per slice")
SAYS_WHY = ("array function", CONDITION)  # kinds of lines that need no other reason
NO_PATH = "no path through the norm"
NO_REASON = ("activation left out", NO_PATH)  # the line says more
ADDS_A_TERM = re.compile(r"^(term|path) missing|the term `[^`]*` is missing")
A_FACTOR = re.compile(r"the (factor|division by) `[^`]*[A-Za-z][^`]*` is missing")  # a path that is left out, perhaps
OF_TURNS = re.compile(r"turn|::-1|backwards|flip")
OF_ORDER = re.compile(
    r"are in the wrong order(, here or where they are used)?$|is reshaped with its axes|takes the axes in another order"
)
A_MOMENT = 1.5  # of work for hypotheses, where the line is known already
FORWARD_SECONDS = 2.0  # of work for looking for a wrong line of forward
SMALL = 400  # inputs up to which a layer inside a model is measured in all coordinates


def check_both_modes(setting: Setting) -> tuple[Findings, list[Point]]:
    """Return what was found in both modes, and the points that were measured."""
    found = Findings()
    points: list[Point] = []
    for training in (True, False):
        more, point = check_mode(setting, training=training)
        if not training and points and not more.passed and is_forward_alone(points[0].probe):
            more, point = Findings(remarks=(NOT_CHECKED,)), None
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
            known, alone = faults_of_forward(setting, wrong)
            if alone:
                return known
            diagnoses += known
        explained = bool(diagnoses) and is_explained(diagnoses[0])
        with limited(ONE_SEARCH if explained else ONE_CHECK):
            likely = inside or with_line(wrong, right)
        shown = not likely or "all is right" not in likely[0].evidence + likely[0].sentence
        in_part = bool(likely) and likely[0].evidence.startswith("with that line changed")
        if shown and not layers and (is_unsure(likely) or in_part):
            likely = with_more_lines(likely, wrong, setting)
        if explained and not (likely and mends_all(likely[0])):
            return diagnoses  # what is wrong with the gradients follows from it
        first = [one for one in by_products if one.name == "never written" and shown]
        if likely and mends_all(likely[0]):  # for forward as it is, which may well have another form than the usual
            diagnoses = [one for one in diagnoses if one.name not in ("N - 1 in place of N", "forward")]
        rest = [one for one in by_products if one not in first and not (likely and mends_all(likely[0]))]
        diagnoses += [*first, *likely, *rest]
        if not diagnoses:
            diagnoses += [wiring(wrong[0])] if layers else last_resort(wrong)
    return diagnoses


def faults_of_forward(setting: Setting, wrong: Sequence[Point]) -> tuple[list[Diagnosis], bool]:
    """Return what is wrong with forward, and whether the wrong gradients follow from it."""
    place = setting.layer, setting.input_shape, setting.seed
    for check in (joint_as_named, not_as_documented):
        found = list(check(*place))
        if found:
            return found, True
    if {one.mode for one in wrong} == {"evaluation"}:
        left = list(left_from_training(wrong[0])) if wrong[0].complete else []
        if left:
            return left, True
        of_evaluation = [one for one in wrong_statistics(*place) if one.mode == "evaluation"]
        of_evaluation += wrong_mean_of_dropout(*place)
        if of_evaluation:
            return of_evaluation, True  # backward is right for what evaluation should do
    known = list(wrong_forward(*place))
    if {one.name for one in known} == {IN_EVALUATION} and {one.mode for one in wrong} == {"evaluation"}:
        return known, True  # backward is right for the running statistics
    alone = bool(known) and (known[0].evidence == ALL_RIGHT or hardly_wrong(wrong))
    return [one for one in known if one.mode != "remark" or alone], alone


def is_explained(one: Diagnosis) -> bool:
    """Return whether a diagnosis says what is wrong with forward, and not only that it is another one."""
    return one.array == "outputs" and "forward is not that of" not in one.sentence.partition(":")[0]


def hardly_wrong(points: Sequence[Point]) -> bool:
    """Return whether all gradients are wrong by very little, as with epsilon in another place of forward."""
    return all(distance(one.gradients[name], one.numeric[name]) < HARDLY for one in points for name in one.wrong)


def mends_all(one: Diagnosis) -> bool:
    """Return whether a diagnosis has a line of backward with whose change all gradients are right."""
    in_part = one.evidence.startswith("with ") and "all is right" not in one.evidence
    return one.sentence.startswith("in line") and not in_part


def with_more_lines(likely: list[Diagnosis], wrong: list[Point], setting: Setting) -> list[Diagnosis]:
    """Return what is likely wrong with the wrong line of forward, with several lines, or with the first wrong value."""
    place = setting.layer, setting.input_shape, setting.seed
    as_named = is_as_named(*place) or is_right_jointly(*place)
    factor = bool(likely) and likely[0].name == "factor"  # any change of scale in forward would mend it
    forward = [] if as_named or factor else list(forward_line(wrong, FORWARD_SECONDS))
    more = forward or list(wrong_lines(wrong))
    if more and more[0].name == "several wrong lines":
        return more
    value_alone = bool(more) and more[0].name == "first wrong value" and not is_unsure(likely)
    if forward:  # what a change of backward mends in part are its traces
        likely = [one for one in likely if not one.evidence.startswith("with that line changed")]
    return [*likely, *more] if value_alone else [*more, *likely]


def lines_of_exception(known: list[Diagnosis], broken: list[Point], right: list[Point]) -> list[Diagnosis]:
    """Return what is known of a backward that raises an exception or gives no gradient, with the line to change."""
    twice = list(used_twice(broken))
    if twice:
        return twice
    lines = [one for one in wrong_line(broken, right) if "all is right" in one.evidence]
    if not lines or known[0].name in ("exception", "no gradient", "wrong shape", "never written"):
        return [*lines, *(one for one in known if one.name != "exception" or not lines)]
    text = f"{lines[0].sentence} (with that line changed, all is right); {known[0].sentence}"
    first = replace(lines[0], name=known[0].name, sentence=text, evidence=known[0].evidence)
    return [first, *(one for one in known if one.name != first.name)]


def with_line(wrong: Sequence[Point], right: Sequence[Point]) -> list[Diagnosis]:
    """Return what is likely wrong, with the line that is wrong: before what is not sure, else as a part of it.

    Args:
        wrong, right: points (one per mode) where gradients are wrong, and where all are right.
    """
    copied = list(without_copy(wrong)) or list(overwritten_by_turns(wrong)) or list(used_twice(wrong))
    if copied:
        return copied
    lines = list(wrong_line(wrong, right))
    whole = bool(lines) and "all is right" in lines[0].evidence  # else a part of the wrong gradients alone
    with limited(A_MOMENT if whole else ONE_SEARCH):
        likely = diagnose_gradients(wrong)
    if whole:  # what else was found are its traces
        uses = list(wrong_uses(wrong)) if A_FACTOR.search(lines[0].sentence) else []
        return uses or [with_reason(lines[0], likely)]
    square = bool(lines) and "the factor `2` is missing" in lines[0].sentence  # the 2 of a square
    unsure = is_unsure(likely) and not (square and likely and likely[0].name == "factor 2")
    if unsure or likely[0].name in TRACES:
        found = list(wrong_uses(wrong))
        through_time = likely[0] if likely and likely[0].name == "path through time" else None
        if found:
            return found if through_time is None else [with_cause(found[0], through_time)]
    together = {name for line in lines for name in line.array.split(", ")} >= set(wrong[0].wrong)
    if not likely or (together and (unsure or likely[0].name in NO_REASON)):
        return [*lines, *likely]
    if not unsure and likely[0].name not in SYMPTOMS:  # what is less sure is a trace of it
        rest = [one for one in likely[1:] if not is_unsure([one]) and one.name not in TRACES]
        likely = [likely[0], *rest]
    return [*likely, *lines]


def with_reason(line: Diagnosis, likely: Sequence[Diagnosis]) -> Diagnosis:
    """Return a line with which all is right, and why, if something sure is likely."""
    square = "the factor `2` is missing" in line.sentence
    unsure = is_unsure(likely) and not (square and likely and likely[0].name == "factor 2")
    says_why = line.name in SAYS_WHY or bool(OF_ORDER.search(line.sentence))
    of_kernel = likely and likely[0].name == "kernel not turned" and not OF_TURNS.search(line.sentence)
    if unsure or says_why or likely[0].name in SYMPTOMS or of_kernel:
        return line
    if likely[0].name in NO_REASON:
        there = likely[0].name == NO_PATH and not ADDS_A_TERM.search(line.name + line.sentence)
        return replace(line, name="wrong path through the norm" if there else likely[0].name)
    return with_cause(line, likely[0])


def with_cause(line: Diagnosis, cause: Diagnosis) -> Diagnosis:
    """Return the line that is wrong with the formula that says why; a factor of terms says no more than the line."""
    sentence = line.sentence if cause.name.startswith("wrong term") else f"{line.sentence}; {cause.sentence}"
    return replace(cause, array=line.array, mode=line.mode, sentence=sentence)
