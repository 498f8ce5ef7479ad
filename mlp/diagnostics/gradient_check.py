"""Gradient checks: is a backward pass the derivative of its forward pass?

    report = check_layer(Conv2d(3, 4, kernel_size=3, padding=1), input_shape=(4, 6, 6, 3))
    print(report)                  # the error of each array, in training and in evaluation
    report.passed                  # True or False
    report.raise_if_failed()       # for tests

Every check works on a copy in float64 (float32 has too few digits for differences) at a random point, see
`random_point`; the caller's layer stays as it is.

A coordinate beside a kink (see `finite_differences`) cannot be measured. `check_layer` measures every coordinate of
every array; if one of them meets a kink, the whole point is drawn again. `check_model` measures a sample of the
coordinates; if one of them meets a kink, another one of the same array is taken, and the point is drawn again only
where half of them are missing. It is drawn again, too, where rounding leaves too few digits to tell right from wrong
(a network in which one layer is nearly dead). The gradient under test has no say in what counts as measurable.
"""

import copy
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.random import Generator

from mlp.diagnostics.finite_differences import STEP, Measured, Probe, error_scale, norm, relative_error
from mlp.diagnostics.gradient_report import GradientReport, wrong_kind
from mlp.diagnostics.random_point import random_classes, random_probe
from mlp.layers.base import Layer
from mlp.losses import Loss, SoftmaxCrossEntropy
from mlp.rng import generator
from mlp.typing import Array

ATTEMPTS = 20  # points that are tried before a check gives up
DOUBT = 0.2  # a measurement should be this much better than the tolerance
SAME = 1e-12  # how far two runs of one formula may differ


def check_layer(layer: Layer, input_shape: Sequence[int], seed: int = 0, tolerance: float = 1e-7) -> GradientReport:
    """Check a layer's backward pass against finite differences, in training and in evaluation.

    Besides the gradients of the inputs and of all parameters it finds a forward that changes its inputs or gives
    other outputs the second time, a backward that changes `grad_outputs`, adds to the gradients of the call before, or
    returns another shape or dtype. All are reported as rows that failed.

    Args:
        layer: any layer; it is copied.
        input_shape: shape of the inputs, with the batch axis.
        seed: of the point where it is checked.
        tolerance: the largest error that passes.

    Returns:
        A `GradientReport`.
    """
    report = GradientReport(describe(layer, input_shape), tolerance)

    def random_upstream(outputs: Array, rng: Generator) -> Array:
        return rng.standard_normal(outputs.shape)

    for training in (True, False):
        check_mode(report, layer, input_shape, training, random_upstream, None, seed)
    return report


def check_model(
    model: Layer,
    input_shape: Sequence[int],
    targets: Array | None = None,
    loss: Loss | None = None,
    coordinates: int = 8,
    seed: int = 0,
    tolerance: float = 1e-7,
) -> GradientReport:
    """Check the gradient of the loss with respect to the inputs and every parameter of a whole model.

    The upstream gradient is the loss's own, which is checked first (rows of mode "loss"). Arrays of more than
    `coordinates` values are measured in that many random coordinates, and their norms are taken over these.

    Args:
        model: any layer; it is copied.
        input_shape: shape of the inputs, with the batch axis.
        targets: for the loss; None for random classes.
        loss: a loss; None for SoftmaxCrossEntropy.
        coordinates: how many coordinates of each array are measured.
        seed, tolerance: as for `check_layer`.

    Returns:
        A `GradientReport`.
    """
    loss = SoftmaxCrossEntropy() if loss is None else copy.deepcopy(loss)
    report = GradientReport(f"{type(model).__name__} with {type(loss).__name__}, inputs {input_shape}", tolerance)

    def upstream_of_loss(outputs: Array, rng: Generator) -> Array | None:
        return add_loss_row(report, loss, outputs, random_classes(outputs.shape, rng) if targets is None else targets)

    for training in (True, False):
        check_mode(report, model, input_shape, training, upstream_of_loss, coordinates, seed)
    return report


def check_loss(
    loss: Loss, output_shape: Sequence[int], targets: Array | None = None, seed: int = 0, tolerance: float = 1e-7
) -> GradientReport:
    """Check the gradient of a loss with respect to the outputs of a model.

    Args:
        loss: a loss; it is copied.
        output_shape: shape of the outputs, (N, K).
        targets: None for random classes 0 .. K - 1.
        seed, tolerance: as for `check_layer`.

    Returns:
        A `GradientReport`.
    """
    rng = generator(seed, "probe", "loss")
    outputs = rng.standard_normal(output_shape)
    targets = random_classes(output_shape, rng) if targets is None else targets
    report = GradientReport(f"{type(loss).__name__}, outputs {tuple(output_shape)}", tolerance)
    add_loss_row(report, copy.deepcopy(loss), outputs, targets)
    return report


def check_mode(
    report: GradientReport,
    layer: Layer,
    input_shape: Sequence[int],
    training: bool,
    make_upstream: Callable[[Array, Generator], Array | None],
    coordinates: int | None,
    seed: int,
) -> None:
    """Add the rows of one mode to `report`; a point that cannot be measured is drawn again.

    Args:
        make_upstream: function (outputs, rng) -> dL/dy, or None if there is none.
        coordinates: how many of each array to measure, of which half must be found; None for all.
        The others are those of `check_layer`.
    """
    mode = mode_name(training)
    for attempt in range(ATTEMPTS):
        rng = generator(seed, "probe", mode, attempt)
        probe = random_probe(layer, input_shape, training, rng)
        rows = len(report.rows)
        outputs = checked_forward(report, probe)
        upstream = None if outputs is None else make_upstream(outputs, rng)
        gradients = None if upstream is None else checked_backward(report, probe, upstream)
        if upstream is None or gradients is None:  # nothing to compare; the report says why
            return
        largest_size = max(array.size for array in probe.arrays.values())
        measured = probe.measure(upstream, coordinates or largest_size, 0.5 if coordinates else 1.0, rng)
        if measured is not None and add_errors(report, probe, upstream, gradients, measured):
            return
        del report.rows[rows:]  # they will come again
    note = f"none of {ATTEMPTS} random points could be measured: kinks all around, or too much rounding"
    report.add_fault(mode, "inputs", input_shape, note)


def describe(layer: Layer, input_shape: Sequence[int]) -> str:
    """Return the title of a report: the layer on one line, and the shape of its inputs."""
    text = " ".join(repr(layer).split())
    return f"{text if len(text) < 80 else type(layer).__name__}, inputs {tuple(input_shape)}"


def mode_name(training: bool) -> str:
    """Return "training" or "evaluation"."""
    return "training" if training else "evaluation"


# --- the rows of the report ---------------------------------------------------------------------------------------


def checked_forward(report: GradientReport, probe: Probe) -> Array | None:
    """Return the outputs, or None; report what makes a comparison senseless."""
    mode, inputs = mode_name(probe.training), probe.x.copy()
    outputs = probe.outputs()
    if not np.array_equal(probe.x, inputs):
        report.add_fault(mode, "inputs", inputs.shape, "forward changes its inputs in place")
        return None
    if not np.array_equal(probe.outputs(), outputs):
        report.add_fault(mode, "outputs", outputs.shape, "forward gives other outputs for the same inputs")
        return None
    return outputs


def checked_backward(report: GradientReport, probe: Probe, upstream: Array) -> dict[str, Array] | None:
    """Return the gradients that backward gives, or None; report everything that is wrong but their values."""
    mode, shape = mode_name(probe.training), probe.x.shape
    given = upstream.copy()
    try:
        first = probe.backward(given)
        if not np.array_equal(given, upstream):
            report.add_fault(mode, "grad_outputs", upstream.shape, "backward changes grad_outputs in place")
        second = probe.backward(upstream.copy())
    except Exception as error:  # a wrong backward can raise anything; that is a finding, not a crash of the check
        report.cause = error
        report.add_fault(mode, "inputs", shape, f"backward raised {type(error).__name__}: {error}")
        return None
    fault = wrong_kind(first["inputs"], probe.x)
    if fault:
        report.add_fault(mode, "inputs", shape, fault)
        return None
    for name, gradient in first.items():
        if relative_error(second[name], gradient, norm(gradient)) > SAME:
            report.add_fault(mode, name, gradient.shape, "the second backward gives another gradient than the first")
    return first


def add_errors(
    report: GradientReport, probe: Probe, upstream: Array, gradients: Mapping[str, Array], measured: Measured
) -> bool:
    """Add a row for each array with the error of its gradient, over the coordinates that were measured.

    Returns:
        False if a measurement is too inexact to tell a right gradient from a wrong one.
    """
    largest = max(norm(values) for _, values in measured.values())
    doubtful = DOUBT * report.tolerance
    for name, (indices, numeric) in measured.items():
        analytic = np.array([gradients[name][index] for index in indices])
        if relative_error(analytic, numeric, largest) > doubtful:  # is it the gradient or the measurement?
            numeric, uncertainty = probe.measure_again(upstream, name, indices, numeric)
            if uncertainty > doubtful * error_scale(numeric, largest):
                return False
        report.compare(mode_name(probe.training), name, probe.arrays[name].shape, analytic, numeric, largest)
    return True


def add_loss_row(report: GradientReport, loss: Loss, outputs: Array, targets: Array) -> Array | None:
    """Add the row of a loss; return the gradient that it gives for `outputs`, or None if there is none to use."""
    moved = outputs.copy()
    loss.forward(moved, targets)
    gradient = loss.backward()
    fault = wrong_kind(gradient, outputs)
    if not np.array_equal(moved, outputs):
        fault = "the loss changes the outputs in place"
    if fault:
        report.add_fault("loss", "outputs", outputs.shape, fault)
        return None
    numeric = np.empty_like(outputs)
    for index in np.ndindex(outputs.shape):
        moved[index] = above = outputs[index] + STEP
        loss_above = loss.forward(moved, targets)
        moved[index] = below = outputs[index] - STEP
        loss_below = loss.forward(moved, targets)
        moved[index] = outputs[index]
        numeric[index] = (loss_above - loss_below) / (above - below)
    report.compare("loss", "outputs", outputs.shape, gradient, numeric, norm(numeric))
    return gradient
