"""The reports' figures, drawn from our runs: `draw("s4-fig7", RunIndex("runs/reproduce"))`.

What a figure shows is data, see `mlp.reproduction.reports`: its rows name the runs, its exhibit the kind and metrics.
Runs and seeds that do not exist yet are left out, and the figure says so. Unfinished runs are drawn as far as they go.
Titles and legends say where numbers cannot be compared: at the quick scale, on other images, or unfinished.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mlp import plotting
from mlp.errors import CheckpointError, ConfigurationError
from mlp.experiments.record import known_images
from mlp.files import write_figure
from mlp.reproduction.costs import how_to_make
from mlp.reproduction.gradient_magnitude import HEADER, gradient_magnitudes, magnitude_rows
from mlp.reproduction.index import RunIndex
from mlp.reproduction.plan import Result, collect, command_for
from mlp.reproduction.probes.figures import PROBE_KINDS
from mlp.reproduction.reports import EXHIBITS, rows_of, runs_of
from mlp.reproduction.reports.row import Exhibit
from mlp.reproduction.scale import FULL, QUICK, Scale
from mlp.typing import PathLike

FIGURES = {name: exhibit for name, exhibit in EXHIBITS.items() if not exhibit.is_table}
SUFFIXES = (".png", ".pdf")
GRADIENTS_AGAINST_RATES = ("s0-19-fig",)  # have the table of `mlp.reproduction.gradient_magnitude` below them
WORST_IN_RED = ("s2-fig3ab",)  # as in the report


@dataclass(frozen=True)
class Drawing:
    """A figure, and what a reader must know about it.

    Attributes:
        left_out: a line for each run that is missing, incomplete or unfinished; [] if everything is there.
        numbers: rows of a small table that belongs to the figure, the header first; [] for most figures.
    """

    exhibit: Exhibit
    scale: Scale
    figure: "plotting.Figure"
    left_out: list[str]
    numbers: list[list[str]]

    @property
    def file_name(self) -> str:
        """The name of its files without a suffix. Each scale has its own, so that they do not overwrite each other."""
        return self.exhibit.id if self.scale is FULL else f"{self.exhibit.id}-{self.scale.name}"


def draw(name: str, index: RunIndex, scale: Scale | None = None, seeds: Sequence[int] | None = None) -> Drawing:
    """Draw a figure of a report.

    Args:
        name: "s0-fig1", one of FIGURES.
        index: where the runs are. scale, seeds: as for `collect`.

    Raises:
        ConfigurationError: there is no such figure.
        CheckpointError: none of its runs exists; the message says how to make them.
    """
    exhibit = find_figure(name)
    results = collect(rows_of(name), index, scale, seeds)
    if exhibit.kind in PROBE_KINDS:
        return draw_with_probes(exhibit, results, index, scale)
    drawn = [result for result in results if result.records]
    if not drawn:
        raise CheckpointError(nothing_to_draw(exhibit, len(results), index, scale))
    only = f" ({label_of(drawn[0])})" if exhibit.kind == "curves" and is_of_one_run(exhibit) else ""
    title = "\n".join([f"{name}: {exhibit.title}{only}", *caveats(drawn)])
    left_out = [line for result in results for line in missing_parts(result, index.root)]
    numbers: list[list[str]] = []
    if exhibit.kind == "gradient_flow":
        left_out += [f"{label_of(result)}: no gradient_flow.npz" for result in drawn if not has_flow(result)]
    if name in GRADIENTS_AGAINST_RATES:
        try:
            numbers = gradients_against_rates(drawn)
        except ConfigurationError as error:  # runs on different images, say
            left_out.append(f"no table: {error}")
    return Drawing(exhibit, drawn[0].scale, DRAWERS[exhibit.kind](exhibit, drawn, title), left_out, numbers)


def draw_with_probes(exhibit: Exhibit, results: Sequence[Result], index: RunIndex, scale: Scale | None) -> Drawing:
    """Draw a figure of what was measured around networks."""
    there = [result for result in results if result.records]
    scales = [there[0].scale] if there else [FULL, QUICK] if scale is None else [scale]
    for scale in scales:
        lines = caveats(there) if there or scale is FULL else [scale.label]
        title = "\n".join([f"{exhibit.id}: {exhibit.title}", *lines])
        figure, numbers, left_out = PROBE_KINDS[exhibit.kind](exhibit, results, title, index, scale)
        if figure is not None:
            return Drawing(exhibit, scale, figure, left_out, numbers)
    raise CheckpointError(
        f"{exhibit.id} has nothing to show: nothing was measured in {index.root}; it is made by: "
        f"{how_to_make(exhibit.id, scale, index.root)}"
    )


def save(
    name: str, out: PathLike, index: RunIndex, scale: Scale | None = None, seeds: Sequence[int] | None = None
) -> tuple[Drawing, list[Path]]:
    """Draw a figure and write it to the folder `out` as PNG and PDF; return (Drawing, list of paths)."""
    drawing = draw(name, index, scale, seeds)
    Path(out).mkdir(parents=True, exist_ok=True)
    paths = [Path(out) / f"{drawing.file_name}{suffix}" for suffix in SUFFIXES]
    for path in paths:
        write_figure(path, drawing.figure)
    return drawing, paths


def find_figure(name: str) -> Exhibit:
    """Return the Exhibit of a figure; ConfigurationError if there is none, or if it is a table."""
    if name in FIGURES:
        return FIGURES[name]
    if name in EXHIBITS:
        raise ConfigurationError(f"{name} is a table, not a figure: python scripts/reproduce.py table {name} prints it")
    report = name.partition("-")[0]
    near = [known for known in FIGURES if known.partition("-")[0] == report] or list(FIGURES)
    raise ConfigurationError(f"there is no figure {name!r}: there are {', '.join(near)}")


def nothing_to_draw(exhibit: Exhibit, num_runs: int, index: RunIndex, scale: Scale | None) -> str:
    """Return the sentence that a figure has no runs yet, and how to make them."""
    which = "its run is not" if num_runs == 1 else f"none of its {num_runs} runs is"
    made = "it is made by" if num_runs == 1 else "they are made by"
    return (
        f"{exhibit.id} has nothing to show: {which} in {index.root}; {made}: "
        f"{how_to_make(exhibit.id, scale, index.root)}"
    )


def caveats(results: Sequence[Result]) -> list[str]:
    """Return the lines of a title that say why the numbers are not those of the reports."""
    scales = {result.scale.name: result.scale.label for result in results if result.scale is not FULL}
    images = sorted({result.config.dataset for result in results} - {"cifar100"})
    return [*scales.values(), *(f"{name} images instead of CIFAR-100" for name in images)]


def missing_parts(result: Result, root: PathLike) -> list[str]:
    """Return lines that say which seeds of a run are missing below `root`, and whether it is unfinished; or []."""
    name = f"{result.run.label} ({result.row.id}, {result.scale.name} scale)"
    found = [record.config.seed for record in result.records]
    missing = [seed for seed in result.seeds if seed not in found]
    lines = []
    if missing:
        seeds = "" if not found else f" with seed {', '.join(map(str, missing))}"
        lines.append(f"{name}: no run{seeds} yet; {command_for(result.row.id, result.scale, root)}")
    if found and not result.finished:
        lines.append(f"{name}: {result.epochs} of {result.config.epochs} epochs; repeating its command continues it")
    return lines


def label_of(result: Result) -> str:
    """Return the label of a run in a legend, with what is missing of it."""
    label = result.run.label
    if len(result.records) < len(result.seeds):
        label += f", {len(result.records)} of {len(result.seeds)} seeds"
    if not result.finished:
        label += f", epoch {result.epochs} of {result.config.epochs}"
    return label


def draw_curves(exhibit: Exhibit, results: Sequence[Result], title: str) -> "plotting.Figure":
    """Draw metrics against the epoch; training and validation in one panel if the figure is of one run."""
    runs = {label_of(result): [record.history for record in result.records] for result in results}
    worst = None
    if exhibit.id in WORST_IN_RED and len(results) > 1:
        worst = label_of(min(results, key=lambda result: last_value(result, "val_acc")))
    return plotting.curve_panels(
        runs, exhibit.metrics, title, worst, number_of_classes(results), together=is_of_one_run(exhibit)
    )


def is_of_one_run(exhibit: Exhibit) -> bool:
    """Return whether a figure is made for a single run (and not only has no others yet)."""
    return len(runs_of(rows_of(exhibit.id))) == 1


def last_value(result: Result, metric: str) -> float:
    """Return a metric at the last epoch, mean over the seeds."""
    return sum(record.history.rows[-1][metric] for record in result.records) / len(result.records)


def number_of_classes(results: Sequence[Result]) -> int | None:
    """Return how many classes all the runs have, from which chance follows; None if they differ."""
    numbers = {known_images(result.config)[0] for result in results}
    return numbers.pop() if len(numbers) == 1 else None


def draw_gradient_flow(exhibit: Exhibit, results: Sequence[Result], title: str) -> "plotting.Figure":
    """Draw the gradient flow of each run, of the first of its seeds."""
    recorded = [result for result in results if has_flow(result)]
    if not recorded:
        raise CheckpointError(
            f"{exhibit.id} has nothing to show: none of its {results[0].scale.name}-scale runs has a gradient_flow.npz"
        )
    tables = {label_of(result): result.records[0].history.tables["gradient_flow"] for result in recorded}
    return plotting.flow_panels(tables, title, log=exhibit.log)


def has_flow(result: Result) -> bool:
    """Whether the gradient flow of the first seed was recorded."""
    return result.records[0].history.gradient_flow is not None


def gradients_against_rates(results: Sequence[Result]) -> list[list[str]]:
    """Return mean |gradient| at each learning rate as rows of a table."""
    records = [record for result in results for record in result.records if record.history.gradient_flow]
    return [list(HEADER), *magnitude_rows(gradient_magnitudes(records))] if records else []


def draw_seeds(exhibit: Exhibit, results: Sequence[Result], title: str) -> "plotting.Figure":
    """Draw how far the seeds of the first run lie apart, and the published mean where it can be compared."""
    result = results[0]
    values: dict[str, dict[int, float]] = {}
    for metric in exhibit.metrics:
        for record in result.records:
            value = {**record.history.rows[-1], **record.test}.get(metric, math.nan)
            if math.isfinite(value):
                values.setdefault(metric, {})[record.config.seed] = value
    numbers = {} if result.why_not_comparable else result.run.published.numbers()
    published = {metric: (number.value, number.spread) for metric, number in numbers.items()}
    return plotting.seed_panels(values, published, title)


DRAWERS = {"curves": draw_curves, "gradient_flow": draw_gradient_flow, "seeds": draw_seeds}
