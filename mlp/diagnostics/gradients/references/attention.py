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
BEFORE, ZEROS, AFTER = "before", "zeros", "after"  # the softmax: scores of -inf, scores of 0, weights of 0
LOW = -1e4  # scores below it have no weight
SEEN = r"(true|1)\b[^.;]{0,30}\b(real|words?|valid|seen|sees|allowed|attend|keep|kept|visible)"
HIDDEN = r"(true|1)\b[^.;]{0,30}\b(pad\w*|hidden|hide|masked|future|ignore\w*|forbidden)"
MASKED_WRONGLY = (
    (
        "the mask is applied after the softmax: its sum still runs over what is hidden, so the weights of a query do "
        "not add up to 1, and what is hidden has an influence. Set these scores to -inf before the softmax",
        NOT_ONE_LINE,
        AFTER,
    ),
    (
        "the scores of what is hidden are set to 0, and exp(0) = 1 is a weight like others: they must be -inf",
        "where|mask|seen|tri|0",
        ZEROS,
    ),
)
LAST = re.compile(r"o$|out|proj|c_proj|0$")


def attention(subject: LayerAtPoint) -> Iterator[Array]:
    """Attention of x with itself, with its matrices, or of q with k and v."""
    for hidden in masks(subject):
        yield from with_scores(subject, lambda d, D: float(np.sqrt(d)), -1, hidden=hidden)


def wrong_attention(subject: LayerAtPoint) -> Iterator[tuple[str, str, Array]]:
    """Yield (what is wrong, a pattern for the line where, outputs) for the usual mistakes."""
    divisors: dict[str, Divisor] = {
        "not divided by anything": lambda d, D: 1.0,
        "divided by d": lambda d, D: float(d),
        "divided by sqrt(D), the root of the size of all heads together": lambda d, D: float(np.sqrt(D)),
        "divided by the size D of all heads together": lambda d, D: float(D),
        "multiplied by sqrt(d)": lambda d, D: 1.0 / float(np.sqrt(d)),
    }
    for hidden in masks(subject):
        for text, divisor in divisors.items():
            for y in with_scores(subject, divisor, -1, hidden=hidden):
                yield (
                    f"the scores q k^T are {text}: they must be divided by sqrt(d), d being the size of one head",
                    SCALE,
                    y,
                )
        for text, where, how in MASKED_WRONGLY if hidden else ():
            for y in with_scores(subject, lambda d, D: float(np.sqrt(d)), -1, hidden=hidden, how=how):
                yield text, where, y
        for y in with_scores(subject, lambda d, D: float(np.sqrt(d)), -2, hidden=hidden):
            text = (
                "the softmax runs over the queries: it must run over the keys, the last axis of the scores, so that "
                "the weights of each query sum to 1"
            )
            yield text, "axis|-1|-2|softmax", y
        for y in with_scores(subject, lambda d, D: float(np.sqrt(d)), -1, hidden=hidden, shared=repeated_whole):
            text = (
                "neighbouring heads of queries share one head of keys and values, so each of these heads is repeated "
                "(np.repeat, a a b b), and not all of them in a row (np.tile, a b a b)"
            )
            yield text, "tile|repeat|concat", y
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
            for y in with_scores(subject, lambda d, D: float(np.sqrt(d)), -1, hidden=hidden, ways=ways):
                yield text, "shape|transpose|swapaxes", y


def with_scores(
    subject: LayerAtPoint,
    divisor: Divisor,
    axis: int,
    *,
    hidden: str,
    ways: Sequence[tuple[str, str]] = RIGHT_WAYS,
    how: str = BEFORE,
    shared: Callable[[Array, int], Array] = lambda a, n: np.repeat(a, n, axis=-3),
) -> Iterator[Array]:
    """Yield the outputs with scores that are divided by a number, masked, and normalized along an axis.

    Args:
        hidden: what is hidden, one of `masks`. how: how it is hidden. ways: how the heads are taken apart and joined.
        shared: how few heads of keys and values are repeated for many of queries.
    """
    for q, k, v, W, bias in queries_keys_values(subject) if "temperature" not in subject.settings else ():
        heads, D = subject.number(HEADS) or 1, q.shape[-1]
        groups = k.shape[-1] * heads // D
        if D % heads or not groups or heads % groups or v.shape[-1] % groups or k.shape[-1] * heads != D * groups:
            continue
        if groups == heads and shared is repeated_whole:
            continue
        for seen in seen_by(subject, hidden, (q.shape[-2], k.shape[-2])):
            for apart, together in ways if heads > 1 else ways[:1]:
                a, b, c = (heads_apart(z, n, apart) for z, n in ((q, heads), (k, groups), (v, groups)))
                b, c = (shared(z, heads // groups) for z in (b, c))
                scores = a @ np.swapaxes(b, -1, -2) / divisor(D // heads, D)
                masked = np.where(seen, scores, -np.inf if how == BEFORE else 0.0 if how == ZEROS else scores)
                weights = softmax(masked, axis) * (seen if how == AFTER else 1.0)
                joined = heads_joined(weights @ c, together)
                yield joined if W is None else joined @ W + bias


def repeated_whole(array: Array, times: int) -> Array:
    """Return all heads again and again, a b a b."""
    return np.concatenate([array] * times, axis=-3)


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


def masks(subject: LayerAtPoint) -> list[str]:
    """Return what may be hidden, as the name and the settings say: "", "past", "given" (by a mask), or both."""
    said = subject.settings.get("causal", subject.settings.get("mask"))
    past = {"causal", "masked"} & set(subject.words) or said is True
    if subject.constants:
        given = ["given"] * (not subject.says(HIDDEN)) + ["turned"] * (not subject.says(SEEN))
        return [f"{one} past" for one in given] + ([] if "causal" in subject.words else given)
    return ["past"] if past else [""] if said is False else ["", "past"]


def seen_by(subject: LayerAtPoint, hidden: str, sizes: tuple[int, int]) -> Iterator[Array]:
    """Yield what each query sees, (..., T, S), True and False; nothing where a mask is not understood."""
    T, S = sizes
    seen = np.tril(np.ones((T, S), dtype=bool)) if "past" in hidden else np.ones((T, S), dtype=bool)
    if "past" in hidden and T != S:
        return
    if not subject.constants:
        yield seen
        return
    mask = next(iter(subject.constants.values()))
    N = len(subject.x)
    if mask.dtype.kind in "iu" and mask.shape == (N,):  # lengths
        mask = np.arange(S) < mask[:, None]
    mask = mask > LOW if mask.dtype.kind == "f" and mask.min() < LOW else mask != 0
    mask = ~mask if "turned" in hidden else mask
    shape = tuple(n for n in mask.shape if n != 1)
    places = {(N, S): (N, 1, 1, S), (T, S): (T, S), (N, T, S): (N, 1, T, S), (S,): (S,)}
    if len(subject.constants) == 1 and shape in places and subject.x.ndim == 3:
        both = seen & mask.reshape(places[shape])
        if both.any(axis=-1).all():
            yield both


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
