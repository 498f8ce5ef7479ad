"""Where is the gradient right, and where wrong? The set of the wrong values is often the diagnosis.

by the value of x       right except where |x| < 0.1: a kink; wrong where x < 0: the branch of an activation
by the position         wrong at the border of the images: padding
by the dependence       wrong where several outputs depend on the value: overlaps overwritten, not added
                        not zero where no output depends on it: max pooling that rewards the losers
by channel or sample    one factor for each: gamma or the standard deviation forgotten
at random               another dropout mask than forward's, or none
"""

import math
import re
from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import MATCH, Diagnosis, Evidence, distance, is_diagonal, jacobian
from mlp.diagnostics.gradients.diagnoses.linear.routes import shared_by
from mlp.diagnostics.gradients.finite_differences import norm
from mlp.diagnostics.gradients.random_point import random_probe
from mlp.rng import generator
from mlp.typing import Array

MORE_POINTS = 6  # further points, so that a pattern in x shows
LOOSE = 1e-3  # an epsilon under the root is not known
OF_ABS = "the derivative of |x| is sign(x), -1 where x < 0"
ACCIDENT = 1e-3  # probability below which a pattern is no accident

BORDER = (
    "border not added",
    "the border of the outputs is made of copies of inputs, and backward only cuts it off: add the gradient of each "
    "value of the border to the pixel that it was copied from, mirrored where forward mirrors",
)
OVERLAPS = (
    "overlaps overwritten",
    "several outputs depend on these values, and the gradient is the contribution of one: all must be added, as by +=",
)


def dropout_mask(e: Evidence) -> Iterator[Diagnosis]:
    """Mask and scale of dropout: dL/dx = r c u with a mask r of zeros and ones that has nothing to do with x."""
    u, n, a = e.point.upstream, e.numeric, e.analytic
    if not e.elementwise_shapes or not e.point.probe.training:
        return
    right, mine = n / u, a / u
    kept = abs(right) > MATCH
    x = e.point.x.ravel()
    if kept.all() or not kept.any() or any(threshold_in(values, ~kept.ravel()) for values in (x, abs(x))):
        return
    if np.count_nonzero(np.diff(kept.ravel()[np.argsort(x)].astype(int))) <= 2:  # 0 < x < 1: a clip
        return
    scale = float(right[kept].mean())
    if np.abs(right[kept] - scale).max() > MATCH * abs(scale):
        return
    if np.allclose(mine, scale) or np.allclose(mine, 1.0):
        also = "" if np.allclose(mine, scale) else f", nor the scale {scale:.5g}"
        yield e.found(
            "mask not applied",
            f"the mask of forward is not applied in backward{also}: units that were dropped get a gradient",
        )
    elif np.all(np.isclose(mine, scale) | np.isclose(mine, 0.0)):
        yield e.found(
            "another mask",
            "backward draws another mask than forward did: keep the mask of forward",
            f"{np.count_nonzero(np.isclose(mine, 0.0) == kept)} of {n.size} units differ",
        )


def handed_on(e: Evidence) -> Iterator[Diagnosis]:
    """The derivative forgotten altogether, also at further points."""
    if e.elementwise_shapes and np.array_equal(e.analytic, e.point.upstream) and e.point.complete:
        if e.jacobian is None or (diagonal(e) and not np.allclose(values_at_more_points(e)[2], 1.0, atol=MATCH)):
            return
        text = "backward returns grad_outputs as it is: it must be multiplied by the derivative of forward"
        slopes = e.numeric / e.point.upstream
        if diagonal(e) and (np.isclose(slopes, 0.0, atol=1e-6) | np.isclose(slopes, 1.0, atol=1e-6)).all():
            text += ", a mask: 0 where forward cuts x off (clip, maximum), 1 elsewhere"
        elif diagonal(e) and np.allclose(slopes, np.sign(e.point.x), atol=1e-6):
            text += f", the sign of x: {OF_ABS}"
        yield e.found("upstream handed on", text)


def diagonal(e: Evidence) -> bool:
    """Return whether each output depends on its own input alone."""
    return e.jacobian is not None and is_diagonal(e.jacobian.reshape(e.numeric.size, -1))


def part_of_x(e: Evidence) -> Iterator[Diagnosis]:
    """Right or wrong by the value of x: collected over several points, because one has few values near a kink."""
    if not e.elementwise_shapes or not diagonal(e):
        return
    x, _, given, right = values_at_more_points(e)
    wrong = abs(given - right) > 1e-6 * (abs(right) + norm(right) / math.sqrt(right.size))
    if wrong.all():
        return
    for text, values in (("|x|", abs(x)), ("x", x)):
        limits = interval_of(values, wrong)
        if limits is None:
            continue
        low, high = limits
        kink = text == "|x|" and math.isinf(low)
        where = describe_interval(text, low, high)
        evidence = f"{np.count_nonzero(wrong)} of {wrong.size} values at {1 + MORE_POINTS} points are wrong"
        name = "kink" if kink else "wrong branch"
        slopes = [
            f"{float(part.mean()):.4g}" if np.ptp(part) < 1e-6 else "no constant"
            for part in (given[wrong], right[wrong])
        ]
        tail = f"; there dy/dx is taken as {slopes[0]} and is {slopes[1]}" if slopes[0] != slopes[1] else ""
        why = ": a kink, or a border that forward and backward put in different places" if kink else ""
        yield e.found(name, f"right except where {where}{why}{tail}", evidence)
        return


def values_at_more_points(e: Evidence) -> tuple[Array, Array, Array, Array]:
    """Return x, y, and dy/dx by backward and by differences, over several points; one-dimensional arrays."""
    point = e.point
    found = [(point.x, point.outputs, e.analytic / point.upstream, e.numeric / point.upstream)]
    for number in range(MORE_POINTS):
        rng = generator(point.seed, "probe", "pattern", number)
        probe = random_probe(point.layer, point.x.shape, rng, training=point.probe.training)
        upstream = rng.standard_normal(point.upstream.shape)
        slopes = np.diag(jacobian(probe, "inputs").reshape(probe.x.size, -1)).reshape(probe.x.shape)
        found.append((probe.x, probe.outputs(), probe.backward(upstream)["inputs"] / upstream, slopes))
    x, y, given, right = (np.concatenate([np.ravel(part[i]) for part in found]) for i in range(4))
    return x, y, given, right


def interval_of(values: Array, wrong: Array) -> tuple[float, float] | None:
    """Return (low, high) if the wrong ones are those with low < value < high and this is no accident, else None."""
    order = np.argsort(values)
    places = np.flatnonzero(wrong[order])
    first, last = int(places[0]), int(places[-1])
    count = last - first + 1
    if count != len(places) or (values.size - count + 1) / math.comb(values.size, count) > ACCIDENT:
        return None
    ordered = values[order]
    low = -math.inf if first == 0 else between(float(ordered[first - 1]), float(ordered[first]))
    high = math.inf if last == values.size - 1 else between(float(ordered[last]), float(ordered[last + 1]))
    return low, high


def between(low: float, high: float) -> float:
    """Return 0 if it lies between two numbers, else their middle."""
    return 0.0 if low <= 0.0 <= high else (low + high) / 2.0


def threshold_in(values: Array, chosen: Array) -> bool:
    """Return whether the chosen ones are those below a threshold, or those above it."""
    low, high = values[chosen], values[~chosen]
    return bool(low.max() < high.min() or high.max() < low.min())


def describe_interval(text: str, low: float, high: float) -> str:
    """Return "x < 0.12" or "0.1 < |x| < 0.5"; the borders are known as well as there were points."""
    if math.isinf(low):
        return f"{text} < {high:.2g}"
    return f"{text} > {low:.2g}" if math.isinf(high) else f"{low:.2g} < {text} < {high:.2g}"


def by_dependence(e: Evidence) -> Iterator[Diagnosis]:
    """Overlaps overwritten, and gradients where nothing depends on the value."""
    J, u = e.jacobian, e.point.upstream
    if J is None or not e.of_inputs or u.ndim < 2:
        return
    J = J.reshape(e.numeric.size, -1)
    windows = (J * u.ravel()).reshape(e.numeric.size, -1, u.shape[-1]).sum(axis=2)  # (values, windows): to be added up
    small = MATCH * norm(e.numeric) / math.sqrt(e.numeric.size)
    depends = abs(J) > MATCH
    given, right = e.analytic.ravel(), e.numeric.ravel()
    wrong, count = abs(given - right) > small, depends.sum(axis=1)
    parts = (J * u.ravel(), windows)
    single = any((abs(part[wrong] - given[wrong, None]) <= small).any(axis=1).all() for part in parts)
    if single and given[wrong].any() and not diagonal(e):
        name = type(e.point.probe.owner).__name__.lower()
        title, text = BORDER if "pad" in name and "conv" not in name and "pool" not in name else OVERLAPS
        yield e.found(title, text, f"{np.count_nonzero(wrong)} of {wrong.size} values are wrong")
    losers = (count == 0) & (abs(given) > small)
    if losers.any() and not diagonal(e) and depends.sum(axis=0).max() == 1:
        owner = e.point.probe.owner
        pools = re.search("max|min|pool", getattr(owner, "__name__", type(owner).__name__).lower())
        why = "in max pooling only the largest value of a window moves its output" if pools else "the places are wrong"
        text = f"values on which no output depends get a gradient: {why}{shared_by(e) if pools else ''}"
        count = f"{np.count_nonzero(losers)} of {np.count_nonzero(count == 0)} such values"
        yield e.found("gradient to the losers", text, count)


def by_position(e: Evidence) -> Iterator[Diagnosis]:
    """Wrong at some places along one axis alone, such as the border pixels."""
    if not e.point.complete or e.numeric.ndim < 2:
        return
    wrong = abs(e.analytic - e.numeric) > MATCH * norm(e.numeric) / math.sqrt(e.numeric.size)
    for axis in range(e.numeric.ndim):
        others = tuple(other for other in range(e.numeric.ndim) if other != axis)
        places = np.flatnonzero(wrong.any(axis=others))
        if 0 < len(places) < wrong.shape[axis]:
            border = e.of_inputs and wrong.ndim == 4 and axis in (1, 2) and set(places) <= {0, wrong.shape[axis] - 1}
            sentence = (
                f"wrong only at {', '.join(map(str, places))} of the {wrong.shape[axis]} places along axis {axis}"
            )
            yield e.found(
                "border" if border else "part of an axis", sentence + (": look at the padding" if border else "")
            )
            return


def factor_per_slice(e: Evidence) -> Iterator[Diagnosis]:
    """One factor for each channel (or sample); compared with parameters, buffers and standard deviations."""
    n, a = e.numeric, e.analytic
    if not e.point.complete or n.ndim == 0:
        return
    for axis in reversed(range(n.ndim)):
        length = n.shape[axis]
        others = tuple(other for other in range(n.ndim) if other != axis)
        squares = (n * n).sum(axis=others)
        if length < 2 or not squares.all():
            continue
        f = (a * n).sum(axis=others) / squares
        column = f.reshape([-1 if other == axis else 1 for other in range(n.ndim)])
        if distance(a, column * n) > MATCH:
            continue
        word = word_for(e, f, per_channel=axis == n.ndim - 1)
        if word:
            yield e.found(*word)
        elif n.size >= 3 * length and np.ptp(f) > MATCH and not np.isclose(f, np.round(f)).all():
            what = "sample" if axis == 0 and e.of_inputs else f"place along axis {axis}"
            yield e.found("factor per slice", f"one wrong factor for each {what}: {np.array2string(f, precision=4)}")
        return


def word_for(e: Evidence, f: Array, *, per_channel: bool) -> tuple[str, str] | None:
    """Return the name and the sentence if f is 1/gamma, the standard deviation, and so on."""
    x = e.point.x
    arrays = {name: array for name, array in e.point.probe.arrays.items() if name != "inputs"}
    factors = {name: (array, -1) for name, array in arrays.items()}  # what the gradient is multiplied by
    if per_channel:  # and divided by
        factors["the standard deviation"] = x.reshape(-1, x.shape[-1]).std(axis=0), 1
    for name, buffer in e.point.probe.layer.named_buffers():
        if "var" in name:
            factors[f"the root of {name}"] = np.sqrt(abs(buffer)), 1
    for name, (values, power) in factors.items():
        short, word = name.removeprefix("the "), "multiplied" if power < 0 else "divided"
        if values.shape != f.shape or not np.all(values):
            continue
        if np.allclose(f, values**power, rtol=LOOSE):
            return f"{short} forgotten", f"matches when {word} by {name}, one factor for each channel: it was forgotten"
        if np.allclose(f, values ** (-power), rtol=LOOSE):
            other = "multiplied" if power > 0 else "divided"
            return f"{short} twice", f"matches when {other} by {name}, one factor for each channel: it is there twice"
    return None
