"""The page of all reports as one HTML file: no script, no link to anything but itself, pictures embedded."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from mlp.reproduction.findings import FINDINGS_NOTE, CheckedFindings, findings_table
from mlp.reproduction.page.content import TITLE, Page, Section, Shown, overview
from mlp.reproduction.reports import STATES, Row
from mlp.reproduction.scale import FULL
from mlp.reproduction.tables import Line, Table

MARKS = {"inside": "✓", "outside": "✗", "not comparable": "~", "not run": "○", "-": "–"}
MARKS |= {"shown": "✓", "not shown": "✗", "contrary": "✗"}
KINDS = {"inside": "inside", "shown": "inside", "outside": "outside", "not shown": "outside", "contrary": "outside"}
STYLE = """
body { margin: 0 auto; max-width: 92rem; padding: 0 1.25rem 4rem; color: #1a1a1a; background: #fff;
       font: 16px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { font-size: 1.7rem; margin: 1.6rem 0 .8rem; }
h2 { font-size: 1.35rem; margin: 3rem 0 .5rem; padding-top: .6rem; border-top: 2px solid #0072b2; }
h3 { font-size: 1.05rem; margin: 2.2rem 0 .4rem; }
h3 code { color: #555; font-weight: normal; }
a { color: #00568a; }
nav { position: sticky; top: 0; background: #fff; padding: .5rem 0; border-bottom: 1px solid #ddd; }
nav a { margin-right: 1.2rem; }
.caveat { background: #fff4dc; border-left: 5px solid #e69f00; padding: .6rem 1rem; margin: .8rem 0; font-weight: 600; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .82rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .5rem; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th { border-bottom: 2px solid #888; vertical-align: bottom; }
th.group { text-align: center; border-bottom: 1px solid #bbb; }
td:first-child, th:first-child, td.text, th.text { text-align: left; }
td.wide { white-space: normal; min-width: 9rem; text-align: left; }
td.published { color: #666; }
.verdict { font-weight: 600; white-space: nowrap; }
.inside { color: #00694d; } .outside { color: #b04a00; } .not { color: #666; font-weight: normal; }
figure { margin: .4rem 0 1rem; }
figure img { display: block; max-width: 100%; height: auto; }
ul { margin: .4rem 0; padding-left: 1.3rem; } li { margin: .15rem 0; }
ul.notes { font-size: .9rem; color: #444; }
details { margin: .5rem 0; } summary { cursor: pointer; }
code { font: .86em ui-monospace, Consolas, "DejaVu Sans Mono", monospace; }
td.seeds { white-space: normal; }
p.small { font-weight: 600; color: #8a5a00; margin: .3rem 0; }
@media print {
  nav { display: none; } h2 { break-before: page; } figure, tr { break-inside: avoid; } .scroll { overflow: visible; }
}
"""


def html_page(page: Page) -> str:
    """Return the page as HTML."""
    body = [f"<h1>{escape(TITLE)}</h1>"]
    anchors = [*(["findings"] if page.findings else []), *(section.id for section in page.sections)]
    body.append("<nav>" + "".join(f'<a href="#{anchor}">{anchor}</a>' for anchor in anchors) + "</nav>")
    body += [f'<p class="caveat">{escape(line)}</p>' for line in page.caveats]
    body.append(f"<p>{LEGEND}</p>")
    header, rows = overview(page)
    body.append(plain_table(header, rows, links={section.id: f"#{section.id}" for section in page.sections}))
    body += ['<h2 id="findings">Findings</h2>'] if page.findings else []
    body += [findings_part(checked) for checked in page.findings]
    body += [part for section in page.sections for part in section_parts(section)]
    if page.damaged:
        body += ["<h2>Runs that could not be read</h2>", bullets(page.damaged)]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(TITLE)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n" + "\n".join(body) + "\n</body>\n</html>\n"
    )


def mark(word: str, why: str = "") -> str:
    """Return a verdict with its sign, so that it does not depend on colour."""
    text = f'<span class="verdict {KINDS.get(word, "not")}">{MARKS[word]} {escape(word)}</span>' if word != "-" else "–"
    return text + (f"<br>{escape(why)}" if why else "")


LEGEND = (
    f"Lines of tables are {mark('inside')} where every published accuracy is met (within its spread, 2 points where "
    f"none was published, 4 for nets with BN alone), {mark('outside')} where one is not, {mark('not comparable')} at a "
    f"small scale, on other images or before the last epoch, {mark('not run')} without a run."
)


def findings_part(checked: CheckedFindings) -> str:
    """Return the findings beside our runs: caption, table, and what its verdicts mean."""
    header, rows = findings_table(checked)
    head = "".join(f'<th class="text">{escape(cell)}</th>' for cell in header)
    body = [
        f'<tr><td class="wide">{escape(statement)}</td>{"".join(f"<td{TEXT}>{escape(cell)}</td>" for cell in cells)}'
        f"<td{TEXT}>{mark(verdict)}</td></tr>"
        for statement, *cells, verdict in rows
    ]
    table = f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
    small = "" if checked.scale is FULL else "small"
    return f'<p class="{small}">{escape(checked.caption)}</p>{table}{notes([FINDINGS_NOTE])}'


def section_parts(section: Section) -> list[str]:
    """Return the elements about a report."""
    parts = [f'<h2 id="{section.id}">{section.id}: {escape(section.title)}</h2>']
    for shown in section.shown:
        exhibit = shown.exhibit
        parts.append(f'<h3 id="{shown.anchor}"><code>{exhibit.id}</code> {escape(exhibit.title)}</h3>')
        parts += [result_table(shown.table), notes(shown.table.notes)] if shown.table else figure_parts(shown)
    if section.missing:
        parts += ["<h3>Missing in these tables and figures</h3>", bullets(section.missing)]
    if section.not_shown:
        small, full = map(escape, section.commands)
        parts.append(f"<h3>Without any run yet</h3>\n<p>Made by <code>{small}</code>,")
        parts.append(f"or at full scale by <code>{full}</code>:</p>")
        parts.append(items(f"<code>{e.id}</code> {escape(e.title)}" for e in section.not_shown))
    for state in list(STATES)[1:]:
        rows = section.rows[state]
        if rows:
            summary = f"{len(rows)} {'row' if len(rows) == 1 else 'rows'} {state}: {STATES[state]}"
            parts.append(f"<details><summary>{escape(summary)}</summary>{items(map(describe, rows))}</details>")
    return parts


def figure_parts(shown: Shown) -> list[str]:
    """Return the elements of a figure: the picture, its numbers, what the report saw."""
    parts = []
    if shown.picture is not None:
        parts.append(f'<figure><img src="{data_url(shown.picture)}" alt="{escape(shown.exhibit.title)}"></figure>')
    if shown.drawing is not None and shown.drawing.numbers:
        header, *rows = shown.drawing.numbers
        parts.append(plain_table(header, rows))
    return [*parts, notes(shown.notes)]


def data_url(picture: Path) -> str:
    """Return a PNG as a URL that holds the picture itself."""
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode("ascii")


def result_table(table: Table) -> str:
    """Return a table; a metric and what was published of it stand under one title."""
    header = table.header()
    above, below = [], []
    for i, title in enumerate(header):
        paired = header[i + 1 : i + 2] == [PUBLISHED]
        if paired:
            above.append(f'<th colspan="2" class="group">{escape(title)}</th>')
            below.append(f"<th>ours</th><th>{PUBLISHED}</th>")
        elif title != PUBLISHED:
            above.append(f'<th rowspan="2"{TEXT if title in ("run", "row", "verdict") else ""}>{escape(title)}</th>')
    rows = [result_row(line, header, cells) for line, cells in zip(table.lines, table.cells(), strict=True)]
    head = f"<tr>{''.join(above)}</tr><tr>{''.join(below)}</tr>"
    label = f'<p class="{"small" if table.scale is not FULL else ""}">{escape(table.scale.label.capitalize())}</p>'
    return f'{label}<div class="scroll"><table><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table></div>'


PUBLISHED, TEXT = "published", ' class="text"'


def result_row(line: Line, header: Sequence[str], cells: Sequence[str]) -> str:
    """Return a line of a table."""
    kinds = {"run": "text", "row": "text", "seeds": "seeds", PUBLISHED: PUBLISHED}
    row = [
        f'<td class="{kinds.get(title, "")}">{escape(cell)}</td>'
        for title, cell in zip(header[:-1], cells, strict=False)
    ]
    return f'<tr>{"".join(row)}<td class="wide">{mark(line.verdict.word, line.verdict.why)}</td></tr>'


def plain_table(header: Sequence[str], rows: Iterable[Sequence[str]], links: dict[str, str] | None = None) -> str:
    """Return a table of texts; first cells that are in `links` become links, second ones are aligned to the left."""
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = []
    for first, *others in rows:
        target = (links or {}).get(first)
        name = f'<a href="{target}">{escape(first)}</a>' if target else escape(first)
        kinds = ["wide" if links and i == 0 else "" for i in range(len(others))]
        cells = "".join(f'<td class="{kind}">{escape(cell)}</td>' for kind, cell in zip(kinds, others, strict=True))
        body.append(f"<tr><td>{name}</td>{cells}</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def describe(row: Row) -> str:
    """Return a row that is not run."""
    how = f" <code>{escape(row.test)}</code>" if row.test else ""
    return f"{row.id}: {escape(row.title)}.{how}" + (f" {escape(row.note)}" if row.note and not row.test else "")


def notes(lines: Sequence[str]) -> str:
    """Return sentences as a list in small type; "" for none."""
    return f'<ul class="notes">{"".join(f"<li>{escape(line)}</li>" for line in lines)}</ul>' if lines else ""


def bullets(lines: Iterable[str]) -> str:
    """Return texts as a list."""
    return items(map(escape, lines))


def items(lines: Iterable[str]) -> str:
    """Return pieces of HTML as a list."""
    return f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"
