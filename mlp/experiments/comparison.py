"""Runs side by side: a table, curves on shared scales, and the gradient flow of each.

Runs that differ only in the seed form a group, and the table has the mean and standard deviation (n - 1) of the group.
Runs with equal seeds do not form one: repeating a run says nothing about how results vary with the seed.
Runs may be unfinished, of different lengths, or kept results without weights.
"""

import os
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from mlp import plotting
from mlp.errors import as_sentence, each_of
from mlp.experiments.record import RunRecord, read_run
from mlp.experiments.settings.differences import code_warning, comparison_warning, differences_table
from mlp.experiments.settings.naming import named_apart
from mlp.files import write_figure, write_text
from mlp.files.own import is_own
from mlp.pages.markdown import escape_markdown, markdown
from mlp.training.history import METRICS
from mlp.typing import PathLike

HEADER = ("run", "parameters", "epochs", "train loss", "train acc", "val loss", "val acc", "best val acc", "test acc")
TABLE, CURVES, FLOWS = "compare.md", "compare_curves.png", "compare_gradient_flow.png"
USUAL = "runs/comparison"
FILES = ("data", "model_file", "first_weights")  # facts that change with a file; None in older runs


def group_runs(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    """Return {label: list of RunRecords}, in the order given; runs that differ only in their seeds share a label.

    Equal settings are not enough: the files that they name may have changed between two runs.
    """
    groups: list[list[RunRecord]] = []
    alike: dict[tuple[Any, ...], list[list[RunRecord]]] = {}  # those of the same settings
    for record in records:
        candidates = alike.setdefault(tuple({**record.config.as_dict(), "seed": None}.items()), [])
        group = next((group for group in candidates if is_repetition(record, group)), None)
        if group is None:
            group = []
            groups.append(group)
            candidates.append(group)
        group.append(record)
    return named_apart((group_label(group), group) for group in groups)


def is_repetition(record: RunRecord, group: Sequence[RunRecord]) -> bool:
    """Return whether a run has another seed than each run of a group, and, as far as is known, the same files."""
    files = [[getattr(facts, name) for name in FILES] for facts in (record.facts, *(r.facts for r in group))]
    known = all(len({text for text in texts if text is not None}) < 2 for texts in zip(*files, strict=True))
    return known and all(other.config.seed != record.config.seed for other in group)


def group_label(group: Sequence[RunRecord]) -> str:
    """Return what a group is called: the name of its folder, or what the names have in common, and the seeds."""
    if len(group) == 1:
        return group[0].name
    common = os.path.commonprefix([record.name for record in group]).rstrip("-_ .").removesuffix("seed").rstrip("-_ .")
    seeds = ", ".join(str(record.config.seed) for record in group)
    return f"{common or group[0].name} (seeds {seeds})"


def table_row(label: str, group: Sequence[RunRecord]) -> list[str]:
    """Return the cells of a table row for runs that differ only in their seeds."""
    last = [record.history.rows[-1] if record.history.rows else {} for record in group]
    lengths = sorted({len(record.history.rows) for record in group})
    done, epochs = "-".join(str(length) for length in dict.fromkeys((lengths[0], lengths[-1]))), group[0].config.epochs
    parameters = group[0].parameters
    return [
        label,
        f"{parameters:,}" if parameters else "?",
        done if done == str(epochs) else f"{done} of {epochs}",
        *[spread([row.get(name, np.nan) for row in last], name) for name in METRICS],
        spread([best_of(record) for record in group], "best_acc"),
        spread([record.test.get("test_acc", np.nan) for record in group], "test_acc"),
    ]


def best_of(record: RunRecord) -> float:
    """Return the highest validation accuracy of a run; NaN without any."""
    return float(np.fmax.reduce(record.history.column("val_acc"), initial=np.nan))


def spread(values: Sequence[float], name: str) -> str:
    """Return numbers as a cell: "33.30%", "33.30 ± 0.41%" for several, "-" for none; accuracies are fractions."""
    known = np.array([value for value in values if np.isfinite(value)], dtype=float)
    if len(known) == 0:
        return "-"
    scale, digits, unit = (100.0, 2, "%") if name.endswith("acc") else (1.0, 3, "")
    mean = f"{scale * known.mean():.{digits}f}"
    if len(known) == 1:
        return mean + unit
    return f"{mean} ± {scale * known.std(ddof=1):.{digits}f}{unit}"


def comparison_table(groups: dict[str, list[RunRecord]]) -> str:
    """Return a Markdown table with a row for each group; if a group has several runs, also a table of all runs.

    A warning follows if their numbers cannot be compared.
    """
    text = markdown(HEADER, [table_row(label, group) for label, group in groups.items()])
    if any(len(group) > 1 for group in groups.values()):
        rows = [table_row(record.name, [record]) for group in groups.values() for record in group]
        text += "\n\nMean ± standard deviation over the seeds. The runs one by one:\n\n" + markdown(HEADER, rows)
    notes = "Losses and accuracies are those of the last epoch; the test accuracy is that of the best epoch's weights."
    return f"{text}\n\n{notes}\n{comparison_warning(groups)}{code_warning(groups)}"


def read_runs(paths: Sequence[PathLike]) -> tuple[list[RunRecord], list[Exception]]:
    """Return the records of the runs in some folders, and the errors of the folders that cannot be read.

    Raises:
        MlpError, OSError: no folder can be read; this is the first of the errors.
    """
    records, problems = each_of({Path(path).resolve(): path for path in paths}.values(), read_run)
    if problems and not records:
        raise problems[0]
    return records, problems


def is_comparison(path: PathLike) -> bool:
    """Return whether a folder is what `write_comparison` has written, and no run."""
    table = Path(path) / TABLE
    return table.is_file() and is_own(table, markdown(HEADER, [])) and not (Path(path) / "config.json").exists()


def usual_folder(runs: Sequence[PathLike]) -> Path:
    """Return where a comparison goes: runs/comparison, or the first of -2, -3 ... that is free or has the same runs."""
    names = (f"{USUAL}-{number}" if number > 1 else USUAL for number in count(1))
    return next(folder for folder in map(Path, names) if not folder.exists() or compares(folder, runs))


def compares(folder: Path, runs: Sequence[PathLike]) -> bool:
    """Return whether a folder holds a comparison of just these runs."""
    return is_comparison(folder) and list_of_runs(runs).encode() in (folder / TABLE).read_bytes().splitlines()


def list_of_runs(runs: Sequence[PathLike]) -> str:
    """Return the line of compare.md that lists the runs, below the working folder by their relative paths."""
    paths, here = sorted({Path(run).resolve() for run in runs}), Path.cwd().resolve()
    names = [str(path.relative_to(here) if path.is_relative_to(here) else path) for path in paths]
    return f"Compared: {escape_markdown(', '.join(names))}"


def write_comparison(
    records: Sequence[RunRecord], problems: Sequence[Exception], runs: Sequence[PathLike], out: PathLike
) -> tuple[str, list[Path]]:
    """Compare runs: write compare.md, compare_curves.png and compare_gradient_flow.png.

    Args:
        problems: why other runs are left out, for the table. runs: the folders of all. out: the folder to write to.

    Returns:
        (the table, a list of the paths written).
    """
    groups = group_runs(records)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    table = comparison_table(groups) + differences_table(groups)
    table += "".join(f"\nLeft out: {escape_markdown(as_sentence(problem))}\n" for problem in problems)
    table += f"\n{list_of_runs(runs)}\n"
    write_text(out / TABLE, table)
    histories = {label: [record.history for record in group if record.history.rows] for label, group in groups.items()}
    flows = {label: [h.gradient_flow for h in group if h.gradient_flow] for label, group in histories.items()}
    figures = {}
    if any(histories.values()):
        figures[CURVES] = plotting.compare_curves({k: group for k, group in histories.items() if group})
    if any(flows.values()):
        figure = plotting.compare_gradient_flow({k: group for k, group in flows.items() if group})
        figures[FLOWS] = figure
    for name, figure in figures.items():
        write_figure(out / name, figure)
    return table, [out / TABLE, *(out / name for name in figures)]
