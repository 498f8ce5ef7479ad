"""The tables of a class report: points, mistakes and how many made each; as HTML, as CSV, and for grading."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mlp.diagnostics.class_report.submissions import Outcome, Task
from mlp.errors import ConfigurationError
from mlp.files import write_text
from mlp.files.tables import csv_text

EXAMPLES = 8  # students named beside a mistake
LONGEST = 300  # characters of a sentence in the table
SCORES = ("assignment", "student_id", "score", "max_score")  # the columns that nbgrader exports
TABLE = ("student", "passed", "points")  # the first columns of the table
BEGINNING = 2000  # characters of a file in which `MARKS` must be
# What our files have in their beginning, in the order of `paths_of`.
MARKS = (
    "<title>Class report: ",
    f"^{','.join(TABLE)},",
    f"^{','.join(SCORES)}\n",
    r'^\{\n "[^\n]*": \{\n  "score": [\d.e+-]+,\n  "max_score": ',
)


def points_of(outcome: Outcome, most: float, parts: int) -> float:
    """Return the points of a solution: its right parts earn their share each; 0 if it could not be checked.

    Args:
        most: points of a right solution. parts: how many it has; a solution that raises an exception may show fewer.
    """
    if outcome.passed:
        return most
    right = sum(outcome.parts.values())
    total = max(parts, len(outcome.parts), right + 1)  # a mistake in none of the parts costs as much as one part
    return round(most * right / total, 2)


def most_parts(outcomes: Sequence[Outcome]) -> int:
    """Return the number of parts of a solution: the most that any of these shows."""
    return max((len(one.parts) for one in outcomes), default=0)


def mistakes_of(outcomes: Sequence[Outcome]) -> list[tuple[str, int, str, str]]:
    """Return rows (mistake, how many made it, who, what one of them was told), the most frequent mistake first."""
    wrong = [one for one in outcomes if not one.passed]
    counts = Counter(one.mistake or "unknown" for one in wrong)
    rows = []
    for mistake, count in counts.most_common():
        made = [one for one in wrong if (one.mistake or "unknown") == mistake]
        who = ", ".join(one.student for one in made[:EXAMPLES]) + (" ..." if count > EXAMPLES else "")
        rows.append((mistake, count, who, plain(made[0].sentence or made[0].error)))
    return rows


def plain(text: str) -> str:
    """Return a text on one line, without control characters, and not too long."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", text).split())
    return line if len(line) <= LONGEST else f"{line[:LONGEST]} ..."


def paths_of(page: Path) -> list[Path]:
    """Return the files of a report: its page, and next to it the table and the scores, as CSV and JSON."""
    beside = [page.with_name(f"{page.stem}{ending}") for ending in (".csv", "-scores.csv", "-scores.json")]
    return [page, *beside]


def check_replaceable(page: Path) -> None:
    """Raise ConfigurationError if a report would replace a file that is not from an earlier report."""
    for path, mark in zip(paths_of(page), MARKS, strict=True):
        if not path.exists():
            continue
        with open(path, encoding="utf-8", errors="replace") as file:
            beginning = file.read(BEGINNING)
        if not re.search(mark, beginning):
            raise ConfigurationError(
                f"{path} is not from a class report, and would be overwritten: choose another name than {page}, or "
                "move it away"
            )


def write_report(path: Path, outcomes: Sequence[Outcome], task: Task, most: float) -> list[Path]:
    """Write the page, and beside it the table as CSV and the scores; return their paths."""
    from mlp.pages import render  # loads Jinja2

    parts = list(dict.fromkeys(name for one in outcomes for name in one.parts))
    page = render(
        "class_report.html",
        name=task.name,
        outcomes=sorted(outcomes, key=lambda one: (one.passed, one.mistake, one.student)),
        parts=parts,
        mistakes=mistakes_of(outcomes),
        points={one.student: points_of(one, most, most_parts(outcomes)) for one in outcomes},
        most=most,
        told={one.student: plain(one.sentence or one.error) for one in outcomes},
    )
    grades = json.dumps(graded(outcomes, most), indent=1) + "\n"
    texts = (page, table(outcomes, parts, most), scores(outcomes, task, most), grades)
    for file, text in zip(paths_of(path), texts, strict=True):
        write_text(file, text)
    return paths_of(path)


def table(outcomes: Sequence[Outcome], parts: Sequence[str], most: float) -> str:
    """Return the table as CSV, with a line for each student."""
    lines = [[*TABLE, *parts, "mistake", "sentence", "error", "seconds"]]
    for one in outcomes:
        right = [{True: "1", False: "0"}.get(one.parts.get(part), "") for part in parts]  # type: ignore[arg-type]
        texts = [one.mistake, plain(one.sentence), plain(one.error)]
        passed, points = str(int(one.passed)), f"{points_of(one, most, most_parts(outcomes)):g}"
        lines.append([one.student, passed, points, *right, *texts, f"{one.seconds:.1f}"])
    return csv_text(lines)


def scores(outcomes: Sequence[Outcome], task: Task, most: float) -> str:
    """Return the scores in the columns that nbgrader exports."""
    lines: list[Sequence[str]] = [SCORES]
    lines += [
        [task.name, one.student, f"{points_of(one, most, most_parts(outcomes)):g}", f"{most:g}"] for one in outcomes
    ]
    return csv_text(lines)


def graded(outcomes: Sequence[Outcome], most: float) -> dict[str, object]:
    """Return the scores as otter-grader and Gradescope write them: tests with their points, for each student."""
    found: dict[str, object] = {}
    for one in outcomes:
        names = one.parts or {"check": one.passed}
        share = most / max(len(names), most_parts(outcomes))
        tests = [
            {"name": name, "score": round(share if right else 0.0, 4), "max_score": round(share, 4)}
            for name, right in names.items()
        ]
        score, output = points_of(one, most, most_parts(outcomes)), plain(one.sentence or one.error)
        found[one.student] = {"score": score, "max_score": most, "output": output, "tests": tests}
    return found
