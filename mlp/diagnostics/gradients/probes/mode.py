"""The check of one mode: draw a point, run forward and backward, measure, compare; and what else can go wrong there.

A coordinate beside a kink (see `finite_differences`) cannot be measured. Where every coordinate of every array is
measured, one that meets a kink makes the whole point useless, and it is drawn again. Where a sample is measured,
another coordinate of the same array is taken, and the point is drawn again only if half of them are missing. It is
drawn again, too, where rounding leaves too few digits to tell right from wrong (a network in which one layer is nearly
dead). The gradient under test has no say in what counts as measurable.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.random import Generator

from mlp.diagnostics.gradients.diagnoses.evidence import Point
from mlp.diagnostics.gradients.diagnoses.exceptions import explain, of_exception, place_of, refused_gradient
from mlp.diagnostics.gradients.diagnoses.precision import fits_float32
from mlp.diagnostics.gradients.finite_differences import FLOOR, Measured, Probe, error_scale, norm, relative_error
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.diagnostics.gradients.report import GradientReport, wrong_kind
from mlp.layers.machinery.base import Layer
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

ATTEMPTS = 20  # points that are tried before a check gives up
DOUBT = 0.2  # a measurement should be this much better than the tolerance
SAME = 1e-12  # how far two runs of one formula may differ

RANDOM = "draw from np.random, or from a generator that the layer keeps, and only in training"
KEEP = "work on a copy (x = x.copy(), or out-of-place operations)"


def check_mode(
    report: GradientReport,
    layer: Layer,
    input_shape: Sequence[int],
    training: bool,
    make_upstream: Callable[[Array, Generator], Array | None],
    coordinates: int | None,
    seed: int,
) -> Point | None:
    """Add the rows of one mode to `report`; return the point that was measured, or None if there is none.

    Args:
        make_upstream: function (outputs, rng) -> dL/dy, or None if there is none.
        coordinates: how many of each array to measure, of which half must be found; None for all.
        The others are those of `check_layer`.
    """
    mode = "training" if training else "evaluation"
    for attempt in range(ATTEMPTS):
        rng = generator(seed, "probe", mode, attempt)
        rows = len(report.rows)
        try:
            probe = random_probe(layer, input_shape, training, rng)
            outputs = checked_forward(report, probe)
        except OWN_ERRORS as error:  # a finding, not a crash of the check
            report.cause = error
            note = f"forward raised {type(error).__name__}: {error}"
            short = f"forward raised {type(error).__name__}"
            report.add_fault(mode, "inputs", input_shape, short, "exception in forward", note, place_of(error))
            return None
        upstream = None if outputs is None else make_upstream(outputs, rng)
        gradients = None if upstream is None else checked_backward(report, probe, upstream)
        if outputs is None or upstream is None or gradients is None:  # nothing to compare; the report says why
            return None
        largest_size = max(array.size for array in probe.arrays.values())
        measured = probe.measure(upstream, coordinates or largest_size, 0.5 if coordinates else 1.0, rng)
        if measured is not None:
            point = Point(layer, probe, upstream, outputs, seed, gradients)
            if add_errors(report, point, measured):
                return point
        report.forget(rows)  # they will come again
    if casts_inputs(probe):
        note = "forward rounds its inputs to float32"
        text = f"{note} (astype, np.float32, dtype=): finite differences drown in the noise; keep their dtype"
        report.add_fault(mode, "inputs", input_shape, note, "float32 noise", text)
        return None
    note = f"none of {ATTEMPTS} random points could be measured: kinks all around, or too much rounding"
    text = f"{note}; is something inside rounded to float32 (astype, np.float32, dtype=)?"
    report.add_fault(mode, "inputs", input_shape, note, "not measurable", text)
    return None


def casts_inputs(probe: Probe) -> bool:
    """Return whether the outputs stay the same to the last bit when the inputs are rounded to float32."""
    outputs, inputs = probe.outputs(), probe.x.copy()
    probe.x[...] = inputs.astype(np.float32)
    rounded = probe.outputs()
    probe.x[...] = inputs
    return np.array_equal(outputs, rounded)


def checked_forward(report: GradientReport, probe: Probe) -> Array | None:
    """Return the outputs, or None; report what makes a comparison senseless."""
    mode, inputs = ("training" if probe.training else "evaluation"), probe.x.copy()
    outputs = probe.outputs()
    if not np.array_equal(probe.x, inputs):
        note = "forward changes its inputs in place"
        report.add_fault(mode, "inputs", inputs.shape, note, "inputs changed", f"{note}: {KEEP}")
        return None
    if outputs.dtype == object and outputs.shape == ():
        kind = type(outputs.item()).__name__
        none = outputs.item() is None
        text = "forward returned None: is `return` missing?" if none else f"forward returned a {kind}, no array"
        report.add_fault(mode, "outputs", (), text, "no outputs", text)
        return None
    if outputs.dtype != inputs.dtype or (fits_float32(outputs) and not fits_float32(inputs)):
        note = (
            f"the outputs are {outputs.dtype}"
            if outputs.dtype != inputs.dtype
            else "the outputs are rounded to float32"
        )
        text = (
            f"{note} where the inputs are float64: finite differences drown in the noise; take the dtype of the inputs"
        )
        report.add_fault(mode, "outputs", outputs.shape, note, "float32 noise", text)
        return None
    if not np.isfinite(outputs).all():
        note = "forward gives NaN or infinity for ordinary inputs"
        text = f"{note}, of mean 0 and variance 1; a formula that needs others (log, sqrt) has to make them, as by exp"
        report.add_fault(mode, "outputs", outputs.shape, note, "not finite", text)
        return None
    if not np.array_equal(probe.outputs(), outputs):
        probe.hold_randomness()
        outputs = probe.outputs()
        note = "forward gives other outputs for the same inputs"
        if not np.array_equal(probe.outputs(), outputs):
            report.add_fault(mode, "outputs", outputs.shape, note, "not deterministic", f"{note}: {RANDOM}")
            return None
        if not probe.training:
            text = f"{note}, in evaluation: nothing may be random there"
            report.add_fault(mode, "outputs", outputs.shape, note, "random in evaluation", text)
    return outputs


def checked_backward(report: GradientReport, probe: Probe, upstream: Array) -> dict[str, Array] | None:
    """Return the gradients that backward gives, or None; report everything that is wrong but their values.

    Backward runs twice. Before the second time the gradients of all parameters are filled with random numbers, so that
    it shows who adds to them and who never writes them.
    """
    mode, shape = ("training" if probe.training else "evaluation"), probe.x.shape
    given, inputs = upstream.copy(), probe.x.copy()
    weights = {name: parameter.data.copy() for name, parameter in probe.layer.named_parameters()}
    filled = {}
    try:
        first = probe.backward(given)
        if not np.array_equal(given, upstream):
            note = "backward changes grad_outputs in place"
            text = f"{note}: other layers (a shortcut) may still need it; {KEEP}"
            report.add_fault(mode, "grad_outputs", upstream.shape, note, "grad_outputs changed", text)
        if not np.array_equal(probe.x, inputs):
            probe.x[...] = inputs
            note = "backward changes the inputs of forward in place"
            text = f"{note}: other layers (a shortcut) may have kept them, too; {KEEP}"
            report.add_fault(mode, "inputs", shape, note, "inputs changed", text)
            return None
        for name, parameter in probe.layer.named_parameters():
            if not np.array_equal(parameter.data, weights[name]):
                note = f"backward changed the data of {name}"
                text = f"{note}: it writes {name}.grad, and the learning rule changes {name}.data"
                report.add_fault(mode, name, parameter.data.shape, note, "data changed", text)
                return None
        rng = np.random.default_rng(0)
        for name, parameter in probe.layer.named_parameters():
            filled[name] = parameter.grad[...] = rng.standard_normal(parameter.grad.shape)
        second = probe.backward(upstream.copy())
    except OWN_ERRORS as error:
        report.cause = error
        report.add_fault(mode, "inputs", shape, f"backward raised {type(error).__name__}")
        names = {id(parameter): name for name, parameter in probe.layer.named_parameters()}
        report.diagnoses += of_exception(error, mode, right_for(probe, upstream, error, names), names)
        return None
    fault = wrong_kind(first["inputs"], probe.x)
    if fault:
        name = "no gradient" if first["inputs"] is None else "wrong dtype"
        text = f"{fault}: backward returns dL/dx, an array like x"
        if isinstance(first["inputs"], np.ndarray) and first["inputs"].shape != shape:
            name, _, _, text = explain(first["inputs"], shape, probe.differences(upstream, "inputs"), "inputs", mode)
            if first["inputs"].shape[1:] == shape and first["inputs"].shape[0] == kept_values(probe):
                name, text = (
                    "take gave a tuple",
                    f"{fault}: take gave all that was kept: x, s = self.take()",
                )
        report.add_fault(mode, "inputs", shape, fault, name, text)
        return None
    largest = max(norm(gradient) for gradient in first.values())
    for name, gradient in first.items():
        residue = norm(gradient) < FLOOR * largest  # what is left of a sum that should be 0 has few digits, too
        if fits_float32(gradient) and not residue and not fits_float32(upstream):
            note = "the gradient is rounded to float32"
            text = f"{note}: take the dtype of the inputs everywhere, and write no np.float32 into backward"
            report.add_fault(mode, name, gradient.shape, note, "float32 noise", text)
        if np.isfinite(gradient).all() and relative_error(second[name], gradient, norm(gradient)) > SAME:
            report.add_fault(mode, name, gradient.shape, *repeated(gradient, second[name], filled.get(name)))
    return first


def kept_values(probe: Probe) -> int:
    """Return how many values forward keeps."""
    probe.forward()
    return len(probe.layer.kept)


def repeated(first: Array, second: Array, filled: Array | None) -> tuple[str, str, str]:
    """Return note, name and sentence for a second backward that gives another gradient than the first."""
    note = "the second backward gives another gradient than the first"
    if filled is not None and np.array_equal(second, filled):
        return "backward never writes this gradient", "never written", "backward never writes it: parameter.grad = ..."
    if filled is not None and relative_error(second - filled, first, norm(first)) < 1e-9:
        return note, "accumulates", f"{note}: it is added to what was there; overwrite it (grad = ..., not grad += ...)"
    if relative_error(second, 2.0 * first, norm(first)) < 1e-9:
        return note, "accumulates", f"{note}, twice as much: something is added up over calls and never reset"
    return note, "not repeatable", f"{note}: it depends on earlier calls, or on random numbers drawn in backward"


def right_for(probe: Probe, upstream: Array, error: BaseException, names: Mapping[int, str]) -> dict[str, Array] | None:
    """Return the right gradient of the parameter that refused one of another shape, by its name; None if none did."""
    refused = refused_gradient(error)
    name = names.get(id(refused[0])) if refused else None
    return None if name is None else {name: probe.differences(upstream, name)}


def add_errors(report: GradientReport, point: Point, measured: Measured) -> bool:
    """Add a row for each array with the error of its gradient, over the coordinates that were measured.

    Returns:
        False if a measurement is too inexact to tell a right gradient from a wrong one.
    """
    probe, largest = point.probe, max(norm(values) for _, values in measured.values())
    doubtful = DOUBT * report.tolerance
    for name, (indices, numeric) in measured.items():
        array, gradient = probe.arrays[name], point.gradients[name]
        analytic = np.array([gradient[index] for index in indices])
        if relative_error(analytic, numeric, largest) > doubtful:  # is it the gradient or the measurement?
            numeric, uncertainty = probe.measure_again(point.upstream, name, indices, numeric)
            if uncertainty > doubtful * error_scale(numeric, largest):
                return False
        row = report.compare(point.mode, name, array.shape, analytic, numeric, largest)
        everywhere = point.numeric[name] = np.full(array.shape, np.nan)
        for index, value in zip(indices, numeric, strict=True):
            everywhere[index] = value
        point.complete &= len(indices) == array.size
        if not row.passed:
            point.wrong.append(name)
    return True
