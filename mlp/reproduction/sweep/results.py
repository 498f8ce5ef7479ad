"""The results of a sweep: a table over the seeds, curves on shared axes, the best setting and how far to trust it."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from mlp import plotting
from mlp.experiments.comparison import best_of, comparison_table, group_runs, spread
from mlp.experiments.record import RunRecord
from mlp.experiments.settings.differences import shown_value
from mlp.files import write_figure, write_text
from mlp.reproduction.index import PlannedRun, RunIndex

TABLE, CURVES = "table.md", "curves.png"
Groups = dict[str, list[RunRecord]]


def write_results(planned: Sequence[PlannedRun], index: RunIndex) -> tuple[str, list[Path]]:
    """Write table.md and curves.png, and a figure for each numeric setting that varies, to the root of a sweep.

    Returns:
        (the table with the sentence about the best; "" without any run that has an epoch, the paths written).
    """
    records = [record for record in (index.record(run.settings) for run in planned) if record is not None]
    if not records:
        return "", []
    groups = group_runs(records)
    text = f"{comparison_table(groups)}\n{best_on_validation(groups)}\n"
    write_text(index.root / TABLE, text)
    figures = {CURVES: plotting.compare_curves({label: [r.history for r in group] for label, group in groups.items()})}
    for name in varying_numbers(groups):
        title = name.replace("_", " ")
        xscale = "log" if all(getattr(r.config, name) > 0 for r in records) else "symlog"
        figures[f"{name}.png"] = plotting.sweep(
            against(groups, name),
            title,
            "best validation accuracy (%)",
            xscale=xscale,
            title=f"{title}, one dot per run",
        )
    for name, figure in figures.items():
        write_figure(index.root / name, figure)
    return text, [index.root / name for name in (TABLE, *figures)]


def best_on_validation(groups: Groups) -> str:
    """Return the sentences that name the best setting and say how much of its lead may be luck."""
    scores = {label: [best_of(record) for record in group] for label, group in groups.items()}
    known = {label: values for label, values in scores.items() if np.isfinite(values).all()}
    if not known:
        return "No run has a validation accuracy yet."
    label = max(known, key=lambda name: float(np.mean(known[name])))
    tested = spread([record.test.get("test_acc", np.nan) for record in groups[label]], "test_acc")
    text = f"Best on validation: {label}, {spread(known[label], 'acc')}; test accuracy {tested}."
    if len(known) == 1:
        return text
    text += (
        f" It is the best of {len(known)} on the images that chose it, and picking the best of many results overstates "
        "it: report its test accuracy, once."
    )
    return f"{text} {luck(list(known.values()))}"


def luck(scores: Sequence[Sequence[float]]) -> str:
    """Return the sentence on how far the luckiest of equally good settings would lead, estimated from their seeds.

    Of n normally distributed numbers the largest lies about z standard deviations above their mean, where
    Phi(z) = (n - 0.375) / (n + 0.25) (Blom).
    """
    several = [values for values in scores if len(values) > 1]
    if not several:
        return "Several seeds (--seed 0 1 2) would show by how much."
    deviation = math.sqrt(np.mean([np.var(values, ddof=1) for values in several]))
    seeds = np.mean([len(values) for values in several])
    n = len(scores)
    lead = NormalDist().inv_cdf((n - 0.375) / (n + 0.25)) * deviation / math.sqrt(seeds)
    return (
        f"If all {n} were equally good, the luckiest would still be about {100 * lead:.2g} points above their mean "
        f"(seeds scatter by {100 * deviation:.2g})."
    )


def varying_numbers(groups: Groups) -> list[str]:
    """Return the settings, but for the seed, that are numbers and differ between groups."""
    configs = [group[0].config.as_dict() for group in groups.values()]
    return [
        name
        for name in configs[0]
        if name != "seed"
        and len({config[name] for config in configs}) > 1
        and all(isinstance(config[name], int | float) and not isinstance(config[name], bool) for config in configs)
    ]


def against(groups: Groups, name: str) -> dict[str, dict[float, list[float]]]:
    """Return {what else varies: {value of the setting `name`: best validation accuracies in percent, one per seed}}."""
    configs = {label: group[0].config.as_dict() for label, group in groups.items()}
    first: dict[str, Any] = next(iter(configs.values()))
    others = [n for n in first if n not in (name, "seed") and len({config[n] for config in configs.values()}) > 1]
    lines: dict[str, dict[float, list[float]]] = {}
    for label, group in groups.items():
        config = configs[label]
        line = ", ".join(f"{n.replace('_', ' ')} {shown_value(config[n])}" for n in others) or "runs"
        values = [100.0 * best_of(record) for record in group]
        lines.setdefault(line, {}).setdefault(config[name], []).extend(v for v in values if math.isfinite(v))
    return {
        line: {x: v for x, v in by_value.items() if v} for line, by_value in lines.items() if any(by_value.values())
    }
