"""What a check found: a table with the error of each array, a verdict, and what is likely wrong."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.finite_differences import norm, relative_error
from mlp.pages import render
from mlp.typing import Array

WIDTH = 100  # of the diagnoses in a terminal


@dataclass
class GradientRow:
    """One array in one mode."""

    mode: str  # "training", "evaluation", "loss" or "rule"
    array: str  # "inputs", "outputs" or the name of a parameter
    shape: tuple[int, ...]
    error: float  # infinity for a fault without a number (a wrong shape), NaN where nothing was compared
    passed: bool
    note: str = ""  # what is wrong, where more than the error can be said; or why there is no error


@dataclass(frozen=True)
class Findings:
    """What one part of a check found; a check adds up those of its parts.

    Attributes:
        rows: of the table. diagnoses: what is known to be wrong. remarks: what should be known.
        cause: the exception that ended this part early, or None.
    """

    rows: tuple[GradientRow, ...] = ()
    diagnoses: tuple[Diagnosis, ...] = ()
    remarks: tuple[str, ...] = ()
    cause: BaseException | None = None

    def __add__(self, other: "Findings") -> "Findings":
        return Findings(
            self.rows + other.rows,
            self.diagnoses + other.diagnoses,
            self.remarks + other.remarks,
            self.cause or other.cause,
        )

    @property
    def passed(self) -> bool:
        return all(row.passed for row in self.rows)


def fault(found: Diagnosis, shape: Sequence[int], note: str, cause: BaseException | None = None) -> Findings:
    """Return the findings of a fault without a number, such as a wrong shape: its row and its diagnosis."""
    row = GradientRow(found.mode, found.array, tuple(shape), math.inf, passed=False, note=note.partition("\n")[0])
    return Findings((row,), (found,), cause=cause)


def compared(place: tuple[str, str], analytic: Array, numeric: Array, scale: tuple[float, float]) -> GradientRow:
    """Return the row of a gradient.

    Args:
        place: its mode and the name of its array.
        analytic, numeric: the gradient under test and the right one.
        scale: the largest norm of all gradients, see `relative_error`, and the largest error that passes.
    """
    error = relative_error(analytic, numeric, scale[0])
    passed = error <= scale[1]
    return GradientRow(*place, np.shape(analytic), error, passed, "" if passed else relation(analytic, numeric))


@dataclass
class GradientReport:
    """The result of a check; print it, or let a notebook show it.

    Attributes:
        title: what was checked.
        tolerance: the largest error that passes.
        kind: which check it was.
        rows: a list of `GradientRow`.
        diagnoses: what is likely wrong, a list of `Diagnosis`, most likely first; empty if the check passed.
        remarks: what does not make the check fail, and should be known.
        cause: the exception that ended the check early, or None.
    """

    title: str
    tolerance: float
    kind: str = "Gradient check"
    rows: list[GradientRow] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    cause: BaseException | None = None

    @property
    def passed(self) -> bool:
        """Whether something was checked and every row passed."""
        return bool(self.rows) and all(row.passed for row in self.rows)

    @property
    def worst(self) -> float:
        """The largest error of all rows."""
        return max((row.error for row in self.rows if not math.isnan(row.error)), default=math.nan)

    def raise_if_failed(self) -> None:
        """Raise AssertionError with the report as its text, unless the check passed."""
        if not self.passed:
            raise AssertionError(str(self)) from self.cause

    @property
    def verdict(self) -> str:
        """The last line of the table."""
        failed = sum(not row.passed for row in self.rows)
        verdict = f"FAILED: {failed} of {len(self.rows)} rows" if failed or not self.rows else "passed"
        worst = f"worst error {self.worst:.1e}" if math.isfinite(self.worst) else "a fault without a number"
        worst = "no error was measured" if math.isnan(self.worst) else worst
        return f"{verdict}; {worst}, tolerance {self.tolerance:.0e}"

    def cells(self) -> list[tuple[str, str, str, str, str]]:
        """Return the table as text, one tuple per row, without its head."""
        cells = []
        for row in self.rows:
            error = f"{row.error:.1e}" if math.isfinite(row.error) else "-"
            verdict = row.note or "ok" if row.passed else " ".join(("FAILED", row.note)).rstrip()
            cells.append((row.mode, row.array, " x ".join(map(str, row.shape)), error, verdict))
        return cells

    def __str__(self) -> str:
        cells = [("mode", "array", "shape", "error", ""), *self.cells()]
        widths = [max(len(line[i]) for line in cells) for i in range(4)]
        lines = [
            f"{mode:{widths[0]}}  {array:{widths[1]}}  {shape:{widths[2]}}  {error:>{widths[3]}}  {verdict}".rstrip()
            for mode, array, shape, error, verdict in cells
        ]
        remarks = [textwrap.fill(f"Note: {remark}", WIDTH, subsequent_indent="      ") for remark in self.remarks]
        likely = [
            textwrap.fill(f"{i:2}. {diagnosis}", WIDTH, subsequent_indent="    ", break_long_words=False)
            for i, diagnosis in enumerate(self.diagnoses, start=1)
        ]
        head = ["What is likely wrong, most likely first:"] if likely else []
        return "\n".join((f"{self.kind} of {self.title}", *lines, self.verdict, *remarks, *head, *likely))

    def _repr_html_(self) -> str:
        """Return the report for a notebook."""
        return render("gradient_report.html", report=self)


def wrong_kind(gradient: Any, like: Array) -> str | None:
    """Return a sentence if `gradient` is not an array of the shape and dtype of `like`, else None."""
    if not isinstance(gradient, np.ndarray):
        return f"the gradient is a {type(gradient).__name__}, not an array"
    if gradient.shape != like.shape:
        return f"the gradient has shape {gradient.shape}"
    if gradient.dtype != like.dtype:
        return f"the gradient is {gradient.dtype} where everything else is {like.dtype}"
    return None


def relation(analytic: Array, numeric: Array) -> str:
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
