"""The backward formula of a normalization, fitted term by term.

With v = gamma u, x_hat = (x - mean) / s and means over the values that are normalized together, the right gradient is

    dx = (v - mean(v) - x_hat mean(v x_hat)) / s                                                  (1)

and without the mean terms for a division by a length (RMS, L2). The gradient under test is fitted with

    dx = gamma' (p v' + q mean(v') + r x_hat' mean(v' x_hat')) / s'                               (2)

for each usual choice of what can differ: gamma inside, outside, twice or forgotten; means over other axes, or with
keepdims forgotten; s without epsilon, or squared, or left out; x in place of x_hat. If three numbers p, q, r fit
exactly, the choice and the numbers say what is wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Evidence, distance
from mlp.diagnostics.gradients.diagnoses.normalizations.terms import groups, possible_gammas
from mlp.typing import Array

EXACT = 1e-6
NEARLY = 1e-5
ROUGHLY = 0.05  # epsilons, which nobody outside knows


@dataclass(frozen=True)
class Normalization:
    """Which normalization a layer is, read off its right gradient.

    Attributes:
        view: the shape in which groups have axes of their own. axes: over which values are normalized.
        where: in words. centred: whether the mean is subtracted. gamma: of the shape of x, or 1. s: the divisor.
    """

    view: tuple[int, ...]
    axes: tuple[int, ...]
    where: str
    centred: bool
    gamma: Array
    s: Array


def recognized(e: Evidence) -> Normalization | None:
    """Return the normalization whose gradient is the right one, or None."""
    gammas = possible_gammas(e)
    found: list[tuple[float, Normalization]] = []  # with how far s is from the standard deviation
    for view, axes, where in groups(e.numeric.shape):
        if int(np.prod([view[axis] for axis in axes])) < 3:
            continue
        x, n = e.point.x.reshape(view), e.numeric.reshape(view)
        for gamma in gammas:
            g = gamma.reshape(view)
            v = g * e.point.upstream.reshape(view)
            for centred in (True, False):
                c = x - x.mean(axes, keepdims=True) if centred else x
                w = v - v.mean(axes, keepdims=True) if centred else v
                k = two_slopes(n, w, c, axes)
                if k is not None and distance(n, k[0] * w + k[1] * c) < NEARLY and (k[0] > 0).all():
                    along = (v * c).mean(axes, keepdims=True)
                    lengths = [k[0] ** 3 * along * count for count in (1.0, sigma_count(x, axes))]
                    if not centred and min(distance(-k[1], one) for one in lengths) > ROUGHLY:
                        continue  # a constant factor, or another function of the length
                    s, spread = 1.0 / k[0], np.sqrt((c * c).mean(axes, keepdims=True))
                    far = float(np.abs(np.log(s / spread)).max())
                    found.append((far, Normalization(view, axes, where, centred, g, s)))
        if found:
            return min(found, key=lambda pair: pair[0])[1]
    return None


def two_slopes(n: Array, w: Array, c: Array, axes: tuple[int, ...]) -> tuple[Array, Array] | None:
    """Return k, l of n = k w + l c in each group, by least squares."""
    ww, wc, cc = ((a * b).sum(axes, keepdims=True) for a, b in ((w, w), (w, c), (c, c)))
    nw, nc = (n * w).sum(axes, keepdims=True), (n * c).sum(axes, keepdims=True)
    determinant = ww * cc - wc * wc
    if (np.abs(determinant) < 1e-12 * ww * cc).any():
        return None
    return (nw * cc - nc * wc) / determinant, (nc * ww - nw * wc) / determinant


def choices(norm: Normalization, x: Array, u: Array) -> Iterator[tuple[dict[str, str], list[Array]]]:
    """Yield (what differs from the right formula, the three terms)."""
    axes = norm.axes
    centre = x.mean(axes, keepdims=True) if norm.centred else 0.0 * x
    sigma = np.sqrt(((x - centre) ** 2).mean(axes, keepdims=True))
    if not norm.centred and distance(norm.s**2, sigma**2 * sigma_count(x, axes)) < 1e-3:
        sigma = np.sqrt((x * x).sum(axes, keepdims=True))  # a length, not a root mean square
    placements: dict[str, tuple[Array | float, Array | float]] = {
        "": (1.0, norm.gamma),
        "forgotten": (1.0, 1.0),
        "outside": (norm.gamma, 1.0),
        "twice": (norm.gamma, norm.gamma),
    }
    every = [tuple(one) for k in range(1, x.ndim + 1) for one in combinations(range(x.ndim), k)]
    reductions = [axes, *(one for one in every if one != axes), None]
    divisors = {"": norm.s, "eps": sigma, "squared": norm.s**2, "missing": 1.0 + 0.0 * norm.s, "root": np.sqrt(norm.s)}
    hats = {"": (x - centre) / norm.s, "without eps": (x - centre) / sigma, "x": x, "x - mean": x - centre}
    for by, s in divisors.items():
        for hat_name, hat in hats.items():
            for place, (outer, inner) in placements.items():
                for reduced in reductions:
                    terms = terms_of(outer, inner * u, hat, s, reduced)
                    if terms is not None:
                        words = {
                            "gamma": place,
                            "axes": "" if reduced == axes else str(reduced),
                            "divisor": by,
                            "hat": hat_name,
                        }
                        yield words, terms


def sigma_count(x: Array, axes: tuple[int, ...]) -> float:
    """Return the number of values in a group."""
    return float(np.prod([x.shape[axis] for axis in axes]))


def terms_of(outer: Array | float, v: Array, hat: Array, s: Array, axes: tuple[int, ...] | None) -> list[Array] | None:
    """Return the three terms of (2); with axes None the means lose their axis (keepdims forgotten), if that fits."""
    if axes is None:
        if v.ndim != 2 or v.shape[0] != v.shape[1]:
            return None
        mean, along = v.mean(-1), (v * hat).mean(-1)
    else:
        mean, along = v.mean(axes, keepdims=True), (v * hat).mean(axes, keepdims=True)
    return [np.asarray(outer * term / s) for term in (v, mean + 0.0 * v, hat * along)]
