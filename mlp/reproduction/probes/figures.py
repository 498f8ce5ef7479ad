"""The figures of rows with probes, each with the table below it and what is missing.

Each drawer takes (exhibit, results, title, index, scale) and returns (figure, table, missing): a figure, or None if
there is nothing to show; the rows of the table, its header first; and a line for each measurement that is missing.
"""

from collections.abc import Callable, Sequence
from functools import partial

from mlp import plotting
from mlp.diagnostics.smoothness import SmoothnessRecord
from mlp.experiments.probes.drawing import CAPTIONS, draw_landscapes, landscape_of, summary_rows
from mlp.experiments.probes.gradient_correlation import LAWS, by_depth, draw_dense, draw_depths, draw_profiles
from mlp.experiments.probes.smoothness import draw_shift, draw_smoothness, summary
from mlp.reproduction.index import RunIndex
from mlp.reproduction.plan import Result, collect, command_for
from mlp.reproduction.probes.claims import CLAIMS, claims_table, half_width, shift_cosine
from mlp.reproduction.probes.found import (
    correlation_file,
    landscape_of_result,
    read_dense,
    read_profiles,
    smoothness_of_result,
)
from mlp.reproduction.reports import ROWS
from mlp.reproduction.reports.row import Exhibit
from mlp.reproduction.scale import Scale
from mlp.typing import Array

Drawn = tuple["plotting.Figure | None", list[list[str]], list[str]]
Drawer = Callable[[Exhibit, Sequence[Result], str, RunIndex, Scale], Drawn]


def landscapes(
    results: Sequence[Result], index: RunIndex, statistics: str
) -> tuple[dict[str, dict[str, Array]], list[str]]:
    """Return ({label: landscape}, a line for each run without one)."""
    found, missing = {}, []
    for result in results:
        stored = landscape_of_result(result, index, statistics)
        if stored is not None:
            found[result.run.label] = stored
        else:
            missing.append(f"{result.run.label}: no landscape; {command_for(result.row.id, result.scale, index.root)}")
    return found, missing


def contours(
    exhibit: Exhibit, results: Sequence[Result], title: str, index: RunIndex, scale: Scale, *, statistics: str
) -> Drawn:
    """Contours on shared levels, with batch norm's running statistics or those of the batch."""
    found, missing = landscapes(results, index, statistics)
    return (draw_landscapes(found, title), summary_rows(found), missing) if found else (None, [], missing)


def surfaces(exhibit: Exhibit, results: Sequence[Result], title: str, index: RunIndex, scale: Scale) -> Drawn:
    """Landscapes as surfaces, seen from the side."""
    found, missing = landscapes(results, index, "running")
    drawn = {label: landscape_of(stored).rough() for label, stored in found.items()}
    return (plotting.surface_panels(drawn, title), [], missing) if found else (None, [], missing)


def loss_lines(exhibit: Exhibit, results: Sequence[Result], title: str, index: RunIndex, scale: Scale) -> Drawn:
    """The loss along the line y = 0, all networks in one panel."""
    found, missing = landscapes(results, index, "running")
    curves = {}
    for label, stored in found.items():
        middle = len(stored["y"]) // 2
        curves[label] = (stored["x"], stored["loss"][middle], stored["accuracy"][middle])
    if not found:
        return None, [], missing
    return plotting.loss_lines(curves, f"{title}\n{CAPTIONS['running']}"), summary_rows(found), missing


def smoothness(exhibit: Exhibit, results: Sequence[Result], title: str, index: RunIndex, scale: Scale) -> Drawn:
    """Smoothness against the step, of the first seed; the table has all seeds."""
    first: dict[str, SmoothnessRecord] = {}
    every: dict[str, SmoothnessRecord] = {}
    missing = []
    for result in (result for result in results if result.run.label.endswith(exhibit.only)):
        records = smoothness_of_result(result, index)
        if records:
            first[result.run.label] = records[0]
            several = len(records) > 1
            for i, record in enumerate(records, start=1):
                every[result.run.label + (f", seed {i} of {len(records)}" if several else "")] = record
        else:
            missing.append(f"{result.run.label}: not measured; {command_for(result.row.id, result.scale, index.root)}")
    return (draw_smoothness(first, title), summary(every), missing) if first else (None, [], missing)


def shift(exhibit: Exhibit, results: Sequence[Result], title: str, index: RunIndex, scale: Scale) -> Drawn:
    """Covariate shift of each layer, and a table with all that was measured beside it."""
    records = {r.run.label: smoothness_of_result(r, index) for r in results}
    first = {label: found[0] for label, found in records.items() if found and found[0].shifts}
    missing = [f"{label}: not measured" for label in records if label not in first]
    if not first:
        return None, [], missing
    table = summary(first)
    table[0].insert(2, "median cosine of G and G'")
    for row, result in zip(table[1:], [r for r in results if r.run.label in first], strict=True):
        row.insert(2, f"{sum(values := shift_cosine(result, index)) / len(values):.3f}")
    return draw_shift(first, title), table, missing


def unmeasured(index: RunIndex, scale: Scale) -> Drawn:
    """Nothing to show of untrained networks, and how to measure them."""
    return None, [], [f"not measured; {command_for('s1-23', scale, index.root)}"]


def profiles(
    exhibit: Exhibit, results: Sequence[Result], title: str, index: RunIndex, scale: Scale, *, initializer: str
) -> Drawn:
    """Cosine and size of gradients in the deepest networks, whose initial weights are from an initializer."""
    found = read_profiles(correlation_file(index.root, scale, initializer))
    if not found:
        return unmeasured(index, scale)
    deepest = max(depth for _, depth in found)
    shown = {f"VGG{depth:02d} {name}": p for (name, depth), p in found.items() if depth == deepest}
    table = [["network", "cosine at the image", "cosine before the head's unit", "mean |g| at the image"]]
    for label, p in shown.items():
        table.append([label, f"{p.cosine[0]:.4f}", f"{p.cosine[-2]:.3f}", f"{p.size[0]:.2e}"])
    return draw_profiles(shown, title), table, []


def depths(exhibit: Exhibit, results: Sequence[Result], title: str, index: RunIndex, scale: Scale) -> Drawn:
    """Cosine at the image against the depth, He's initial weights."""
    found = read_profiles(correlation_file(index.root, scale, "he"))
    if not found:
        return unmeasured(index, scale)
    cosines = by_depth(found)
    header = ["network", *(f"depth {depth}" for depth in sorted({depth for _, depth in found}))]
    table = [header, *([name, *(f"{row[depth][0]:.4f}" for depth in sorted(row))] for name, row in cosines.items())]
    return draw_depths(found, f"{title}\nHe's first weights"), table, []


def laws(exhibit: Exhibit, results: Sequence[Result], title: str, index: RunIndex, scale: Scale) -> Drawn:
    """Cosine of gradients in dense networks, measured, and by the laws of Balduzzi et al. 2017."""
    measured = read_dense(correlation_file(index.root, scale, "dense"))
    if not measured:
        return unmeasured(index, scale)
    table = [["network", *(f"L = {n}: measured (law)" for n in (1, 2, 4, 8, 12))]]
    for kind, (_, mean, _) in measured.items():
        name, law = LAWS[kind]
        table.append([name, *(f"{mean[n - 1]:.4f} ({law[n - 1]:.4f})" for n in (1, 2, 4, 8, 12))])
    return draw_dense(measured, title), table, []


def summarize_all(exhibit: Exhibit, results: Sequence[Result], title: str, index: RunIndex, scale: Scale) -> Drawn:
    """Half-widths of landscapes as bars, and the table of claims with verdicts."""
    from mlp.plotting.style import set_title

    around = collect([ROWS["s2-22"]], index, scale)
    widths = {
        f"{result.run.label}, {statistics}": values[0]
        for result in around
        for statistics in CAPTIONS
        if (values := half_width(statistics)(result, index))
    }
    table = claims_table(index, scale)
    missing = [] if len(table) - 1 == len(CLAIMS) else [f"{len(CLAIMS) - len(table) + 1} claims have no measurements"]
    if len(table) == 1 and not widths:
        return None, [], missing
    figure = plotting.bars(
        widths or {"no landscape yet": 0.0}, "half-width of the landscape along x (1: the end of the line)"
    )
    set_title(figure, title)
    return figure, table, missing


PROBE_KINDS: dict[str, Drawer] = {
    "contours": partial(contours, statistics="running"),
    "contours_batch": partial(contours, statistics="batch"),
    "surfaces": surfaces,
    "loss_lines": loss_lines,
    "smoothness": smoothness,
    "shift": shift,
    "profiles": partial(profiles, initializer="default"),
    "profiles_he": partial(profiles, initializer="he"),
    "depths": depths,
    "laws": laws,
    "summary": summarize_all,
}
