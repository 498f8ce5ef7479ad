"""Gradient checks: is a backward pass the derivative of its forward pass, and if not, what is wrong?

    report = check_layer(Conv2d(3, 4, kernel_size=3, padding=1), input_shape=(4, 6, 6, 3))
    print(report)                  # the error of each array, in training and in evaluation, and what is likely wrong
    report.passed                  # True or False
    report.diagnoses               # likely causes, most likely first, see `mlp.diagnostics.gradients.diagnoses`
    report.raise_if_failed()       # for tests

Every check works on a copy in float64 (float32 has too few digits for differences) at a random point, see
`random_point`; the caller's layer stays as it is. `check_layer` measures every coordinate of every array, `check_model`
a sample of them. Layers may be of `mlp`, or of another protocol, see `styles`.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from typing import Any

import numpy as np
from numpy.random import Generator

from mlp.diagnostics.gradients.budget import limited
from mlp.diagnostics.gradients.diagnoses import MOST, Diagnosis, Point, merged
from mlp.diagnostics.gradients.diagnoses.known_layers import wrong_forward
from mlp.diagnostics.gradients.diagnoses.normalizations.running_statistics import wrong_statistics
from mlp.diagnostics.gradients.diagnoses.special_points import wrong_at_special_points
from mlp.diagnostics.gradients.like_given import drawn_like, of_any_sign
from mlp.diagnostics.gradients.likely import check_both_modes, likely_faults
from mlp.diagnostics.gradients.losses.check import loss_findings
from mlp.diagnostics.gradients.losses.known.as_named_jointly import joint_as_named
from mlp.diagnostics.gradients.probes.float32 import ROUNDED, becomes_float64, in_float64, needs_float64
from mlp.diagnostics.gradients.probes.forward_alone import NOT_CHECKED
from mlp.diagnostics.gradients.probes.mode import Setting, random_upstream
from mlp.diagnostics.gradients.random_point import check_shape, random_classes
from mlp.diagnostics.gradients.report import Findings, GradientReport, fault
from mlp.diagnostics.gradients.styles.adapters import INDICES, adapt
from mlp.diagnostics.gradients.styles.functions import FunctionPair, shape_of
from mlp.diagnostics.gradients.styles.losses import adapt_loss, is_loss_pair
from mlp.diagnostics.gradients.unchecked import read_only, unchecked, without_effect, without_gradient
from mlp.diagnostics.gradients.written.another_formula import not_as_documented
from mlp.diagnostics.gradients.written.estimates import says_estimate, without_estimates
from mlp.errors import ConfigurationError
from mlp.layers.machinery.base import Layer
from mlp.losses import SoftmaxCrossEntropy
from mlp.typing import Array, Shape


def check_layer(
    layer: Any, input_shape: Sequence[int] | Array, seed: int = 0, tolerance: float = 1e-7
) -> GradientReport:
    """Check a layer's backward pass against finite differences, in training and in evaluation.

    Besides the gradients of the inputs and of all parameters it finds a forward that changes its inputs or gives
    other outputs the second time, a backward that changes `grad_outputs`, adds to the gradients of the call before,
    never writes one of them, changes weights, or returns another shape or dtype, weights that stand where no one looks
    for them. A layer whose gradients are right is looked at further: at special points (ties, large numbers, a batch of
    one, the mean of dropout), for running statistics that evaluation cannot use, and for a forward that is not what the
    name of its class says. All are reported as rows that failed. A layer that makes float64 of float32 gets a remark.

    Args:
        layer: any layer, also of another protocol (see `styles`), or a class that needs no arguments; it is copied.
        input_shape: shape of the inputs, with the batch axis, or an array that has this shape; if it is positive
            everywhere, the inputs of the check are, too.
        seed: of the point where it is checked.
        tolerance: the largest error that passes.

    Returns:
        A `GradientReport`.

    Raises:
        ConfigurationError: `layer` is not a layer of any known protocol, or `input_shape` is not a shape.
    """
    indices, given = None, input_shape
    if isinstance(input_shape, np.ndarray):
        indices = input_shape if input_shape.dtype.kind in "iu" and input_shape.ndim else None
        input_shape = input_shape.shape
    check_shape("input_shape", input_shape)
    shape: Shape = tuple(input_shape)
    with limited(), drawn_like(given):
        adapted = adapt(layer, shape, indices)
        with of_any_sign(adapted[0], shape):
            report = check_at(layer, adapted, (shape, seed), tolerance)
    if INDICES in report.remarks:
        report.rows = [row for row in report.rows if row.array != "inputs" or not row.passed]
    return report


def check_at(layer: Any, given: tuple[Layer, list[str]], place: tuple[Shape, int], tolerance: float) -> GradientReport:
    """Return the report of `check_layer`.

    Args:
        layer: as the user gave it. given: the layer that is checked, and remarks about it. place: shape and seed.
    """
    (adapted, remarks), (shape, seed) = given, place
    title = title_of(adapted, shape)
    found = Findings(remarks=tuple(remarks)) + unchecked(adapted, shape)
    if not found.passed:
        return report_of(title, found, tolerance)
    wide = needs_float64(adapted, shape)
    with in_float64() if wide else nullcontext():
        setting = Setting(adapted, shape, random_upstream, None, seed, tolerance)
        more, points = check_both_modes(setting)
        estimate = not more.passed and says_estimate(adapted)
        found += without_estimates(more, points) if estimate else more
        if points and found.passed:
            forward_alone = NOT_CHECKED in found.remarks
            found += not_checked(points, read_only(layer))
            found += Findings() if estimate else last_checks(adapted, shape, seed, training=forward_alone)
        if points and found.passed and not wide:
            found += Findings(remarks=tuple(becomes_float64(points[0])))
        found += Findings(remarks=(*without_effect(points), *([ROUNDED] if wide else [])))
        return report_of(title, found, tolerance, likely_faults(found, points, setting))


def check_functions(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    input_shape: Any,
    *weights: Any,
    seed: int = 0,
    tolerance: float = 1e-7,
    **settings: Any,
) -> GradientReport:
    """Check two functions, out, cache = forward(x, w, b) and dx, dw, db = backward(dout, cache).

    Args:
        forward, backward: the functions; forward may return the outputs alone, if backward needs nothing else.
        input_shape: shape of x with the batch axis, or x itself.
        weights: shapes of the other arrays that forward takes, or these arrays; those that are left out are guessed.
        seed, tolerance: as for `check_layer`.
        settings: what else forward takes, by name: conv_param={"stride": 1, "pad": 1}.

    Returns:
        A `GradientReport`.

    Raises:
        ConfigurationError: the functions take other arguments, and no shapes of weights could be guessed; or they are
            a loss and its gradient.
    """
    if is_loss_pair(forward, backward):
        names = f"{forward.__name__}, {backward.__name__}"
        raise ConfigurationError(f"{names} are a loss and its gradient: check_loss(({names}), {shape_of(input_shape)})")
    with drawn_like(input_shape):
        pair = FunctionPair(forward, backward, input_shape, weights, settings)
        return check_layer(pair, pair.input_shape, seed=seed, tolerance=tolerance)


def check_model(
    model: Any,
    input_shape: Sequence[int],
    targets: Array | None = None,
    loss: Any = None,
    *,
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
    loss = SoftmaxCrossEntropy() if loss is None else adapt_loss(loss)
    title = f"{type(model).__name__} with {type(loss).__name__}, inputs {tuple(input_shape)}"
    found = Findings(remarks=tuple(remarks)) + unchecked(adapted, input_shape)
    if not found.passed:
        return report_of(title, found, tolerance)

    def upstream_of_loss(outputs: Array, rng: Generator) -> tuple[Array | None, Findings]:
        return loss_findings(
            loss, outputs, random_classes(outputs.shape, rng) if targets is None else targets, tolerance
        )

    setting = Setting(adapted, tuple(input_shape), upstream_of_loss, coordinates, seed, tolerance)
    more, points = check_both_modes(setting)
    found += more + Findings(remarks=tuple(without_effect(points)))
    return report_of(title, found, tolerance, likely_faults(found, points, setting))


def last_checks(layer: Layer, input_shape: Sequence[int], seed: int, *, training: bool) -> Findings:
    """Return what is wrong with a layer whose gradients are right; training: it has no backward in evaluation."""
    found = Findings()
    for diagnosis in wrong_statistics(layer, input_shape, seed):
        found += fault(diagnosis, tuple(input_shape)[-1:], "running statistics are wrong")
    special = partial(wrong_at_special_points, training=training)
    for check in (wrong_forward, not_as_documented, joint_as_named, special):
        if found.passed:
            for diagnosis in check(layer, input_shape, seed):
                if diagnosis.mode == "remark":
                    found += Findings(remarks=(diagnosis.sentence,))
                else:
                    found += fault(diagnosis, input_shape, diagnosis.name)
    return found


def not_checked(points: Sequence[Point], constants: set[str]) -> Findings:
    """Return a fault for each array that matters and has no gradient, and a remark for what is taken for a constant."""
    found = Findings()
    for name, note, text in without_gradient(points, constants):
        if note:
            found += fault(Diagnosis("not checked", name, "training", text), (), note)
        else:
            found += Findings(remarks=(text,))
    return found


def report_of(
    title: str, found: Findings, tolerance: float, diagnoses: Sequence[Diagnosis] | None = None
) -> GradientReport:
    """Return the report about all that was found."""
    likely = merged(found.diagnoses if diagnoses is None else diagnoses)[:MOST]
    return GradientReport(
        title, tolerance, rows=list(found.rows), diagnoses=likely, remarks=list(found.remarks), cause=found.cause
    )


def title_of(layer: Layer, input_shape: Sequence[int]) -> str:
    """Return the title of a report: the layer on one line, and the shape of its inputs."""
    text, name = " ".join(repr(layer).split()), type(getattr(layer, "student", layer)).__name__
    if name != "FunctionPair" and not text.startswith(name):  # a class that inherits another one's repr
        text = f"{name}, a {text}"
    return f"{text if len(text) < 80 else name}, inputs {tuple(input_shape)}"
