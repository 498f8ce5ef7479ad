"""The check of a loss: its gradient by finite differences of its value, and what is likely wrong.

A loss maps the outputs of a batch to one number, so every coordinate costs two calls of forward. Its gradient is
compared with predictions, as those of layers are (see `diagnoses`): with one-hot targets q, softmax p
and outputs z, it may be p where p - q is right, or p + q, or z - q; and with constant factors: N, 1/N, -1, 2.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import MATCH, Diagnosis, distance
from mlp.diagnostics.gradients.diagnoses.exceptions import place_of
from mlp.diagnostics.gradients.diagnoses.factors import constant_factor
from mlp.diagnostics.gradients.diagnoses.precision import fits_float32
from mlp.diagnostics.gradients.finite_differences import STEP, norm
from mlp.diagnostics.gradients.report import GradientReport, wrong_kind
from mlp.errors import ConfigurationError
from mlp.losses import Loss
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array


class StudentLoss(Loss):
    """A loss of another protocol as a `Loss`: error(outputs, targets) or a call, and grad(outputs, targets).

    Raises:
        ConfigurationError: the methods are missing.
    """

    def __init__(self, student: Any) -> None:
        self.student = student
        self.value: Any = getattr(student, "error", None) or (student if callable(student) else None)
        if self.value is None or not callable(getattr(student, "grad", None)):
            raise ConfigurationError(
                f"{type(student).__name__} is no loss: it needs forward(outputs, targets) and backward(), or "
                "__call__(outputs, targets) and grad(outputs, targets)."
            )

    def forward(self, outputs: Array, targets: Array) -> float:
        self._kept = outputs, targets
        return self.value(outputs, targets)

    def backward(self) -> Array:
        return self.student.grad(*self.take())


def adapt_loss(loss: Any) -> Any:
    """Return a loss with forward and backward: `loss` itself, or an adapter; a class is called without arguments."""
    loss = loss() if isinstance(loss, type) else loss
    ours = callable(getattr(loss, "forward", None)) and callable(getattr(loss, "backward", None))
    return loss if ours else StudentLoss(loss)


def add_loss_row(report: GradientReport, loss: Any, outputs: Array, targets: Array) -> Array | None:
    """Add the row of a loss and its diagnoses; return the gradient it gives for `outputs`, or None if there is none."""
    moved = outputs.copy()
    known = {(row.mode, row.array) for row in report.rows}
    try:
        value = loss.forward(moved, targets)
        gradient = loss.backward()
    except OWN_ERRORS as error:
        report.cause = error
        note = f"the loss raised {type(error).__name__}: {error}"
        report.add_fault("loss", "outputs", outputs.shape, note, "exception", note, place_of(error))
        return None
    fault = wrong_kind(gradient, outputs)
    name, text = "wrong dtype", f"{fault}: backward returns dL/d(outputs), an array like the outputs"
    if np.ndim(value) != 0:
        fault = name = f"forward returns an array of shape {np.shape(value)}"
        name, text = "not a number", f"{fault}: a loss is one number, the mean over the batch"
    if not np.array_equal(moved, outputs):
        fault = "the loss changes the outputs in place"
        name, text = "inputs changed", f"{fault}: work on a copy"
    if fault:
        report.add_fault("loss", "outputs", outputs.shape, fault, name, text)
        return None
    numeric = np.empty_like(outputs)
    for index in np.ndindex(outputs.shape):
        moved[index] = above = outputs[index] + STEP
        loss_above = loss.forward(moved, targets)
        moved[index] = below = outputs[index] - STEP
        loss_below = loss.forward(moved, targets)
        moved[index] = outputs[index]
        numeric[index] = (loss_above - loss_below) / (above - below)
    row = report.compare("loss", "outputs", outputs.shape, gradient, numeric, norm(numeric))
    sums = sums_over_batch(loss, outputs, targets)
    if not row.passed and ("loss", "outputs") not in known:  # a model is checked in two modes, its loss is the same
        report.diagnoses += list(explain(gradient, numeric, outputs, targets, sums))[:3]
    elif row.passed and sums:
        report.remarks = ["the loss grows with the batch: the losses of `mlp` are means over the batch, not sums."]
    return gradient


def sums_over_batch(loss: Any, outputs: Array, targets: Array) -> bool:
    """Return whether the loss of a batch that holds every sample twice is twice as large."""
    once = loss.forward(outputs.copy(), targets)
    twice = loss.forward(np.concatenate([outputs, outputs]), np.concatenate([targets, targets]))
    return bool(abs(twice - 2.0 * once) < 1e-9 * abs(once))


def explain(a: Array, n: Array, outputs: Array, targets: Array, sums: bool) -> Iterator[Diagnosis]:
    """Yield what is likely wrong with the gradient `a` of a loss where `n` is right."""
    N = len(outputs)

    def found(name: str, text: str, evidence: str = "") -> Diagnosis:
        return Diagnosis(name, "outputs", "loss", text, evidence)

    if not np.isfinite(a).all():
        yield found("not finite", "subtract the largest logit before exp, and take no logarithm of 0")
        return
    if not a.any():
        yield found("gradient is zero", "the gradient is zero everywhere")
        return
    f = constant_factor(a, n)
    if f is not None:
        yield found(*named_factor(f, N, outputs.shape[-1], sums), f"{f:.5g} times the right gradient")
        return
    if distance(a, n) < 1e-5 and fits_float32(a):
        yield found(
            "float32 noise", "right to seven digits: something is rounded to float32", f"error {distance(a, n):.1e}"
        )
    for name, text, prediction in predictions(outputs, targets, n):
        c = float((a * prediction).sum()) / float((prediction * prediction).sum())
        error = distance(a, c * prediction)
        if error < MATCH:
            yield found(
                name, text, f"error {distance(a, n):.1e} against the right gradient, {error:.0e} against this one"
            )
            return
    for axis, word in ((0, "sample"), (1, "class")):
        if n.ndim == 2:
            factors = (a * n).sum(1 - axis, keepdims=True) / (n * n).sum(1 - axis, keepdims=True)
            if distance(a, factors * n) < MATCH:
                yield found("factor per slice", f"one wrong factor for each {word}: {np.round(factors.ravel(), 4)}")


def named_factor(f: float, N: int, K: int, sums: bool) -> tuple[str, str]:
    """Return the name and the sentence for a gradient that is f times the right one."""
    sign = "with the wrong sign, and " if f < 0 else ""
    size = abs(f)

    def near(value: float) -> bool:
        return abs(size - value) < 1e-5 * value

    if near(1.0):
        return "sign", "the gradient has the wrong sign: it matches when multiplied by -1"
    if near(1.0 / N) and sums:
        text = f"forward adds the losses of the {N} samples, backward divides by N: the mean was forgotten in forward"
        return "mean forgotten in forward", sign + text
    if near(N):
        return "division by N", f"{sign}the gradient is not divided by N = {N}: the loss is a mean over the batch"
    if near(1.0 / N):
        return "mean over the batch", f"{sign}matches when multiplied by N = {N}: divided by N once too often"
    if near(K) or near(N * K):
        return (
            "division by the values",
            f"{sign}the gradient is not divided by {size:.0f}, the number of values in the mean",
        )
    if near(1.0 / K):
        return "mean over the classes", f"{sign}matches when multiplied by {K}, the number of outputs of a sample"
    if near(0.5) or near(2.0):
        return (
            "factor 2",
            f"{sign}it is {size:.5g} times what it should be: the derivative of d^2 is 2 d, that of d^2/2 is d",
        )
    return "factor", f"the gradient is {f:.5g} times what it should be"


def predictions(z: Array, targets: Array, n: Array) -> Iterator[tuple[str, str, Array]]:
    """Yield (name, sentence, a wrong gradient but for its scale) for the usual losses."""
    if targets.ndim == 1 and z.ndim == 2 and targets.dtype.kind in "iu":
        q = np.eye(z.shape[1])[targets]
        p, across = softmax(z, 1), softmax(z, 0)
        yield (
            "one-hot forgotten",
            "it is softmax(z): the one-hot targets have to be subtracted, softmax(z) - onehot(t)",
            p,
        )
        yield "one-hot added", "it is softmax(z) + onehot(t): the one-hot targets have to be subtracted", p + q
        yield (
            "softmax forgotten",
            "it is z - onehot(t): the softmax of the logits belongs in place of the logits",
            z - q,
        )
        yield (
            "softmax over the batch",
            "the softmax runs over the batch (axis 0); it must run over the classes (axis 1)",
            across - q,
        )
        yield "smoothing forgotten", "it is the gradient without label smoothing", p - q
        yield (
            "other classes forgotten",
            "only the true class gets a gradient: all logits take part in the softmax",
            (p - q) * q,
        )
    elif targets.shape == z.shape:
        yield "targets forgotten", "it is proportional to the outputs: the targets have to be subtracted", z
        yield "targets added", "it is proportional to outputs + targets: the targets have to be subtracted", z + targets
        yield (
            "sigmoid forgotten",
            "it is proportional to outputs - targets: the sigmoid of the logits belongs there",
            z - targets,
        )
        yield "sign of the difference", "it is the sign of the right gradient", np.sign(n)


def softmax(z: Array, axis: int) -> Array:
    """Return exp(z) / sum exp(z) along an axis."""
    exps = np.exp(z - z.max(axis=axis, keepdims=True))
    return exps / exps.sum(axis=axis, keepdims=True)
