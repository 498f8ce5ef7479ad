"""The check of a loss: its gradient by finite differences of its value.

A loss maps the outputs of a batch to one number, so every coordinate costs two calls of forward. A loss that is not
finite for outputs of any sign may be one for probabilities, and is measured there. What is wrong with a gradient is
looked for in `hypotheses`, at this point and at a second one of another shape.
"""

import copy
import inspect
from collections.abc import Iterator, Sequence
from types import FunctionType
from typing import Any

import numpy as np
from numpy.random import Generator

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.diagnoses.exceptions import place_of
from mlp.diagnostics.gradients.finite_differences import STEP, norm
from mlp.diagnostics.gradients.losses.hypotheses import explain_loss
from mlp.diagnostics.gradients.losses.points import LossPoint, settings_of, softmax
from mlp.diagnostics.gradients.losses.smallest import smallest_outputs, worst_output
from mlp.diagnostics.gradients.losses.special_points import wrong_elsewhere
from mlp.diagnostics.gradients.random_point import check_shape, random_classes
from mlp.diagnostics.gradients.repairs.sources import Source
from mlp.diagnostics.gradients.repairs.wrong_line import REPAIRED, diagnosis_of, repairs
from mlp.diagnostics.gradients.report import Findings, GradientReport, compared, fault, wrong_kind
from mlp.diagnostics.gradients.styles.losses import GRADIENTS, VALUES, adapt_loss, as_number
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

LIKELY = 3  # diagnoses that are worth reading
MORE_POINTS = 4  # of the same shape, so that a pattern in single values shows


def check_loss(
    loss: Any, output_shape: Sequence[int], targets: Array | None = None, seed: int = 0, tolerance: float = 1e-7
) -> GradientReport:
    """Check the gradient of a loss with respect to the outputs of a model.

    Args:
        loss: a loss, or an object or class with a call (or `error`) and `grad`; it is copied.
        output_shape: shape of the outputs, (N, K).
        targets: None for random classes 0 .. K - 1, or random numbers if the loss does not take classes.
        seed, tolerance: as for `check_layer`.

    Returns:
        A `GradientReport`.
    """
    check_shape("output_shape", output_shape)
    rng = generator(seed, "probe", "loss")
    outputs = rng.standard_normal(output_shape)
    loss = copy.deepcopy(adapt_loss(loss))
    if targets is None:
        targets = plausible_targets(loss, outputs, rng)
    kind = getattr(loss, "student", loss)
    name = getattr(kind, "__name__", type(kind).__name__)
    remarks: tuple[str, ...] = ()
    if not is_finite(loss, outputs, targets) and is_finite(loss, softmax(outputs, 1), targets):
        outputs = softmax(outputs, 1)
        remarks = ("it was checked for outputs between 0 and 1 that sum to 1: for others it is not finite.",)
    _, found = loss_findings(loss, outputs, targets, tolerance)
    if found.passed and not remarks:
        found += wrong_elsewhere(loss, outputs, targets, differences)
    return GradientReport(
        f"{name}, outputs {tuple(output_shape)}",
        tolerance,
        rows=list(found.rows),
        diagnoses=list(found.diagnoses),
        remarks=[*remarks, *found.remarks],
        cause=found.cause,
    )


def plausible_targets(loss: Any, outputs: Array, rng: Generator) -> Array:
    """Return random classes, or random numbers if the loss raises an exception or makes no number of classes."""
    classes = random_classes(outputs.shape, rng)
    try:
        if np.ndim(as_number(loss.forward(outputs.copy(), classes))) == 0:
            return classes
    except OWN_ERRORS:
        pass
    numbers = np.eye(outputs.shape[-1])[classes] if outputs.ndim == 2 else rng.random(outputs.shape)
    try:
        loss.forward(outputs.copy(), numbers)
    except OWN_ERRORS:
        return classes
    return numbers


def is_finite(loss: Any, outputs: Array, targets: Array) -> bool:
    """Return whether a loss gives a finite number; also if it raises an exception, which will be reported."""
    try:
        with np.errstate(all="ignore"):
            return bool(np.isfinite(loss.forward(outputs.copy(), targets)).all())
    except OWN_ERRORS:
        return True


def loss_findings(loss: Any, outputs: Array, targets: Array, tolerance: float) -> tuple[Array | None, Findings]:
    """Return the gradient that a loss gives for `outputs`, or None if there is none, and the row with its error."""
    moved, its_targets = outputs.copy(), targets.copy()
    try:
        value = as_number(loss.forward(moved, its_targets))
        gradient = loss.backward()
    except OWN_ERRORS as error:
        note = f"the loss raised {type(error).__name__}: {error}"
        found = Diagnosis("exception", "outputs", "loss", note, place_of(error))
        return None, fault(found, outputs.shape, note, error)
    broken = broken_protocol(value, gradient, moved, outputs)
    if not np.array_equal(its_targets, targets):
        note = "the loss changes the targets in place"
        broken = "targets changed", note, f"{note}: work on a copy"
    if broken:
        name, note, text = broken
        return None, fault(Diagnosis(name, "outputs", "loss", text), outputs.shape, note)
    numeric = differences(loss, outputs, targets)
    row = compared(("loss", "outputs"), gradient, numeric, (norm(numeric), tolerance))
    sums = sums_over_batch(loss, outputs, targets)
    if row.passed:
        note = "the loss grows with the batch: the losses of `mlp` are means over the batch, not sums."
        return gradient, Findings((row,), remarks=(note,) if sums else ())
    points = [
        LossPoint(gradient, numeric, outputs, targets, sums, settings_of(loss), float(value)),
        *further(loss, outputs, targets),
    ]
    likely = (
        explain_loss(points)[:LIKELY] or list(line_of_loss(loss, points)) or [not_explained(loss, points[0], tolerance)]
    )
    return gradient, Findings((row,), tuple(likely))


def line_of_loss(loss: Any, points: Sequence[LossPoint]) -> Iterator[Diagnosis]:
    """Yield the change of one line of backward that makes the gradient right, at all points."""
    owner = getattr(loss, "student", loss)
    names = (
        [name for name in GRADIENTS if callable(getattr(owner, name, None))] if not inspect.isfunction(owner) else []
    )
    values = [getattr(owner, name) for name in VALUES if callable(getattr(owner, name, None))]

    def right(source: Source, function: FunctionType) -> bool:
        with source.replaced(function):
            for point in points:
                loss.forward(point.outputs.copy(), point.targets.copy())
                if not distance(np.asarray(loss.backward(), float), point.right) < REPAIRED:
                    return False
        return True

    for _, edit, _ in repairs(owner, names[:1], values[0] if values else None, right):
        yield diagnosis_of(edit, "outputs", "loss")
        return


def not_explained(loss: Any, point: LossPoint, tolerance: float) -> Diagnosis:
    """Return what can be said where nothing is known: the worst value, and the smallest outputs that still fail."""
    small = smallest_outputs(loss, point, differences, tolerance)
    return Diagnosis("unknown", "outputs", "loss", "; ".join(filter(None, (worst_output(point), small))))


def broken_protocol(value: Any, gradient: Any, moved: Array, outputs: Array) -> tuple[str, str, str] | None:
    """Return (name, note, sentence) if a loss does not do what every loss must do, else None."""
    if not np.array_equal(moved, outputs):
        note = "the loss changes the outputs in place"
        return "inputs changed", note, f"{note}: work on a copy"
    if np.ndim(value) != 0:
        note = f"forward returns an array of shape {np.shape(value)}"
        return "not a number", note, f"{note}: a loss is one number, the mean over the batch"
    wrong = wrong_kind(gradient, outputs)
    return (
        None if wrong is None else ("wrong dtype", wrong, f"{wrong}: backward returns dL/d(outputs), an array like it")
    )


def differences(loss: Any, outputs: Array, targets: Array) -> Array:
    """Return the gradient of a loss by central differences."""
    numeric, moved = np.empty_like(outputs), outputs.copy()
    for index in np.ndindex(outputs.shape):
        moved[index] = above = outputs[index] + STEP
        loss_above = as_number(loss.forward(moved, targets))
        moved[index] = below = outputs[index] - STEP
        loss_below = as_number(loss.forward(moved, targets))
        moved[index] = outputs[index]
        numeric[index] = (loss_above - loss_below) / (above - below)
    return numeric


def further(loss: Any, outputs: Array, targets: Array) -> list[LossPoint]:
    """Return the evidence at a point with one sample more (and one class more, if targets are classes), then others."""
    classes = targets.ndim == 1 and targets.dtype.kind in "iu" and outputs.ndim == 2
    larger = (len(outputs) + 1, outputs.shape[1] + 1) if classes else (len(outputs) + 1, *outputs.shape[1:])
    one_hot = (
        outputs.ndim == 2
        and targets.shape == outputs.shape
        and bool((np.sort(targets, axis=1)[:, -2:] == (0, 1)).all())
    )
    probabilities = outputs.ndim == 2 and np.allclose(outputs.sum(axis=1), 1.0)
    found = []
    for number in range(1, 2 + MORE_POINTS):
        rng = generator(number, "probe", "loss")
        shape = larger if number == 1 else outputs.shape
        z = rng.standard_normal(shape)
        z = softmax(z, 1) if probabilities else z
        if classes:
            other = random_classes(shape, rng)
        elif one_hot:
            other = np.eye(shape[1])[random_classes(shape, rng)].astype(targets.dtype)
        else:
            other = rng.choice(np.ravel(targets), (len(z), *targets.shape[1:]))
        try:
            value = float(as_number(loss.forward(z.copy(), other)))
            gradient = loss.backward()
            sums = sums_over_batch(loss, z, other)
            found.append(LossPoint(gradient, differences(loss, z, other), z, other, sums, settings_of(loss), value))
        except OWN_ERRORS:  # it takes the first shape alone
            continue
    return found


def sums_over_batch(loss: Any, outputs: Array, targets: Array) -> bool:
    """Return whether the loss of a batch that holds every sample twice is twice as large."""
    once = loss.forward(outputs.copy(), targets)
    twice = loss.forward(np.concatenate([outputs, outputs]), np.concatenate([targets, targets]))
    return bool(abs(twice - 2.0 * once) < 1e-9 * abs(once))
