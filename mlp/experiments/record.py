"""What the folder of a run says about it, read without its data or its weights: a RunRecord."""

import csv
import io
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mlp.errors import CheckpointError, DamagedError, MlpError
from mlp.experiments.build import make_model
from mlp.experiments.config import VGG_SETTINGS, RunConfig
from mlp.experiments.run_folder import RunFolder
from mlp.experiments.settings.facts import Facts
from mlp.files.stored import damaged, read_arrays, read_text
from mlp.files.tables import unguarded
from mlp.models.deep_supervision import without_companions
from mlp.training.checkpoint import section
from mlp.training.history import METRICS, History, checked_rows
from mlp.training.layer_table import LayerTable
from mlp.typing import Array, PathLike

# For runs whose config.json does not say it: {(dataset, labels): (number of classes, image shape)}
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
        name: of the folder. history: rows, and the gradient flow if it was recorded; both may be empty.
        test: the content of test.json, {} for a run that is not finished. parameters: how many; None if unknown.
        facts: what config.json says about the data.
    """

    name: str
    config: RunConfig
    history: History
    test: dict[str, Any]
    parameters: int | None
    facts: Facts


def read_run(path: PathLike) -> RunRecord:
    """Return the RunRecord of a folder.

    Raises:
        CheckpointError: there is no run, or one of its files is damaged; the message names it.
    """
    folder = RunFolder(path)
    config, facts = folder.load()
    parameters = facts.parameters or count_parameters(config)
    test = folder.test_results()
    return RunRecord(Path(path).resolve().name, config, read_history(folder), test, parameters, facts)


def read_history(folder: RunFolder) -> History:
    """Return the History that metrics.csv and gradient_flow.npz hold; an empty one before the first epoch.

    Raises:
        DamagedError: they hold something else.
    """
    history = History()
    try:
        history.rows = read_metrics(folder / "metrics.csv")
        flow = read_table(folder / "gradient_flow.npz", ("mean_abs", "last_mean_abs"))
    except DamagedError as error:
        advice = f"; python scripts/train.py --resume --out {folder.path} writes it again"
        raise DamagedError(f"{error}{advice if folder.latest.exists() else ''}") from None
    if flow is not None:
        history.tables["gradient_flow"] = flow
    return history


def known_history(folder: RunFolder, arrays: Mapping[str, Array]) -> History:
    """Return the History of a run. If its files cannot be read, print a note and return the history in a checkpoint.

    Args:
        arrays: the content of the checkpoint, {} without one.
    """
    try:
        return read_history(folder)
    except CheckpointError as error:
        print(f"note: {error}: the history comes from the checkpoint of the weights", file=sys.stderr)
    try:
        return History.from_arrays(section(arrays, "history/"))
    except (KeyError, ValueError, TypeError, RecursionError):  # kept results have no checkpoint
        return History()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a metrics.csv; [] without the file.

    Raises:
        DamagedError: it holds something else.
    """
    try:
        reader = csv.reader(io.StringIO(read_text(path)), strict=True)
        names = [unguarded(name) for name in next(reader, [])]
        if len(set(names)) < len(names):
            raise ValueError("it has two columns of one name")
        values = [row for row in reader if row]
        if wrong := [row for row in values if len(row) != len(names)]:
            raise ValueError(
                f"it has {len(names)} columns, and {len(wrong[0])} in the row that begins with {wrong[0][0]}"
            )
        rows = [dict(zip(names, map(float, row), strict=True)) for row in values]
        missing = [name for name in ("epoch", *METRICS) if name not in names]
        if missing:
            raise ValueError(f"it has no column {', '.join(missing)}")
        return checked_rows(rows)
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, csv.Error) as error:
        raise damaged(path, error) from None


def read_table(path: Path, needed: Sequence[str] = ()) -> LayerTable | None:
    """Return the table that a file holds; None if there is no file.

    Raises:
        DamagedError: it holds something else, or lacks one of the `needed` statistics.
    """
    try:
        table = LayerTable.from_arrays(read_arrays(path))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError) as error:
        raise damaged(path, error) from None
    missing = [statistic for statistic in needed if statistic not in table.values]
    if missing:
        raise damaged(path, f"it has no {', '.join(missing)}")
    return table


def count_parameters(config: RunConfig) -> int | None:
    """Return the number of weights of a configuration; None if that needs the data, or a file that is gone."""
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
