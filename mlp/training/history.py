"""What happened in a run, epoch by epoch: metrics as rows, statistics of layers as tables (see `layer_table`)."""

import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from numbers import Real
from typing import Any, ClassVar, NoReturn

import numpy as np

from mlp.checks import NamesElsewhere
from mlp.errors import ConfigurationError
from mlp.files.stored import as_number
from mlp.files.tables import csv_text
from mlp.training.layer_table import LayerTable, check_table_names
from mlp.typing import Array

METRICS = ("train_loss", "train_acc", "val_loss", "val_acc")
OF_EVERY_RUN = ("epoch", *METRICS, "learning_rate", "seconds", "peak_memory_mb")
FAR = 100.0  # times the median
LARGEST = sys.float_info.max  # the largest number in a file: a larger integer has no float


def spreads_widely(losses: Iterable[float]) -> bool:
    """Return whether one loss is so far above the median that a linear axis would show nothing else."""
    known = np.array([loss for loss in losses if math.isfinite(loss) and loss > 0])
    return bool(known.size and known.max() > FAR * np.median(known))


class History(NamesElsewhere):
    """The record of a run.

    Attributes:
        rows: a dict per epoch: epoch (from 1), train_loss, train_acc, val_loss, val_acc (fractions),
            learning_rate (of the last step), seconds (of its training, without validation), and what hooks added.
        tables: LayerTables by name; "gradient_flow" is written by the GradientFlow hook.
    """

    names_elsewhere: ClassVar = {
        "plot": "write mlp.plotting.curves(history)",
        "history": "history.rows has a dict for each epoch, history.column('val_acc') a metric over the epochs",
        "loss": "write history.column('train_loss')",
        "epoch": "write history.column('epoch')",
    }

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.tables: dict[str, LayerTable] = {}

    def __repr__(self) -> str:
        if not self.rows:
            return "History(no epochs yet)"
        last = self.rows[-1]
        known = [name for name in METRICS if not (name.startswith("val") and math.isnan(last.get(name, math.nan)))]
        numbers = ", ".join(f"{name} {last[name]:.4g}" for name in known if name in last)
        best = f", best epoch {self.best_epoch}" if self.best_epoch else ""
        epochs = "1 epoch" if len(self.rows) == 1 else f"{len(self.rows)} epochs"
        return f"History({epochs}; the last: {numbers}{best})"

    def __getitem__(self, name: object) -> NoReturn:
        metric = name if isinstance(name, str) else "val_acc"
        raise ConfigurationError(
            f"a history is not indexed: history.column({metric!r}) gives a metric over the epochs, history.rows has a "
            "dict for each epoch"
        )

    def _repr_html_(self) -> str:
        """Return loss and accuracy over the epochs as two small pictures, for notebooks."""
        from mlp.pages import line_chart, render  # loads Jinja2

        charts = []
        for metric, label, scale in (("loss", "loss (nats)", 1.0), ("acc", "accuracy (%)", 100.0)):
            lines = {
                name: [(row["epoch"], scale * row.get(f"{part}_{metric}", math.nan)) for row in self.rows]
                for name, part in (("training", "train"), ("validation", "val"))
            }
            measured = {name: line for name, line in lines.items() if not all(math.isnan(y) for _, y in line)}
            charts.append(line_chart(measured, "epoch", label))
        return render("history.html", text=repr(self), charts=charts)

    @property
    def gradient_flow(self) -> LayerTable | None:
        """The gradient-flow table, None if it was not recorded."""
        return self.tables.get("gradient_flow")

    def add_row(self, table: str, names: Sequence[str], values: Mapping[str, Array]) -> None:
        """Append the newest epoch's numbers to a table; earlier epochs that were not measured are filled with NaN.

        Args:
            table: its name in `tables`. names: of the columns. values: {statistic: array of len(names) numbers}.

        Raises:
            ConfigurationError: the table has other columns, from another hook or from before a resume. It has numbers
                of this epoch already. Or another file of a run has one of these names.
        """
        check_table_names(table, names, values)
        there = self.tables.setdefault(table, LayerTable(names))
        if len(there) >= len(self.rows) > 0:
            raise ConfigurationError(
                f"the table {table!r} has the numbers of epoch {len(self.rows)} already: give two hooks of one kind "
                "different tables, or leave one of them out"
            )
        if there.names != list(names):
            raise ConfigurationError(
                f"the table {table!r} has columns for {len(there.names)} layers or weights, beginning with "
                f"{there.names[:1]}; got {len(names)} others, beginning with {list(names[:1])}: keep the settings of "
                "the hooks when you resume, and give two hooks of a kind other tables"
            )
        while len(there) < len(self.rows) - 1:
            there.append({statistic: np.full(len(names), np.nan) for statistic in values})
        there.append(values)

    def column(self, name: str) -> Array:
        """Return one metric over the epochs, (epochs,); NaN in epochs in which it was not measured.

        Raises:
            ConfigurationError: no epoch has a metric of that name.
        """
        known = dict.fromkeys((*OF_EVERY_RUN, *(key for row in self.rows for key in row)))
        if name not in known:
            raise ConfigurationError(f"a history has no column {name!r}: it has {', '.join(known)}")
        return np.array([row.get(name, np.nan) for row in self.rows], dtype=float)

    def shown(self, name: str) -> Array:
        """Return a metric over the epochs as figures show it, accuracies in percent, (epochs,); see `column`."""
        return self.column(name) * (100.0 if name.endswith("acc") else 1.0)

    @property
    def best_epoch(self) -> int | None:
        """The epoch (from 1) with the highest validation accuracy; None without any.

        Among equals it is the one with the lowest validation loss, and among those the earliest.
        """
        accuracies = self.column("val_acc")
        if not len(accuracies) or np.isnan(accuracies).all():
            return None
        losses = np.nan_to_num(self.column("val_loss"), nan=np.inf, posinf=np.inf)
        equal = np.flatnonzero(accuracies == np.nanmax(accuracies))
        return self.rows[int(equal[np.argmin(losses[equal])])]["epoch"]

    def copy(self) -> "History":
        """Return a copy, which stays as it is when this history grows."""
        history = History()
        history.rows = list(self.rows)
        for name, table in self.tables.items():
            values = {statistic: list(rows) for statistic, rows in table.values.items()}
            history.tables[name] = LayerTable(table.names, values)
        return history

    def csv(self) -> str:
        """Return the rows as CSV text; floats have all their digits, and a value that a row lacks is nan."""
        names = dict.fromkeys(name for row in self.rows for name in row)  # a resumed run may have other hooks
        header = list(names) or ["epoch"]
        return csv_text([header, *([row.get(name, "nan") for name in header] for row in self.rows)])

    def arrays(self) -> dict[str, Array]:
        """Return the whole history as a flat dict of arrays, to be saved in a checkpoint."""
        arrays = {"rows": np.array(json.dumps(self.rows))}
        for name, table in self.tables.items():
            check_table_names(name, table.names, table.values)
            arrays.update({f"tables/{name}/{key}": value for key, value in table.arrays().items()})
        return arrays

    @staticmethod
    def from_arrays(arrays: Mapping[str, Array]) -> "History":
        """Return the history that `arrays` were made from.

        Raises:
            ValueError, KeyError: they are something else.
        """
        history = History()
        history.rows = checked_rows(json.loads(str(arrays["rows"])))
        tables: dict[str, dict[str, Array]] = {}
        for key, value in arrays.items():
            if key.startswith("tables/"):
                _, name, part = key.split("/", 2)
                tables.setdefault(name, {})[part] = value
        history.tables = {name: LayerTable.from_arrays(parts) for name, parts in tables.items()}
        return history


def checked_rows(rows: Any) -> list[dict[str, Any]]:
    """Return the rows of a history that was read from a file: numbers by name, epochs 1, 2, ..., accuracies in 0 .. 1.

    Raises:
        ValueError: they are something else.
    """
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("its rows are not rows of a history")
    checked = []
    for number, row in enumerate(rows, start=1):
        if "epoch" not in row:
            raise ValueError(f"row {number} has no epoch")
        limits = {name: (0.0, 1.0) for name in row if isinstance(name, str) and name.endswith("_acc")}
        values = {name: as_number(str(name), value, *limits.get(name, ())) for name, value in row.items()}
        if values["epoch"] != number:
            raise ValueError(f"row {number} is of epoch {values['epoch']:g}")
        checked.append({**row, "epoch": number})
    return checked


def plain_row(row: Mapping[str, Any], source: str, epoch: int) -> dict[str, Any]:
    """Return the row of an epoch with Python's own numbers in place of NumPy's, as files can hold them.

    Args:
        source: who wrote the values, for the message. epoch: the number of the epoch.

    Raises:
        ConfigurationError: a value is not a single number, an accuracy is outside 0 .. 1, or the number of the epoch
            was changed.
    """
    if row.get("epoch") != epoch:
        raise ConfigurationError(f"{source} changed the number of the epoch in its row: give your number another name")
    plain = {}
    for name, value in row.items():
        number = plain_number(value)
        if not isinstance(name, str) or number is None:
            raise ConfigurationError(
                f"{source} put {str(name)[:40]!r} of type {type(value).__name__} into the row of an epoch: give it a "
                "name and one number"
            )
        if name.endswith("_acc") and (number < 0 or number > 1):
            raise ConfigurationError(
                f"{source} put {name[:40]!r} = {number:g} into the row of an epoch: a name that ends in _acc is for an "
                "accuracy, a fraction in 0 .. 1; divide it by 100, or choose another name"
            )
        plain[name] = number
    return plain


def plain_number(value: Any) -> int | float | None:
    """Return a single number as Python's int or float, NaN for a masked one; None if a file cannot hold it."""
    if np.ma.is_masked(value):
        return math.nan
    if getattr(value, "ndim", None) == 0 or (isinstance(value, np.ndarray) and value.size == 1):
        value = value.item()
    if isinstance(value, int):
        return int(value) if abs(value) <= LARGEST else None
    return float(value) if isinstance(value, Real | Decimal) else None
