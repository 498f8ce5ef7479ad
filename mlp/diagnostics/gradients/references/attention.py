"""Attention: softmax(Q K^T / sqrt(d)) V, d being the size of one head.

Head h works on the features h d .. (h + 1) d of q, k and v (or on every H-th one), and the heads are put side by side
again, in the same way, before the last matrix.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from mlp.diagnostics.gradients.losses.points import softmax
from mlp.diagnostics.gradients.references.subject import NOT_ONE_LINE, LayerAtPoint, turned
from mlp.typing import Array

HEADS = ("h", "heads", "num_heads", "n_heads", "n_head", "nhead", "n_h", "nheads", "head_count", "nh", "numheads")
Divisor = Callable[[int, int], float]  # of the size of one head, and of all heads
SCALE = r"sqrt|\*\* ?-?0\.5|scale|divisor"
PREFIX = re.compile(r"^(w|weight|weights|params|linear)?[_.]*")
SIDE, EVERY, CUT = "side by side", "every H-th feature", "a reshape alone"  # how the features of heads stand
RIGHT_WAYS = ((SIDE, SIDE), (EVERY, EVERY))
WRONG_WAYS = ((CUT, CUT), (CUT, SIDE), (SIDE, CUT))
LAST = re.compile(r"o$|out|proj|c_proj|0$")


def attention(subject: LayerAtPoint) -> Iterator[Array]:
    """Attention of x with itself, with its matrices, or of q with k and v."""
    for past in masks(subject):
        yield from with_scores(subject, lambda d, D: float(np.sqrt(d)), -1, past=past)


def wrong_attention(subject: LayerAtPoint) -> Iterator[tuple[str, str, Array]]:
    """Yield (what is wrong, a pattern for the line where, outputs) for the usual mistakes."""
    divisors: dict[str, Divisor] = {
        "not divided by anything": lambda d, D: 1.0,
        "divided by d": lambda d, D: float(d),
        "divided by sqrt(D), the root of the size of all heads together": lambda d, D: float(np.sqrt(D)),
        "divided by the size D of all heads together": lambda d, D: float(D),
        "multiplied by sqrt(d)": lambda d, D: 1.0 / float(np.sqrt(d)),
    }
    for past in masks(subject):
        for text, divisor in divisors.items():
            for y in with_scores(subject, divisor, -1, past=past):
                yield (
                    f"the scores q k^T are {text}: they must be divided by sqrt(d), d being the size of one head",
                    SCALE,
                    y,
                )
        for y in with_scores(subject, lambda d, D: float(np.sqrt(d)), -1, past=past, after=True) if past else ():
            text = (
                "the mask is applied after the softmax: its sum still runs over the later steps, so the weights of a "
                "step do not add up to 1, and the later steps have an influence. Set their scores to -inf before the "
                "softmax"
            )
            yield text, NOT_ONE_LINE, y
        for y in with_scores(subject, lambda d, D: float(np.sqrt(d)), -2, past=past):
            text = (
                "the softmax runs over the queries: it must run over the keys, the last axis of the scores, so that "
                "the weights of each query sum to 1"
            )
            yield text, "axis|-1|-2|softmax", y
        for apart, together in WRONG_WAYS:
            done = " and ".join(
                word for way, word in ((apart, "taken apart"), (together, "put together")) if way == CUT
            )
            text = (
                f"the heads are {done} by a reshape alone, which moves no axis, so a head has pieces of several steps: "
                "split with reshape(N, T, H, D // H) and transpose(0, 2, 1, 3), and join with transpose(0, 2, 1, 3) "
                "and reshape(N, T, D)"
            )
            ways = [(apart, together)]
            for y in with_scores(subject, lambda d, D: float(np.sqrt(d)), -1, past=past, ways=ways):
                yield text, "shape|transpose|swapaxes", y


def with_scores(
    subject: LayerAtPoint,
    divisor: Divisor,
    axis: int,
    *,
    past: bool,
    ways: Sequence[tuple[str, str]] = RIGHT_WAYS,
    after: bool = False,
) -> Iterator[Array]:
    """Yield the outputs with scores that are divided by a number, masked, and normalized along an axis.

    Args:
        past: whether later steps are hidden. after: whether they are hidden after the normalization alone, wrongly.
        ways: how the heads are taken apart, and put together again.
    """
    for q, k, v, W, bias in queries_keys_values(subject) if "temperature" not in subject.settings else ():
        heads, D = subject.number(HEADS) or 1, q.shape[-1]
        if D % heads or v.shape[-1] % heads or k.shape[-1] != D or (past and q.shape[-2] != k.shape[-2]):
            continue
        mask = np.triu(np.full((q.shape[-2], k.shape[-2]), -np.inf), 1) if past else 0.0
        for apart, together in ways if heads > 1 else ways[:1]:
            a, b, c = (heads_apart(array, heads, apart) for array in (q, k, v))
            scores = a @ np.swapaxes(b, -1, -2) / divisor(D // heads, D)
            weights = softmax(scores, axis) * (mask == 0.0) if after else softmax(scores + mask, axis)
            joined = heads_joined(weights @ c, together)
            yield joined if W is None else joined @ W + bias


def queries_keys_values(subject: LayerAtPoint) -> Iterator[tuple[Array, Array, Array, Array | None, Array]]:
    """Yield q (N, T, D), k and v (N, S, D), and the matrix at the end with its bias."""
    short = {PREFIX.sub("", name): array for name, array in subject.weights.items()}
    x = subject.x
    if {"k", "v"} <= short.keys() and short["k"].ndim == x.ndim >= 3 and len(short) == 2:
        yield x, short["k"], short["v"], None, np.zeros(1)
        return
    if x.ndim not in (2, 3) or len(short) != len(subject.weights):
        return
    fused = [a for name, a in short.items() if ("qkv" in name or "attn" in name) and a.ndim == 2]
    biases = {re.sub(r"^(b|bias)_?", "", name): a for name, a in short.items() if a.ndim == 1}
    single = [projection(short, word) for word in ("q", "k", "v")]
    named = [a for name, a in short.items() if LAST.match(name) and a.ndim == 2 and all(a is not f for f in fused)]
    used = (len(fused) or 3) + len(named) + len(biases)
    if len(fused) > 1 or len(named) > 1 or used != len(short) or (not fused and any(m is None for m in single)):
        return
    first, kind = x.shape[-1], {"q": 0.0, "k": 0.0, "v": 0.0} | {n[0]: b for n, b in biases.items() if n[:1] in "qkv"}
    whole = next((b for name, b in biases.items() if "qkv" in name), 0.0)
    last_bias = next((b for name, b in biases.items() if LAST.match(name)), np.zeros(1))
    for flip in (False, True):  # all matrices are kept as (in, out), or all as (out, in)
        if fused:
            ways = [np.split(x @ W + whole, 3, axis=-1) for W in turned(fused[0], first) if W.shape[1] % 3 == 0]
        else:
            turn = [m.T if flip else m for m in single if m is not None]
            if any(len(m) != first for m in turn):
                continue
            ways = [[x @ m + kind[word] for m, word in zip(turn, "qkv", strict=True)]]
        last = None if not named else named[0].T if flip else named[0]
        yield from ((q, k, v, last, last_bias) for q, k, v in ways if last is None or len(last) == v.shape[-1])


def projection(short: Mapping[str, Array], word: str) -> Array | None:
    """Return the matrix that makes q, k or v: W_q, query, Wq."""
    full = {"q": "query", "k": "key", "v": "value"}[word]
    found = [a for name, a in short.items() if name in (word, full, f"{full}s", f"{word}_proj") and a.ndim == 2]
    return found[0] if len(found) == 1 else None


def masks(subject: LayerAtPoint) -> list[bool]:
    """Return whether later steps may be hidden, as the name says."""
    said = subject.settings.get("causal", subject.settings.get("mask"))
    if {"causal", "masked"} & set(subject.words) or said is True:
        return [True]
    return [False] if said is False else [False, True]


def heads_apart(array: Array, heads: int, way: str) -> Array:
    """Return (..., T, D) as (..., heads, T, D / heads)."""
    *first, T, D = array.shape
    if way == CUT:
        return array.reshape(*first, heads, T, D // heads)
    if way == EVERY:
        return np.moveaxis(array.reshape(*first, T, D // heads, heads), -1, -3)
    return np.moveaxis(array.reshape(*first, T, heads, D // heads), -2, -3)


def heads_joined(array: Array, way: str) -> Array:
    """Return (..., heads, T, d) as (..., T, D)."""
    *first, heads, T, d = array.shape
    moved = array if way == CUT else np.moveaxis(array, -3, -1 if way == EVERY else -2)
    return moved.reshape(*first, T, heads * d)
