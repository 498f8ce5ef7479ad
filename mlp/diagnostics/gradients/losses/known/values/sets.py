"""Losses of sets that overlap: Dice, Jaccard, Tversky."""

from typing import Any

import numpy as np

from mlp.diagnostics.gradients.losses.known.protocol import Options, Parts, Value
from mlp.typing import Array

OVERLAP = "the overlap sum(p t)"
UNDER = "the denominator"
PROBABILITY = "the probability p"


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


def jaccard(of: Any, axes: Any, *, squares: bool = False) -> Value:
    """Return -(sum(p t) + s) / (sum p + sum t - sum(p t) + s)."""

    def value(y: Array, t: Array, s: Options, part: Parts) -> Array:
        p, smooth = part(PROBABILITY, of(y)), s.get("smooth", 0.0)
        both = part(OVERLAP, (p * t).sum(axis=axes, keepdims=True))
        united = (p * p + t * t if squares else p + t).sum(axis=axes, keepdims=True) - part(
            "the overlap inside the union", both
        )
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
