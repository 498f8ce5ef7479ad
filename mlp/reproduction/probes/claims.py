"""What papers and reports say about batch normalization and the loss, compared with what was measured.

Each claim compares one number of two networks. Where several seeds were measured, a difference counts if it is larger
than two standard errors of the difference of the means. With one seed there is no standard error; the verdict says so.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlp.diagnostics.smoothness import SmoothnessRecord
from mlp.experiments.probes.drawing import landscape_of
from mlp.reproduction.findings import judge_claim
from mlp.reproduction.index import RunIndex
from mlp.reproduction.plan import Result, collect
from mlp.reproduction.probes.found import landscape_of_result, smoothness_of_result
from mlp.reproduction.reports import ROWS
from mlp.reproduction.scale import Scale

Measure = Callable[[Result, RunIndex], list[float]]  # a number for each seed
FIRST = slice(0, 1)  # of the measured steps: with the initial weights


def over_steps(name: str, steps: slice = slice(1, None)) -> Measure:
    """Return a measure of smoothness: the median of a number over measured steps, by default without the first."""
    return lambda result, index: [
        float(np.nanmedian(series(record, name)[steps])) for record in smoothness_of_result(result, index)
    ]


def series(record: SmoothnessRecord, name: str) -> np.ndarray:
    """Return a number over the measured steps; "relative" is the largest change over |g|."""
    if name == "relative":
        return record.column("change_max") / record.column("grad_norm")
    return record.column(name)


def shift_cosine(result: Result, index: RunIndex) -> list[float]:
    """Return the median cosine of G and G' (see `Smoothness`) over the steps and all layers but the first."""
    records = [record for record in smoothness_of_result(result, index) if record.shifts]
    return [float(np.nanmedian([shift.cosines[1:] for shift in record.shifts.values()])) for record in records]


def half_width(statistics: str) -> Measure:
    """Return the half-width of the landscape as a measure: the end of the line if the loss rises by less than a nat."""

    def measure(result: Result, index: RunIndex) -> list[float]:
        stored = landscape_of_result(result, index, statistics)
        if stored is None:
            return []
        found = landscape_of(stored)
        return [min(found.half_width, float(found.x.max()))]

    return measure


@dataclass(frozen=True)
class ProbeClaim:
    """A comparison: `measure` of the first network is "above" or "below" that of the second.

    Attributes:
        statement: what is claimed. what: the name of the measure. row: whose runs are compared, by their labels.
    """

    statement: str
    what: str
    row: str
    first: str
    relation: str
    second: str
    measure: Measure


WHICH = {"running": "running statistics", "batch": "statistics of the batch"}
CLAIMS = tuple(
    ProbeClaim(statement, f"{what}, {rule}", "s2-20", f"VGG08 BN, {rule}", relation, f"VGG08, {rule}", measure)
    for rule in ("SGD", "Adam")
    for statement, what, relation, measure in (
        ("BN makes the loss smoother (Santurkar et al.)", "effective beta, later steps", "below", over_steps("beta")),
        ("BN makes the gradient more predictive", "relative change, later steps", "below", over_steps("relative")),
        ("BN makes the gradient more predictive", "smallest cosine, later steps", "above", over_steps("cosine_min")),
        ("BN is smoother from the first step on", "effective beta, first step", "below", over_steps("beta", FIRST)),
        ("BN reduces internal covariate shift (Ioffe and Szegedy)", "cosine of G and G'", "above", shift_cosine),
    )
) + (
    ProbeClaim(
        "shortcuts smooth VGG38 more than BN alone",
        "effective beta, later steps, SGD",
        "s2-20",
        "VGG38 BN+RC, SGD",
        "below",
        "VGG38 BN, SGD",
        over_steps("beta"),
    ),
    *(
        ProbeClaim(statement, f"half-width, {WHICH[name]}", "s2-22", first, "above", second, half_width(name))
        for statement, first, second, name in (
            ("BN makes the landscape wider, as in evaluation", "VGG38 BN", "VGG08", "running"),
            ("BN makes the landscape wider, as in training", "VGG38 BN", "VGG08", "batch"),
            ("shortcuts make the landscape wider (Li et al.)", "VGG38 BN+RC", "VGG38 BN", "running"),
        )
    ),
)
CLAIM_COLUMNS = ["claim", "measured", "first", "ours", "second", "ours", "verdict"]


def claims_table(index: RunIndex, scale: Scale) -> list[list[str]]:
    """Return a table with a line for each claim whose two networks were measured; the first row is its header."""
    results: dict[str, Mapping[str, Result]] = {}
    for row in dict.fromkeys(claim.row for claim in CLAIMS):
        results[row] = {result.run.label: result for result in collect([ROWS[row]], index, scale)}
    rows, last = [list(CLAIM_COLUMNS)], ""
    for claim in CLAIMS:
        numbers = [claim.measure(results[claim.row][label], index) for label in (claim.first, claim.second)]
        if all(numbers):
            statement = "" if claim.statement == last else claim.statement
            last = claim.statement
            texts = [spread_text(values) for values in numbers]
            verdict = decide(claim.relation, *numbers)
            rows.append([statement, claim.what, claim.first, texts[0], claim.second, texts[1], verdict])
    return rows


def decide(relation: str, first: Sequence[float], second: Sequence[float]) -> str:
    """Return the verdict: shown, not shown or contrary, or "not finite"; with a note if a network has one seed only."""
    difference = float(np.mean(first) - np.mean(second))
    if not math.isfinite(difference):
        return "not finite"
    if min(len(first), len(second)) < 2:
        return f"{judge_claim(relation, difference, 0.0)} (one seed)"
    error = math.sqrt(sum(float(np.var(values, ddof=1)) / len(values) for values in (first, second)))
    return judge_claim(relation, difference, error)


def spread_text(values: Sequence[float]) -> str:
    """Return "4.2 ± 0.3 (3 seeds)", or the number alone."""
    if len(values) == 1:
        return f"{values[0]:.3g}"
    return f"{np.mean(values):.3g} ± {np.std(values, ddof=1):.2g} ({len(values)} seeds)"
