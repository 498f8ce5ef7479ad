"""Measuring and drawing the correlation of gradients: of networks at their initial weights, and of runs."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from mlp import plotting
from mlp.diagnostics.shattering import (
    DENSE_NETS,
    Profile,
    dense_correlations,
    feedforward_law,
    gradient_correlation,
    great_circle,
    rectifier_law,
    residual_law,
    residual_norm_law,
)
from mlp.experiments.build import make_model
from mlp.experiments.config import RunConfig
from mlp.experiments.probes.images import probe_images
from mlp.progress import announced_bar
from mlp.typing import Array, PathLike

NETS: dict[str, dict[str, Any]] = {  # the networks of the profiles: their settings besides the depth
    "plain": {},
    "BN": {"norm": "batch"},
    "RC": {"residual": True},
    "BN+RC": {"norm": "batch", "residual": True},
    "RC, average pooling": {"residual": True, "reduction_shortcut": "avgpool"},
    "BN+RC, average pooling": {"norm": "batch", "residual": True, "reduction_shortcut": "avgpool"},
}
INITIALIZERS = {"default": "pytorch", "he": "he"}  # value of the flag -> value of the setting
DENSE_LAYERS = 12
CIRCLE_NETS = 20
LAWS = {
    "relu": ("ReLU", rectifier_law(0.0, DENSE_LAYERS)),
    "norm_relu": ("BN, ReLU", feedforward_law(DENSE_LAYERS)),
    "masks": ("random masks", feedforward_law(DENSE_LAYERS)),
    "residual_masks": ("residual, random masks", residual_law(DENSE_LAYERS)),
    "residual_norm": ("residual, BN", residual_norm_law(DENSE_LAYERS)),
}


def profile_at_start(
    settings: Mapping[str, Any], images: int = 64, initializer: str = "default", data_dir: PathLike | None = None
) -> Profile:
    """Return the Profile of a network at its initial weights, in float64."""
    config = replace(RunConfig(**settings), dtype="float64", initializer=INITIALIZERS[initializer])
    x, _, num_classes = probe_images(config, images, data_dir=data_dir)
    return gradient_correlation(make_model(config, num_classes, x.shape[1:]), x, config.seed)


def draw_profiles(profiles: Mapping[str, Profile], what: str = "") -> "plotting.Figure":
    """Draw profiles over one another."""
    images = next(iter(profiles.values())).images
    caption = f"gradients of a mix of the logits, {images} training images, all pairs; batch norm with their statistics"
    drawn = {label: (p.names, p.cosine, p.size, p.floor) for label, p in profiles.items()}
    return plotting.correlation_profiles(drawn, "\n".join(filter(None, (what, caption))))


def by_depth(profiles: Mapping[tuple[str, int], Profile]) -> dict[str, dict[float, list[float]]]:
    """Return {name: {depth: [cosine at the image]}} from {(name, depth): Profile}."""
    found: dict[str, dict[float, list[float]]] = {}
    for (name, depth), profile in profiles.items():
        found.setdefault(name, {})[depth] = [float(profile.cosine[0])]
    return found


def draw_depths(profiles: Mapping[tuple[str, int], Profile], title: str) -> "plotting.Figure":
    """Draw the cosine at the image against the depth."""
    figure = plotting.sweep(by_depth(profiles), "depth", "cosine of gradients, at the image", xscale="linear")
    figure.suptitle(title, fontsize="medium")
    return figure


def measure_dense(nets: int) -> dict[str, tuple[Array, Array, Array]]:
    """Return {kind: (depths, mean, standard error)} of the dense networks of the theory, 1 .. 12 layers."""
    layers = np.arange(1, DENSE_LAYERS + 1)
    bar = announced_bar(DENSE_NETS, desc="dense networks", unit="kind", leave=False)
    return {kind: (layers, *dense_correlations(kind, layers.tolist(), nets=nets)) for kind in bar}


def dense_arrays(measured: Mapping[str, tuple[Array, Array, Array]]) -> dict[str, Array]:
    """Return what `measure_dense` gives as a flat dict of arrays, to be saved."""
    columns = list(enumerate(("layers", "mean", "error")))
    return {f"{kind}/{name}": values[i] for kind, values in measured.items() for i, name in columns}


def draw_dense(measured: Mapping[str, tuple[Array, Array, Array]], what: str = "") -> "plotting.Figure":
    """Draw measured correlations of dense networks with the laws as lines."""
    layers = np.arange(1, DENSE_LAYERS + 1)
    laws = {LAWS[kind][0]: (layers, LAWS[kind][1]) for kind in measured}
    shown = {LAWS[kind][0]: values for kind, values in measured.items()}
    caption = "dense networks with He weights; lines: the laws, markers: measured, with two standard errors"
    return plotting.laws_and_measurements(shown, laws, "layers", "\n".join(filter(None, (what, caption))))


def draw_circle() -> "plotting.Figure":
    """Draw the correlation of gradients at two points of a great circle against the angle, with the exact curves."""
    measured, laws = {}, {}
    for depth in (1, 4, 12):
        angles, found = great_circle(depth, nets=CIRCLE_NETS)
        label = f"{depth} layer{'s' if depth > 1 else ''}"
        measured[label] = (np.degrees(angles), found, np.zeros(len(angles)))
        laws[label] = (np.degrees(angles), rectifier_law(np.cos(angles), depth)[-1])
    caption = f"ReLU networks of 512 units, means over {CIRCLE_NETS}; lines: the exact law"
    return plotting.laws_and_measurements(measured, laws, "angle between the two inputs (degrees)", caption)
