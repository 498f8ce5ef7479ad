"""The experiments of five reports as data: what was run, with which settings, and what was published.

    s0   VGG08 and VGG38 with batch normalization (BN), residual connections (RC) and two learning rates
    s1   BN first, then residual learning, then weight decay
    s2   does BN smooth the loss? learning rates and batch sizes
    s3   BN before or after the activation, weight decay, dropout, batch sizes
    s4   residual learning without BN in the blocks, hyper-parameter search over five seeds
    x    what follows from several of them

    ROWS["s0-7"]            a Row: settings, seeds, published numbers, state
    EXHIBITS["s0-tab1"]     a table or figure; rows_of("s0-tab1") are its rows, runs_of("s0-fig1") what it draws
    select(["s4", "s0-7"])  Rows by id, by report, or "all"

`row` says what a Row is, and `findings` what the reports found, as claims about runs.

The reports differ in two things. In s0 the learning rate swings every 100 steps (schedule I: the cosine counts steps);
in the others it falls once over all epochs (schedule E: it counts epochs; RunConfig's default). And s0 has no shortcut
around the reduction blocks, while s1 and s4 have average pooling there.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from mlp.errors import ConfigurationError
from mlp.reproduction.reports import cross, s0, s1, s2, s3, s4
from mlp.reproduction.reports.row import Exhibit, NamedRun, Row

REPORTS = {"s0": s0, "s1": s1, "s2": s2, "s3": s3, "s4": s4, "x": cross}
ROWS: dict[str, Row] = {row.id: row for report in REPORTS.values() for row in report.ROWS}
EXHIBITS: dict[str, Exhibit] = {exhibit.id: exhibit for report in REPORTS.values() for exhibit in report.EXHIBITS}


def select(names: Iterable[str]) -> list[Row]:
    """Return rows, each once, in the order of the reports.

    Args:
        names: ids of rows ("s0-7"), reports ("s4"), tables and figures ("s0-tab1": all their rows), or "all".

    Raises:
        ConfigurationError: there is no such row, report, table or figure.
    """
    chosen: set[str] = set()
    for name in names:
        if name == "all":
            chosen |= ROWS.keys()
        elif name in REPORTS:
            chosen |= {row.id for row in REPORTS[name].ROWS}
        elif name in EXHIBITS:
            chosen |= {row.id for row in rows_of(name)}
        elif name in ROWS:
            chosen.add(name)
        else:
            similar = get_close_matches(name.lower().replace("_", "-"), [*ROWS, *EXHIBITS, *REPORTS], n=1)
            hint = f" (did you mean {similar[0]}?)" if similar else ""
            raise ConfigurationError(
                f"there is no row, table or figure {name!r}{hint}: write all, a report ({', '.join(REPORTS)}), "
                f"{near(name, [*ROWS, *EXHIBITS])}; list shows all of them"
            )
    return [row for row in ROWS.values() if row.id in chosen]


def near(name: str, ids: Iterable[str]) -> str:
    """Return the ids in the report whose name a wrong name begins with: "s0-1 ... s0-23, s0-tab1"."""
    report = name.partition("-")[0]
    there = [known for known in ids if known.partition("-")[0] == report]
    if not there:
        return "an id like s0-7, or a table or figure like s0-tab1"
    numbered = [known for known in there if known in ROWS]
    return ", ".join([f"{numbered[0]} ... {numbered[-1]}", *(known for known in there if known not in ROWS)])


def rows_of(exhibit: str) -> list[Row]:
    """Return the rows of a table or figure, in their order."""
    return [row for row in ROWS.values() if exhibit in row.exhibits]


def runs_of(rows: Sequence[Row]) -> list[tuple[Row, NamedRun]]:
    """Return the runs of rows, each with the first row that needs it; runs with the same settings and seeds count once.

    `runs_of(rows_of("s0-fig1"))` is what that figure draws; a table prints the same.
    """
    runs: dict[tuple[Any, ...], tuple[Row, NamedRun]] = {}
    for row in rows:
        for run in row.runs:
            runs.setdefault((tuple(run.differences.items()), row.seeds), (row, run))
    return list(runs.values())
