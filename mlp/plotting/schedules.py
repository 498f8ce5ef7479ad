"""Learning rates: schedules, and the search for a good one."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mlp.plotting.style import BLUE, GREY, VERMILLION, legend_below, new_figure, plain
from mlp.typing import Array, Schedule


def schedule(schedule: Schedule, steps: int, steps_per_epoch: int | None = None) -> Figure:
    """A learning-rate schedule over its steps.

    Args:
        schedule: step -> learning rate, see `mlp.schedulers`. steps: how many to draw.
        steps_per_epoch: if given, an axis of epochs is drawn at the top.
    """
    figure = new_figure((7, 4))
    axes = figure.subplots()
    axes.plot(np.arange(steps), [schedule(step) for step in range(steps)], color=BLUE, drawstyle="steps-post")
    axes.set(xlabel="step", ylabel="learning rate", ylim=(0, None))
    axes.grid(alpha=0.3)
    if steps_per_epoch is not None:
        functions: Any = (lambda s: s / steps_per_epoch, lambda e: e * steps_per_epoch)
        top = axes.secondary_xaxis("top", functions=functions)
        top.set_xlabel("epoch")
    return figure


def rate_search(rates: Array, losses: Array, smoothed: Array, suggestion: float | None, title: str = "") -> Figure:
    """The loss while the learning rate grows, raw and smoothed, with the rate that is suggested.

    Args:
        rates, losses, smoothed: of each step, (steps,). suggestion: the suggested rate, or None.
    """
    figure = new_figure((7, 4.2))
    axes = figure.subplots()
    axes.plot(rates, losses, color=GREY, linewidth=0.9, alpha=0.8, label="loss of the batch")
    axes.plot(rates, smoothed, color=BLUE, linewidth=2, label="smoothed")
    if suggestion is not None:
        axes.axvline(suggestion, color=VERMILLION, linestyle="dashed", label=f"suggested: {suggestion:.1e}")
    low, start = float(smoothed.min()), float(smoothed[0])
    margin = max(start - low, 0.1 * abs(start), 1e-12)
    bottom = min(low, float(losses.min()))
    axes.set(xlabel="learning rate", ylabel="loss", xscale="log", title=plain(title))
    axes.set_ylim(bottom - 0.1 * margin, start + 1.0 * margin)  # a loss that explodes leaves the picture
    axes.grid(alpha=0.3)
    legend_below(figure, axes)
    return figure
