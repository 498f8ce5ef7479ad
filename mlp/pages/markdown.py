"""Tables as text: aligned for a terminal, or in Markdown."""

import re
from collections.abc import Sequence

from mlp.errors import in_line, without_controls

# Characters that begin a cell, a link, code or emphasis in Markdown; an underscore within a word begins nothing.
MARKUP = re.compile(r"[\\|`\[*]|(?<!\w)_|_(?!\w)")


def aligned(rows: Sequence[Sequence[str]], sides: Sequence[str]) -> str:
    """Return rows of cells as lines with aligned columns; `sides` has "<" or ">" for each column."""
    rows = [[in_line(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(sides))]
    lines = []
    for row in rows:
        cells = zip(row, sides, widths, strict=True)
        lines.append("  ".join(f"{cell:{side}{width}}" for cell, side, width in cells).rstrip())
    return "\n".join(lines)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Return a Markdown table whose first `texts` columns are aligned to the left, all others to the right."""
    rule = ["---"] * texts + ["---:"] * (len(header) - texts)
    escaped = [[escape_markdown(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in [header, rule, *escaped])


def escape_markdown(text: str) -> str:
    """Return a text as one line that Markdown and HTML show as it is."""
    line = without_controls(" ".join(text.split()))
    return MARKUP.sub(lambda match: f"\\{match[0]}", re.sub(r"&(?=#?\w+;)", "&amp;", line).replace("<", "&lt;"))
