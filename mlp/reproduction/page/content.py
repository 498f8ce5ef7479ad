"""The content of the page of all reports: tables, figures, and what is missing; `page.write` writes it."""

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlp.errors import CheckpointError
from mlp.reproduction.figures import Drawing, missing_parts, save
from mlp.reproduction.findings import CheckedFindings, check_findings
from mlp.reproduction.index import RunIndex, identity
from mlp.reproduction.plan import DATASETS, Result, collect, command_for, plan_runs
from mlp.reproduction.reports import EXHIBITS, REPORTS, ROWS, rows_of, runs_of
from mlp.reproduction.reports.row import STATES, Exhibit, Row
from mlp.reproduction.scale import FULL, QUICK, SCALES, Scale
from mlp.reproduction.tables import Table, make_table
from mlp.typing import PathLike

TITLE = "The experiments of five reports, ours beside the published ones"
VERDICTS = ("inside", "outside", "not comparable", "not run")  # of lines of tables, counted in the overview


@dataclass(frozen=True)
class Shown:
    """A table or a figure on the page, at one scale; the other of the two is None.

    Attributes:
        picture: path of the figure's PNG. notes: below a figure, what the report saw and what a reader must know.
    """

    exhibit: Exhibit
    scale: Scale
    table: Table | None = None
    drawing: Drawing | None = None
    picture: Path | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """Its id on the page."""
        return f"{self.exhibit.id}-{self.scale.name}"


@dataclass(frozen=True)
class Section:
    """What the page says of a report.

    Attributes:
        id, title: "s0", and its subject. shown: tables and figures, in the report's order.
        not_shown: Exhibits without any run. commands: the two that make their runs, at the quick and the full scale.
        missing: a line for each run that is missing or not complete.
        runs: {name of a scale: (how many of its runs exist, of how many)}.
        verdicts: Counter of the words in all tables. rows: {state: the Rows in it}.
    """

    id: str
    title: str
    shown: list[Shown]
    not_shown: list[Exhibit]
    commands: tuple[str, str]
    missing: list[str]
    runs: dict[str, tuple[int, int]]
    verdicts: Counter[str]
    rows: dict[str, list[Row]]


@dataclass(frozen=True)
class Page:
    """Everything that the page says.

    Attributes:
        caveats: what a reader must know about the numbers: scales and images.
        damaged: a message for each run that could not be read.
        findings: CheckedFindings of each scale at which any can be judged.
    """

    sections: list[Section]
    caveats: list[str]
    damaged: list[str]
    findings: list[CheckedFindings]


def gather(
    figures: Path,
    index: RunIndex,
    scale: Scale | None,
    seeds: Sequence[int] | None,
    say: Callable[[str], object],
    *,
    rows: Collection[str] = (),
) -> Page:
    """Return the Page; the figures are written to the folder `figures`. Arguments as for `write_report`."""
    sections, all_results = [], []
    scales = list(SCALES.values()) if scale is None else [scale]
    wanted = {exhibit for row in rows for exhibit in ROWS[row].exhibits} or EXHIBITS.keys()
    for name, report in REPORTS.items():
        shown, results, missing, with_runs = [], [], [], []
        exhibits = [exhibit for exhibit in report.EXHIBITS if exhibit.id in wanted]
        if not exhibits:
            continue
        for exhibit, one_scale in itertools.product(exhibits, scales):
            found = collect(rows_of(exhibit.id), index, one_scale, seeds)
            if any(result.records for result in found) or not runs_of(rows_of(exhibit.id)):  # the last need none
                if not exhibit.is_table:
                    say(f"drawing {exhibit.id} ({one_scale.name} scale)")
                results += found
                with_runs.append(exhibit)
                try:
                    shown.append(show(exhibit, figures, index, one_scale, seeds))
                except CheckpointError as error:  # kept runs have no gradient_flow.npz
                    missing.append(str(error))
        all_results += [result for result in results if result.records]
        sections.append(
            Section(
                name,
                title_of(report.__doc__ or ""),
                shown,
                [exhibit for exhibit in exhibits if exhibit not in with_runs],
                (command_for(name, QUICK, index.root), command_for(name, FULL, index.root)),
                missing + missing_lines(results, index.root),
                {known.name: count_runs(report.ROWS, index, known) for known in SCALES.values()},
                Counter(line.verdict.word for item in shown if item.table for line in item.table.lines),
                {state: [row for row in report.ROWS if row.state == state] for state in STATES},
            )
        )
    findings = [checked for checked in (check_findings(index, one, seeds) for one in scales) if checked.judged]
    return Page(sections, caveats_of(all_results), list(dict.fromkeys(index.damaged)), findings)


def missing_lines(results: Sequence[Result], root: PathLike) -> list[str]:
    """Return what `missing_parts` says of each run, once for those that several rows share."""
    first: dict[tuple[Any, ...], Result] = {}
    for result in results:
        first.setdefault((result.scale.name, identity(result.run.settings), result.seeds), result)
    return [line for result in first.values() for line in missing_parts(result, root)]


def title_of(docstring: str) -> str:
    """Return what a report is about: the first sentence of its module, without its id."""
    sentence = docstring.splitlines()[0].partition(": ")[2].rstrip(".")
    return sentence[:1].upper() + sentence[1:]


def show(exhibit: Exhibit, figures: Path, index: RunIndex, scale: Scale, seeds: Sequence[int] | None) -> Shown:
    """Make a table, or draw a figure."""
    if exhibit.is_table:
        return Shown(exhibit, scale, table=make_table(exhibit.id, index, scale, seeds))
    drawing, paths = save(exhibit.id, figures, index, scale, seeds)
    rows = rows_of(exhibit.id)
    seen = [f"The report saw ({row.id}): {row.finding}." for row in rows if row.finding]
    notes = [f"{row.id}: {row.note}" for row in rows if row.note]
    return Shown(exhibit, scale, drawing=drawing, picture=paths[0], notes=seen + notes)


def count_runs(rows: Sequence[Row], index: RunIndex, scale: Scale) -> tuple[int, int]:
    """Return (how many of the runs that rows need exist at a scale, how many they need); equal runs count once."""
    planned = [run.settings for run in plan_runs(rows, scale)]
    found = [any(index.record({"dataset": name} | settings) for name in DATASETS) for settings in planned]
    return sum(found), len(planned)


def caveats_of(results: Sequence[Result]) -> list[str]:
    """Return the sentences at the top of the page: small scales, other images."""
    lines = []
    scales = {result.scale.name: result.scale for result in results}
    small = [scale for scale in scales.values() if scale is not FULL]
    for scale in small:
        which = "All numbers" if len(scales) == 1 else "Tables and figures that say so"
        lines.append(f"{which} are at the {scale.label}. They are not comparable with the published ones.")
    images = sorted({result.config.dataset for result in results} & set(DATASETS[1:]))
    return lines + [f"Runs on {name} images are among them; the reports' are CIFAR-100." for name in images]


def overview(page: Page) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the table at the top: a line for each report."""
    header = ["report", "", "rows", *(f"{name}-scale runs" for name in SCALES), *VERDICTS]
    rows = [
        [
            section.id,
            section.title,
            str(sum(map(len, section.rows.values()))),
            *(f"{found} of {total}" for found, total in section.runs.values()),
            *(str(section.verdicts[word]) for word in VERDICTS),
        ]
        for section in page.sections
    ]
    return header, rows
