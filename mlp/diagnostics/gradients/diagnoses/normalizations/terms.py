"""Wrong terms in the backward pass of a normalization, recognized without knowing whose it is.

Batch, layer, instance and group normalization subtract the mean of a group of values and divide by their standard
deviation. Within a group, the right gradient and every one with a missing or wrong term differ by

    wrong - right = a + b (x - mean)                                                              (1)

because the path through the mean adds one number to all values of a group, and the path through the variance adds a
multiple of x - mean. Two numbers a, b for a whole group of values are no accident if (1) then holds exactly. With the
upstream gradient u, the right terms are a_0 = -c mean(u) and b_0 = -c <u, x - mean> / <x - mean, x - mean>, where c is
what is left of the right gradient along u; -a/a_0 and -b/b_0 say how much of each term is missing: 1 for all of it,
1/2 for a half, -1/(m - 1) if m - 1 stands where m should.

In evaluation the statistics are constants, and neither term exists.
"""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import MATCH, Diagnosis, Evidence, distance
from mlp.diagnostics.gradients.finite_differences import norm
from mlp.typing import Array

LOOSE = 0.01  # the epsilon under the root is not known, and part of b_0


def wrong_terms(e: Evidence) -> Iterator[Diagnosis]:
    """Yield what is wrong with the paths through mean and variance."""
    if not e.elementwise_shapes or e.numeric.ndim < 2:
        return
    difference = e.analytic - e.numeric
    for shape, axes, name in groups(e.numeric.shape):
        d, x, n, u = (array.reshape(shape) for array in (difference, e.point.x, e.numeric, e.point.upstream))
        if x[(0,) * x.ndim].size * np.prod([shape[axis] for axis in axes]) < 4:
            continue
        centred = x - x.mean(axes, keepdims=True)
        a, b = d.mean(axes, keepdims=True), slope(d, centred, axes)
        if distance(d, a + b * centred) > MATCH:
            continue
        parts = norm(a + 0.0 * x), norm(b * centred)
        if not e.point.probe.training and constants_in_evaluation(e):
            text = (
                f"the terms through mean and variance ({name}) are subtracted in evaluation, too, where the running "
                "statistics are constants: there dL/dx is a multiple of grad_outputs"
            )
            yield e.found("training formula in evaluation", text)
            return
        missing = shares(a, b, n, u, centred, axes=axes, e=e)
        yield from told_terms(e, name, parts, missing, int(np.prod([shape[axis] for axis in axes])))
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
        yield shape, (0, 1, 2), "over batch and pixels"
        yield shape, (1, 2), "over the pixels of each image and channel"
        yield shape, (1, 2, 3), "over each image"
        yield shape, (3,), "over the channels of each pixel"
        for G in range(2, shape[-1]):
            if shape[-1] % G == 0:
                yield (*shape[:3], G, shape[3] // G), (1, 2, 4), f"over {G} groups of channels"
        yield shape, (0, 2, 3), "over batch and pixels"
        yield shape, (2, 3), "over the pixels of each image and channel"
        yield shape, (1,), "over the channels of each pixel"
        for G in range(2, shape[1]):
            if shape[1] % G == 0:
                yield (shape[0], G, shape[1] // G, *shape[2:]), (2, 3, 4), f"over {G} groups of channels"


def possible_gammas(e: Evidence) -> list[Array]:
    """Return what may be gamma, in the shape of the inputs: 1, and the parameters of one number a channel or value."""
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
    """Return whether the right gradient is grad_outputs times one number a channel, as with constant statistics."""
    ratio = e.numeric / e.point.upstream
    others = [tuple(a for a in range(ratio.ndim) if a != axis) for axis in dict.fromkeys((ratio.ndim - 1, 1))]
    return any(np.ptp(ratio, axis=axes).max() < 1e-5 * np.abs(ratio).max() for axes in others)


def slope(values: Array, centred: Array, axes: tuple[int, ...]) -> Array:
    """Return <values, centred> / <centred, centred> for each group."""
    return (values * centred).sum(axes, keepdims=True) / (centred * centred).sum(axes, keepdims=True)


def shares(
    a: Array, b: Array, n: Array, u: Array, centred: Array, *, axes: tuple[int, ...], e: Evidence
) -> tuple[float, float] | None:
    """Return how much of the two terms is missing, -a/a_0 and -b/b_0; None if the right gradient has another form."""
    for scale in possible_gammas(e):  # layer normalization multiplies u by gamma before the means are taken
        v = (e.point.upstream * scale).reshape(u.shape)
        mean, along = v.mean(axes, keepdims=True), slope(v, centred, axes)
        rest = v - mean - along * centred
        c = (n * rest).sum(axes, keepdims=True) / (rest * rest).sum(axes, keepdims=True)
        if distance(n, c * rest) < LOOSE:
            a_0, b_0 = c * mean, c * along
            return float((a * a_0).sum() / (a_0 * a_0).sum()), float((b * b_0).sum() / (b_0 * b_0).sum())
    return None


def told_terms(
    e: Evidence, where: str, parts: tuple[float, float], missing: tuple[float, float] | None, m: int
) -> Iterator[Diagnosis]:
    """Yield the diagnosis for the shares of the two terms that are missing."""
    paths = [name for name, part in zip(("mean", "variance"), parts, strict=True) if part > LOOSE * max(parts)]
    if missing is None:  # whatever it is, the right gradient is not that of a normalization
        return
    evidence = (
        f"missing: {round(missing[0], 4):g} of the term through the mean, "
        f"{round(missing[1], 4):g} of the one through the variance"
    )
    if len(paths) == 2:
        if abs(missing[0] - 1.0) < LOOSE and abs(missing[1] - 1.0) < LOOSE:
            text = (
                f"matches without the terms through mean and variance ({where}), as if these were constants: that is "
                "the formula of evaluation, and in training every x moves them"
            )
            yield e.found("statistics as constants", text, evidence)
        elif abs(missing[0] * (m - 1) + 1.0) < 0.1 and abs(missing[1] * (m - 1) + 1.0) < 0.1:
            text = f"the terms through mean and variance are divided by {m - 1} = m - 1 where m = {m} is right"
            yield e.found("m - 1 in place of m", text + ": the variance of forward is divided by m", evidence)
        else:
            yield e.found("wrong term", f"the terms through mean and variance ({where}) are wrong", evidence)
        return
    share = missing[0 if paths[0] == "mean" else 1]
    if abs(share - 1.0) < LOOSE:
        text = f"matches without the term through the {paths[0]} ({where}): it is missing"
        yield e.found(f"no term through the {paths[0]}", text, evidence)
    else:
        text = f"the term through the {paths[0]} ({where}) is {1.0 - share:.4g} times what it should be"
        plain = any(abs(share - value) < LOOSE for value in (2.0, 0.5, -1.0))
        yield e.found(f"{'wrong' if plain else 'another'} term through the {paths[0]}", text, evidence)


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
            if distance((g * (rows - mean) / root).sum(axis=0), e.numeric) > LOOSE / 10.0:
                continue
            for text, values in (
                ("of x", rows),
                ("of x - mean, not divided by the standard deviation", rows - mean),
                ("of x / s, without the mean subtracted", rows / root),
                ("of (x - mean) / s^2, divided twice", (rows - mean) / root**2),
            ):
                if distance((g * values).sum(axis=0), e.analytic) < LOOSE / 10.0:
                    sentence = f"it is the gradient {text}; the normalized inputs belong here"
                    yield e.found("raw inputs in place of normalized", sentence)
                    return
