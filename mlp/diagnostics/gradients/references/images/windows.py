"""Convolutions of signals and images.

    convolution             y[f, i] = b[f] + sum over c, a of w[f, c, a] x[c, s i + d a - p]
    transposed convolution  y[f, s i + a - p] gets w[c, f, a] x[c, i], added up, and b[f]

A convolution has floor((n + 2 p - d (k - 1) - 1) / s) + 1 outputs, a transposed one (n - 1) s - 2 p + k.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import chain, permutations

import numpy as np

from mlp.diagnostics.gradients.references.images.settings import (
    DILATIONS,
    KERNELS,
    OF_STRIDE,
    PADS,
    WindowMove,
    shown_moves,
)
from mlp.diagnostics.gradients.references.subject import LayerAtPoint, Mistakes, Sizes
from mlp.typing import Array


def all_convolutions(subject: LayerAtPoint) -> Iterator[Array]:
    """Convolution, also dilated, depthwise and in groups, (N, C, *S) or (N, *S, C), turned kernels as well."""
    for x, w, b, (stride, pads, dilation), groups, first in sums_of_windows(subject, shown=True):
        for kernel in (w, np.flip(w, tuple(range(2, w.ndim)))):
            y = convolved(padded(x, pads), kernel, (stride, dilation), groups) + b
            yield y if first else np.moveaxis(y, 1, -1)


def wrong_convolutions(subject: LayerAtPoint) -> Mistakes:
    """Yield (what is wrong, a pattern for the line where, outputs) of the usual mistakes."""
    for x, w, b, (stride, pads, dilation), groups, first in sums_of_windows(subject):
        wide, ones = padded(x, pads), (1,) * len(stride)
        y = convolved(wide, w, (stride, dilation), groups)
        for text, how in (
            ("window i starts at i, and must start at i * stride", (ones, dilation)),
            ("the windows are not dilated: tap a must read the input at a * dilation", (stride, ones)),
        ):
            other = convolved(wide, w, how, groups)[tuple(slice(n) for n in y.shape)]
            if how != (stride, dilation) and other.shape == y.shape:
                yield text, ":", other + b if first else np.moveaxis(other + b, 1, -1)
        for n, what in ((w.shape[1], "input channel"), (w[0, 0].size, "tap"), (w[0].size, "product")):
            text = f"the bias is added once for each {what} of a window, and must be added once, after the sum"
            yield text, "b", y + n * b if first else np.moveaxis(y + n * b, 1, -1)


def sums_of_windows(
    subject: LayerAtPoint, *, shown: bool = False
) -> Iterator[tuple[Array, Array, Array, WindowMove, int, bool]]:
    """Yield (x, kernel, bias, (stride, padding, dilation), groups, whether the channels come first).

    Args:
        shown: whether settings of other names count, too, where the size of the outputs fits them.
    """
    axes = subject.x.ndim - 2
    kernels = [a for a in subject.weights.values() if a.ndim > 1]
    if axes < 1 or len(kernels) != 1 or len(subject.weights) > 2 or len(subject.vectors()) + 1 != len(subject.weights):
        return
    for x, first in subject.layouts():
        for w, groups in kernels_of(kernels[0], x.shape[1], subject, axes):
            b = subject.vectors()[0] if subject.vectors() else np.zeros(len(w))
            outputs = subject.shape[2:] if first else subject.shape[1:-1]
            also = shown_moves(subject, w.shape[2:], (x.shape[2:], outputs)) if shown else ()
            for how in chain(moves(subject, w.shape[2:], x.shape[2:]), also) if len(b) == len(w) else ():
                yield x, w, b.reshape(-1, *[1] * axes), how, groups, first


def transposed_convolutions(subject: LayerAtPoint) -> Iterator[Array]:
    """Transposed convolution."""
    for x, w, bias, stride, pads, first in stamps(subject):
        yield without_padding(spread_out(x, w, stride) + bias, pads, first=first)


def wrong_transposed_convolutions(subject: LayerAtPoint) -> Mistakes:
    """Yield (what is wrong, a pattern for the line where, outputs) of the usual mistakes."""
    often = (
        "the bias is added once for each kernel that is written, so places where kernels overlap get it several times: "
        "add it once, to the finished outputs, after the loops"
    )
    ends = "the padding must be cut off from the outputs at both ends, [p : n - p], and is cut off at {} alone"
    for x, w, bias, stride, pads, first in stamps(subject):
        times = spread_out(np.ones((1, 1, *x.shape[2:])), np.ones((1, 1, *w.shape[2:])), stride)
        y = spread_out(x, w, stride)
        if subject.vectors():
            yield often, "b", without_padding(y + times * bias, pads, first=first)
        if any(p for both in pads for p in both):
            yield ends.format("the start"), ":", without_padding(y + bias, [(p + q, 0) for p, q in pads], first=first)
            yield ends.format("the end"), ":", without_padding(y + bias, [(0, p + q) for p, q in pads], first=first)


def stamps(subject: LayerAtPoint) -> Iterator[tuple[Array, Array, Array, Sizes, list[tuple[int, int]], bool]]:
    """Yield (x, kernel, bias, stride, padding, whether the channels come first) of a transposed convolution."""
    axes, vectors = subject.x.ndim - 2, subject.vectors()
    kernels = [array for array in subject.weights.values() if array.ndim == axes + 2]
    if axes < 1 or len(kernels) != 1 or len(vectors) + 1 != len(subject.weights):
        return
    for x, first in subject.layouts():
        for order in kernel_orders(axes):
            w = kernels[0].transpose(order)
            bias = vectors[0] if vectors else np.zeros(w.shape[1])
            if len(w) == x.shape[1] and len(bias) == w.shape[1]:
                for stride, pads, _ in moves(subject, w.shape[2:], x.shape[2:]):
                    yield x, w, bias.reshape(-1, *[1] * axes), stride, pads, first


def without_padding(y: Array, pads: Sequence[tuple[int, int]], *, first: bool) -> Array:
    """Return outputs (N, C, *S) without the padding at their ends, in the order of the layer's own axes."""
    keep = [slice(p, n - q) for (p, q), n in zip(pads, y.shape[2:], strict=True)]
    y = y[(slice(None), slice(None), *keep)]
    return y if first else np.moveaxis(y, 1, -1)


def kernel_orders(axes: int) -> list[Sizes]:
    """Return all orders of the axes of a kernel that leave those of the image in their order."""
    return [o for o in permutations(range(axes + 2)) if list(o[2:]) == sorted(o[2:])]


def kernels_of(kernel: Array, C: int, subject: LayerAtPoint, axes: int) -> Iterator[tuple[Array, int]]:
    """Yield (kernel as (F, C / groups, *k), groups)."""
    depthwise = "depthwise" in subject.words
    groups = C if depthwise else (subject.number(("groups", "num_groups", "g")) or 1)
    if kernel.ndim == 2:  # a matrix of unrolled windows
        k = subject.sizes(KERNELS, axes)
        for matrix in (kernel, kernel.T) if k is not None and not depthwise else ():
            if k is not None and matrix.shape[1] == C * math.prod(k):
                yield matrix.reshape(len(matrix), C, *k), 1
                yield np.moveaxis(matrix.reshape(len(matrix), *k, C), -1, 1), 1
    if depthwise and kernel.ndim == axes + 1:
        yield from ((np.moveaxis(kernel, axis, 0)[:, None], C) for axis in (0, axes) if kernel.shape[axis] == C)
    if kernel.ndim == axes + 3 and len(kernel) == groups:  # (groups, F / groups, C / groups, *k)
        for order in kernel_orders(axes):
            w = np.concatenate([own.transpose(order) for own in kernel])
            if w.shape[1] * groups == C:
                yield w, groups
    for order in kernel_orders(axes) if kernel.ndim == axes + 2 else ():
        w = kernel.transpose(order)
        if w.shape[1] * groups == C and len(w) % groups == 0:
            yield w, groups


def moves(subject: LayerAtPoint, k: Sequence[int], sizes: Sequence[int]) -> Iterator[WindowMove]:
    """Yield (stride, padding at both ends, dilation) as the settings say; usual ones, where they do not.

    Args:
        k: size of the kernel. sizes: of the image.
    """
    axes = len(k)
    stride, pad = subject.sizes(OF_STRIDE, axes), subject.sizes(PADS, axes)
    dilation = subject.sizes(DILATIONS, axes) or (1,) * axes
    wide = [d * (size - 1) for d, size in zip(dilation, k, strict=True)]
    spoken = [v for name in PADS for v in [subject.settings.get(name)] if isinstance(v, str)]
    paddings = [(p,) * axes for p in range(3)] if pad is None else [pad]
    both = [[(p, p) for p in one] for one in paddings]
    same = spoken[:1] == ["same"] or "same" in subject.words or (pad is None and not spoken)
    if same:
        both = [*both, [(n // 2, n - n // 2) for n in wide]]
    full, causal = spoken[:1] == ["full"] or "full" in subject.words, "causal" in subject.words
    if full or causal:
        both, same = [[(n, 0 if causal else n) for n in wide]], False
    strides = [(s,) * axes for s in (1, 2, 3)] if stride is None else [stride]
    for one in strides:
        outputs = [-(-n // s) for n, s in zip(sizes, one, strict=True)]  # of TensorFlow's "SAME"
        total = [max((m - 1) * s + w + 1 - n, 0) for m, s, w, n in zip(outputs, one, wide, sizes, strict=True)]
        own = [[(n // 2, n - n // 2) for n in total]] if same else []
        for pads in own if own and subject.says("tensorflow") else [*both, *own]:
            reach = zip(sizes, pads, wide, one, outputs, strict=True)
            if "same" not in subject.words or all((n + sum(p) - w - 1) // s + 1 == m for n, p, w, s, m in reach):
                yield one, pads, dilation


def padded(x: Array, pads: Sequence[tuple[int, int]], fill: float = 0.0) -> Array:
    """Return (N, C, *S) with more values at the ends of the axes S."""
    return np.pad(x, ((0, 0), (0, 0), *pads), constant_values=fill)


def windows_of(x: Array, k: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Array:
    """Return the windows (N, C, *outputs, *k) of (N, C, *S)."""
    axes = tuple(range(2, x.ndim))
    wide = tuple(d * (size - 1) + 1 for d, size in zip(dilation, k, strict=True))
    if any(size > n for size, n in zip(wide, x.shape[2:], strict=True)):
        return np.zeros((*x.shape[:2], *[0] * len(k), *k))
    windows = np.lib.stride_tricks.sliding_window_view(x, wide, axis=axes)
    chosen = [slice(None), slice(None), *(slice(None, None, s) for s in stride)]
    return np.asarray(windows[(*chosen, *(slice(None, None, d) for d in dilation))])


def convolved(x: Array, w: Array, how: tuple[Sizes, Sizes], groups: int) -> Array:
    """Return the convolution of (N, C, *S) with (F, C / groups, *k)."""
    axes = w.ndim - 2
    windows = windows_of(x, w.shape[2:], *how)
    parts = []
    for some, own in zip(np.split(windows, groups, axis=1), np.split(w, groups), strict=True):
        over = [1, *range(2 + axes, 2 + 2 * axes)]
        parts.append(np.moveaxis(np.tensordot(some, own, (over, list(range(1, 2 + axes)))), -1, 1))
    return np.concatenate(parts, axis=1)


def spread_out(x: Array, w: Array, stride: Sizes) -> Array:
    """Return the transposed convolution of (N, C, *S) with (C, F, *k): every input writes a kernel."""
    k = w.shape[2:]
    sizes = [(n - 1) * s + a for n, s, a in zip(x.shape[2:], stride, k, strict=True)]
    y = np.zeros((len(x), w.shape[1], *sizes))
    for place in np.ndindex(*k):
        part = np.moveaxis(np.tensordot(x, w[(slice(None), slice(None), *place)], ((1,), (0,))), -1, 1)
        ends = [slice(a, a + n * s, s) for a, n, s in zip(place, x.shape[2:], stride, strict=True)]
        y[(slice(None), slice(None), *ends)] += part
    return y
