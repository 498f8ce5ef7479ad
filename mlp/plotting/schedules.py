"""Learning-rate schedules."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mlp.plotting.style import BLUE
from mlp.typing import Schedule


def schedule(schedule: Schedule, steps: int, steps_per_epoch: int | None = None) -> Figure:
    """A learning-rate schedule over its steps.

    Args:
        schedule: step -> learning rate, see `mlp.schedulers`. steps: how many to draw.
        steps_per_epoch: draws an axis of epochs too, at the top.
    """
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(np.arange(steps), [schedule(step) for step in range(steps)], color=BLUE, drawstyle="steps-post")
    axes.set(xlabel="step", ylabel="learning rate", ylim=(0, None))
    axes.grid(alpha=0.3)
    if steps_per_epoch is not None:
        functions: Any = (lambda s: s / steps_per_epoch, lambda e: e * steps_per_epoch)
        top = axes.secondary_xaxis("top", functions=functions)
        top.set_xlabel("epoch")
    return figure
