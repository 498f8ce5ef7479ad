"""The tables of a class report: points, mistakes and how many made each; as HTML, as CSV, and for grading."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mlp.diagnostics.class_report.submissions import Outcome, Task
from mlp.files import atomic_write
from mlp.files.tables import csv_text

EXAMPLES = 8  # students named beside a mistake
LONGEST = 300  # characters of a sentence in the table


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
    files = {
        path: page,
        path.with_suffix(".csv"): table(outcomes, parts, most),
        path.with_name(f"{path.stem}-scores.csv"): scores(outcomes, task, most),
        path.with_name(f"{path.stem}-scores.json"): json.dumps(graded(outcomes, most), indent=1) + "\n",
    }
    for file, text in files.items():
        with atomic_write(file, "w") as stream:
            stream.write(text)
    return list(files)


def table(outcomes: Sequence[Outcome], parts: Sequence[str], most: float) -> str:
    """Return the table as CSV, with a line for each student."""
    lines = [["student", "passed", "points", *parts, "mistake", "sentence", "error", "seconds"]]
    for one in outcomes:
        right = [{True: "1", False: "0"}.get(one.parts.get(part), "") for part in parts]  # type: ignore[arg-type]
        texts = [one.mistake, plain(one.sentence), plain(one.error)]
        passed, points = str(int(one.passed)), f"{points_of(one, most, most_parts(outcomes)):g}"
        lines.append([one.student, passed, points, *right, *texts, f"{one.seconds:.1f}"])
    return csv_text(lines)


def scores(outcomes: Sequence[Outcome], task: Task, most: float) -> str:
    """Return the scores in the columns that nbgrader exports."""
    lines = [["assignment", "student_id", "score", "max_score"]]
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
