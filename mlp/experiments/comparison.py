"""Runs side by side: a table, curves on shared scales, and the gradient flow of each.

Runs that differ only in the seed form one group: mean and standard deviation (n - 1) instead of single numbers. Runs
with equal seeds do not: repeating a run says nothing about how results scatter over seeds.
Runs may be unfinished, of different lengths, or kept results without weights.
"""

import csv
import io
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mlp import plotting
from mlp.errors import MlpError
from mlp.experiments.build import make_model
from mlp.experiments.config import VGG_SETTINGS, RunConfig
from mlp.experiments.markdown import escape_markdown, markdown
from mlp.experiments.run_folder import RunFolder
from mlp.files import write_figure, write_text
from mlp.files.stored import damaged, read_arrays, read_text
from mlp.files.tables import unguarded
from mlp.models.deep_supervision import without_companions
from mlp.training.history import METRICS, History, LayerTable, checked_rows
from mlp.typing import PathLike

HEADER = (
    "run",
    "parameters",
    "epochs",
    "train loss",
    "train acc",
    "val loss",
    "val acc",
    "best val acc",
    "test acc",
)
TABLE = "compare.md"
# What the classes of the data sets are, for runs whose config.json does not say: (dataset, labels) -> (K, image shape)
KNOWN_CLASSES = {
    ("cifar100", "fine"): (100, (32, 32, 3)),
    ("cifar100", "coarse"): (20, (32, 32, 3)),
    ("cifar10", "fine"): (10, (32, 32, 3)),
    ("mnist", "fine"): (10, (28, 28, 1)),
    ("synthetic", "fine"): (100, (32, 32, 3)),
    ("indian_pines", "fine"): (16, (7, 7, 200)),
}


@dataclass
class RunRecord:
    """What a run's folder says about it.

    Attributes:
        name: of the folder. history: rows, and the gradient flow where there is one; both may be empty.
        test: the content of test.json, {} for a run that is not finished. parameters: how many; None if unknown.
        num_images: [for training, for validation]; None if unknown.
    """

    name: str
    config: RunConfig
    history: History
    test: dict[str, Any]
    parameters: int | None
    num_images: list[int] | None = None


def read_run(path: PathLike) -> RunRecord:
    """Return the RunRecord of a folder.

    Raises:
        CheckpointError: there is no run, or one of its files is damaged; the message names it.
    """
    folder = RunFolder(path)
    config, facts = folder.load()
    parameters = facts.parameters or count_parameters(config)
    test = folder.test_results()
    return RunRecord(Path(path).resolve().name, config, read_history(folder), test, parameters, facts.num_images)


def read_history(folder: RunFolder) -> History:
    """Return the History that metrics.csv and gradient_flow.npz hold; an empty one before the first epoch."""
    history = History()
    history.rows = read_metrics(folder / "metrics.csv")
    flow = read_gradient_flow(folder / "gradient_flow.npz")
    if flow is not None:
        history.tables["gradient_flow"] = flow
    return history


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a metrics.csv; [] without the file."""
    try:
        reader = csv.DictReader(io.StringIO(read_text(path)), strict=True)
        names = [unguarded(name) for name in reader.fieldnames or ()]
        if len(set(names)) < len(names):
            raise ValueError("it has two columns of one name")
        reader.fieldnames = names
        rows = [{name: float(value) for name, value in row.items()} for row in reader]
        missing = [name for name in ("epoch", *METRICS) if name not in names]
        if missing:
            raise ValueError(f"it has no column {', '.join(missing)}")
        return checked_rows(rows)
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, csv.Error) as error:
        raise damaged(path, error) from None


def read_gradient_flow(path: Path) -> LayerTable | None:
    """Return the table that a file holds; None if there is no file."""
    try:
        table = LayerTable.from_arrays(read_arrays(path))
        missing = [statistic for statistic in ("mean_abs", "last_mean_abs") if statistic not in table.values]
        if missing:
            raise ValueError(f"it has no {', '.join(missing)}")
        return table
    except FileNotFoundError:
        return None
    except (ValueError, KeyError) as error:
        raise damaged(path, error) from None


def count_parameters(config: RunConfig) -> int | None:
    """Return the number of weights of a configuration; None where building the model would need the data."""
    names = ("model", *VGG_SETTINGS, "dataset", "split", "augment", "labels", "limit_classes", "image_size")
    architecture = RunConfig(**{name: getattr(config, name) for name in names})
    return build_and_count(architecture) if config.own_model else cached_count(architecture)


def known_images(config: RunConfig) -> tuple[int, tuple[int, ...]]:
    """Return the number of classes and the shape (H, W, C) of images that are in `KNOWN_CLASSES`."""
    num_classes, (H, W, C) = KNOWN_CLASSES[config.dataset, config.labels]
    return config.limit_classes or num_classes, (config.image_size or H, config.image_size or W, C)


def build_and_count(config: RunConfig) -> int | None:
    """Build a model and count its weights; see `count_parameters`."""
    if (config.dataset, config.labels) not in KNOWN_CLASSES:
        return None
    num_classes, image_shape = known_images(config)
    try:
        model = make_model(config, num_classes, image_shape)
        return without_companions(model).num_parameters
    except MlpError:  # the file of your own model is gone
        return None


cached_count = cache(build_and_count)  # the rows of a report share a few architectures


def group_runs(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    """Return {label: list of RunRecords}, in the order given; runs that differ only in their seeds share a label."""
    groups: dict[tuple[Any, ...], list[RunRecord]] = {}
    repeats: Counter[tuple[Any, ...]] = Counter()  # the second run of a seed belongs to another group than the first
    for record in records:
        settings = tuple({**record.config.as_dict(), "seed": None}.items())
        repeats[settings, record.config.seed] += 1
        groups.setdefault((settings, repeats[settings, record.config.seed]), []).append(record)
    labelled: dict[str, list[RunRecord]] = {}
    for group in groups.values():
        label = group_label(group)
        number = 2
        while label in labelled:  # folders of the same name in different places
            label, number = f"{group_label(group)} ({number})", number + 1
        labelled[label] = group
    return labelled


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
    best = [np.fmax.reduce(record.history.column("val_acc"), initial=np.nan) for record in group]
    lengths = sorted({len(record.history.rows) for record in group})
    done, epochs = "-".join(str(length) for length in dict.fromkeys((lengths[0], lengths[-1]))), group[0].config.epochs
    parameters = group[0].parameters
    return [
        label,
        f"{parameters:,}" if parameters else "?",
        done if done == str(epochs) else f"{done} of {epochs}",
        *[spread([row.get(name, np.nan) for row in last], name) for name in METRICS],
        spread(best, "best_acc"),
        spread([record.test.get("test_acc", np.nan) for record in group], "test_acc"),
    ]


def spread(values: Sequence[float], name: str) -> str:
    """Return numbers as a cell: "33.3%", "33.3 ± 0.4%" for several, "-" for none; accuracies are fractions."""
    known = np.array([value for value in values if np.isfinite(value)], dtype=float)
    if len(known) == 0:
        return "-"
    scale, digits, unit = (100.0, 2, "%") if name.endswith("acc") else (1.0, 3, "")
    mean = f"{scale * known.mean():.{digits}f}"
    if len(known) == 1:
        return mean + unit
    return f"{mean} ± {scale * known.std(ddof=1):.{digits}f}{unit}"


def comparison_table(groups: dict[str, list[RunRecord]]) -> str:
    """Return a Markdown table with a row for each group, and another with each run where groups have several."""
    text = markdown(HEADER, [table_row(label, group) for label, group in groups.items()])
    if any(len(group) > 1 for group in groups.values()):
        rows = [table_row(record.name, [record]) for group in groups.values() for record in group]
        text += "\n\nMean ± standard deviation over the seeds. The runs one by one:\n\n" + markdown(HEADER, rows)
    notes = "Losses and accuracies are those of the last epoch; the test accuracy is that of the best epoch's weights."
    return f"{text}\n\n{notes}\n"


def read_runs(paths: Sequence[PathLike]) -> tuple[list[RunRecord], list[MlpError]]:
    """Return the records of the runs in some folders, and the errors of the folders that cannot be read.

    Raises:
        MlpError: the first of them, if no folder can be read.
    """
    records, problems = [], []
    for path in {Path(path).resolve(): path for path in paths}.values():
        try:
            records.append(read_run(path))
        except MlpError as error:
            problems.append(error)
    if problems and not records:
        raise problems[0]
    return records, problems


def is_comparison(path: PathLike) -> bool:
    """Return whether a folder is what `write_comparison` has written, and no run."""
    return (Path(path) / TABLE).is_file() and not (Path(path) / "config.json").exists()


def write_comparison(
    records: Sequence[RunRecord], problems: Sequence[MlpError], out: PathLike
) -> tuple[str, list[Path]]:
    """Compare runs: write compare.md, compare_curves.png and compare_gradient_flow.png.

    Args:
        problems: why other runs are left out, for the table. out: the folder to write to.

    Returns:
        (the table, a list of the paths written).
    """
    groups = group_runs(records)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    table = comparison_table(groups) + "".join(f"\nLeft out: {escape_markdown(str(problem))}\n" for problem in problems)
    write_text(out / TABLE, table)
    histories = {label: [record.history for record in group if record.history.rows] for label, group in groups.items()}
    flows = {label: [h.gradient_flow for h in group if h.gradient_flow] for label, group in histories.items()}
    figures = {}
    if any(histories.values()):
        figures["compare_curves.png"] = plotting.compare_curves({k: group for k, group in histories.items() if group})
    if any(flows.values()):
        figure = plotting.compare_gradient_flow({k: group for k, group in flows.items() if group})
        figures["compare_gradient_flow.png"] = figure
    for name, figure in figures.items():
        write_figure(out / name, figure)
    return table, [out / TABLE, *(out / name for name in figures)]
