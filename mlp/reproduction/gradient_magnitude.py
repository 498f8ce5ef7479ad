"""How large are gradients at different learning rates? A table from the gradient flows of finished runs (row s0-19).

Every run is the same network trained with another learning rate. For each rate the table has mean |gradient| of groups
of weight tensors (averaged over the tensors of a group, over all epochs, and over seeds), and below them the exponent k
of the law |gradient| ~ rate^k that fits best: the slope of log |gradient| against log rate. A negative k means that
larger learning rates lead to smaller gradients; k = 0, that the rate does not matter.

The mean goes over all epochs. The last one would not do: with a cosine schedule every run ends at the same small rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlp.errors import ConfigurationError
from mlp.experiments.record import RunRecord
from mlp.experiments.settings.naming import NOT_IDENTITY
from mlp.training.layer_table import LayerTable

GROUPS = ("all weights", "first layer", "convolutions", "norms' gammas", "last layer")
HEADER = ("learning rate", "runs", *GROUPS)
MAY_DIFFER = ("learning_rate", "seed", *NOT_IDENTITY)


@dataclass(frozen=True)
class Magnitude:
    """Gradients at one learning rate.

    Attributes:
        learning_rate: at the start of the run. runs: how many were averaged.
        groups: {name of GROUPS: mean |gradient|}; NaN for gammas in a network without any.
    """

    learning_rate: float
    runs: int
    groups: dict[str, float]


def gradient_magnitudes(records: Sequence[RunRecord]) -> list[Magnitude]:
    """Return a Magnitude for each learning rate among the runs, from the smallest rate to the largest.

    Args:
        records: runs of one network, from `read_run`, that differ in learning rate and seed only.

    Raises:
        ConfigurationError: they differ in other settings, or one has no gradient flow; the message names it.
    """
    by_rate: dict[float, list[dict[str, float]]] = {}
    for record in records:
        different = differing_settings(records[0], record)
        if different:
            raise ConfigurationError(
                f"gradients are compared between runs that differ in learning rate and seed only: {record.name} and "
                f"{records[0].name} differ in {', '.join(different)}"
            )
        flow = record.history.gradient_flow
        if flow is None:
            raise ConfigurationError(f"{record.name} has no gradient flow: it has not finished an epoch")
        by_rate.setdefault(record.config.learning_rate, []).append(group_means(flow))
    return [
        Magnitude(rate, len(runs), {name: float(np.mean([run[name] for run in runs])) for name in GROUPS})
        for rate, runs in sorted(by_rate.items())
    ]


def differing_settings(a: RunRecord, b: RunRecord) -> list[str]:
    """Return the names of the settings that differ, but for learning rate, seed, and what changes no numbers."""
    mine, theirs = a.config.as_dict(), b.config.as_dict()
    return [name for name in mine if mine[name] != theirs[name] and name not in MAY_DIFFER]


def group_means(flow: LayerTable) -> dict[str, float]:
    """Return {group: mean |gradient|} of one run: the mean over its tensors and epochs."""
    means = flow["mean_abs"].astype(np.float64).mean(axis=0)  # (layers,)
    is_gamma = np.array([name.endswith(".gamma") for name in flow.names])
    is_conv = np.array([name.rpartition(".")[0].rpartition(".")[2].startswith("conv") for name in flow.names])
    chosen = {
        "all weights": means,
        "first layer": means[:1],
        "convolutions": means[is_conv],
        "norms' gammas": means[is_gamma],
        "last layer": means[-1:],
    }
    return {name: float(values.mean()) if len(values) else np.nan for name, values in chosen.items()}


def exponent(magnitudes: Sequence[Magnitude], group: str) -> float:
    """Return k of |gradient| ~ rate^k by least squares in logarithms; NaN for fewer than two rates, or zeros."""
    rates = np.array([m.learning_rate for m in magnitudes])
    sizes = np.array([m.groups[group] for m in magnitudes])
    known = np.isfinite(sizes) & (sizes > 0)
    if known.sum() < 2:
        return np.nan
    x, y = np.log(rates[known]), np.log(sizes[known])
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())


def magnitude_rows(magnitudes: Sequence[Magnitude]) -> list[list[str]]:
    """Return the magnitudes as rows of a table with the columns HEADER; the exponents are the last one."""
    rows = [
        [f"{m.learning_rate:g}", str(m.runs), *(number(m.groups[name], ".2e") for name in GROUPS)] for m in magnitudes
    ]
    return [*rows, ["exponent", "", *(number(exponent(magnitudes, name), "+.2f") for name in GROUPS)]]


def number(value: float, form: str) -> str:
    """Return a number as a cell, "-" for NaN."""
    return format(value, form) if np.isfinite(value) else "-"
