"""Tables of the reports as Markdown, LaTeX and CSV; each says at which scale our numbers were made."""

from collections.abc import Callable
from typing import Any

from mlp.checks import choose
from mlp.files.tables import csv_text
from mlp.pages.markdown import markdown
from mlp.reproduction.tables import Table, parameters_of


def as_markdown(table: Table) -> str:
    """Return a table in Markdown."""
    text = f"**{table.caption}**\n\n{markdown(table.header(), table.cells())}\n"
    return text + "".join(f"\n- {note}" for note in table.notes) + "\n"


def as_latex(table: Table) -> str:
    """Return a table in LaTeX that needs no packages."""
    lines = [" & ".join(map(escape_latex, row)) + r" \\" for row in [table.header(), *table.cells()]]
    body = "\n".join([lines[0], r"\hline", *lines[1:]])
    notes = " ".join(escape_latex(note) for note in table.notes)
    columns = "ll" + "r" * (len(table.header()) - 3) + "l"
    return (
        f"\\begin{{table}}\n\\centering\n\\caption{{{escape_latex(table.caption)}. {notes}}}\n"
        f"\\label{{tab:{table.id}}}\n\\begin{{tabular}}{{{columns}}}\n\\hline\n{body}\n\\hline\n\\end{{tabular}}\n"
        "\\end{table}\n"
    )


LATEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$"}
LATEX |= {character: f"\\{character}" for character in "%&$#_{}"}


def escape_latex(text: str) -> str:
    """Return a text with the characters escaped that LaTeX would take for commands."""
    return "".join(LATEX.get(character, character) for character in text)


def as_csv(table: Table) -> str:
    """Return a table as CSV with all digits: a line for each run and metric, accuracies as fractions."""
    rows: list[list[Any]] = [
        ["table", "row", "run", "scale", "dataset", "parameters", "published_parameters", "seeds", "epochs", "metric"]
        + ["ours", "ours_std", "published", "published_std", "verdict", "why"]
    ]
    for line in table.lines:
        result = line.result
        seeds = " ".join(str(record.config.seed) for record in result.records)
        facts: list[Any] = [table.id, result.row.id, result.run.label, result.scale.name, result.config.dataset]
        facts += [parameters_of(result), result.run.published.parameters, seeds, result.epochs]
        for metric in table.metrics:
            numbers = [line.ours.get(metric), line.published.get(metric)]
            pairs = [part for n in numbers for part in ((None, None) if n is None else (n.value, n.spread))]
            rows.append([*facts, metric, *pairs, line.verdict.word, line.verdict.why])
    return csv_text(rows)


FORMATS: dict[str, Callable[[Table], str]] = {"markdown": as_markdown, "latex": as_latex, "csv": as_csv}


def format_table(table: Table, form: str = "markdown") -> str:
    """Return a table as text; ConfigurationError unless `form` is one of FORMATS."""
    return FORMATS[choose("--format", form, FORMATS)](table)
