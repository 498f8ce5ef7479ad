"""Losses of sets that overlap: Dice, Jaccard, Tversky."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.pointwise import sigmoid
from mlp.diagnostics.gradients.losses.known.protocol import (
    Gradient,
    Options,
    Parts,
    Value,
    gradient_of,
    its_parts,
)
from mlp.typing import Array

OVERLAP = "the overlap sum(p t)"
UNDER = "the denominator"
PROBABILITY = "the probability p"


def times(number: float, value: Value) -> Value:
    """Return a multiple of a loss."""
    return lambda y, t, s, part: number * value(y, t, s, part)


def exchanged(value: Value) -> Value:
    """Return a loss with alpha and beta exchanged."""
    return lambda y, t, s, part: value(y, t, {**s, "alpha": s["beta"], "beta": s["alpha"]}, part)


def one_minus(value: Value) -> Value:
    """Return 1 - a similarity, for each sample or for all."""

    def loss(y: Array, t: Array, s: Options, part: Parts) -> Array:
        return np.asarray(1.0 + value(y, t, s, part))

    return loss


def overlap(of: Any, axes: Any, *, squares: bool = False) -> Value:
    """Return -(2 sum(p t) + s) / (sum p + sum t + s), Dice."""

    def value(y: Array, t: Array, s: Options, part: Parts) -> Array:
        p, smooth = part(PROBABILITY, of(y)), s.get("smooth", 0.0)
        both = part(OVERLAP, (p * t).sum(axis=axes, keepdims=True))
        under = (p * p if squares else p).sum(axis=axes, keepdims=True) + (t * t).sum(axis=axes, keepdims=True)
        above = 2.0 * both + (0.0 if s.get("below_alone") else smooth)
        return np.asarray(-above / part(UNDER, under + smooth))

    return value


def mixed_slopes(value: Value, other: Value, names: Sequence[str]) -> Gradient:
    """Return the gradient of a loss in which some parts have the values of one form and the slopes of another form."""

    def gradient(y: Array, t: Array, s: Options) -> Array:
        mine, theirs = (its_parts(one, y, t, s) for one in (value, other))

        def mixed(moved: Array, t: Array, s: Options, part: Parts) -> Array:
            there = its_parts(other, moved, t, s)
            return value(moved, t, s, Parts({name: mine[name] + there[name] - theirs[name] for name in names}))

        return gradient_of(mixed, y, t, s)

    return gradient


def jaccard(of: Any, axes: Any) -> Value:
    """Return -(sum(p t) + s) / (sum p + sum t - sum(p t) + s)."""

    def value(y: Array, t: Array, s: Options, part: Parts) -> Array:
        p, smooth = part(PROBABILITY, of(y)), s.get("smooth", 0.0)
        both = part(OVERLAP, (p * t).sum(axis=axes, keepdims=True))
        united = (p + t).sum(axis=axes, keepdims=True) - part("the overlap inside the union", both)
        return np.asarray(-(both + (0.0 if s.get("below_alone") else smooth)) / part(UNDER, united + smooth))

    return value


def tversky(of: Any, axes: Any) -> Value:
    """Return -(TP + s) / (TP + a FP + b FN + s)."""

    def value(y: Array, t: Array, s: Options, part: Parts) -> Array:
        p, smooth = part(PROBABILITY, of(y)), s.get("smooth", 0.0)
        both = part(OVERLAP, (p * t).sum(axis=axes, keepdims=True))
        false = s["alpha"] * (p * (1.0 - t)).sum(axis=axes, keepdims=True)
        missed = s["beta"] * ((1.0 - p) * t).sum(axis=axes, keepdims=True)
        return np.asarray(-(both + smooth) / part(UNDER, both + false + missed + smooth))

    return value


def tversky_slopes(of: Any, axes: Any) -> Gradient:
    """Return the gradient of Tversky with alpha and beta exchanged in the derivative of the denominator alone."""

    def gradient(y: Array, t: Array, s: Options) -> Array:
        p, smooth = of(y), s.get("smooth", 0.0)
        both, false, missed = (a.sum(axis=axes, keepdims=True) for a in (p * t, p * (1.0 - t), (1.0 - p) * t))
        under = both + s["alpha"] * false + s["beta"] * missed + smooth
        of_under = t + s["beta"] * (1.0 - t) - s["alpha"] * t
        inner = p * (1.0 - p) if of is sigmoid else 1.0
        return np.asarray(-(t * under - (both + smooth) * of_under) / under**2 * inner)

    return gradient
