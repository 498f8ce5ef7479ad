"""The page of all reports in Markdown."""

from collections.abc import Iterable

from mlp.pages.markdown import markdown
from mlp.reproduction.findings import FINDINGS_NOTE, CheckedFindings, findings_table
from mlp.reproduction.formats import as_markdown
from mlp.reproduction.page.content import TITLE, Page, Section, Shown, overview
from mlp.reproduction.reports.row import STATES, Row


def markdown_page(page: Page) -> str:
    """Return the page as Markdown; pictures are expected in figures/ beside it."""
    parts = [f"# {TITLE}"]
    parts += [f"> **{line}**" for line in page.caveats]
    parts.append(markdown(*overview(page)))
    for checked in page.findings:
        parts += ["## Findings", findings_text(checked)]
    for section in page.sections:
        parts += section_parts(section)
    if page.damaged:
        parts += ["## Runs that could not be read", bullets(page.damaged)]
    return "\n\n".join(parts) + "\n"


def findings_text(checked: CheckedFindings) -> str:
    """Return the findings beside our runs as a caption, a table, and what its verdicts mean."""
    return f"**{checked.caption}**\n\n{markdown(*findings_table(checked), texts=2)}\n\n{FINDINGS_NOTE}"


def section_parts(section: Section) -> list[str]:
    """Return the paragraphs about a report."""
    parts = [f"## {section.id}: {section.title}"]
    for shown in section.shown:
        parts += shown_parts(shown)
    if section.missing:
        parts += ["### Missing in these tables and figures", bullets(section.missing)]
    if section.not_shown:
        lines = [f"`{exhibit.id}`: {exhibit.title}" for exhibit in section.not_shown]
        small, full = section.commands
        parts += ["### Without any run yet", f"Made by `{small}`, or at full scale by `{full}`:", bullets(lines)]
    for state in list(STATES)[1:]:
        if section.rows[state]:
            parts += [f"### {state.capitalize()}: {STATES[state]}", bullets(map(describe_unrun, section.rows[state]))]
    return parts


def shown_parts(shown: Shown) -> list[str]:
    """Return the paragraphs about a table or figure."""
    exhibit = shown.exhibit
    parts = [f"### {exhibit.id}: {exhibit.title}"]
    if shown.table is not None:
        return [*parts, as_markdown(shown.table).strip()]
    if shown.picture is not None:
        parts.append(f"![{exhibit.title}](figures/{shown.picture.name})")
    if shown.drawing is not None and shown.drawing.numbers:
        header, *rows = shown.drawing.numbers
        parts.append(markdown(header, rows))
    return parts + ([bullets(shown.notes)] if shown.notes else [])


def describe_unrun(row: Row) -> str:
    """Return a row that is not run as a line."""
    how = f" `{row.test}`" if row.test else ""
    return f"{row.id}: {row.title}.{how}" + (f" {row.note}" if row.note and not row.test else "")


def bullets(lines: Iterable[str]) -> str:
    """Return lines as a list."""
    return "\n".join(f"- {line}" for line in lines)
