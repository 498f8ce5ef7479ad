"""Statistics of layers, epoch by epoch, and the names that such a table may have."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from mlp.errors import ConfigurationError
from mlp.typing import Array

PICTURES = ("curves", "gradient_flow_map", "gradient_flow_linear")  # names of a run's other figures: not for tables


class LayerTable:
    """Numbers per epoch and layer: for each statistic and epoch, a row of len(names) numbers.

    Attributes:
        names: what the columns are, in forward order (for gradient flow: parameter names).
        values: {statistic: list with one array of shape (len(names),) per epoch}.
    """

    def __init__(self, names: Iterable[str], values: dict[str, list[Array]] | None = None) -> None:
        self.names = list(names)
        self.values = values or {}

    def append(self, row: Mapping[str, Array]) -> None:
        """Add an epoch: a dict {statistic: array}."""
        for statistic, numbers in row.items():
            self.values.setdefault(statistic, []).append(np.asarray(numbers))

    def __getitem__(self, statistic: str) -> Array:
        """Return a statistic as an array of shape (epochs, layers); ConfigurationError if the table lacks it."""
        if statistic not in self.values:
            raise ConfigurationError(f"this table has no {statistic!r}: it has {', '.join(self.values) or 'no epoch'}")
        return np.array(self.values[statistic])

    def __len__(self) -> int:
        return max((len(rows) for rows in self.values.values()), default=0)

    def arrays(self) -> dict[str, Array]:
        """Return names and statistics as a dict of arrays, to be saved."""
        return {"names": np.array(self.names), **{statistic: self[statistic] for statistic in self.values}}

    @staticmethod
    def from_arrays(arrays: Mapping[str, Array]) -> "LayerTable":
        """Return the table that `arrays` were made from.

        Raises:
            ValueError, KeyError: they are something else.
        """
        names = arrays["names"]
        values = {statistic: rows for statistic, rows in arrays.items() if statistic != "names"}
        if names.ndim != 1 or names.dtype.kind != "U":
            raise ValueError(f"the names of a table are {names.dtype} of shape {names.shape}, not a list of strings")
        for statistic, rows in values.items():
            if rows.dtype.kind not in "fiu" or rows.ndim != 2 or rows.shape[1] != len(names):
                raise ValueError(
                    f"{statistic} of {len(names)} layers or weights is {rows.dtype} of shape {rows.shape}, not a row "
                    "of numbers for each epoch"
                )
        if len({len(rows) for rows in values.values()}) > 1:
            raise ValueError("the statistics of a table have different numbers of epochs")
        return LayerTable(names.tolist(), {statistic: list(rows) for statistic, rows in values.items()})


def check_table_names(table: str, names: Sequence[str], statistics: Collection[str]) -> None:
    """Raise ConfigurationError unless names of a table, its columns and statistics can be stored, each name once."""
    for name in (table, *statistics):
        if not isinstance(name, str) or not name.isidentifier() or name == "names" or name in PICTURES:
            raise ConfigurationError(
                "the name of a table or a statistic is letters, digits and _, and none of "
                f"{', '.join(('names', *PICTURES))}; got {str(name)[:40]!r}"
            )
    twice = next((name for name, times in Counter(names).items() if times > 1), None)
    if twice is not None:
        raise ConfigurationError(f"the table {table!r} has two columns {twice!r}: give layers and weights a name each")
