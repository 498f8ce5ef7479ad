"""Losses that work on single numbers: for which differences y - t, outputs or targets is the gradient wrong?

One batch has few values, so several are put together. Where the wrong ones are those between two limits, the limits
are said, and what backward and the right gradient are there.
"""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.patterns import describe_interval, interval_of
from mlp.diagnostics.gradients.losses.factors import Found
from mlp.diagnostics.gradients.losses.formulas import all_terms, fitted, with_sizes
from mlp.diagnostics.gradients.losses.points import LossPoint
from mlp.typing import Array

WRONG = 1e-6


def wrong_region(points: list[LossPoint]) -> Iterator[Found]:
    """Yield where single values are wrong, if a loss has a target for each output."""
    if not points or not all(point.numbers for point in points):
        return
    y, t, given, right = (
        np.concatenate([np.ravel(getattr(point, name)) for point in points])
        for name in ("outputs", "targets", "given", "right")
    )
    wrong = np.abs(given - right) > WRONG * np.abs(right).max()
    if wrong.all() or not wrong.any():
        return
    d = y - t
    for text, values in (("|y - t|", np.abs(d)), ("y - t", d), ("t y", t * y), ("y", y), ("t", t), ("|y|", np.abs(y))):
        limits = interval_of(values, wrong)
        if limits is not None:
            where = describe_interval(text, *limits)
            told = formulas_there(points[0], text, limits)
            yield (
                "wrong branch",
                f"right except where {where}{told}",
                f"{np.count_nonzero(wrong)} of {wrong.size} values at {len(points)} points are wrong",
            )
            return


def formulas_there(point: LossPoint, text: str, limits: tuple[float, float]) -> str:
    """Return both formulas within the limits, ": there backward gives ..., and ... is right", as far as known."""
    y, t = point.outputs, point.targets.astype(float)
    values = {"|y - t|": np.abs(y - t), "y - t": y - t, "t y": t * y, "y": y, "t": t, "|y|": np.abs(y)}[text]
    inside = (values > limits[0]) & (values < limits[1])
    if np.count_nonzero(inside) < 4:
        return ""
    terms = {name: term[inside] for name, term in all_terms(point).items()}
    terms = {name: term for name, term in terms.items() if term.any() and " where " not in name}

    def formula(gradient: Array) -> str:
        if not gradient[inside].any():
            return "0"
        found = fitted(gradient[inside], terms)
        return "" if found is None else with_sizes(found, point)

    mine, theirs = formula(point.given), formula(point.right)
    return f": there backward gives {mine}, and {theirs} is right" if mine and theirs else ""
