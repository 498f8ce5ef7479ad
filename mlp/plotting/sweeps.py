"""A result against a setting: a marker for each run, and a line through the means."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from mlp.plotting.basics import figure_of, own_axes
from mlp.plotting.style import GREY, legend_below, line_style, plain

EQUAL = 0.01  # results that differ by less, relatively, are drawn on an axis from 0


def sweep(
    results: Mapping[str, Mapping[float, Sequence[float]]],
    xlabel: str,
    ylabel: str,
    xscale: str = "log",
    chance: float | None = None,
    title: str = "",
) -> Figure:
    """Results of runs against one of their settings.

    Args:
        results: {label: {value of the setting: results, one for each seed}}.
        xscale: "log", "linear" or "symlog" (logarithmic, with a place for 0).
        chance: the result of guessing, drawn as a dotted line.
    """
    axes = own_axes()
    for i, (label, by_setting) in enumerate(results.items()):
        style = line_style(i, len(by_setting))
        settings = sorted(by_setting)
        means = [float(np.mean(by_setting[setting])) for setting in settings]
        axes.plot(settings, means, label=plain(label), **{**style, "markevery": 1})
        for setting in settings:
            values = by_setting[setting]
            axes.plot([setting] * len(values), values, ".", color=style["color"], alpha=0.5, markersize=5)
    if chance is not None:
        axes.axhline(chance, color=GREY, linestyle=":", linewidth=1.2, label="chance")
    tried = sorted({setting for by_setting in results.values() for setting in by_setting})
    smallest = min((setting for setting in tried if setting > 0), default=1.0)
    axes.set_xscale(xscale, **({"linthresh": smallest} if xscale == "symlog" else {}))
    axes.set_xticks(tried, [f"{setting:g}" for setting in tried])
    axes.minorticks_off()
    if xscale == "symlog":  # its default margins reach far below zero
        axes.set_xlim(-0.3 * smallest, 1.6 * max(tried))
    found = [value for by_setting in results.values() for values in by_setting.values() for value in values]
    if found and np.ptp(found) < EQUAL * max(found):
        axes.set_ylim(0.0, 1.2 * max(found))
    axes.set(xlabel=xlabel, ylabel=ylabel, title=title)
    axes.grid(alpha=0.3)
    legend_below(figure_of(axes), axes)
    return figure_of(axes)
