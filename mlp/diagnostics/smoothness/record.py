"""What was measured while a network trained: a row for each measured step, in smoothness.npz and smoothness.csv.

The .csv is for people, the .npz for figures, and for continuing after an interruption. They are not part of the history
or of checkpoints: those are the same, byte for byte, whether the probe is on or off.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mlp.diagnostics.smoothness.covariate_shift import CovariateShift
from mlp.diagnostics.smoothness.nearby import Nearby
from mlp.errors import CheckpointError
from mlp.files import write_arrays, write_text
from mlp.files.stored import damaged, read_arrays
from mlp.files.tables import csv_text
from mlp.typing import Array, PathLike

MEASURED = ("loss", "loss_min", "loss_max", "grad_norm", "change_min", "change_max", "beta", "cosine_min")
COLUMNS = ("step", *MEASURED, "weight_norm")


@dataclass
class SmoothnessRecord:
    """Measurements of a run.

    Attributes:
        settings: of the probe: every, direction, sizes, layers.
        rows: a dict for each measured step, with the keys COLUMNS.
        shifts: {step: CovariateShift}, empty if that was not measured.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, float]] = field(default_factory=list)
    shifts: dict[int, CovariateShift] = field(default_factory=dict)

    def add(self, step: int, nearby: Nearby, shift: CovariateShift | None = None) -> None:
        """Add what was found at a step, counted from 0."""
        self.rows.append({"step": step, **nearby.row()})
        if shift is not None:
            self.shifts[step] = shift

    def column(self, name: str) -> Array:
        """Return one of COLUMNS over the measured steps."""
        return np.array([row[name] for row in self.rows])

    @property
    def steps(self) -> Array:
        """The measured steps, integers."""
        return np.array([row["step"] for row in self.rows], dtype=np.int64)

    def before(self, step: int) -> "SmoothnessRecord":
        """Return the part of the record that belongs to steps before a given one."""
        rows = [row for row in self.rows if row["step"] < step]
        return SmoothnessRecord(self.settings, rows, {s: shift for s, shift in self.shifts.items() if s < step})

    def arrays(self) -> dict[str, Array]:
        """Return the record as a flat dict of arrays, to be saved."""
        arrays = {"settings": np.array(json.dumps(self.settings))}
        arrays |= {name: self.column(name) for name in COLUMNS}
        if self.shifts:
            shifts = list(self.shifts.values())
            arrays["shift_steps"] = np.array(list(self.shifts))
            arrays["shift_names"] = np.array(shifts[0].names)
            for name in ("norms", "shifts", "cosines"):
                arrays[f"shift_{name}"] = np.array([getattr(shift, name) for shift in shifts])  # (steps, layers)
        return arrays

    @staticmethod
    def from_arrays(arrays: Mapping[str, Array]) -> "SmoothnessRecord":
        """Return the record that `arrays` were made from."""
        columns = {name: arrays[name].tolist() for name in COLUMNS}
        rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
        shifts = {}
        if "shift_steps" in arrays:
            names = [str(name) for name in arrays["shift_names"]]
            parts = (arrays[f"shift_{name}"] for name in ("norms", "shifts", "cosines"))
            table = zip(arrays["shift_steps"].tolist(), *parts, strict=True)
            shifts = {step: CovariateShift(names, *rest) for step, *rest in table}
        return SmoothnessRecord(json.loads(str(arrays["settings"])), rows, shifts)

    def write(self, folder: PathLike) -> None:
        """Write smoothness.npz and smoothness.csv into a folder."""
        write_arrays(Path(folder) / "smoothness.npz", self.arrays())
        rows = ({**row, "step": int(row["step"])} for row in self.rows)
        table = [COLUMNS, *([row[name] for name in COLUMNS] for row in rows)]
        write_text(Path(folder) / "smoothness.csv", csv_text(table))

    @staticmethod
    def read(folder: PathLike) -> "SmoothnessRecord":
        """Return the record in a folder.

        Raises:
            CheckpointError: there is none, or it is damaged.
        """
        path = Path(folder) / "smoothness.npz"
        try:
            arrays = read_arrays(path)
        except FileNotFoundError:
            raise CheckpointError(
                f"there is no {path}: train the run with --smoothness 50, or with python scripts/smoothness.py"
            ) from None
        try:
            return SmoothnessRecord.from_arrays(arrays)
        except Exception as error:  # wrong arrays can raise anything
            raise damaged(path, error) from None
