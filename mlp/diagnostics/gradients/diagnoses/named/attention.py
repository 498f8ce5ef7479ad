"""Attention by its formula, softmax(Q K^T / sqrt(d)) V, and its usual wrong forms.

d is the size of one head. Nothing is said of a layer that is neither the formula nor one of the wrong forms.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import distance
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.typing import Array

HEADS = ("h", "heads", "num_heads", "n_heads", "n_head", "nhead", "n_h", "H")
SAME = 1e-9


@dataclass(frozen=True)
class HeadParts:
    """What attention is made of: q (N, T, D), k and v (N, S, D), the number of heads, and the matrix at the end."""

    q: Array
    k: Array
    v: Array
    heads: int
    last: Array | None


def wrong_attention(probe: Probe, held: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the forward of an attention layer, or of a function of q, k and v.

    Args:
        held: the settings of the layer by their names.
    """
    parts = head_parts(probe, held)
    if parts is None or any(array.ndim == 1 for array in probe.arrays.values()):
        return
    y, D = probe.outputs(), parts.q.shape[-1]
    d = D // parts.heads
    masks = (None, "past") if parts.q.shape[1] == parts.k.shape[1] else (None,)
    if any(gives(y, parts, float(np.sqrt(d)), -1, mask) for mask in masks):
        return
    scales = {
        1.0: "not divided by anything",
        float(d): f"divided by {d}",
        float(np.sqrt(D)): f"divided by sqrt({D}), the root of the size of all heads together",
        float(D): f"divided by {D}",
        1.0 / float(np.sqrt(d)): f"multiplied by sqrt({d})",
    }
    for mask in masks:
        for scale, text in scales.items():
            if abs(scale - np.sqrt(d)) > SAME and gives(y, parts, scale, -1, mask):
                yield (
                    f"the scores q k^T are {text}: they must be divided by sqrt({d}), the root of the size of one head "
                    "(of the vectors q and k that are multiplied), so that their variance is that of one number"
                )
                return
        if gives(y, parts, float(np.sqrt(d)), -2, mask):
            yield (
                "the softmax runs over the queries (the second axis from the end): it must run over the keys, the last "
                "axis of the scores, so that the weights of each query sum to 1"
            )
            return


def head_parts(probe: Probe, held: Mapping[str, Any]) -> HeadParts | None:
    """Return q, k and v of a layer by the names of its matrices; None if they do not say which is which."""
    arrays, x = dict(probe.arrays), probe.x
    del arrays["inputs"]
    short = {re.sub(r"^(self\.)?(w|weight|weights)?_?", "", name.lower()): array for name, array in arrays.items()}
    if x.ndim == 3 and {"k", "v"} <= short.keys() and short["k"].ndim == 3:  # a function of q, k and v
        return HeadParts(x, short["k"], short["v"], 1, None)
    D = x.shape[-1]
    heads = next((held[name] for name in HEADS if type(held.get(name)) is int), 1)
    fused = [array for name, array in short.items() if "qkv" in name and array.ndim == 2 and len(array) == D]
    single = [matrix_of(short, word, D) for word in ("q", "k", "v")]
    if x.ndim != 3 or (not fused and any(matrix is None for matrix in single)):
        return None
    q, k, v = np.split(x @ fused[0], 3, axis=-1) if fused else [x @ matrix for matrix in single]
    named = [array for name, array in short.items() if re.match(r"o$|out|proj|c_proj", name) and array.ndim == 2]
    used = 1 + len(named) if fused else 3 + len(named)
    if used != len(arrays) or q.shape[-1] % heads or v.shape[-1] % heads:
        return None
    return HeadParts(q, k, v, heads, named[0] if named else None)


def matrix_of(short: Mapping[str, Array], word: str, rows: int) -> Array | None:
    """Return the matrix that makes q, k or v: W_q, query, Wq."""
    full = {"q": "query", "k": "key", "v": "value"}[word]
    found = [a for name, a in short.items() if name in (word, full) and a.ndim == 2 and len(a) == rows]
    return found[0] if len(found) == 1 else None


def gives(y: Array, parts: HeadParts, scale: float, axis: int, mask: str | None) -> bool:
    """Return whether attention with a divisor, an axis of the softmax and a mask gives some outputs."""
    q, k, v = (split(array, parts.heads) for array in (parts.q, parts.k, parts.v))
    scores = q @ np.swapaxes(k, -1, -2) / scale
    if mask is not None:
        scores = np.where(np.tril(np.ones(scores.shape[-2:])) > 0, scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=axis, keepdims=True))
    weights = weights / weights.sum(axis=axis, keepdims=True)
    joined = np.moveaxis(weights @ v, 1, 2).reshape(*parts.q.shape[:2], -1)
    outputs = joined if parts.last is None else joined @ parts.last
    return outputs.shape == y.shape and distance(outputs, y) < SAME


def split(array: Array, heads: int) -> Array:
    """Return (N, T, D) as (N, heads, T, D / heads)."""
    N, T, D = array.shape
    return np.moveaxis(array.reshape(N, T, heads, D // heads), 2, 1)
