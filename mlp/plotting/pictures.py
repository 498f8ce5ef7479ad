"""Images, and what a model sees in them."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mlp.plotting.history import TRAIN


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
        picture.set_title(PurePath(prediction.path).name, fontsize="small")
        places = np.arange(len(prediction.classes))
        bars.barh(places, prediction.probabilities, color=TRAIN)
        bars.set_yticks(places, prediction.classes)
        bars.invert_yaxis()  # the most likely one on top
        bars.set_xlim(0, 1)
    rows[-1, 1].set_xlabel("probability")
    return figure
