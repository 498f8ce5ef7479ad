"""The check of a loss: its gradient by finite differences of its value.

A loss maps the outputs of a batch to one number, so every coordinate costs two calls of forward. A loss that is not
finite for outputs of any sign may be one for probabilities, and is measured there. What is wrong with a gradient is
looked for in `hypotheses`, at this point and at a second one of another shape.
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random import Generator

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.diagnoses.exceptions import place_of
from mlp.diagnostics.gradients.finite_differences import STEP, norm
from mlp.diagnostics.gradients.losses.hypotheses import explain_loss
from mlp.diagnostics.gradients.losses.point import LossPoint, softmax
from mlp.diagnostics.gradients.random_point import check_shape, random_classes
from mlp.diagnostics.gradients.report import Findings, GradientReport, compared, fault, wrong_kind
from mlp.diagnostics.gradients.styles.losses import adapt_loss, as_number
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array

LARGE = 1000.0  # logits at which exp overflows


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
        found += overflow(loss, outputs, targets)
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
    moved = outputs.copy()
    try:
        value = as_number(loss.forward(moved, targets))
        gradient = loss.backward()
    except OWN_ERRORS as error:
        note = f"the loss raised {type(error).__name__}: {error}"
        found = Diagnosis("exception", "outputs", "loss", note, place_of(error))
        return None, fault(found, outputs.shape, note, error)
    broken = broken_protocol(value, gradient, moved, outputs)
    if broken:
        name, note, text = broken
        return None, fault(Diagnosis(name, "outputs", "loss", text), outputs.shape, note)
    numeric = differences(loss, outputs, targets)
    row = compared(("loss", "outputs"), gradient, numeric, (norm(numeric), tolerance))
    sums = sums_over_batch(loss, outputs, targets)
    if row.passed:
        note = "the loss grows with the batch: the losses of `mlp` are means over the batch, not sums."
        return gradient, Findings((row,), remarks=(note,) if sums else ())
    point = LossPoint(gradient, numeric, outputs, targets, sums)
    return gradient, Findings((row,), tuple(explain_loss(point, second_point(loss, outputs, targets)))[:3])


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


def second_point(loss: Any, outputs: Array, targets: Array) -> LossPoint | None:
    """Return the evidence at another point with one sample more, and one class more if targets are classes."""
    rng = generator(1, "probe", "loss")
    classes = targets.ndim == 1 and targets.dtype.kind in "iu" and outputs.ndim == 2
    shape = (len(outputs) + 1, outputs.shape[1] + 1) if classes else (len(outputs) + 1, *outputs.shape[1:])
    z = rng.standard_normal(shape)
    z = softmax(z, 1) if outputs.ndim == 2 and np.allclose(outputs.sum(axis=1), 1.0) else z
    other = random_classes(shape, rng) if classes else rng.choice(np.ravel(targets), (len(z), *targets.shape[1:]))
    try:
        loss.forward(z.copy(), other)
        gradient = loss.backward()
        return LossPoint(gradient, differences(loss, z, other), z, other, sums_over_batch(loss, z, other))
    except OWN_ERRORS:  # it takes the first shape alone
        return None


def sums_over_batch(loss: Any, outputs: Array, targets: Array) -> bool:
    """Return whether the loss of a batch that holds every sample twice is twice as large."""
    once = loss.forward(outputs.copy(), targets)
    twice = loss.forward(np.concatenate([outputs, outputs]), np.concatenate([targets, targets]))
    return bool(abs(twice - 2.0 * once) < 1e-9 * abs(once))


def overflow(loss: Any, outputs: Array, targets: Array) -> Findings:
    """Return a fault if exp overflows for logits around 1000, and a remark if the loss is infinite for +-1000."""
    results = []
    for large in (LARGE + outputs, LARGE * np.sign(outputs)):
        try:
            with np.errstate(all="ignore"):
                value, gradient = loss.forward(large, targets), loss.backward()
        except OWN_ERRORS:
            return Findings()
        results.append(bool(np.isfinite(value) and np.isfinite(gradient).all()))
    if not results[0]:
        text = (
            f"overflow: for outputs around {LARGE:.0f} the loss or its gradient is NaN or infinite, because exp "
            "overflows "
            "for large numbers: subtract the largest logit of each sample before exp (nothing else changes)"
        )
        return fault(Diagnosis("overflow", "outputs", "loss", text), outputs.shape, "not finite for large outputs")
    note = "the loss is not finite for outputs of +-1000: log(softmax) takes the logarithm of 0, logsumexp does not."
    return Findings(remarks=() if results[1] else (note,))
