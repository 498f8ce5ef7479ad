"""Which values are normalized together, and whether these are the groups of a group norm."""

import re
from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.diagnostics.gradients.styles.functions import options_of
from mlp.typing import Array

INTERLEAVED = re.compile(r"interleav|alternat|c % ", re.IGNORECASE)  # a docstring that means it
GROUPS = ("num_groups", "n_groups", "groups", "G", "g")  # attributes


def scattered_groups(probe: Probe) -> Iterator[Diagnosis]:
    """Groups of every other channel, of rows, or too many, where a group norm has G of neighbouring channels."""
    places = normalized_together(probe)
    of_gamma = axis_of_gamma(probe)
    for axis in (probe.x.ndim - 1, 1) if of_gamma is None else (of_gamma,):
        channels = np.unique(places[:, axis])
        size = probe.x.shape[axis]
        if 1 < len(channels) < size and np.ptp(channels) + 1 > len(channels):
            text = (
                f"the groups are cut the wrong way: the channels {', '.join(map(str, channels))} are normalized "
                "together; neighbouring channels make a group, so split the axis of the channels into (G, C // G), in "
                "this order, and take the statistics over the pixels and the axis C // G"
            )
            said = INTERLEAVED.search(probe.owner.__doc__ or "")
            yield Diagnosis("groups of channels", "outputs", "remark" if said else "training", text)
            return
        groups, wanted = size // len(channels), number_of_groups(probe)
        if of_gamma is not None and len(channels) == 1 and 0 < wanted < size:
            text = (
                f"each channel is normalized by itself, which is an instance norm; a group has {size // wanted} "
                f"channels (C // G), and its statistics run over them, too: over axis C // G as well as the pixels"
            )
            yield Diagnosis("groups of channels", "outputs", "training", text)
            return
        if 1 < len(channels) < size and wanted and groups != wanted:
            text = (
                f"there are {groups} groups of {len(channels)} channels, and should be {wanted} of {size // wanted}: "
                "split the axis of the channels into (G, C // G), in this order"
            )
            yield Diagnosis("groups of channels", "outputs", "training", text)
            return
    others = [a for a in range(1, probe.x.ndim) if a != of_gamma]
    cut = [a for a in others if len(np.unique(places[:, a])) < probe.x.shape[a]]
    if of_gamma is not None and cut:
        text = (
            f"the groups are cut along axis {cut[0]}, the pixels, and gamma belongs to axis {of_gamma}, the channels: "
            "a group is some neighbouring channels with all of their pixels. Where the channels come last, "
            "reshape(N, G, -1) makes groups of rows: reshape to (N, H, W, G, C // G)"
        )
        yield Diagnosis("groups of channels", "outputs", "training", text)


def number_of_groups(probe: Probe) -> int:
    """Return how many groups the layer says it has, by an attribute; 0 if it does not say."""
    held = options_of(probe.owner)
    found = [held.get(name) for name in GROUPS]
    return next((value for value in found if isinstance(value, int) and value > 0), 0)


def axis_of_gamma(probe: Probe) -> int | None:
    """Return the axis of the channels: the one along which a parameter has a number for each place; None if unknown."""
    before = probe.outputs()
    for name, array in probe.arrays.items():
        if name == "inputs" or array.size < 2:
            continue
        value = array.flat[0]
        array.flat[0] = value + 1.0
        moved = np.argwhere(np.abs(probe.outputs() - before) > 1e-9)
        array.flat[0] = value
        alone = [axis for axis in range(1, probe.x.ndim) if len(moved) and np.ptp(moved[:, axis]) == 0]
        alone = [axis for axis in alone if probe.x.shape[axis] == array.size]
        if len(alone) == 1:
            return alone[0]
    return None


def normalized_together(probe: Probe) -> Array:
    """Return the places (count, axes) of the outputs that the first input moves: those normalized with it."""
    before, index = probe.outputs(), (0,) * probe.x.ndim
    value = probe.x[index]
    probe.x[index] = value + 0.5
    moved = np.abs(probe.outputs() - before) > 1e-9
    probe.x[index] = value
    return np.argwhere(moved)


def wrong_axes(kind: str, axes: tuple[int, ...], shape: tuple[int, ...]) -> Iterator[Diagnosis]:
    """The statistics run over other axes than those of the layer that the class is named after."""
    ndim = len(shape)
    allowed = {
        "batch": [(*range(ndim - 1),), (0, *range(2, ndim))],
        "instance": [(*range(1, ndim - 1),), (*range(2, ndim),)],
    }
    allowed = {word: [tuple(a for a in one if shape[a] > 1) for one in some] for word, some in allowed.items()}
    given = f"axes {', '.join(map(str, axes))}" if axes else "no axis at all"
    if kind == "batch" and 0 in axes and axes not in allowed["batch"]:
        text = (
            f"the statistics run over {given}; those of a batch norm run over batch and pixels: one mean and one "
            "variance for each channel"
        )
        yield Diagnosis("axes of the statistics", "outputs", "training", text)
    elif kind != "batch" and 0 in axes:
        text = (
            f"the statistics run over the batch ({given}), so the samples of a batch depend on each other: that is a "
            f"batch norm; what is called {kind} norm takes them from each sample alone"
        )
        yield Diagnosis("axes of the statistics", "outputs", "training", text)
    elif kind == "instance" and ndim > 2 and axes and axes not in allowed["instance"]:
        text = f"the statistics run over {given}; those of an instance norm run over the pixels of each channel alone"
        yield Diagnosis("axes of the statistics", "outputs", "training", text)
