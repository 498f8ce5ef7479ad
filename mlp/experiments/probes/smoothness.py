"""Tables and figures of the smoothness of runs."""

from collections.abc import Mapping

import numpy as np

from mlp import plotting
from mlp.diagnostics.smoothness import SmoothnessRecord
from mlp.diagnostics.smoothness.record import COLUMNS
from mlp.errors import CheckpointError

HEADER = ("run", "steps measured", "loss", "loss range", "|g|", "change / |g|", "beta", "smallest cosine", "|w|")
Records = Mapping[str, SmoothnessRecord]


def numbers_of(record: SmoothnessRecord) -> dict[str, float]:
    """Return {name: median over the measured steps} for the columns of HEADER after the second."""
    if not record.rows:
        raise CheckpointError("a smoothness record without a measured step has nothing to show")
    size = record.column("grad_norm")
    with np.errstate(all="ignore"):
        columns = {
            "loss": record.column("loss"),
            "range": record.column("loss_max") - record.column("loss_min"),
            "grad_norm": size,
            "relative": record.column("change_max") / size,
            "beta": record.column("beta"),
            "cosine": record.column("cosine_min"),
            "weight_norm": record.column("weight_norm"),
        }
    return {name: float(np.nanmedian(values)) for name, values in columns.items()}


def summary(records: Records) -> list[list[str]]:
    """Return a table with a row for each run, of medians over the measured steps; the first row is the header."""
    rows = [list(HEADER)]
    for label, record in records.items():
        numbers = numbers_of(record)
        rows.append([label, str(len(record.rows)), *(f"{value:.3g}" for value in numbers.values())])
    return rows


def draw_smoothness(records: Records, what: str = "") -> "plotting.Figure":
    """Draw smoothness against the step, a line or band for each run."""
    captions = {label: where_measured(record) for label, record in records.items()}
    same = len(set(captions.values())) == 1
    lines = dict.fromkeys(text if same else f"{label}: {text}" for label, text in captions.items())
    title = "\n".join(filter(None, (what, *lines)))
    columns = {label: {name: record.column(name) for name in COLUMNS} for label, record in records.items()}
    return plotting.smoothness_panels(columns, title)


def where_measured(record: SmoothnessRecord) -> str:
    """Return the line that says where a run was measured."""
    sizes, rule = record.settings["sizes"], record.settings["direction"] != "gradient"
    points = "w + m u, u the step of the rule, m" if rule else "w - s g, s"
    every = f"every {record.settings['every']} steps"
    return f"points {points} from {sizes[0]:g} to {sizes[-1]:g}, on the batch of the step, {every}"


def draw_shift(records: Records, what: str = "") -> "plotting.Figure":
    """Draw the internal covariate shift of each layer, for the runs in which it was measured."""
    runs = {}
    for label, record in records.items():
        if record.shifts:
            shifts = list(record.shifts.values())
            with np.errstate(all="ignore"):
                relative = np.array([shift.shifts / shift.norms for shift in shifts])
            runs[label] = (shifts[0].names, np.array([shift.cosines for shift in shifts]), relative)
    title = "Internal covariate shift: gradient of a layer before and after the layers below moved"
    return plotting.shift_panels(runs, "\n".join(filter(None, (what, f"{title} (median and quarters over the steps)"))))
