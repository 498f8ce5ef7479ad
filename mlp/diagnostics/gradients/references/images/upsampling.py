"""Upsampling: pixels repeated, or means of the nearest ones, with the centres of the pixels where they belong."""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.references.subject import LayerAtPoint, Mistakes, Sizes
from mlp.typing import Array

SCALES = ("scale", "scale_factor", "factor", "s", "size", "r", "k", "upscale", "upscale_factor", "block", "block_size")


def upsampled(subject: LayerAtPoint) -> Iterator[Array]:
    """Nearest: every pixel becomes a block of s x s; bilinear: the weighted mean of the four nearest pixels."""
    x, factors = subject.x, scales(subject)
    if subject.weights or factors is None:
        return
    linear = any("linear" in word for word in (*subject.words, str(subject.settings.get("mode", ""))))
    for start in subject.starts():
        if not linear:
            y = x
            for axis, factor in enumerate(factors, start):
                y = np.repeat(y, factor, axis=axis)
            yield y
        for corners in aligned(subject) if linear else ():
            y = x
            for axis, factor in enumerate(factors, start):
                y = interpolated(y, axis, factor, corners=corners)
            yield y


def aligned(subject: LayerAtPoint) -> tuple[bool, ...]:
    """Return whether the corners of a bilinear upsampling are aligned: as it says, else both count as right."""
    given = subject.settings.get("align_corners")
    if isinstance(given, bool):
        return (given,)
    said = [word for word in (False, True) if subject.says(rf"align_corners\W+{word}")]
    return (said[0],) if len(said) == 1 else (False, True)


def scales(subject: LayerAtPoint) -> Sizes | None:
    """Return the factor of each axis of an image: a setting, or what the outputs have."""
    x, y, axes = subject.x.shape, subject.shape, subject.x.ndim - 2
    if axes < 1 or len(y) != len(x):
        return None
    given = [tuple(b // a for a, b in zip(x[start:], y[start:], strict=True))[:axes] for start in (2, 1)]
    return subject.sizes(SCALES, axes) or given[y[1] != x[1]]


def wrong_upsampling(subject: LayerAtPoint) -> Mistakes:
    """Yield (what is wrong, a pattern for the line where, outputs) for the usual mistakes."""
    x, axes, factors = subject.x, subject.x.ndim - 2, scales(subject)
    for start in subject.starts() if factors is not None else ():
        yield from half_pixels_forgotten(subject, start, factors or ())
        steps = [1] * x.ndim
        steps[start : start + axes] = factors or ()
        yield (
            "np.tile repeats the whole image, and every pixel must be repeated: np.repeat along each axis of the image",
            "tile",
            np.tile(x, steps),
        )
        spread = np.zeros([n * s for n, s in zip(x.shape, steps, strict=True)])
        spread[tuple(slice(None, None, s) for s in steps)] = x
        yield "each pixel is written once, with zeros between them: the whole block must get its value", "::", spread


def half_pixels_forgotten(subject: LayerAtPoint, start: int, factors: Sizes) -> Mistakes:
    """Yield what a bilinear upsampling gives whose pixels are points: output i at i / s, or without one of the 1/2."""
    right = "with align_corners=False output i lies at (i + 0.5) / s - 0.5 of the input, s being the factor"
    why = "the centre of pixel i is i + 0.5, not i"
    for text, before, after in (
        (f"the half pixels are forgotten: {right}, and not at i / s ({why})", 0.0, 0.0),
        (f"the half pixel is added and not taken off again: {right}, and not at (i + 0.5) / s", 0.5, 0.0),
        (f"the half pixel is not added before the division: {right}, and not at i / s - 0.5", 0.0, -0.5),
    ):
        y = subject.x
        for axis, factor in enumerate(factors, start):
            y = at_places(y, axis, (np.arange(y.shape[axis] * factor) + before) / factor + after)
        yield text, "/|\\*", y


def interpolated(x: Array, axis: int, factor: int, *, corners: bool) -> Array:
    """Return the values interpolated two neighbours along one axis, with aligned corners or without."""
    n = x.shape[axis]
    places = np.arange(n * factor)
    return at_places(x, axis, places * (n - 1) / max(n * factor - 1, 1) if corners else (places + 0.5) / factor - 0.5)


def at_places(x: Array, axis: int, at: Array) -> Array:
    """Return the values at some places between the pixels along one axis."""
    n = x.shape[axis]
    at = np.clip(at, 0.0, n - 1.0)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, n - 1)
    share = (at - low).reshape([-1 if a == axis else 1 for a in range(x.ndim)])
    return np.asarray((1.0 - share) * np.take(x, low, axis) + share * np.take(x, high, axis))
