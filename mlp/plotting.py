"""Figures: histories and tables in, Matplotlib `Figure` objects out.

Nothing here touches pyplot, whose figures are global: one run's lines would end up in another run's picture. A
figure shows itself in a notebook, and `figure.savefig(path)` writes it. Functions with an `axes` argument draw there.
"""

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from mlp.models import report_label

AXIS_LABELS = {
    "mean_abs": "mean |gradient|",
    "l2": "L2 norm of the gradient",
    "max_abs": "largest |gradient|",
    "zeros": "fraction of zero gradients",
}
TRAIN, VALID = "tab:blue", "tab:orange"


def curves(history, title=None):
    """Loss and accuracy per epoch, training and validation, side by side."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    loss_axes, accuracy_axes = figure.subplots(1, 2)
    epochs = history.column("epoch")
    for axes, metric, label in ((loss_axes, "loss", "cross-entropy loss (nats)"), (accuracy_axes, "acc", "accuracy")):
        axes.plot(epochs, history.column(f"train_{metric}"), color=TRAIN, marker=marker(epochs), label="training")
        valid = history.column(f"val_{metric}")
        if not np.isnan(valid).all():
            axes.plot(epochs, valid, color=VALID, marker=marker(epochs), label="validation")
        axes.set(xlabel="epoch", ylabel=label)
        axes.grid(alpha=0.3)
        axes.legend()
    if title:
        figure.suptitle(title)
    return figure


def marker(epochs):
    """Points where there are few epochs: a line through one epoch would be invisible."""
    return "o" if len(epochs) < 20 else None


def gradient_flow(table, title=None, scale="log", statistic="mean_abs", axes=None):
    """Gradient statistics over depth, one line an epoch, pale for the first epochs and dark for the last.

    Args:
        table: a gradient-flow LayerTable, `history.gradient_flow`.
        scale: "log"; "linear" is the form of the reports' figures, in which 38 layers of vanishing gradients look flat.
        statistic: mean_abs, l2, max_abs or zeros, averaged over the epoch; with "last_" before it, of the last batch.
    """
    figure = None
    if axes is None:
        figure = Figure(figsize=(max(5, 0.16 * len(table.names) + 3), 5), layout="constrained")
        axes = figure.subplots()
    values = table[statistic]  # (epochs, layers)
    if scale == "log":
        values = np.where(values > 0, values, np.nan)  # zeros have no place on a log axis
    depths = np.arange(values.shape[1])
    shades = np.linspace(0.25, 1.0, len(values)) if len(values) > 1 else [1.0]
    for epoch, shade in enumerate(shades):
        axes.plot(depths, values[epoch], color="tab:blue", alpha=0.3 if scale == "linear" else shade, linewidth=1)
    axes.set_yscale(scale if np.isfinite(values).any() else "linear")
    axes.set(xlabel="from the input to the output", ylabel=axis_label(statistic), title=title or "")
    label_depths(axes.xaxis, table.names)
    axes.grid(alpha=0.3)
    return figure


def gradient_flow_map(table, title=None, statistic="mean_abs"):
    """Gradient statistics as a map: depth across, epochs down, the logarithm as colour."""
    values = table[statistic]  # (epochs, layers)
    figure = Figure(figsize=(max(5, 0.16 * len(table.names) + 4), 4.5), layout="constrained")
    axes = figure.subplots()
    positive = values[np.isfinite(values) & (values > 0)]
    norm = LogNorm(positive.min(), max(positive.max(), positive.min() * 10)) if len(positive) else None
    extent = (-0.5, values.shape[1] - 0.5, len(values) + 0.5, 0.5)
    image = axes.imshow(values, aspect="auto", norm=norm, extent=extent, interpolation="nearest")
    figure.colorbar(image, label=axis_label(statistic))
    axes.set(xlabel="from the input to the output", ylabel="epoch", title=title or "")
    axes.yaxis.get_major_locator().set_params(integer=True)
    label_depths(axes.xaxis, table.names)
    return figure


def story(runs, chance=None):
    """Loss curves in one panel, and beside it the gradient flow of each run, all on one axis.

    Args:
        runs: {label: History}, each with a gradient flow.
        chance: the loss of a network that knows nothing, drawn as a dashed line.
    """
    figure = Figure(figsize=(3.6 * (len(runs) + 1), 4), layout="constrained")
    panels = figure.subplots(1, len(runs) + 1)
    for i, (label, history) in enumerate(runs.items()):
        panels[0].plot(history.column("epoch"), history.column("train_loss"), color=f"C{i}", label=label, marker=".")
        gradient_flow(history.gradient_flow, title=f"gradient flow of {label}", axes=panels[i + 1])
        panels[i + 1].title.set_color(f"C{i}")
        panels[i + 1].set_xticks([])
        panels[i + 1].set_xlabel(f"{len(history.gradient_flow.names)} layers, from the input to the output")
        if i > 0:
            panels[i + 1].sharey(panels[1])
            panels[i + 1].set_ylabel("")
    if chance is not None:
        panels[0].axhline(chance, color="gray", linestyle="--", linewidth=1, label="chance")
    panels[0].set(xlabel="epoch", ylabel="training loss (nats)", title="who learns?")
    panels[0].legend()
    panels[0].grid(alpha=0.3)
    return figure


def axis_label(statistic):
    """Return the axis label of a gradient statistic."""
    name = statistic.removeprefix("last_")
    return AXIS_LABELS[name] + (", last batch of the epoch" if name != statistic else "")


def label_depths(axis, names, most=40):
    """Write the reports' layer labels on an axis; every second, third, ... where there are more than `most`."""
    step = -(-len(names) // most)
    axis.set_ticks(np.arange(0, len(names), step), [report_label(name) for name in names[::step]])
    axis.set_tick_params(labelsize=6, labelrotation=90)
