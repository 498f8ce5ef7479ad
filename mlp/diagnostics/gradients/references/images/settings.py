"""How a window moves: stride, padding and dilation, as the settings say or, under other names, as the outputs show.

A window of k values at a distance d, its start moving by s over n values with p and q more at the ends, has

    floor((n + p + q - d (k - 1) - 1) / s) + 1

outputs. A setting whose name says nothing may be any of the three with which that is the size of the outputs.
"""

from collections.abc import Iterator, Sequence
from itertools import islice, product

import numpy as np

from mlp.diagnostics.gradients.references.subject import LayerAtPoint, Sizes

OF_STRIDE = ("stride", "strides", "s", "step")
PADS = ("pad", "padding", "p", "pads")
DILATIONS = ("dilation", "dilate", "d", "rate", "dilation_rate")
KERNELS = ("k", "kernel", "kernel_size", "size", "filter_size", "field", "ksize")
POOLS = ("pool", "pool_size", "window", "window_size", "pool_k", "w", *KERNELS)
MOST_MOVES = 60  # of those that outputs show
Pads = tuple[int, int]
WindowMove = tuple[Sizes, list[Pads], Sizes]  # stride, padding at both ends, dilation, one for each axis


def shown_moves(
    subject: LayerAtPoint,
    k: Sequence[int],
    sizes: tuple[Sequence[int], Sequence[int]],
    strides: Sequence[int] = (1, 2, 3),
    pads: Sequence[str] = PADS,
) -> Iterator[WindowMove]:
    """Yield the moves that give this many outputs, with settings of other names in the place of what no name says.

    Args:
        k: size of the window. sizes: of the image and of the outputs. strides: usual ones. pads: names of the padding.
    """
    axes = len(k)
    if len(sizes[1]) != axes:
        return
    known = [subject.sizes(names, axes) for names in (OF_STRIDE, pads, DILATIONS)]
    each = []
    for axis in range(axes):
        other = numbers_of_other_names(subject, axis, axes)
        stride, pad, dilation = (None if one is None else [one[axis]] for one in known)
        fitting: dict[tuple[int, Pads, int], None] = {}
        for s, d in product(stride or [*strides, *other], dilation or [1, *other]):
            n, wide = sizes[0][axis], d * (k[axis] - 1)
            free = [*((p, p) for p in pad or (0, 1, 2, *other)), *(() if pad else given_paddings(subject, axis, axes))]
            for both in paddings(subject, free, (n, s, wide, sizes[1][axis]), unknown=pad is None):
                if n + sum(both) > wide and (n + sum(both) - wide - 1) // s + 1 == sizes[1][axis]:
                    fitting[s, both, d] = None
        each.append(fitting)
    for chosen in islice(product(*each), MOST_MOVES):
        yield tuple(s for s, _, _ in chosen), [both for _, both, _ in chosen], tuple(d for _, _, d in chosen)


def paddings(
    subject: LayerAtPoint, free: Sequence[Pads], how: tuple[int, int, int, int], *, unknown: bool
) -> list[Pads]:
    """Return the paddings of one axis that the words of a layer allow: causal, full, same, or else any.

    Args:
        free: those that settings give. how: size of the image, stride, size of a window less 1, number of outputs.
        unknown: whether no name says which.
    """
    n, s, wide, m = how
    words = {*subject.words, *(value for value in subject.settings.values() if isinstance(value, str))}
    if words & {"causal", "full"}:
        return [(wide, 0 if "causal" in words else wide)]
    if "same" in subject.words and m != -(-n // s):
        return []
    total = max((-(-n // s) - 1) * s + wide + 1 - n, 0)
    same = [(wide // 2, wide - wide // 2), (total // 2, total - total // 2)]
    return [*free, *same] if unknown or "same" in words else [*free]


def numbers_of_other_names(subject: LayerAtPoint, axis: int, axes: int) -> list[int]:
    """Return the whole numbers, of one axis, of settings whose names say nothing about windows."""
    others = [value for name, value in subject.settings.items() if not speaks_of_windows(name)]
    found = [value[axis] if isinstance(value, tuple | list) and len(value) == axes else value for value in others]
    return list(dict.fromkeys(int(one) for one in found if is_whole(one) and one > 0))


def given_paddings(subject: LayerAtPoint, axis: int, axes: int) -> list[Pads]:
    """Return the pairs of whole numbers that may be the padding of one axis: (2, 0), or ((1, 1), (2, 0))[axis]."""
    held = [value for value in subject.settings.values() if isinstance(value, tuple | list)]
    held += [value[axis] for value in held if len(value) == axes and isinstance(value[axis], tuple | list)]
    return [(int(one[0]), int(one[1])) for one in held if len(one) == 2 and all(is_whole(v) and v >= 0 for v in one)]


def speaks_of_windows(name: str) -> bool:
    """Return whether the name of a setting says what it is for a window, perhaps for one axis: stride, pad_h."""
    ends = ("", "h", "w", "_h", "_w", "_height", "_width")
    return any(name == known + end for known in (*OF_STRIDE, *PADS, *DILATIONS, *POOLS) for end in ends)


def is_whole(value: object) -> bool:
    """Return whether a value is a whole number."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
