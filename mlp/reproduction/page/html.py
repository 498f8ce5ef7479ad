"""The page of all reports as one HTML file with its pictures: no script, no link to another file."""

from typing import TYPE_CHECKING

from mlp.pages import render, sparkline
from mlp.reproduction.findings import FINDINGS_NOTE, findings_table
from mlp.reproduction.page.content import TITLE, Page, overview
from mlp.reproduction.plan import Result
from mlp.reproduction.reports.row import STATES
from mlp.reproduction.scale import FULL

if TYPE_CHECKING:
    from markupsafe import Markup


def html_page(page: Page) -> str:
    """Return the page as HTML."""
    return render(
        "report.html",
        title=TITLE,
        page=page,
        overview=overview(page),
        links={section.id: section.id for section in page.sections},
        findings=[(checked, findings_table(checked)) for checked in page.findings],
        findings_note=FINDINGS_NOTE,
        states=dict(list(STATES.items())[1:]),  # the first one is that of rows with runs
        full=FULL,
        small_curve=small_curve,
    )


def small_curve(result: Result) -> "Markup | str":
    """Return the validation accuracy of a row's first run by epoch as a small picture; "" without a run."""
    if not result.records:
        return ""
    rows = [(row["epoch"], row["val_acc"]) for row in result.records[0].history.rows]
    return sparkline(rows, f"validation accuracy, epochs {rows[0][0]} to {rows[-1][0]}", ends=(0, 1))
