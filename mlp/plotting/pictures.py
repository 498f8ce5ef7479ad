"""Images, and what a model sees in them."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from mlp.errors import ShapeError
from mlp.plotting.style import BLUE, new_figure, panel_grid, plain
from mlp.typing import Array

MOST_WRITTEN = 20  # classes; a confusion matrix of more has no numbers in its cells
MOST_NAMED = 200  # classes; of more, every second, third ... has its name beside the matrix
LONGEST_NAME = 24  # characters


def images(
    pictures: Array, titles: Sequence[str] = (), columns: int = 8, size: float = 1.3, *, shared: bool = True
) -> Figure:
    """A grid of images, or of maps of numbers.

    Args:
        pictures: images (N, H, W, 3) uint8 or floats in 0 .. 1; or numbers (N, H, W), drawn as colours from blue (the
            most negative) over white (zero) to red.
        titles: one for each picture, or none.
        columns: pictures in a row. size: of a picture, in inches.
        shared: whether all maps of numbers have one scale, or each its own.
    """
    height = size * (1.2 if len(titles) else 1.05)
    figure, panels = panel_grid(len(pictures), columns, lambda wide, high: (size * wide, height * high))
    largest = np.abs(pictures).max() if pictures.ndim == 3 else None
    for i, (axes, picture) in enumerate(zip(panels, pictures, strict=True)):
        axes.set_axis_off()
        limit = largest if shared or largest is None else np.abs(picture).max()
        scale = {} if limit is None else {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
        axes.imshow(picture, **scale)
        if len(titles):
            axes.set_title(titles[i], fontsize="small")
    return figure


def confusion_matrix(counts: Array, class_names: Sequence[str], title: str = "") -> Figure:
    """What each class is taken for: a row for each class, a column for what the model says, darker for more images.

    Colours show parts of the images of a row, so that rare classes show as much as others. They differ most where the
    parts are small, because mistakes are there. With up to `MOST_WRITTEN` classes the cells contain numbers of images.

    Args:
        counts: (K, K), how many images of class r were taken for class c. class_names: K names.

    Raises:
        ShapeError: counts of another shape.
    """
    K, counts = len(class_names), np.asarray(counts)
    if counts.shape != (K, K):
        raise ShapeError(f"a confusion matrix of {K} classes has shape {(K, K)}, got counts of shape {counts.shape}")
    parts = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # (K, K)
    side = max(3.6, min(0.45 * K, 2.0 + 0.125 * K, 30.0))  # inches
    figure = new_figure((side + 2.2, side + 1.4))
    axes = figure.subplots()
    shown = axes.imshow(parts, cmap="Blues", norm=PowerNorm(0.5, 0.0, 1.0), interpolation="nearest")
    ticks = (0, 0.01, 0.1, 0.25, 0.5, 1)
    figure.colorbar(shown, ax=axes, label="part of the images of the class", shrink=0.8, ticks=ticks)
    every = -(-K // MOST_NAMED)
    names = [plain(name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 3]}...") for name in class_names]
    size = 9 if K <= MOST_WRITTEN else 6
    upright = K > 5 or max(map(len, names)) > 8
    axes.set_xticks(range(0, K, every), names[::every], rotation=90 if upright else 0, fontsize=size)
    axes.set_yticks(range(0, K, every), names[::every], fontsize=size)
    axes.set(xlabel="taken for (what the model says)", ylabel="class (what it is)")
    figure.suptitle(plain(title) if title else "", fontsize="medium")
    if K <= MOST_WRITTEN:
        for r, c in np.argwhere(counts):
            colour = "white" if parts[r, c] > 0.4 else "black"
            axes.text(c, r, f"{counts[r, c]:,}", ha="center", va="center", fontsize=size - 1, color=colour)
    return figure


def predictions(predictions: Sequence[Any]) -> Figure:
    """Images, and beside each a bar for each of the classes that a model finds most likely.

    Args:
        predictions: objects with pixels (H, W, C), path, classes and probabilities, see `mlp.experiments.inference`.
    """
    figure = new_figure((8, 1.9 * len(predictions) + 0.4))
    rows = figure.subplots(len(predictions), 2, squeeze=False, width_ratios=(1, 2.5))
    for (picture, bars), prediction in zip(rows, predictions, strict=True):
        picture.imshow(prediction.pixels, cmap="gray", vmin=0, vmax=255)
        picture.set_axis_off()
        picture.set_title(plain(PurePath(prediction.path).name), fontsize="small")
        places = np.arange(len(prediction.classes))
        bars.barh(places, prediction.probabilities, color=BLUE)
        bars.set_yticks(places, list(map(plain, prediction.classes)))
        bars.invert_yaxis()  # the most likely one on top
        bars.set_xlim(0, 1)
    rows[-1, 1].set_xlabel("probability")
    return figure
