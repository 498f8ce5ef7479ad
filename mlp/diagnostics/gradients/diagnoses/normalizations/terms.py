"""Which values a normalization works on, and terms of it that stand where they do not belong.

Batch, layer, instance and group normalization subtract the mean of a group of values and divide by their standard
deviation. In training both depend on every value of the group, which gives the gradient two more terms: one number for
all values of the group, and a multiple of x - mean. In evaluation the statistics are constants: neither term exists.
"""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import MATCH, Diagnosis, Evidence, distance
from mlp.typing import Array

LOOSE = 1e-3  # the epsilon under the root is not known


def training_formula(e: Evidence) -> Iterator[Diagnosis]:
    """Yield that evaluation subtracts the terms through mean and variance, as training does."""
    if not e.elementwise_shapes or e.numeric.ndim < 2 or e.point.probe.training or not constants_in_evaluation(e):
        return
    for shape, axes, name in groups(e.numeric.shape):
        d, x = (array.reshape(shape) for array in (e.analytic - e.numeric, e.point.x))
        if np.prod([shape[axis] for axis in axes]) < 4:
            continue
        centred = x - x.mean(axes, keepdims=True)
        slope = (d * centred).sum(axes, keepdims=True) / (centred * centred).sum(axes, keepdims=True)
        if distance(d, d.mean(axes, keepdims=True) + slope * centred) < MATCH:
            text = (
                f"the terms through mean and variance ({name}) are subtracted in evaluation, too, where the running "
                "statistics are constants: there dL/dx is a multiple of grad_outputs"
            )
            yield e.found("training formula in evaluation", text)
            return


def groups(shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...], str]]:
    """Yield (view, axes, name) of the ways to group values that normalizations have."""
    if len(shape) == 2:
        yield shape, (0,), "over the batch"
        yield shape, (1,), "over each sample"
    elif len(shape) == 3:
        yield shape, (0, 1), "over batch and steps"
        yield shape, (2,), "over the features of each step"
        yield shape, (1,), "over the steps of each sample and feature"
        yield shape, (1, 2), "over each sample"
        yield shape, (0, 2), "over batch and steps"
    elif len(shape) == 4:
        for c in (3, 1):  # the axis of the channels: last, or first
            pixels = tuple(axis for axis in (1, 2, 3) if axis != c)
            yield shape, (0, *pixels), "over batch and pixels"
            yield shape, pixels, "over the pixels of each image and channel"
            if c == 3:
                yield shape, (1, 2, 3), "over each image"
            yield shape, (c,), "over the channels of each pixel"
            for G in range(2, shape[c]):
                if shape[c] % G == 0:
                    view = (*shape[:c], G, shape[c] // G, *shape[c + 1 :])
                    yield view, (1, 2, 4) if c == 3 else (2, 3, 4), f"over {G} groups of channels"


def possible_gammas(e: Evidence) -> list[Array]:
    """Return what may be gamma, in the shape of the inputs: 1, and parameters of one number per channel or value."""
    shape = e.numeric.shape
    found = [np.ones(shape)]
    for name, p in e.point.probe.arrays.items():
        if name == "inputs" or p.size < 2:
            continue
        if p.shape == shape[1:]:
            found.append(np.broadcast_to(p, shape))
            continue
        for axis in dict.fromkeys((len(shape) - 1, 1)):
            if p.size == shape[axis]:
                found.append(np.broadcast_to(p.reshape([-1 if a == axis else 1 for a in range(len(shape))]), shape))
    return found


def constants_in_evaluation(e: Evidence) -> bool:
    """Return whether the right gradient is grad_outputs times one number per channel, as with constant statistics."""
    ratio = e.numeric / e.point.upstream
    others = [tuple(a for a in range(ratio.ndim) if a != axis) for axis in dict.fromkeys((ratio.ndim - 1, 1))]
    return any(np.ptp(ratio, axis=axes).max() < 1e-5 * np.abs(ratio).max() for axes in others)


def raw_inputs(e: Evidence) -> Iterator[Diagnosis]:
    """Gamma's gradient with x, x / s or x - mean where it should have the normalized inputs."""
    u, x, channels = e.point.upstream, e.point.x, e.point.x.shape[-1]
    if e.of_inputs or e.numeric.shape != (channels,) or u.shape != x.shape:
        return
    rows, g = x.reshape(-1, channels), u.reshape(-1, channels)
    buffers = [buffer for _, buffer in e.point.probe.layer.named_buffers() if buffer.shape == (channels,)]
    means = [rows.mean(axis=0), *buffers]
    roots = [rows.std(axis=0), *(np.sqrt(abs(buffer)) for buffer in buffers)]
    for mean in means:
        for root in roots:
            if distance((g * (rows - mean) / root).sum(axis=0), e.numeric) > LOOSE:
                continue
            for text, values in (
                ("of x", rows),
                ("of x - mean, not divided by the standard deviation", rows - mean),
                ("of x / s, without the mean subtracted", rows / root),
                ("of (x - mean) / s^2, divided twice", (rows - mean) / root**2),
            ):
                if distance((g * values).sum(axis=0), e.analytic) < LOOSE:
                    sentence = f"it is the gradient {text}; the normalized inputs belong here"
                    yield e.found("raw inputs in place of normalized", sentence)
                    return
