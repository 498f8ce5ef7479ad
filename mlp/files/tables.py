"""Tables that people open in a spreadsheet (CSV, TSV): no cell of theirs begins like a formula.

For a spreadsheet a cell that begins with =, +, -, @, a tab or a line's end is a formula, and a formula can start
programs and send data away. Names come from outside: classes, hosts, hooks, messages of programs. So a text that begins
like a formula, whether or not quotes stand before it, gets one more quote in front. Our readers take one away:

    =1+1    '=1+1           '=1+1    ''=1+1           it's    it's           -0.5, a number    -0.5
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import Any

STARTS = "=+\\-@\t\r\n" + "\uff1d\uff0b\uff0d\uff20"  # the last four are = + - @ as wide as a Japanese letter
FORMULA = re.compile(rf"'*[{STARTS}]")


def guarded(cell: Any) -> Any:
    """Return a cell as it is written: a text that is no formula; anything but a text as it is."""
    return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell


def unguarded(text: str) -> str:
    """Return the text that `guarded` was given."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def csv_text(rows: Iterable[Sequence[Any]]) -> str:
    """Return rows as CSV; floats have all their digits, and texts are guarded."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([guarded(cell) for cell in row] for row in rows)
    return stream.getvalue()


def tsv_line(texts: Iterable[str]) -> str:
    """Return texts as a line of TSV, with its end; tabs and ends of lines become spaces, empty texts at the end go."""
    return "\t".join(guarded(re.sub(r"[\t\r\n]", " ", text)) for text in texts).rstrip("\t") + "\n"


def tsv_texts(line: str) -> list[str]:
    """Return the texts of a line of TSV."""
    return [unguarded(text) for text in line.split("\t")]
