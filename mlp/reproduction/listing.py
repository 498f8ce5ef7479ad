"""The list of all rows, for people or as JSON: a line for each, or also its settings and published numbers."""

import json
from collections import Counter
from collections.abc import Sequence

from mlp.experiments.config import RunConfig
from mlp.reproduction.reports.row import METRICS, STATES, NamedRun, Number, Row


def list_rows(rows: Sequence[Row], *, long: bool = False) -> str:
    """Return a text with a line for each row: what it is, and the tables and figures it is in.

    Args:
        long: whether to say the settings and published numbers of each run, and what the report saw.
    """
    paragraphs = [describe_row(row) if long else head_of(row) for row in rows]
    counts = Counter(row.state for row in rows)
    states = [f"  {counts[state]:3d} {state}: {text}" for state, text in STATES.items() if counts[state]]
    return "\n".join([*paragraphs, "", "1 row" if len(rows) == 1 else f"{len(rows)} rows", *states, ""])


def head_of(row: Row) -> str:
    """Return a row's first line."""
    exhibits = f"  [{', '.join(row.exhibits)}]" if row.exhibits else ""
    return f"{row.id:6} {row.state:9} {row.title}{exhibits}"


def describe_row(row: Row) -> str:
    """Return a row's lines."""
    lines = [head_of(row)]
    seeds = "" if row.seeds == (0,) or not row.runs else f"; seeds {', '.join(map(str, row.seeds))}"
    for run in row.runs:
        published = describe_published(run)
        lines.append(f"       {describe_settings(run)}{seeds}{f' -> {published}' if published else ''}")
    lines += [f"       saw: {row.finding}"] if row.finding else []
    lines += [f"       test: {row.test}"] if row.test else []
    return "\n".join(lines)


def describe_settings(run: NamedRun) -> str:
    """Return the settings of a run that differ from the protocol: "vgg38, norm batch, learning_rate 0.01"."""
    settings = {"model": RunConfig.model, **run.differences}
    words = [settings.pop("model")]
    for name, value in settings.items():
        words.append(name if value is True else f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
    return ", ".join(words)


def describe_published(run: NamedRun) -> str:
    """Return the published numbers of a run: "train 0.970 / 70.80 %, val 1.480 / 61.72 %"; "-" is not published."""
    numbers = run.published.numbers()
    texts = []
    for loss, accuracy in zip(METRICS[::2], METRICS[1::2], strict=True):
        if loss in numbers or accuracy in numbers:
            loss_text = describe_number(numbers.get(loss), 1.0, "")
            accuracy_text = describe_number(numbers.get(accuracy), 100.0, " %")
            texts.append(f"{loss.removesuffix('_loss')} {loss_text} / {accuracy_text}")
    return ", ".join(texts)


def describe_number(number: Number | None, scale: float, unit: str) -> str:
    """Return a number as printed, "77.2 ± 0.6 %"."""
    if number is None:
        return "-"
    spread = "" if number.spread is None else f" ± {scale * number.spread:g}"
    return f"{scale * number.value:.6g}{spread}{unit}"


def rows_as_json(rows: Sequence[Row]) -> str:
    """Return rows as JSON: all that is known about them; accuracies are fractions, null is "not published"."""
    return json.dumps([row.as_dict() for row in rows], indent=2)
