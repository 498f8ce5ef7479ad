"""Wrong gradients of parameters: sums over other axes, products with x, gradients of another parameter.

A bias has the sum of grad_outputs over everything that shares it, a scale the sum of grad_outputs times what it scales.
Each usual way to get that wrong is a prediction made of grad_outputs, x, y, and the right gradients of the others.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Evidence, Guess, Guesses, distance
from mlp.typing import Array


def wrong_parameter(e: Evidence) -> Guesses:
    """The gradient of another parameter, or a sum over other axes than the right one."""
    if e.of_inputs or not e.point.complete:
        return
    if not e.point.layer.children():  # in a model it is the wiring
        yield from of_another(e)
    yield from sums_of_factors(e)


def sums_of_factors(e: Evidence) -> Guesses:
    """Sums of grad_outputs with and without factors, where the right gradient is one of them."""
    u, x, y = e.point.upstream, e.point.x, e.point.outputs
    factors: list[tuple[str, Array]] = [("grad_outputs", u)]
    if x.shape == u.shape:
        factors += [("grad_outputs times x", u * x), ("grad_outputs times |x|", u * np.abs(x))]
    slopes = own_slopes(e)
    if slopes is not None:
        factors += [(f"grad_outputs times dy/d{e.array}", u * slopes)]
    factors += [("grad_outputs times the outputs", u * y), ("x", x), ("the outputs", y)]
    right = next(
        (
            f"the sum of {word} over {axes_text(axes)}"
            for word, values in factors
            for axes, total in sums(values, e.numeric.shape)
            if distance(total, e.numeric) < 1e-6
        ),
        "",
    )
    if not right:
        return
    if "dy/d" in right:  # then any other sum leaves out an activation, and is none over other axes
        factors = [(word, values) for word, values in factors if "dy/d" in word]
    for word, values in factors:
        for axes, total in sums(values, e.numeric.shape):
            given = f"it is the sum of {word} over {axes_text(axes)}"
            yield Guess("summed over other axes", f"{given}; {right} is right{layout(axes, u)}", total)
            count = u.size / max(total.size, 1)
            yield Guess("mean over other axes", f"{given.replace('sum', 'mean')}; {right} is right", total / count)


def own_slopes(e: Evidence) -> Array | None:
    """Return dy/dp where each output depends on one number of a parameter p alone, in the shape of y; else None."""
    J, y = e.jacobian, e.point.outputs
    if J is None:
        return None
    J = J.reshape(e.numeric.size, -1)
    return J.sum(axis=0).reshape(y.shape) if (np.abs(J) > 1e-7 * np.abs(J).max()).sum(axis=0).max() == 1 else None


def layout(axes: tuple[int, ...], u: Array) -> str:
    """Return a hint on channels first and last, if the axes are those of the other order."""
    if u.ndim == 4 and axes == (0, 2, 3) and u.shape[1] == u.shape[3]:
        return (
            f", if the channels come last; if they come first, forward is wrong: without a reshape to "
            f"(1, {u.shape[1]}, 1, 1) it multiplies along the width, which only fits because there are as many columns "
            "as channels"
        )
    if u.ndim == 4 and axes == (0, 2, 3):
        return ": these are the axes of images with channels first, and here the channels come last"
    if u.ndim == 4 and axes == (0, 1, 2):
        return ": these are the axes of images with channels last, and here they come first"
    return ""


def axes_text(axes: tuple[int, ...]) -> str:
    """Return axes as text."""
    return f"axis {axes[0]}" if len(axes) == 1 else f"the axes {axes}"


def sums(values: Array, shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Yield (axes, sum over them) for all axes that leave an array of this shape."""
    size = int(np.prod(shape))
    for count in range(1, values.ndim + 1):
        for axes in combinations(range(values.ndim), count):
            total = values.sum(axis=axes)
            if total.size == size and total.shape == tuple(n for n in shape if n > 1 or total.ndim == len(shape)):
                yield axes, total.reshape(shape)
            elif total.shape == shape:
                yield axes, total


def of_another(e: Evidence) -> Guesses:
    """The gradient of another parameter, or what a sum over it leaves."""
    names = [name for name in e.point.numeric if name not in ("inputs", e.array)]
    for name in names:
        other = e.point.numeric[name]
        if not np.isfinite(other).all():
            continue
        if other.shape == e.numeric.shape:
            text = f"it is the gradient of {name}: the gradients of {e.array} and {name} are exchanged"
            yield Guess("gradients exchanged", text, other)
        for axes, total in sums(other, e.numeric.shape):
            text = (
                f"it is the sum of the gradient of {name} over {axes_text(axes)}, so it is multiplied with the inputs "
                f"x: {e.array} is added, not multiplied, and its gradient is the sum of grad_outputs over the batch, "
                "without x"
            )
            yield Guess("multiplied with x", text, total)


def norm_path(e: Evidence) -> Iterator[Diagnosis]:
    """A weight that is divided by its length: its right gradient is orthogonal to it, and the wrong one is not."""
    if e.of_inputs or not e.point.complete or e.numeric.ndim == 0 or e.numeric.size < 2:
        return
    w, extra = e.point.probe.arrays[e.array], e.analytic - e.numeric
    for count in range(1, w.ndim + 1):
        for axes in combinations(range(w.ndim), count):
            along = (e.numeric * w).sum(axes, keepdims=True)
            share = (extra * w).sum(axes, keepdims=True) / (w * w).sum(axes, keepdims=True)
            if np.abs(along).max() < 1e-6 * np.abs(e.numeric).max() and distance(extra, share * w) < 1e-6:
                text = (
                    f"{e.array} is divided by its norm |{e.array}| (along {axes_text(axes)}), and the path through the "
                    f"norm is missing: the gradient must be orthogonal to {e.array}"
                )
                yield e.found("no path through the norm", text)
                return
