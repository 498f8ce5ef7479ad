"""A gradient of a loss that is a number times the right one: one number for all, or one for each sample or class."""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import MATCH, distance
from mlp.diagnostics.gradients.losses.points import LossPoint

MEAN_OF_ALL, MEAN_FORGOTTEN = "mean over all places", "mean forgotten in forward"
Found = tuple[str, str, str]  # name, sentence, evidence


def named_factors(f: float, point: LossPoint) -> Iterator[tuple[str, str]]:
    """Yield the names and sentences that fit a gradient that is f times the right one, the simplest first."""
    N, sums = len(point.outputs), point.sums
    sign = "with the wrong sign, and " if f < 0 else ""
    size = abs(f)

    def near(value: float) -> bool:
        return abs(size - value) < 1e-5 * value

    if near(1.0):
        yield "sign", "the gradient has the wrong sign: it matches when multiplied by -1"
    if near(1.0 / N) and sums:
        text = f"forward adds the losses of the {N} samples, backward divides by N: the mean was forgotten in forward"
        yield MEAN_FORGOTTEN, sign + text
    if near(N):
        yield "division by N", f"{sign}the gradient is not divided by N = {N}: the loss is a mean over the batch"
    if near(1.0 / N):
        yield "mean over the batch", f"{sign}matches when multiplied by N = {N}: divided by N once too often"
    for what, number in counted(point):
        if near(number / N) or near(number):
            by = f"N = {N}" if near(number / N) else "nothing"
            yield "division by the wrong number", f"{sign}divided by {by}, and must be by {number:.5g}, {what}"
    for number, name, text in of_places(point):
        if near(number):
            yield name, f"{sign}{text}"
    if near(0.5) or near(2.0):
        text = f"{sign}it is {size:.5g} times what it should be: the derivative of d^2 is 2 d, that of d^2/2 is d"
        yield "factor 2", text
    yield from of_sizes(size, point, sign)
    yield "factor", f"the gradient is {f:.5g} times what it should be{in_words(size, point)}"


def of_sizes(size: float, point: LossPoint, sign: str) -> Iterator[tuple[str, str]]:
    """Yield what a factor means that is made of the numbers of samples and outputs."""
    N, K = len(point.outputs), point.outputs.shape[-1]

    def near(value: float) -> bool:
        return abs(size - value) < 1e-5 * value

    for factor, also in ((1.0, ""), (2.0, ", and a factor of 2 is wrong"), (0.5, ", and a factor of 2 is wrong")):
        if near(factor * K) or near(factor * N * K):
            text = f"{sign}the gradient is not divided by {size / factor:.0f}, the number of values in the mean{also}"
            yield "division by the values", text
        if near(factor / K) or near(factor / (N * K)):
            what = f"K = {K}, the number of outputs of a sample" if near(factor / K) else f"N K = {N * K}"
            yield "mean over the classes", f"{sign}matches when multiplied by {what} (divided once too often){also}"
        if factor != 1.0 and (near(factor * N) or near(factor / N)):
            by = "multiplied" if near(factor / N) else "divided"
            yield "division by N", f"{sign}matches when {by} by N = {N}{also}"
        for other, word in ((K / N, "divided by N where K belongs"), (N / K, "divided by K where N belongs")):
            if K != N and near(factor * other):
                text = f"{sign}it is divided by the wrong number of values: {word}{also}"
                yield "division by the wrong number", text
    for other, word in ((N / (N - 1.0), "N - 1"), (N / (N + 1.0), "N + 1")) if N > 1 else ():
        if near(other):
            yield "division by the wrong number", f"{sign}divided by {word}, and must be by N = {N}"


def counted_places(point: LossPoint) -> tuple[int, int]:
    """Return how many places of a loss of steps or pixels count, and how many there are."""
    t, y = point.targets, point.outputs
    axis = 1 if y.ndim > 1 and t.shape == y.shape[:1] + y.shape[2:] else -1
    if t.dtype.kind not in "iu" or t.size * y.shape[axis] != y.size:
        return t.size, t.size
    return int(np.moveaxis(point.right, axis, -1).any(axis=-1).sum()), t.size


def of_places(point: LossPoint) -> Iterator[tuple[float, str, str]]:
    """Yield by how much a gradient is too large or small if it is divided by all places, and the loss not, or so."""
    number, whole = counted_places(point)
    if 0 < number < whole:
        words = "the number of places that count", "the number of all places, also of those that do not count"
        text = f"the gradient is divided by {words[0]}, and the loss by {words[1]}: divide the loss by those that count"
        yield whole / number, MEAN_OF_ALL, text
        text = f"the loss is divided by {words[0]}, and the gradient by {words[1]}"
        yield number / whole, "division by the wrong number", text


def counted(point: LossPoint) -> Iterator[tuple[str, float]]:
    """Yield by what else a loss may be divided: the samples that count, the sum of their weights."""
    t, K = point.targets, point.outputs.shape[-1]
    if t.dtype.kind in "iu" and t.shape == point.outputs.shape[:-1]:
        number = int(((t >= 0) & (t < K)).sum())
        if 0 < number < t.size:
            yield "the number of samples that count", float(number)
    for name, value in point.settings.items() if point.classes else ():
        if isinstance(value, np.ndarray) and value.shape == (K,):
            yield f"the sum of the weights of the samples ({name}[t])", float(value[point.labels].sum())


def in_words(size: float, point: LossPoint) -> str:
    """Return a factor in terms of the settings of the loss, or ""."""
    constants = {"log(2)": np.log(2.0), "log(10)": np.log(10.0), "sqrt(2)": np.sqrt(2.0), "pi": np.pi}
    numbers = {name: value for name, value in point.settings.items() if isinstance(value, float) and value > 0.0}
    of_loss = {"the loss itself": point.value, "the loss of the mean": point.value / len(point.outputs)}
    if abs(size - 2.0 * point.value) < 1e-5 * size:
        return (
            ", 2 times the loss itself: the derivative of sqrt(v) is 1 / (2 sqrt(v)), the chain rule through the root "
            "is missing"
        )
    for name, value in {**of_loss, **numbers, **constants}.items():
        forms = {name: value, f"1 / {name}": 1.0 / value, f"{name}^2": value**2, f"1 / {name}^2": value**-2.0}
        forms |= {f"1 - {name}": abs(1.0 - value), f"2 {name}": 2.0 * value, f"{name} / 2": value / 2.0}
        for text, number in forms.items():
            if number and abs(size - number) < 1e-5 * number:
                return f" = {text}"
    return ""


def per_slice(point: LossPoint) -> Iterator[Found]:
    """One wrong factor for each sample or class."""
    a, n = point.given, point.right
    if n.ndim != 2:
        return
    for axis, word in ((0, "sample"), (1, "class")):
        squares = (n * n).sum(1 - axis, keepdims=True)
        if n.shape[axis] < 2 or not squares.all():
            continue
        factors = (a * n).sum(1 - axis, keepdims=True) / squares
        if distance(a, factors * n) > MATCH:
            continue
        listed = np.array2string(factors.ravel(), precision=4)
        yield "factor per slice", f"one wrong factor for each {word}: {listed}", ""
        return
