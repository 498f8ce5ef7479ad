"""The check of a loss: its gradient by finite differences of its value.

A loss maps the outputs of a batch to one number, so every coordinate costs two calls of forward. A loss that is not
finite for outputs of any sign may be one for probabilities, and is measured there. What is wrong with a gradient is
looked for in `hypotheses`, at this point and at a second one of another shape.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.diagnoses.exceptions import place_of
from mlp.diagnostics.gradients.finite_differences import norm
from mlp.diagnostics.gradients.losses.constants import treated_as_constant, unused_settings
from mlp.diagnostics.gradients.losses.factors import MEAN_FORGOTTEN, MEAN_OF_ALL, Found
from mlp.diagnostics.gradients.losses.forward_line import forward_line_of_loss
from mlp.diagnostics.gradients.losses.hypotheses import BELOW_A_LINE, UNSURE, explain_loss
from mlp.diagnostics.gradients.losses.jumps import jumps_of
from mlp.diagnostics.gradients.losses.known.as_named import loss_as_named, mean_forgotten_line, mean_line
from mlp.diagnostics.gradients.losses.known.forward import only_gradient_right, wrong_value
from mlp.diagnostics.gradients.losses.known.identity import exact_but_for_eps
from mlp.diagnostics.gradients.losses.lines import LossPlace, line_of_loss
from mlp.diagnostics.gradients.losses.measured import (
    along,
    as_probabilities,
    cuts_off,
    differences,
    further,
    is_finite,
    loss_at_other_settings,
    other_branches,
    plausible_targets,
    sums_over_batch,
)
from mlp.diagnostics.gradients.losses.mistakes import OTHER
from mlp.diagnostics.gradients.losses.points import LossPoint, settings_of
from mlp.diagnostics.gradients.losses.smallest import smallest_outputs, worst_output, wrong_slices
from mlp.diagnostics.gradients.losses.special_points import second_call, wrong_elsewhere
from mlp.diagnostics.gradients.random_point import check_shape
from mlp.diagnostics.gradients.report import Findings, GradientReport, compared, fault, wrong_kind
from mlp.diagnostics.gradients.styles.calls import parameters
from mlp.diagnostics.gradients.styles.losses import StudentLoss, adapt_loss, as_number
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

LOOSE = 1e-4
BRANCH = 1e-2  # how far a gradient is off where a whole branch is wrong
LookAtForward = Callable[[str, Sequence[LossPoint], str], Found | None]
SECOND = ("it is also", "its sign is wrong, too")  # words of a second mistake: there is none if one line mends all
LIKELY = 3  # diagnoses that are worth reading


def check_loss(
    loss: Any, output_shape: Sequence[int] | Array, targets: Array | None = None, seed: int = 0, tolerance: float = 1e-7
) -> GradientReport:
    """Check the gradient of a loss with respect to the outputs of a model.

    Args:
        loss: a loss, or an object or class with a call (or `error`) and `grad`; it is copied. Or two functions,
            (mse, mse_prime), or one that returns (loss, gradient).
        output_shape: shape of the outputs, (N, K), or the outputs themselves.
        targets: None for random classes 0 .. K - 1, or numbers of the outputs' shape if the loss does not take classes.
        seed, tolerance: as for `check_layer`.

    Returns:
        A `GradientReport`.
    """
    rng = generator(seed, "probe", "loss")
    if isinstance(output_shape, np.ndarray):
        outputs = output_shape.astype(np.float64)
    else:
        check_shape("output_shape", output_shape)
        outputs = rng.standard_normal(output_shape)
    loss = adapt_loss(loss)
    if isinstance(loss, StudentLoss):
        loss.find_arguments(outputs.shape, targets)
    if targets is None:
        targets = plausible_targets(loss, outputs, rng)
    kind = getattr(loss, "student", loss)
    name = getattr(kind, "__name__", type(kind).__name__)
    remarks: tuple[str, ...] = ()
    finite = is_finite(loss, outputs, targets)
    inside = bool(((outputs >= 0.0) & (outputs <= 1.0)).all())
    if (finite and not inside and cuts_off(loss, outputs, targets)) or (
        not finite and is_finite(loss, as_probabilities(outputs), targets)
    ):
        outputs = as_probabilities(outputs)
        sums = " that sum to 1" if outputs.ndim > 1 and outputs.shape[1] > 1 else ""
        why = "it cuts others off" if finite else "for others it is not finite"
        remarks = (f"it was checked for outputs between 0 and 1{sums}: {why}.",)
    with np.errstate(all="ignore"):
        _, found = loss_findings(loss, outputs, targets, tolerance)
        if found.passed:
            found += on_other_branches(loss, outputs, targets, tolerance)
        if found.passed and not remarks:
            found += jumps_of(loss, outputs, targets)
        if found.passed and not remarks:
            found += wrong_elsewhere(loss, outputs, targets, differences)
    return GradientReport(
        f"{name}, outputs {outputs.shape}",
        tolerance,
        rows=list(found.rows),
        diagnoses=list(found.diagnoses),
        remarks=[*remarks, *found.remarks],
        cause=found.cause,
    )


def on_other_branches(loss: Any, outputs: Array, targets: Array, tolerance: float) -> Findings:
    """Return what is wrong for larger or smaller outputs: where other branches and margins of the loss are in force."""
    for moved in other_branches(outputs):
        try:
            if along(loss, moved, targets) < BRANCH:
                continue
            _, found = loss_findings(loss, moved, targets, tolerance)
        except OWN_ERRORS:  # it may refuse such outputs
            continue
        if not found.passed:
            again = second_call(loss, outputs, targets, differences)
            if any(one.name == "stale cache" for one in again.diagnoses):  # wrong for whatever comes second
                return again
            return found + Findings(remarks=("at the first outputs it was right; it is wrong for other ones.",))
    return Findings()


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
    broken = broken_protocol(value, gradient, moved, outputs, targets)
    if not np.array_equal(its_targets, targets, equal_nan=targets.dtype.kind == "f"):
        note = "the loss changes the targets in place"
        broken = "targets changed", note, f"{note}: work on a copy"
    if broken:
        name, note, text = broken
        return None, fault(Diagnosis(name, "outputs", "loss", text), outputs.shape, note)
    numeric = differences(loss, outputs, targets)
    row = compared(("loss", "outputs"), gradient, numeric, (norm(numeric), tolerance))
    sums = sums_over_batch(loss, outputs, targets)
    points = [
        LossPoint(gradient, numeric, outputs, targets, sums, settings_of(loss), float(value)),
        *further(loss, outputs, targets, measured=not row.passed),
    ]
    itself = list(of_forward(loss, points)) or list(loss_as_named(named_places(loss, points)))
    if not row.passed and not itself and exact_but_for_eps(points):
        text = "the gradient is exact but for a small number that is added inside the loss (an eps), as is usual."
        return gradient, Findings((replace(row, passed=True),), remarks=(text,))
    if row.passed:
        if itself:
            return gradient, Findings((row, *fault(itself[0], outputs.shape, itself[0].sentence).rows), tuple(itself))
        note = "the loss grows with the batch: the losses of `mlp` are means over the batch, not sums."
        return gradient, Findings((row,), remarks=(note,) if sums else ())
    likely = itself or likely_in_loss(loss, points, tolerance)
    return gradient, Findings((row,), tuple(likely[:LIKELY]))


def likely_in_loss(loss: Any, points: Sequence[LossPoint], tolerance: float) -> list[Diagnosis]:
    """Return what is likely wrong with the gradient of a loss, most likely first."""
    others = loss_at_other_settings(loss, points[:2])
    places = [*((loss, point) for point in points), *others]
    likely = with_wrong_line(explain_loss(points, [point for _, point in others]), places)
    branch = bool(likely) and "there backward gives" in likely[0].sentence  # with both formulas
    if not branch and (not likely or likely[0].name in UNSURE):
        likely = [*unused_settings(loss, points[0]), *likely]
    if not likely or likely[0].name in UNSURE:
        of_value = list(of_forward(loss, points, only_gradient_right)) or list(forward_line_of_loss(places))
        likely = [*of_value, *likely]
    if not likely or likely[0].name == OTHER:
        likely = [not_explained(loss, points[0], tolerance), *likely]
    return likely


def named_places(loss: Any, points: Sequence[LossPoint]) -> list[LossPlace]:
    """Return where the values of a loss are compared with those of the loss that its name speaks of."""
    return [*((loss, point) for point in points[:3]), *loss_at_other_settings(loss, points[:2], measured=False)]


def with_wrong_line(likely: list[Diagnosis], places: Sequence[LossPlace]) -> list[Diagnosis]:
    """Return what is likely, with the line that is wrong: before what says little, else as a part of it."""
    if likely and likely[0].name in (MEAN_OF_ALL, MEAN_FORGOTTEN):
        found = [*(mean_line if likely[0].name == MEAN_OF_ALL else mean_forgotten_line)(places), likely[0]]
        return [replace(likely[0], sentence="; ".join(one.sentence for one in found))]
    unsure = not likely or likely[0].name in BELOW_A_LINE
    held = list(treated_as_constant(places)) if unsure else []
    if held:
        return [*held, *likely]
    lines = list(line_of_loss(places, known=not unsure))
    if lines and (unsure or any(also in likely[0].sentence for also in SECOND)):
        return lines
    if lines:
        return [replace(likely[0], sentence=f"{lines[0].sentence}; {likely[0].sentence}")]
    return likely


def of_forward(loss: Any, points: Sequence[LossPoint], look: LookAtForward = wrong_value) -> Iterator[Diagnosis]:
    """Yield what is wrong with the value of a loss, if its name says which loss it should be."""
    kind = getattr(loss, "student", loss)
    names = list(parameters(getattr(loss, "value", None) or kind.forward))
    found = look(getattr(kind, "__name__", type(kind).__name__), points, ", ".join(names))
    if found is not None:
        name, text, evidence = found
        yield Diagnosis(name, "outputs", "loss", text, evidence)


def not_explained(loss: Any, point: LossPoint, tolerance: float) -> Diagnosis:
    """Return what can be said where nothing is known: the worst value, and the smallest outputs that still fail."""
    small = smallest_outputs(loss, point, differences, tolerance)
    return Diagnosis(
        "unknown", "outputs", "loss", "; ".join(filter(None, (wrong_slices(point), worst_output(point), small)))
    )


def broadcast(outputs: Array, targets: Array) -> tuple[int, ...]:
    """Return the shape that outputs and targets have together, () if they have none."""
    try:
        return np.broadcast_shapes(outputs.shape, targets.shape)
    except ValueError:
        return ()


def broken_protocol(
    value: Any, gradient: Any, moved: Array, outputs: Array, targets: Array
) -> tuple[str, str, str] | None:
    """Return (name, note, sentence) if a loss does not do what every loss must do, else None."""
    if not np.array_equal(moved, outputs):
        note = "the loss changes the outputs in place"
        return "inputs changed", note, f"{note}: work on a copy"
    if np.ndim(value) != 0:
        note = f"forward returns an array of shape {np.shape(value)}"
        return "not a number", note, f"{note}: a loss is one number, the mean over the batch"
    shape = np.shape(gradient)
    if shape != outputs.shape and broadcast(outputs, targets) == shape:
        note = f"outputs {outputs.shape} and targets {targets.shape} are broadcast to {shape}"
        text = f"{note}: each output meets each target; bring the targets to the shape of the outputs first"
        return "broadcast", note, f"{text}: targets.reshape(outputs.shape)"
    wrong = wrong_kind(gradient, outputs)
    return (
        None if wrong is None else ("wrong dtype", wrong, f"{wrong}: backward returns dL/d(outputs), an array like it")
    )
