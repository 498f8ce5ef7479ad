"""The right numbers in the wrong places: transposed, turned, reshaped, flipped or shifted."""

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations, product
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Evidence, Guess, Guesses
from mlp.typing import Array


def wrong_transpose(e: Evidence) -> Guesses:
    """J with its channel axes exchanged (a weight for its transpose), its image axes reversed (a kernel not turned)."""
    u, J = e.point.upstream, e.jacobian
    if not e.of_inputs or J is None or e.numeric.ndim != u.ndim:
        return
    if (np.abs(J).reshape(e.numeric.size, -1) > 1e-7).sum(axis=0).max() <= 1:  # values only change places: no weight
        return
    if len(e.point.probe.arrays) == 1 and e.elementwise_shapes:  # no weight is there
        again = np.moveaxis(J.reshape(u.size, u.size), 0, 1).reshape(J.shape)
        yield Guess("forward once more", the_reverse(J.reshape(u.size, u.size)), np.tensordot(again, u, u.ndim))
    last = e.numeric.ndim - 1
    weights = [array for name, array in e.point.probe.arrays.items() if name != "inputs"]
    no_matrix = bool(weights) and not any(array.ndim > 1 for array in weights)
    exchanged = J.swapaxes(last, J.ndim - 1) if not no_matrix and u.shape[-1] == e.numeric.shape[-1] else None
    if exchanged is not None:
        yield Guess(
            "transposed",
            "matches with the weight transposed (input and output channels exchanged): going back takes the transpose "
            "of the weight that going forward takes",
            np.tensordot(exchanged, u, u.ndim),
        )
    if u.ndim == 4 and e.numeric.shape[1] == e.numeric.shape[2] and u.shape[1] == u.shape[2]:
        swapped = J.swapaxes(1, 2).swapaxes(5, 6)
        text = "matches with height and width of the kernel exchanged: it is transposed along its image axes"
        yield Guess("transposed", text, np.tensordot(swapped, u, u.ndim))
    if u.ndim in (3, 4):
        turns = (
            (((1,), "time"),)
            if u.ndim == 3
            else (((1, 2), "both image axes"), ((2, 3), "both image axes"), ((1,), "axis 0"), ((2,), "axis 1"))
        )
        for axes, where in turns:
            for matrix, also in ((J, ""), (exchanged, "; input and output channels must be exchanged, too")):
                if matrix is not None:
                    prediction = np.flip(np.tensordot(matrix, np.flip(u, axes), u.ndim), axes)
                    sentence = (
                        f"matches with the kernel turned round in {where}: it is turned once too often, or not at all. "
                        "A convolution of grad_outputs takes the kernel turned by 180 degrees; adding w[i, j] times "
                        f"grad_outputs at the places that it came from takes it as it is{also}"
                    )
                    yield Guess("kernel not turned", sentence, prediction)


def the_reverse(J: Array) -> str:
    """Return what to do where backward does what forward does, by what forward is: a rotation or something else."""
    text = "backward does with grad_outputs what forward does with x, and must do the reverse: "
    square = J @ J.T
    if np.allclose(square, square[0, 0] * np.eye(len(J)), atol=1e-6):
        return (
            f"{text}forward turns by an angle, and the gradient must be turned back by it, that is by minus "
            "the angle: cos stays, and every sin changes its sign"
        )
    return (
        f"{text}if x_i moves y_j, the gradient of y_j goes to x_i. A sum over all that came before becomes a sum over "
        "all that comes after (a cumulative sum from the end)"
    )


def rearranged(e: Evidence) -> Guesses:
    """The right numbers in the wrong places: axes exchanged, reshaped instead of transposed, flipped, shifted."""
    n = e.numeric
    if not e.point.complete or n.ndim == 0:
        return
    for order in list(permutations(range(n.ndim)))[1:]:
        moved = n.transpose(order)
        if moved.shape == n.shape:
            yield Guess("transposed", f"matches with its axes in the order {order}: it is transposed", moved)
        else:
            yield Guess(
                "reshaped, not transposed",
                f"the right numbers in the wrong places: an array with the axes in the order {order} was reshaped to "
                f"{n.shape}, and must be transposed",
                moved.reshape(n.shape),
            )
    for count in range(1, n.ndim + 1):
        for axes in combinations(range(n.ndim), count):
            kernel = not e.of_inputs and axes == (0, 1) and n.ndim == 4
            yield Guess(
                "kernel not turned" if kernel else "flipped",
                f"matches when flipped along axis {', '.join(map(str, axes))}"
                + (": the kernel's gradient is turned by 180 degrees" if kernel else ": it runs backwards"),
                np.flip(n, axes),
            )
    for axis in range(n.ndim):
        if n.shape[axis] % 2 == 0:
            halves = np.split(n, 2, axis)
            text = (
                f"the two halves along axis {axis} are exchanged: backward joins them in another order than "
                "forward split them"
            )
            yield Guess("halves exchanged", text, np.concatenate(halves[::-1], axis))
    long = [axis for axis in range(1 if e.of_inputs else 0, n.ndim) if n.shape[axis] > 1]
    for steps in product((0, 1, -1, 2, -2), repeat=len(long)):
        if 0 < np.count_nonzero(steps) <= 2:
            moved_by = ", ".join(f"{s:+d} along axis {axis}" for s, axis in zip(steps, long, strict=True) if s)
            sentence = f"matches when shifted ({moved_by}): an offset is wrong, look at padding, stride and slices"
            yield Guess("shifted", sentence, shifted(n, steps, long))


def permuted(e: Evidence) -> Iterator[Diagnosis]:
    """All the right numbers, each in another place."""
    if e.point.complete and np.allclose(
        np.sort(e.analytic, axis=None), np.sort(e.numeric, axis=None), rtol=1e-6, atol=1e-9
    ):
        text = (
            "all the right numbers in the wrong places: a reshape, a transpose (order of the axes) or an index of "
            "backward does not undo that of forward"
        )
        yield e.found("other order", text)


def shifted(array: Array, steps: Sequence[int], axes: Sequence[int]) -> Array:
    """Return the array moved along some axes; NaN where nothing moved in."""
    moved = np.roll(array, tuple(steps), tuple(axes))
    for step, axis in zip(steps, axes, strict=True):
        edge: list[Any] = [slice(None)] * array.ndim
        edge[axis] = slice(0, step) if step > 0 else slice(step, None) if step < 0 else slice(0, 0)
        moved[tuple(edge)] = np.nan
    return moved


def averaged(e: Evidence) -> Guesses:
    """A mean or a sum along some axes where every value has its own gradient."""
    long = [axis for axis in range(e.numeric.ndim if e.point.complete else 0) if e.numeric.shape[axis] > 1]
    for count in range(1, len(long) + 1):
        for axes in combinations(long, count):
            for word, total in (
                ("mean", e.numeric.mean(axes, keepdims=True)),
                ("sum", e.numeric.sum(axes, keepdims=True)),
            ):
                along = f"the axes {axes}" if count > 1 else f"axis {axes[0]}"
                sentence = f"it is the {word} of the right gradient along {along}, repeated: each value has its own"
                yield Guess(f"{word} along an axis", sentence, np.broadcast_to(total, e.numeric.shape))
