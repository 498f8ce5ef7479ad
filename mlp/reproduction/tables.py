"""Tables of the reports: our numbers beside the published ones, and a verdict for each line."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlp.errors import ConfigurationError
from mlp.experiments.record import count_parameters
from mlp.losses import chance_loss
from mlp.reproduction.index import RunIndex
from mlp.reproduction.numbers import Verdict, column_title, format_number, judge, measure, with_gaps
from mlp.reproduction.plan import DATASETS, Result, collect
from mlp.reproduction.reports import EXHIBITS, ROWS, rows_of
from mlp.reproduction.reports.row import METRICS, TAKEN, Number, Published, Row
from mlp.reproduction.scale import FULL, Scale


@dataclass(frozen=True)
class Line:
    """A line of a table: a Result with its numbers.

    Attributes:
        ours, published: {metric: Number}, for the metrics that are known. verdict: on all of them.
    """

    result: Result
    ours: dict[str, Number]
    published: dict[str, Number]
    verdict: Verdict


@dataclass(frozen=True)
class Table:
    """A table to be printed, see `mlp.reproduction.formats`.

    Attributes:
        id, title: of the exhibit or row. scale: of our runs; its label belongs above the numbers.
        metrics: the columns. lines: the Lines. notes: sentences that belong below it.
    """

    id: str
    title: str
    scale: Scale
    metrics: tuple[str, ...]
    lines: list[Line]
    notes: list[str] = field(default_factory=list)

    @property
    def caption(self) -> str:
        """Title and scale in a line: wherever numbers of a small scale are printed, it says so."""
        return f"{self.id}: {self.title} ({self.scale.label})"

    def header(self) -> list[str]:
        """Return the column titles: a metric of which something was published has a second column for that."""
        titles = []
        for metric in self.metrics:
            titles += [column_title(metric), "published"] if self.has_published(metric) else [column_title(metric)]
        return ["run", "row", "parameters", "seeds", "epochs", *titles, "verdict"]

    def cells(self) -> list[list[str]]:
        """Return the lines as strings, column by column."""
        rows = []
        for line in self.lines:
            numbers = []
            for metric in self.metrics:
                numbers.append(format_number(metric, line.ours.get(metric)))
                if self.has_published(metric):
                    numbers.append(format_number(metric, line.published.get(metric)))
            rows.append([*run_cells(line.result), *numbers, str(line.verdict)])
        return rows

    def has_published(self, metric: str) -> bool:
        """Whether something was published of a metric, for any line of this table."""
        return any(metric in line.published for line in self.lines)


def make_table(name: str, index: RunIndex, scale: Scale | None = None, seeds: Sequence[int] | None = None) -> Table:
    """Return the Table of an exhibit ("s0-tab1") or of a single row ("s0-7").

    Args:
        index: our runs.
        scale: None takes the full one where there are such runs, else the quick one, see `collect`.
        seeds: None takes those of the rows.

    Raises:
        ConfigurationError: there is no such table or row, or nothing to put into it.
    """
    title, metrics, rows = find_table(name)
    results = collect(rows, index, scale, seeds)
    if not results:
        why = f"a test shows it (pytest {rows[0].test})" if rows[0].test else "the report only discusses it"
        raise ConfigurationError(f"{name} has no table, because it has no runs: {why}")
    lines = [make_line(result) for result in results]
    return Table(name, title, results[0].scale, metrics, lines, make_notes(lines, metrics))


def find_table(name: str) -> tuple[str, tuple[str, ...], list[Row]]:
    """Return (title, metrics, rows) of a table's id or a row's."""
    if name in ROWS:
        row = ROWS[name]
        tables = [EXHIBITS[exhibit] for exhibit in row.exhibits if EXHIBITS[exhibit].is_table]
        return row.title, tables[0].metrics if tables else METRICS, [row]
    if name in EXHIBITS and EXHIBITS[name].is_table:
        return EXHIBITS[name].title, EXHIBITS[name].metrics, rows_of(name)
    if name in EXHIBITS:
        rows = " ".join(row.id for row in rows_of(name))
        raise ConfigurationError(f"{name} is a figure, not a table; the rows that it draws have tables: {rows}")
    tables_of_all = ", ".join(exhibit.id for exhibit in EXHIBITS.values() if exhibit.is_table)
    raise ConfigurationError(f"there is no table or row {name!r}; tables: {tables_of_all}")


def make_line(result: Result) -> Line:
    """Return the Line of a Result."""
    ours = measure(result.records, result.row.taken)
    published = with_gaps(result.run.published.numbers())
    return Line(result, ours, published, judge(result, ours))


def make_notes(lines: Sequence[Line], metrics: Sequence[str]) -> list[str]:
    """Return the sentences below a table with these metrics."""
    taken = dict.fromkeys(line.result.row.taken for line in lines)
    notes = [f"Ours, and the published ones as far as that is known: {'; '.join(TAKEN[name] for name in taken)}."]
    if any(metric.startswith("test") for metric in metrics):
        notes.append("Test numbers of ours: one pass with the weights of the highest validation accuracy.")
    config = lines[0].result.config
    if any(line.result.scale is not FULL for line in lines):
        notes.append(f"Ours is {lines[0].result.scale.label}: not comparable with what was published.")
        notes += [chance(config.limit_classes)] if config.dataset in DATASETS else []
    datasets = dict.fromkeys(line.result.config.dataset for line in lines if line.result.records)
    notes += [f"Ours is on {name} images, not on CIFAR-100." for name in datasets if name in DATASETS[1:]]
    rows = {line.result.row.id: line.result.row.note for line in lines}
    return notes + [f"{row}: {note}" for row, note in rows.items() if note]


def chance(num_classes: int | None) -> str:
    """Return a sentence that says what a network reaches without learning anything."""
    K = num_classes or 100
    return f"Chance is {100 / K:g} % and a loss of ln {K} = {chance_loss(K):.3f}, where the reports had 1 % and 4.605."


def run_cells(result: Result) -> list[str]:
    """Return the first cells of a line: label, row, parameters, seeds, epochs."""
    seeds = ", ".join(str(record.config.seed) for record in result.records) or "-"
    epochs = f"{result.epochs} of {result.config.epochs}" if result.records else "-"
    parameters = format_parameters(parameters_of(result), result.run.published)
    return [result.run.label, result.row.id, parameters, seeds, epochs]


def parameters_of(result: Result) -> int | None:
    """Return how many weights our run has, or would have."""
    return result.records[0].parameters if result.records else count_parameters(result.config)


def format_parameters(parameters: int | None, published: Published) -> str:
    """Return numbers of parameters as a cell: "338,500 (339K)", the published one in brackets."""
    ours = "?" if parameters is None else f"{parameters:,}"
    return ours if published.parameters is None else f"{ours} ({published.parameters // 1000}K)"
