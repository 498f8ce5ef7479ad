"""The check of one mode: draw a point, run forward and backward, measure, compare; and what else can go wrong there.

A coordinate beside a kink (see `finite_differences`) cannot be measured. Where every coordinate of every array is
measured, one that meets a kink makes the whole point useless, and it is drawn again. Where a sample is measured,
another coordinate of the same array is taken, and the point is drawn again only if half of them are missing. It is
drawn again, too, where rounding leaves too few digits to tell right from wrong (a network in which one layer is nearly
dead). The gradient under test has no say in what counts as measurable.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Point
from mlp.diagnostics.gradients.diagnoses.exceptions import forward_exception
from mlp.diagnostics.gradients.diagnoses.normalizations.running_statistics import statistics_of_another
from mlp.diagnostics.gradients.finite_differences import Measured, Probe, error_scale, norm, relative_error
from mlp.diagnostics.gradients.probes.backward import checked_backward
from mlp.diagnostics.gradients.probes.changing_line import told_in_place
from mlp.diagnostics.gradients.probes.float32 import fits_float32, is_rounded
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.diagnostics.gradients.report import Findings, GradientRow, compared, fault
from mlp.diagnostics.gradients.styles.arrays import leaves_of
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.layers.machinery.base import Layer
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array, Shape

ATTEMPTS = 20  # points that are tried before a check gives up
DOUBT = 0.2  # a measurement should be this much better than the tolerance
OBVIOUS = 1e-2  # an error that no measurement explains
SAMPLE = 6  # coordinates that are measured again there

RANDOM = "draw from np.random, or from a generator that the layer keeps, and only in training"
KEPT = (
    "it begins with what the call before has left in {}; every forward must set it anew before it uses it (zeros for "
    "the first state of a recurrent layer)"
)
CHANGED = ("inputs changed", "data changed")  # what is wrong is known, and which line hardly matters

Upstream = Callable[[Array, Generator], tuple[Array | None, Findings]]


@dataclass(frozen=True)
class Setting:
    """What is checked, and how closely.

    Attributes:
        layer, input_shape, seed, tolerance: as for `check_layer`.
        make_upstream: function (outputs, rng) -> dL/dy, or None if there is none, with what it found on the way.
        coordinates: how many of each array to measure, of which half must be found; None for all.
    """

    layer: Layer
    input_shape: Shape
    make_upstream: Upstream
    coordinates: int | None = None
    seed: int = 0
    tolerance: float = 1e-7


def random_upstream(outputs: Array, rng: Generator) -> tuple[Array, Findings]:
    """Return an upstream gradient without special values."""
    return rng.standard_normal(outputs.shape), Findings()


def check_mode(setting: Setting, *, training: bool) -> tuple[Findings, Point | None]:
    """Return what was found in one mode, and the point that was measured, or None if there is none."""
    mode = "training" if training else "evaluation"
    for attempt in range(ATTEMPTS):
        rng = generator(setting.seed, "probe", mode, attempt)
        try:
            probe = random_probe(setting.layer, setting.input_shape, rng, training=training)
            outputs, found = checked_forward(probe)
        except OWN_ERRORS as error:  # a finding, not a crash of the check
            return forward_exception(error, setting.layer, mode, setting.input_shape), None
        upstream, gradients = None, None
        if outputs is not None:
            upstream, more = setting.make_upstream(outputs, rng)
            found += more
        if upstream is not None:
            gradients, more = checked_backward(probe, upstream)
            found += more
        if outputs is None or upstream is None:  # nothing to compare; the findings say why
            return found, None
        if gradients is None:
            point = Point(setting.layer, probe, upstream, outputs, setting.seed)
            complete = setting.coordinates is None and not any(one.name in CHANGED for one in found.diagnoses)
            return found, with_differences(point) if complete else None
        largest_size = max(array.size for array in probe.arrays.values())
        wanted, required = (setting.coordinates, 0.5) if setting.coordinates else (largest_size, 1.0)
        measured = probe.measure(upstream, wanted, required, rng)
        if measured is not None:
            point = Point(setting.layer, probe, upstream, outputs, setting.seed, gradients)
            rows = rows_of(point, measured, setting.tolerance)
            if rows is not None:
                return found + Findings(rows), point
    if is_rounded(probe):
        note = "forward rounds its inputs to float32"
        text = f"{note} (astype, np.float32, dtype=): finite differences drown in the noise; keep their dtype"
        return fault(Diagnosis("float32 noise", "inputs", mode, text), setting.input_shape, note), None
    note = f"none of {ATTEMPTS} random points could be measured: kinks all around, or too much rounding"
    text = f"{note}; is something inside rounded to float32 (astype, np.float32, dtype=)?"
    return fault(Diagnosis("not measurable", "inputs", mode, text), setting.input_shape, note), None


def with_differences(point: Point) -> Point | None:
    """Return a point at which backward gives nothing to compare, with what it should give; None if forward fails."""
    try:
        point.numeric = {name: point.probe.differences(point.upstream, name) for name in point.probe.arrays}
    except OWN_ERRORS:
        return None
    point.wrong = list(point.numeric)
    return point


def checked_forward(probe: Probe) -> tuple[Array | None, Findings]:
    """Return the outputs, or None if a comparison would be senseless, and what was found."""
    mode, inputs = ("training" if probe.training else "evaluation"), probe.x.copy()
    outputs = probe.outputs()
    if not np.array_equal(probe.x, inputs):
        note = "forward changes its inputs in place"
        text = told_in_place(note, probe.x, inputs, probe.outputs)
        return None, fault(Diagnosis("inputs changed", "inputs", mode, text), inputs.shape, note)
    if outputs.dtype == object and outputs.shape == ():
        kind = type(outputs.item()).__name__
        none = outputs.item() is None
        note = "forward returned None: is `return` missing?" if none else f"forward returned a {kind}, no array"
        return None, fault(Diagnosis("no outputs", "outputs", mode, note), (), note)
    if outputs.dtype != inputs.dtype or (fits_float32(outputs) and not fits_float32(inputs)):
        rounded = "are rounded to float32" if outputs.dtype == inputs.dtype else f"are {outputs.dtype}"
        note = f"the outputs {rounded}"
        text = (
            f"{note} where the inputs are float64: finite differences drown in the noise; take the dtype of the inputs"
        )
        return None, fault(Diagnosis("float32 noise", "outputs", mode, text), outputs.shape, note)
    if not np.isfinite(outputs).all():
        mixed = [] if probe.training else list(statistics_of_another(probe))
        if mixed:
            return None, fault(mixed[0], outputs.shape, "running statistics are wrong")
        note = "forward gives NaN or infinity for ordinary inputs"
        text = f"{note}, of mean 0 and variance 1; a formula that needs others (log, sqrt) has to make them, as by exp"
        return None, fault(Diagnosis("not finite", "outputs", mode, text), outputs.shape, note)
    if np.array_equal(probe.outputs(), outputs):
        probe.hold_randomness()  # a mask may be the same twice by chance
        return probe.outputs(), Findings()
    moving = [] if probe.training else moving_statistics(probe)
    if moving:
        note = f"forward changes {', '.join(moving)} in evaluation"
        text = (
            f"{note}, so it gives other outputs the next time: only training forwards may update running statistics "
            "(put the update under `if training`)"
        )
        return None, fault(Diagnosis("running statistics", ", ".join(moving), mode, text), outputs.shape, note)
    probe.hold_randomness()
    outputs = probe.outputs()
    note = "forward gives other outputs for the same inputs"
    statistics = moving_statistics(probe) if probe.training else []
    if statistics:  # as those of batch renormalization: its outputs depend on them in training, too
        probe.hold_arrays(statistics)
        outputs = probe.outputs()
    if not np.array_equal(probe.outputs(), outputs):
        state = state_of_the_call_before(probe)
        text = f"{note}: {KEPT.format(state) if state else RANDOM}"
        return None, fault(Diagnosis("not deterministic", "outputs", mode, text), outputs.shape, note)
    if probe.training:
        return outputs, Findings()
    text = f"{note}, in evaluation: nothing may be random there"
    return outputs, fault(Diagnosis("random in evaluation", "outputs", mode, text), outputs.shape, note)


def state_of_the_call_before(probe: Probe) -> str:
    """Return the attribute that makes the outputs differ from call to call, as code; "" if it is not one alone."""
    owner = probe.owner
    if isinstance(owner, FunctionPair):
        return ""
    before = {name: value.copy() for name, value in vars(owner).items() if isinstance(value, np.ndarray)}
    outputs = probe.outputs()
    for name, value in before.items():
        setattr(owner, name, value.copy())
        if np.array_equal(probe.outputs(), outputs):
            return f"self.{name}"
    return ""


def moving_statistics(probe: Probe) -> list[str]:
    """Return the arrays, named as running statistics are, that a forward in evaluation changes."""
    owner = probe.owner
    before = {path: array.copy() for path, array in leaves_of(owner).items()}
    probe.outputs()
    after = leaves_of(owner)
    return [
        path
        for path, array in before.items()
        if any(word in path.lower() for word in ("run", "mov", "pop", "ema"))
        and path in after
        and after[path].shape == array.shape
        and not np.array_equal(after[path], array)
    ]


def rows_of(point: Point, measured: Measured, tolerance: float) -> tuple[GradientRow, ...] | None:
    """Return a row for each array with the error of its gradient, over the coordinates that were measured.

    The measurements go into the point. None if one is too inexact to tell a right gradient from a wrong one.
    """
    probe, largest = point.probe, max(norm(values) for _, values in measured.values())
    doubtful = DOUBT * tolerance
    rows = []
    for name, (indices, numeric) in measured.items():
        array, gradient = probe.arrays[name], point.gradients[name]
        analytic = np.array([gradient[index] for index in indices])
        error = relative_error(analytic, numeric, largest)
        if error > doubtful:  # is it the gradient or the measurement?
            few = slice(SAMPLE) if error > OBVIOUS else slice(None)
            again, uncertainty = probe.measure_again(point.upstream, name, indices[few], numeric[few])
            if uncertainty > doubtful * error_scale(again, largest):
                return None
            numeric = numeric.copy()
            numeric[few] = again
        row = compared((point.mode, name), analytic, numeric, (largest, tolerance))
        rows.append(GradientRow(row.mode, name, array.shape, row.error, row.passed, row.note))
        everywhere = point.numeric[name] = np.full(array.shape, np.nan)
        for index, value in zip(indices, numeric, strict=True):
            everywhere[index] = value
        point.complete &= len(indices) == array.size
        if not row.passed:
            point.wrong.append(name)
    return tuple(rows)
