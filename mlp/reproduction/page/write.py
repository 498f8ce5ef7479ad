"""One page with all tables and figures of the reports that have runs: report.html and report.md.

    write_report("runs/reproduce/report", RunIndex("runs/reproduce"))

    report.html          everything in one file, pictures included: open it in a browser, keep it, send it
    report.md            the same in Markdown, with the pictures in figures/
    figures/s0-fig1.png  and .pdf, for each figure; s0-fig1-quick.png where its runs are small ones

Tables and figures without any run are not shown; they are listed at the end of each report, with the command that makes
the runs. Numbers of the quick scale are labelled at the top, above each table and in each figure.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from mlp.errors import CheckpointError
from mlp.files import write_text
from mlp.reproduction.index import RunIndex
from mlp.reproduction.page.content import gather
from mlp.reproduction.page.html import html_page
from mlp.reproduction.page.markdown import markdown_page
from mlp.reproduction.scale import Scale
from mlp.typing import PathLike

COMES_FROM = {"x-6": ("s2-20", "s2-22", "s2-23", "s1-24")}  # row: other rows whose tables and figures its page has too


def write_report(
    out: PathLike,
    index: RunIndex,
    scale: Scale | None = None,
    seeds: Sequence[int] | None = None,
    say: Callable[[str], object] = print,
    *,
    rows: Sequence[str] = (),
) -> list[Path]:
    """Draw all figures and write the two pages to the folder `out`; return the paths of the pages.

    Args:
        index: our runs. scale: None shows every table and figure at each scale that has runs of it.
        seeds: None takes those of the rows.
        say: is given a line about each figure, because drawing takes a minute or two.
        rows: ids of rows, for a page of their tables and figures only, "x-6.html"; () for all.

    Raises:
        CheckpointError: there is no run at all.
    """
    out = Path(out)
    together = [*rows, *(other for row in rows for other in COMES_FROM.get(row, ()))]
    page = gather(out / "figures", index, scale, seeds, say, rows=together)
    if not any(section.shown for section in page.sections):
        raise CheckpointError(
            f"there is nothing to report: no run of the reports in {index.root} has an epoch; "
            "python scripts/reproduce.py run all --scale quick makes small ones"
        )
    out.mkdir(parents=True, exist_ok=True)
    name = "_".join(rows) or "report"
    pages = {out / f"{name}.html": html_page(page), out / f"{name}.md": markdown_page(page)}
    for path, text in pages.items():
        write_text(path, text)
    return list(pages)
