"""Does a layer called BatchNorm, LayerNorm, InstanceNorm or GroupNorm normalize as its name says?"""

from collections.abc import Iterator, Sequence

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, distance
from mlp.diagnostics.gradients.diagnoses.normalizations.grouping import (
    normalized_together,
    scattered_groups,
    wrong_axes,
)
from mlp.diagnostics.gradients.diagnoses.normalizations.running_statistics import normalizes_over_batch, statistics_of
from mlp.diagnostics.gradients.finite_differences import Probe, restoring
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.layers.machinery.base import Layer
from mlp.typing import Array

FAR_OFF = 1e-4
IN_EVALUATION = "batch statistics in evaluation"
NORMS = {"bn": "batch", "ln": "layer", "gn": "group", "rms": "rms", "rmsnorm": "rms"}
MIXED = (
    "values of several channels are normalized together, every few of them: what has the shape (N, C, H, W) is "
    "reshaped to (-1, C), and a reshape does not bring the channels to the end; x.transpose(0, 2, 3, 1).reshape(-1, C) "
    "does, and transpose(0, 3, 1, 2) leads back. Mean and variance must be those of one channel"
)


def norm_of(name: str, words: Sequence[str]) -> str:
    """Return which normalization a name speaks of: "batch", "layer", "group", "instance", "rms"; "" for none."""
    plain = name.lower().replace("_", "")
    for kind in ("batch", "layer", "group", "instance", "rms"):
        if f"{kind}norm" in plain:
            return kind
    return NORMS.get(words[0], "") if words else ""


def wrong_norm(layer: Layer, kind: str, input_shape: Sequence[int], rng: np.random.Generator) -> Iterator[Diagnosis]:
    """Yield what is wrong with the forward of a normalization."""
    probe = random_probe(layer, input_shape, rng, training=True)
    if probe.outputs().shape != probe.x.shape:
        return
    if kind == "batch" and has_modes(layer):
        yield from wrong_mode(probe)
    if kind == "batch" and mixes_channels(probe):
        yield Diagnosis("channels mixed", "outputs", "training", MIXED)
        return
    axes = moved_axes(probe)
    yield from wrong_axes(kind, axes, probe.x.shape)
    if kind in ("batch", "instance"):
        yield from along_another_axis(probe, axes)
    if kind == "group":
        yield from scattered_groups(probe)
    if axes and not (kind == "batch" and 0 not in axes):
        yield from wrong_scale(probe, kind)


def mixes_channels(probe: Probe) -> bool:
    """Return whether every few values are normalized together, wherever they stand: a reshape that is no transpose."""
    places = normalized_together(probe)
    sizes = [len(np.unique(places[:, axis])) for axis in range(probe.x.ndim)]
    return probe.x.ndim > 2 and len(places) < int(np.prod(sizes)) and sizes[0] > 1 and sizes[1] > 1


def has_modes(layer: Layer) -> bool:
    """Return whether a layer can be asked for training or evaluation: two functions may not."""
    owner = getattr(layer, "student", layer)
    if not isinstance(owner, FunctionPair):
        return True
    return any("mode" in value for value in owner.settings.values() if isinstance(value, dict))


def wrong_mode(probe: Probe) -> Iterator[Diagnosis]:
    """Batch statistics in training, running ones in evaluation."""
    layer, owner, x = probe.layer, probe.owner, probe.x
    if len(x) < 2:
        return
    names = statistics_of(owner, layer, x)
    before = probe.outputs()
    used = []
    for name in names:
        kept = getattr(owner, name)
        setattr(owner, name, 1.7 * kept + 0.3)
        if distance(probe.outputs(), before) > FAR_OFF:
            used.append(name)
        setattr(owner, name, kept)
    if used:
        text = (
            f"forward normalizes a training batch with the running statistics ({', '.join(used)}): in training it must "
            "take mean and variance of the batch itself; the running statistics are for evaluation"
        )
        yield Diagnosis("running statistics in training", "outputs", "training", text)
    taken = of_the_batch(layer, x) if normalizes_over_batch(layer, x) else ""
    if taken:
        has_state = any("run" in name or "mov" in name for name in vars(owner))
        text = (
            f"evaluation normalizes with the {taken} of the batch, so a sample's outputs depend on the other samples; "
            f"it must use the running {taken.replace(' and ', ' and the running ')} of training"
        )
        yield Diagnosis(IN_EVALUATION, "outputs", "evaluation" if has_state else "remark", text)


def of_the_batch(layer: Layer, x: Array) -> str:
    """Return which statistics of the batch evaluation normalizes with: "mean and variance", one of them, or ""."""
    others = [x.copy(), x + 3.0, 2.0 * x + 3.0, np.concatenate([x[:1], 1.5 * x[1:]])]
    y, shifted, scaled, beside = (np.array(layer.forward(one, training=False)) for one in others)
    if distance(beside[0], y[0]) < FAR_OFF:
        return ""
    if distance(scaled, y) < 1e-3:
        return "mean and variance"
    return "mean" if distance(shifted, y) < FAR_OFF else "variance"


def moved_axes(probe: Probe) -> tuple[int, ...]:
    """Return the axes along which one input moves other outputs than its own: those of the statistics."""
    places = normalized_together(probe)
    return tuple(axis for axis in range(probe.x.ndim) if places.size and places[:, axis].any())


def along_another_axis(probe: Probe, axes: Sequence[int]) -> Iterator[Diagnosis]:
    """A gain or a shift of the channels that goes along another axis, because this one has as many places."""
    shape, before = probe.x.shape, probe.outputs()
    channel = [axis for axis in range(1, len(shape)) if axis not in axes]
    for name, array in probe.arrays.items():
        if len(channel) != 1 or name == "inputs" or array.shape != (shape[channel[0]],) or array.size < 2:
            continue
        with restoring([array]):
            array[0] += 1.0
            moved = probe.outputs() != before
        along = [axis for axis in range(1, len(shape)) if not np.delete(moved, 0, axis).any()]
        if along and channel[0] not in along:
            ones = ", ".join("-1" if axis == channel[0] else "1" for axis in range(len(shape)))
            text = (
                f"forward takes {name} along axis {along[0]}, and the channels, each with its mean and variance, are "
                f"axis {channel[0]}: it needs {name}.reshape({ones}); else it fits by accident alone"
            )
            yield Diagnosis("weights along another axis", "outputs", "training", text)
            return


def wrong_scale(probe: Probe, kind: str) -> Iterator[Diagnosis]:
    """Root forgotten, N - 1 in place of N, epsilon outside the root: from what x is divided by at several sizes."""
    x = probe.x.copy()
    group = np.ravel_multi_index(tuple(normalized_together(probe).T), x.shape)
    if len(group) < 3:
        return
    values = x.ravel()[group]
    centre = 0.0 if kind == "rms" else values.mean()
    spread = float(np.sqrt(((values - centre) ** 2).mean()))
    found = affine_of(probe, x, group, centre)
    if found is None:
        return
    gamma, beta = found

    def divisor(deviation: float) -> float:
        """Return what x - mean is divided by where its deviation is this one."""
        probe.x[...] = x * (deviation / spread)
        y = probe.outputs().ravel()[group]
        probe.x[...] = x
        ratio = (values - centre) * (deviation / spread) * gamma / np.where(y == beta, np.nan, y - beta)
        return float(np.nanmedian(np.abs(ratio)))

    growth = divisor(1e4) / divisor(1e3)
    if abs(growth - 100.0) < 1.0:
        text = (
            "forward divides by the variance, not by its root: x_hat = (x - mean) / sqrt(var + eps) has unit variance"
        )
        yield Diagnosis("root forgotten", "outputs", "training", text)
        return
    if abs(growth - np.sqrt(10.0)) < 0.03:
        text = (
            "forward divides by the root of the standard deviation: std stands where the variance belongs, and "
            "the root is taken of it; x_hat = (x - mean) / sqrt(var + eps) has unit variance"
        )
        yield Diagnosis("root twice", "outputs", "training", text)
        return
    if abs(growth - 1.0) < 0.01:
        text = "forward does not divide by the standard deviation: x_hat = (x - mean) / sqrt(var + eps)"
        yield Diagnosis("standard deviation forgotten", "outputs", "training", text)
        return
    m, share = len(group), divisor(1e4) / 1e4
    if abs(share - np.sqrt(m / (m - 1.0))) < FAR_OFF:
        text = (
            f"forward divides by the variance with N - 1 = {m - 1} (ddof=1, unbiased) where N = {m} values are "
            "normalized: a normalization divides by the biased variance, with N, and backward's formula is for N"
        )
        yield Diagnosis("N - 1 in place of N", "outputs", "training", text)
        return
    if kind != "rms" and abs(share - np.sqrt((values**2).mean()) / spread) < FAR_OFF < abs(share - 1.0):
        text = (
            "forward divides by the root of mean(x^2): the mean is not subtracted in the variance, which is "
            "mean((x - mean)^2) = mean(x^2) - mean^2"
        )
        yield Diagnosis("variance without the mean", "outputs", "training", text)
        return
    smallest = divisor(1e-9)
    if 1e-7 < smallest < 1.0 and abs(divisor(smallest) / smallest - 2.0) < 0.01:
        text = (
            f"eps stands outside the root: forward divides by sqrt(var) + eps (eps = {smallest:.0e}); a normalization "
            "divides by sqrt(var + eps)"
        )
        yield Diagnosis("eps outside the root", "outputs", "training", text)


def affine_of(probe: Probe, x: Array, group: Array, centre: float) -> tuple[Array, Array] | None:
    """Return (gamma, beta) of each value of a group: the parameters with which all are divided by one number."""
    size = x.size
    spare = [np.zeros(size)] + [
        np.broadcast_to(p, x.shape).ravel()
        for name, p in probe.arrays.items()
        if name != "inputs" and p.ndim and p.shape[-1] == x.shape[-1]
    ]
    values = x.ravel()[group]
    probe.x[...] = 1e4 * x
    y = probe.outputs().ravel()[group]
    probe.x[...] = x
    m = len(group)
    expected = (1.0, float(np.sqrt(m / (m - 1.0))))  # what x is divided by, in its deviations: biased or unbiased
    found: list[tuple[float, Array, Array]] = []
    for gamma in [np.ones(size), *spare[1:]]:
        for beta in spare:
            ratio = (values - centre) * gamma[group] / (y - beta[group])
            if not np.isfinite(ratio).all() or np.abs(ratio / ratio.mean() - 1.0).max() > 1e-3:
                continue
            share = abs(float(ratio.mean())) / float(np.sqrt(((values - centre) ** 2).mean()))
            rank = next((i for i, one in enumerate(expected) if abs(share - one) < FAR_OFF), 2 + abs(np.log(share)))
            found.append((rank, gamma[group], beta[group]))
    best = min(found, key=lambda one: one[0], default=None)
    return None if best is None else (best[1], best[2])
