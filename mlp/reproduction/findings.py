"""The findings of the reports next to our runs, one comparison after another.

An accuracy p over n images has the standard error sqrt(p (1 - p) / n); that of a difference is the root of the sum of
both squares. A difference counts as shown if it is larger than two standard errors. The true uncertainty is larger: the
same network also gives other results with another seed, and only several seeds show by how much.

    shown          the difference is there
    not shown      it is smaller than two standard errors, or a network that should be at chance is above it
    contrary       the difference has the opposite sign
    not complete   a run lacks epochs, or the number of its images is not known
    not run        a run is missing
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlp.experiments.record import known_images
from mlp.reproduction.index import RunIndex
from mlp.reproduction.numbers import GAPS, column_title, measure
from mlp.reproduction.plan import Result, collect_run
from mlp.reproduction.reports import ROWS
from mlp.reproduction.reports.findings import CHANCE, FINDINGS, Claim, Finding
from mlp.reproduction.reports.row import NamedRun, Row
from mlp.reproduction.scale import FULL, QUICK, Scale

FINDINGS_NOTE = (
    "Shown: the difference is larger than two of its standard errors, as far as they come from the number of images; "
    "how much networks scatter from seed to seed comes on top. At chance: not above it by more than that. Plain "
    "networks have batch normalization in their input block alone."
)
COLUMNS = ["finding", "claim", "ours", "difference", "verdict"]


@dataclass(frozen=True)
class Checked:
    """A claim beside our runs.

    Attributes:
        ours, other: the two accuracies or gaps that are compared; None where they are missing.
        error: the standard error of their difference.
        verdict: see above.
    """

    finding: Finding
    claim: Claim
    verdict: str
    ours: float | None = None
    other: float | None = None
    error: float | None = None


@dataclass(frozen=True)
class CheckedFindings:
    """All claims beside the runs of one scale."""

    scale: Scale
    claims: list[Checked]

    @property
    def judged(self) -> int:
        """How many claims can be judged: their runs are there and complete."""
        return sum(checked.error is not None for checked in self.claims)

    @property
    def unfinished(self) -> list[str]:
        """The ids of rows whose runs are there, but not complete."""
        claims = [checked.claim for checked in self.claims if checked.verdict == "not complete"]
        names = [name for claim in claims for name in (claim.run, claim.other) if name != CHANCE]
        return list(dict.fromkeys(find_run(name)[0].id for name in names))

    @property
    def caption(self) -> str:
        """How many claims are shown, of those that can be judged, and at which scale, in a line."""
        shown = sum(checked.verdict == "shown" for checked in self.claims)
        rest = len(self.claims) - self.judged
        missing = f"; {rest} more have no complete runs" if rest else ""
        return f"{shown} of {self.judged} claims are shown ({self.scale.label}){missing}"


def check_findings(index: RunIndex, scale: Scale | None = None, seeds: Sequence[int] | None = None) -> CheckedFindings:
    """Compare what each claim of each finding is about.

    Args:
        index: our runs.
        scale: None takes the one by which more claims can be judged, or else the one that has more unfinished runs.
        seeds: None takes those of the rows.
    """
    if scale is None:
        both = (check_findings(index, one, seeds) for one in (FULL, QUICK))
        return max(both, key=lambda checked: (checked.judged, len(checked.unfinished)))
    claims = [check(finding, claim, index, scale, seeds) for finding in FINDINGS for claim in finding.claims]
    return CheckedFindings(scale, claims)


def check(finding: Finding, claim: Claim, index: RunIndex, scale: Scale, seeds: Sequence[int] | None = None) -> Checked:
    """Compare two runs, or one with chance."""
    names = [name for name in (claim.run, claim.other) if name != CHANCE]
    results = [collect_run(*find_run(name), index, scale, seeds) for name in names]
    if not all(result.records for result in results):
        return Checked(finding, claim, "not run")
    if not all(result.finished and all(record.facts.num_images for record in result.records) for result in results):
        return Checked(finding, claim, "not complete")
    ours, other = accuracy(results[0], claim.metric), 1.0 / known_images(results[0].config)[0]
    variance = squared_error(results[0], claim.metric, other)
    if len(results) == 2:
        other = accuracy(results[1], claim.metric)
        variance += squared_error(results[1], claim.metric)
    error = math.sqrt(variance)
    return Checked(finding, claim, judge_claim(claim.relation, ours - other, error), ours, other, error)


def find_run(name: str) -> tuple[Row, NamedRun]:
    """Return the row and the run that a claim names."""
    id, _, label = name.partition(": ")
    row = ROWS[id]
    return row, next(run for run in row.runs if label in ("", run.label))


def accuracy(result: Result, metric: str) -> float:
    """Return an accuracy, or a gap between two, taken as the report took its own."""
    return measure(result.records, result.row.taken)[metric].value


def squared_error(result: Result, metric: str, least: float = 0.0) -> float:
    """Return the squared standard error of an accuracy or gap: p (1 - p) / n, with the images of all seeds.

    Args:
        least: p counts as at least this. A network at chance may be right for no image at all; its standard error is
            then that of chance, not 0.
    """
    total = 0.0
    for part in GAPS.get(metric, (metric,)):
        p = max(accuracy(result, part), least)
        n = sum((record.facts.num_images or [0, 0])[part == "val_acc"] for record in result.records)
        total += p * (1.0 - p) / n
    return total


def judge_claim(relation: str, difference: float, error: float) -> str:
    """Return the verdict on a difference with this standard error: "shown", "not shown" or "contrary"."""
    if relation == "at":
        return "shown" if difference <= 2 * error else "not shown"
    wanted = difference if relation == "above" else -difference
    if wanted > 2 * error:
        return "shown"
    return "contrary" if wanted < -2 * error else "not shown"


def findings_table(checked: CheckedFindings) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of a table: a row for each claim that can be judged, the finding in its first one."""
    rows, last = [], None
    for item in checked.claims:
        cells = numbers(item)
        if cells is None:
            continue
        statement = "" if item.finding is last else item.finding.statement
        last = item.finding
        rows.append([statement, describe_claim(item.claim), *cells, item.verdict])
    return COLUMNS, rows


def describe_claim(claim: Claim) -> str:
    """Return a claim as a line: "val acc: VGG38 BN (s0-3) above chance"."""
    names = [name if name == CHANCE else label(name) for name in (claim.run, claim.other)]
    return f"{column_title(claim.metric)}: {names[0]} {claim.relation} {names[1]}"


def label(name: str) -> str:
    """Return a run as a text: its label and its row."""
    row, run = find_run(name)
    return f"{run.label} ({row.id})"


def numbers(item: Checked) -> list[str] | None:
    """Return the cells with both accuracies and their difference, in percent; None if a claim cannot be judged."""
    if item.ours is None or item.other is None or item.error is None:
        return None
    difference = 100 * (item.ours - item.other)
    return [f"{100 * item.ours:.1f} and {100 * item.other:.1f} %", f"{difference:+.1f} ± {100 * item.error:.1f}"]
