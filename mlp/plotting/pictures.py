"""Images, and what a model sees in them."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mlp.plotting.style import BLUE, plain
from mlp.typing import Array


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
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    height = size * (1.2 if len(titles) else 1.05)
    figure = Figure(figsize=(size * columns, height * rows), layout="constrained")
    for axes in (grid := figure.subplots(rows, columns, squeeze=False)).flat:
        axes.set_axis_off()
    largest = np.abs(pictures).max() if pictures.ndim == 3 else None
    for i, (axes, picture) in enumerate(zip(grid.flat, pictures, strict=False)):
        limit = largest if shared or largest is None else np.abs(picture).max()
        scale = {} if limit is None else {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit}
        axes.imshow(picture, **scale)
        if len(titles):
            axes.set_title(titles[i], fontsize="small")
    return figure


def predictions(predictions: Sequence[Any]) -> Figure:
    """Images, and beside each one a bar for each of the classes that a model finds most likely.

    Args:
        predictions: with pixels (H, W, C), path, classes and probabilities, see `mlp.experiments.inference`.
    """
    figure = Figure(figsize=(8, 1.9 * len(predictions) + 0.4), layout="constrained")
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
