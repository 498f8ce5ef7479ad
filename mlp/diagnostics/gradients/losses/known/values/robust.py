"""Losses of the difference d = y - t that outliers move little, or that are lopsided."""

import numpy as np

from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Options
from mlp.diagnostics.gradients.losses.known.values.differences import of_d
from mlp.typing import Array

ONES = (1.0, 0.5, 2.0)


def geman(d: Array, s: Options) -> Array:
    """d^2 / (c^2 + d^2)."""
    return d * d / (s["c"] ** 2 + d * d)


def geman_mcclure(d: Array, s: Options) -> Array:
    """2 (d/c)^2 / ((d/c)^2 + 4), as a case of Barron's general loss."""
    return np.asarray(2.0 * geman(d / s["c"], {"c": 2.0}))


def welsch(d: Array, s: Options) -> Array:
    """1 - exp(-(d/c)^2 / 2)."""
    return 1.0 - np.exp(-0.5 * (d / s["c"]) ** 2)


def welsch_without_half(d: Array, s: Options) -> Array:
    return 1.0 - np.exp(-((d / s["c"]) ** 2))


def cauchy_with_half(d: Array, s: Options) -> Array:
    """log(1 + (d/c)^2 / 2)."""
    return np.log1p(0.5 * (d / s["c"]) ** 2)


def fair(d: Array, s: Options) -> Array:
    """c^2 (|d|/c - log(1 + |d|/c))."""
    a = np.abs(d) / s["c"]
    return s["c"] ** 2 * (a - np.log1p(a))


def wing(d: Array, s: Options) -> Array:
    """w log(1 + |d|/eps) where |d| < w, |d| - C elsewhere, with both parts alike at w."""
    a, w, eps = np.abs(d), s["w"], s["eps"]
    return np.where(a < w, w * np.log1p(a / eps), a - w + w * np.log1p(w / eps))


def expectile(d: Array, s: Options) -> Array:
    """q d^2 where y < t, (1 - q) d^2 elsewhere."""
    return np.where(d < 0.0, s["q"], 1.0 - s["q"]) * d * d


ROBUST_LOSSES: tuple[KnownLoss, ...] = (
    KnownLoss("the Geman-McClure loss", of_d(geman), {"c": ONES}),
    KnownLoss("the Geman-McClure loss of Barron", of_d(geman_mcclure), {"c": ONES}),
    KnownLoss("the Welsch loss", of_d(welsch), {"c": ONES}),
    KnownLoss("the Welsch loss without 1/2", of_d(welsch_without_half), {"c": ONES}),
    KnownLoss("the Cauchy loss with 1/2", of_d(cauchy_with_half), {"c": ONES}),
    KnownLoss("the fair loss", of_d(fair), {"c": ONES}),
    KnownLoss("the wing loss", of_d(wing), {"w": (10.0, 5.0), "eps": (2.0, 0.5)}),
    KnownLoss("the expectile loss", of_d(expectile), {"q": (0.9, 0.1, 0.75, 0.25)}),
)
