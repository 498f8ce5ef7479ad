"""A hyperspectral scene beside its classes: those that are known, and those that a model predicts."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from mlp.data import Scene
from mlp.plotting.style import new_figure, plain
from mlp.typing import Array

FALSE_COLOR = (0.24, 0.13, 0.08)  # parts of the number of bands: near infrared as red, red as green, green as blue


def false_color(image: Array) -> Array:
    """Return three bands of a scene (H, W, D) as a picture (H, W, 3) in 0 .. 1.

    In each band the darkest 2 % of the pixels become 0, and the brightest 2 % become 1.
    """
    D = image.shape[-1]
    bands = image[..., [round(part * (D - 1)) for part in FALSE_COLOR]].astype(np.float64)
    low, high = np.percentile(bands, (2, 98), axis=(0, 1))
    return np.clip((bands - low) / np.where(high > low, high - low, 1.0), 0.0, 1.0)


def class_colors(count: int) -> list[tuple[float, float, float, float]]:
    """Return white for unlabelled pixels and a colour for each class, of alternating lightness."""
    colors = colormaps["turbo"](np.linspace(0.05, 0.95, count))
    colors[1::2, :3] *= 0.6
    return [(1.0, 1.0, 1.0, 1.0), *map(tuple, colors)]


def scene_maps(scene: Scene, predicted: Array, title: str) -> Figure:
    """A scene in false colours, its known classes, and the classes that a model predicts for all pixels.

    Args:
        scene: with image, classes and class_names, see `mlp.data.formats.hyperspectral`.
        predicted: (H, W), 1 .. K. title: of the run.
    """
    K = len(scene.class_names)
    labelled = scene.classes > 0
    right = float((predicted == scene.classes)[labelled].mean())
    figure = new_figure((11.5, 5.4))
    figure.suptitle(plain(title))
    panels = figure.subplots(1, 3)
    colors = class_colors(K)
    panels[0].imshow(false_color(scene.image))
    for axes, classes in zip(panels[1:], (scene.classes, predicted), strict=True):
        axes.imshow(classes, cmap=ListedColormap(colors), vmin=-0.5, vmax=K + 0.5, interpolation="nearest")
    names = ("false colours", "known classes", f"model, all pixels ({right:.1%} of the known right)")
    for axes, name in zip(panels, names, strict=True):
        axes.set_title(name, fontsize="medium")
        axes.set_xlabel("column")
    panels[0].set_ylabel("row")
    patches = [
        Patch(facecolor=color, edgecolor="black", linewidth=0.4, label=plain(name))
        for color, name in zip(colors, ["unlabelled", *scene.class_names], strict=True)
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=6, fontsize="x-small", frameon=False)
    return figure
