"""Figures of one run, or of a few, over the epochs."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mlp.checks import shown
from mlp.errors import ConfigurationError
from mlp.plotting.layers import depth_text, gradient_flow, require_table
from mlp.plotting.panels import curve_panels
from mlp.plotting.style import GREY, legend_below, line_style, new_figure, plain, share_limits
from mlp.training.history import METRICS, History


def curves(history: History, title: str | None = None) -> Figure:
    """Loss and accuracy for each epoch, in two panels, each with training and validation.

    Raises:
        ConfigurationError: no History.
    """
    if not isinstance(history, History):
        raise ConfigurationError(
            f"curves are those of one History, trainer.history, got {shown(history)}: compare_curves draws several"
        )
    train, valid = ([name for name in METRICS if name.startswith(part)] for part in ("train", "val"))
    known = [name for name in valid if not np.isnan(history.shown(name)).all()]
    return curve_panels({"": [history]}, [*train, *known], title, together=True)


def story(runs: Mapping[str, History], chance: float | None = None) -> Figure:
    """Loss curves in one panel, and beside it the gradient flow of each run, all flows on the same scale.

    Args:
        runs: {label: History}, each with a gradient flow.
        chance: the loss of a network that guesses, drawn as a dotted line.

    Raises:
        ConfigurationError: a run has no gradient flow.
    """
    figure = new_figure((3.6 * (len(runs) + 1), 4.6))
    panels = figure.subplots(1, len(runs) + 1)
    for i, (label, history) in enumerate(runs.items()):
        flow = require_table(history.gradient_flow)
        style = line_style(i, len(history.rows))
        panels[0].plot(history.column("epoch"), history.column("train_loss"), label=plain(label), **style)
        gradient_flow(flow, title=f"gradient flow of {label}", axes=panels[i + 1], color=style["color"])
        panels[i + 1].set_xticks([])
        panels[i + 1].set_xlabel(f"{len(flow.names)} weight tensors,\n{depth_text(len(flow))}")
    share_limits(panels[1:])
    for axes in panels[2:]:
        axes.tick_params(labelleft=False)
        axes.set_ylabel("")
    if chance is not None:
        panels[0].axhline(chance, color=GREY, linestyle=":", linewidth=1.2, label="chance")
    panels[0].set(xlabel="epoch", ylabel="training loss (nats)", title="who learns?")
    legend_below(figure, panels[0])
    panels[0].grid(alpha=0.3)
    panels[0].xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    return figure
