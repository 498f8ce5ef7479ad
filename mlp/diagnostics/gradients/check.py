"""Gradient checks: is a backward pass the derivative of its forward pass, and if not, what is wrong?

    report = check_layer(Conv2d(3, 4, kernel_size=3, padding=1), input_shape=(4, 6, 6, 3))
    print(report)                  # the error of each array, in training and in evaluation, and what is likely wrong
    report.passed                  # True or False
    report.diagnoses               # likely causes, most likely first, see `mlp.diagnostics.gradients.diagnoses`
    report.raise_if_failed()       # for tests

Every check works on a copy in float64 (float32 has too few digits for differences) at a random point, see
`random_point`; the caller's layer stays as it is. `check_layer` measures every coordinate of every array, `check_model`
a sample of them. Layers may be of `mlp`, or of another protocol, see `adapters`.
"""

import copy
import math
from collections.abc import Sequence
from typing import Any

from numpy.random import Generator

from mlp.diagnostics.gradients.adapters import adapt
from mlp.diagnostics.gradients.diagnoses import MOST, Diagnosis, Point, diagnose, last_resort, merged
from mlp.diagnostics.gradients.diagnoses.behaviour import wiring, wrong_inside
from mlp.diagnostics.gradients.diagnoses.running_statistics import wrong_statistics
from mlp.diagnostics.gradients.loss_check import adapt_loss, add_loss_row
from mlp.diagnostics.gradients.probes.float32 import becomes_float64
from mlp.diagnostics.gradients.probes.mode import check_mode
from mlp.diagnostics.gradients.random_point import check_shape, random_classes
from mlp.diagnostics.gradients.report import GradientReport
from mlp.diagnostics.gradients.unchecked import add_unchecked, without_effect, without_gradient
from mlp.layers.machinery.base import Layer
from mlp.losses import SoftmaxCrossEntropy
from mlp.rng import generator
from mlp.typing import Array

SMALL = 400  # inputs up to which a layer inside a model is measured in all coordinates


def check_layer(layer: Any, input_shape: Sequence[int], seed: int = 0, tolerance: float = 1e-7) -> GradientReport:
    """Check a layer's backward pass against finite differences, in training and in evaluation.

    Besides the gradients of the inputs and of all parameters it finds a forward that changes its inputs or gives
    other outputs the second time, a backward that changes `grad_outputs`, adds to the gradients of the call before,
    never writes one of them, changes weights, or returns another shape or dtype, weights that stand where no one looks
    for them, and running statistics that evaluation cannot use. All are reported as rows that failed. A layer that
    makes float64 of float32 gets a remark.

    Args:
        layer: any layer, also of another protocol (see `adapters`), or a class that needs no arguments; it is copied.
        input_shape: shape of the inputs, with the batch axis.
        seed: of the point where it is checked.
        tolerance: the largest error that passes.

    Returns:
        A `GradientReport`.

    Raises:
        ConfigurationError: `layer` is no layer of any known protocol, or `input_shape` is no shape.
    """
    check_shape("input_shape", input_shape)
    adapted, remarks = adapt(layer, input_shape)
    report = GradientReport(describe(adapted, input_shape), tolerance, remarks=remarks)
    if add_unchecked(report, adapted, input_shape):
        return report
    points = check_both_modes(report, adapted, input_shape, None, seed)
    if points and report.passed:
        add_statistics(report, adapted, input_shape, seed)
        report.remarks += becomes_float64(points[0])
    report.remarks += [*without_effect(points), *without_gradient(points)]
    explain(report, points, seed)
    return report


def check_model(
    model: Any,
    input_shape: Sequence[int],
    targets: Array | None = None,
    loss: Any = None,
    coordinates: int = 8,
    seed: int = 0,
    tolerance: float = 1e-7,
) -> GradientReport:
    """Check the gradient of the loss with respect to the inputs and every parameter of a whole model.

    The upstream gradient is the loss's own, which is checked first (rows of mode "loss"). Arrays of more than
    `coordinates` values are measured in that many random coordinates, and their norms are taken over these. Where the
    model is wrong and its loss is right, each layer inside is checked by itself.

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
    check_shape("input_shape", input_shape)
    adapted, remarks = adapt(model, input_shape)
    loss = SoftmaxCrossEntropy() if loss is None else copy.deepcopy(adapt_loss(loss))
    title = f"{type(model).__name__} with {type(loss).__name__}, inputs {tuple(input_shape)}"
    report = GradientReport(title, tolerance, remarks=remarks)
    if add_unchecked(report, adapted, input_shape):
        return report

    def upstream_of_loss(outputs: Array, rng: Generator) -> Array | None:
        return add_loss_row(report, loss, outputs, random_classes(outputs.shape, rng) if targets is None else targets)

    modes = (
        check_mode(report, adapted, input_shape, mode, upstream_of_loss, coordinates, seed) for mode in (True, False)
    )
    points = [point for point in modes if point is not None]
    report.remarks += without_effect(points)
    explain(report, points, seed)
    return report


def check_loss(
    loss: Any, output_shape: Sequence[int], targets: Array | None = None, seed: int = 0, tolerance: float = 1e-7
) -> GradientReport:
    """Check the gradient of a loss with respect to the outputs of a model.

    Args:
        loss: a loss, or an object or class with a call (or `error`) and `grad`; it is copied.
        output_shape: shape of the outputs, (N, K).
        targets: None for random classes 0 .. K - 1.
        seed, tolerance: as for `check_layer`.

    Returns:
        A `GradientReport`.
    """
    check_shape("output_shape", output_shape)
    rng = generator(seed, "probe", "loss")
    outputs = rng.standard_normal(output_shape)
    targets = random_classes(output_shape, rng) if targets is None else targets
    loss = copy.deepcopy(adapt_loss(loss))
    name = type(getattr(loss, "student", loss)).__name__
    report = GradientReport(f"{name}, outputs {tuple(output_shape)}", tolerance)
    add_loss_row(report, loss, outputs, targets)
    return report


def check_both_modes(
    report: GradientReport, layer: Layer, input_shape: Sequence[int], coordinates: int | None, seed: int
) -> list[Point]:
    """Add the rows of both modes for a random upstream gradient; return the points that were measured."""

    def random_upstream(outputs: Array, rng: Generator) -> Array:
        return rng.standard_normal(outputs.shape)

    modes = (check_mode(report, layer, input_shape, mode, random_upstream, coordinates, seed) for mode in (True, False))
    return [point for point in modes if point is not None]


def add_statistics(report: GradientReport, layer: Layer, input_shape: Sequence[int], seed: int) -> None:
    """Add a row for running statistics that are wrong, if there are any."""
    for found in wrong_statistics(layer, input_shape, seed):
        report.add_fault(found.mode, found.array, tuple(input_shape)[-1:], "running statistics are wrong")
        report.diagnoses.append(found)


def explain(report: GradientReport, points: list[Point], seed: int) -> None:
    """Add what is likely wrong to the report: faults come first, then layers inside, then hypotheses about numbers."""
    faulty = {(one.mode, one.array) for one in report.diagnoses}  # their faults are known already
    for point in points:
        point.wrong = [name for name in point.wrong if (point.mode, name) not in faulty]
    wrong = [point for point in points if point.wrong]
    found = list(report.diagnoses)
    if wrong:

        def check_part(layer: Layer, input_shape: tuple[int, ...]) -> list[Diagnosis]:
            part = GradientReport("", report.tolerance)
            shape = (min(input_shape[0], 2), *input_shape[1:])
            coordinates = None if math.prod(shape) <= SMALL else 8
            explain(part, check_both_modes(part, layer, shape, coordinates, seed), seed)
            return part.diagnoses

        inside, layers = wrong_inside(wrong[0], check_part)
        found += inside or diagnose(wrong) or ([wiring(wrong[0])] if layers else last_resort(points))
    report.diagnoses = merged(found)[:MOST]


def describe(layer: Layer, input_shape: Sequence[int]) -> str:
    """Return the title of a report: the layer on one line, and the shape of its inputs."""
    text, name = " ".join(repr(layer).split()), type(layer).__name__
    if name != "StudentLayer" and not text.startswith(name):  # a class that inherits another one's repr
        text = f"{name}, a {text}"
    return f"{text if len(text) < 80 else name}, inputs {tuple(input_shape)}"
