"""What a gradient check found: a table with the error of each array, and a verdict."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlp.diagnostics.finite_differences import norm, relative_error
from mlp.typing import Array


@dataclass
class GradientRow:
    """One array in one mode."""

    mode: str  # "training", "evaluation" or "loss"
    array: str  # "inputs", "outputs" or the name of a parameter
    shape: tuple
    error: float  # infinity for a fault that is no matter of degree (a wrong shape)
    passed: bool
    note: str = ""  # what is wrong, where more than the error can be said


@dataclass
class GradientReport:
    """The result of a gradient check; print it.

    Attributes:
        title: what was checked.
        tolerance: the largest error that passes.
        rows: a list of `GradientRow`.
        cause: the exception that ended the check early, or None.
    """

    title: str
    tolerance: float
    rows: list = field(default_factory=list)
    cause: Exception | None = None

    def compare(
        self, mode: str, array: str, shape: Sequence[int], analytic: Array, numeric: Array, largest_norm: float
    ) -> None:
        """Append a row with the `relative_error` of a gradient; it passes if that is at most the tolerance."""
        error = relative_error(analytic, numeric, largest_norm)
        passed = error <= self.tolerance
        note = "" if passed else diagnosis(analytic, numeric)
        self.rows.append(GradientRow(mode, array, tuple(shape), error, passed, note))

    def add_fault(self, mode: str, array: str, shape: Sequence[int], note: str) -> None:
        """Append a row for a fault that is no matter of degree."""
        self.rows.append(GradientRow(mode, array, tuple(shape), math.inf, False, note))

    @property
    def passed(self) -> bool:
        """Whether something was checked and every row passed."""
        return bool(self.rows) and all(row.passed for row in self.rows)

    @property
    def worst(self) -> float:
        """The largest error of all rows."""
        return max((row.error for row in self.rows), default=math.inf)

    def raise_if_failed(self) -> None:
        """Raise AssertionError with the table as its text, unless the check passed."""
        if not self.passed:
            raise AssertionError(str(self)) from self.cause

    def __str__(self) -> str:
        cells = [("mode", "array", "shape", "error", "")]
        for row in self.rows:
            error = f"{row.error:.1e}" if math.isfinite(row.error) else "-"
            verdict = "ok" if row.passed else " ".join(("FAILED", row.note)).rstrip()
            cells.append((row.mode, row.array, " x ".join(map(str, row.shape)), error, verdict))
        widths = [max(len(line[i]) for line in cells) for i in range(4)]
        lines = [
            f"{mode:{widths[0]}}  {array:{widths[1]}}  {shape:{widths[2]}}  {error:>{widths[3]}}  {verdict}".rstrip()
            for mode, array, shape, error, verdict in cells
        ]
        failed = sum(not row.passed for row in self.rows)
        verdict = f"FAILED: {failed} of {len(self.rows)} rows" if failed or not self.rows else "passed"
        worst = f"worst error {self.worst:.1e}" if math.isfinite(self.worst) else "a fault without a number"
        return "\n".join(
            (f"Gradient check of {self.title}", *lines, f"{verdict}; {worst}, tolerance {self.tolerance:.0e}")
        )


def wrong_kind(gradient: Any, like: Array) -> str | None:
    """Return a sentence if `gradient` is no array of the shape and dtype of `like`, else None."""
    if not isinstance(gradient, np.ndarray):
        return f"the gradient is a {type(gradient).__name__}, not an array"
    if gradient.shape != like.shape:
        return f"the gradient has shape {gradient.shape}"
    if gradient.dtype != like.dtype:
        return f"the gradient is {gradient.dtype} where everything else is {like.dtype}"
    return None


def diagnosis(analytic: Array, numeric: Array) -> str:
    """Say how a wrong gradient relates to the right one, if it is simple; else return ""."""
    if not np.all(np.isfinite(analytic)):
        return "the gradient is not finite"
    if not np.any(analytic):
        return "the gradient is zero"
    if not np.any(numeric):
        return "the gradient should be zero"
    factor = float((analytic * numeric).sum() / (numeric * numeric).sum())
    if abs(factor - 1.0) > 1e-5 and norm(analytic - factor * numeric) < 1e-6 * norm(analytic):
        return f"the gradient is {factor:.5g} times what it should be"
    return ""
