"""What is wrong with the gradient of a loss: which combination of the usual terms is it, and which one is right?

Nearly every gradient of a loss is a sum of a few terms. For classes they are the softmax p, the one-hot targets q, the
logits z, ones, and the same with another axis or another class; for numbers they are y - t, its sign, its square, and
so on. Both gradients, the one under test and the right one, are fitted with one to three terms (`fitted`). Where both
fits are exact, the two formulas stand side by side, and the difference names the mistake. It is said only if the same
formula fits at a second point, with another batch size and another number of classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import MATCH, Diagnosis, distance
from mlp.diagnostics.gradients.diagnoses.factors import constant_factor
from mlp.diagnostics.gradients.probes.float32 import fits_float32
from mlp.typing import Array

TERMS = 3  # of a formula, at most
OTHER = "another formula"


@dataclass(frozen=True)
class LossPoint:
    """A loss at one point: the gradient under test, the right one, outputs, targets, and whether the loss is a sum."""

    given: Array
    right: Array
    outputs: Array
    targets: Array
    sums: bool

    @property
    def classes(self) -> bool:
        return self.targets.ndim == 1 and self.outputs.ndim == 2 and self.targets.dtype.kind in "iu"

    @property
    def one_hot(self) -> Array:
        return np.asarray(np.eye(self.outputs.shape[1])[self.targets])


def explain_loss(point: LossPoint, second: LossPoint | None) -> Iterator[Diagnosis]:
    """Yield what is likely wrong with a gradient, most likely first; the worst value if nothing is known."""
    a, n = point.given, point.right
    found = list(one_point(point))
    if second is not None:
        again = {name for name, _, _ in one_point(second)}
        found = [one for one in found if one[0] in again] or found[:0]
    if distance(a, n) < 1e-5 and fits_float32(a):
        found.append(
            ("float32 noise", "right to seven digits: something is rounded to float32", f"error {distance(a, n):.1e}")
        )
    for name, text, evidence in list(dict.fromkeys(found)) or [worst(point)]:
        yield Diagnosis(name, "outputs", "loss", text, evidence)


def one_point(point: LossPoint) -> Iterator[tuple[str, str, str]]:
    """Yield (name, sentence, evidence) of all hypotheses that fit at one point."""
    a, n, z = point.given, point.right, point.outputs
    if not np.isfinite(a).all():
        yield "not finite", "subtract the largest logit before exp, and take no logarithm of 0", ""
        return
    if not a.any():
        yield "gradient is zero", "the gradient is zero everywhere", ""
        return
    f = constant_factor(a, n)
    if f is not None:
        yield *named_factor(f, len(z), z.shape[-1], sums=point.sums), f"{f:.5g} times the right gradient"
        return
    yield from lost_signs(point)
    written_out = list(formulas(point))
    yield from (one for one in written_out if one[0] != OTHER)
    if point.classes:
        yield from by_class(point)
    yield from written_out
    yield from per_slice(a, n)


def lost_signs(point: LossPoint) -> Iterator[tuple[str, str, str]]:
    """Every value has the right size, and some the wrong sign."""
    a, n = point.given, point.right
    small = MATCH * float(np.abs(n).max())
    if (np.abs(np.abs(a) - np.abs(n)) <= small).all() and (np.abs(a - n) > small).any():
        wrong = np.abs(a - n) > small
        below = point.targets.shape == n.shape and bool((point.outputs < point.targets)[wrong].all())
        where = ", all of them where y < t" if below else ""
        text = f"some values have the wrong sign{where}: they lost it, as in |y - t|; the derivative of |d| is sign(d)"
        yield "sign lost", text, f"{np.count_nonzero(wrong)} of {n.size} values"


def by_class(point: LossPoint) -> Iterator[tuple[str, str, str]]:
    """Right for the true class alone, or for the others alone."""
    a, n, q, N = point.given, point.right, point.one_hot, len(point.outputs)
    small = MATCH * np.abs(n).max()
    wrong = np.abs(a - n) > small
    evidence = f"{np.count_nonzero(wrong)} of {wrong.size} values are wrong"
    if not wrong[q == 0].any():
        rest = (a - n)[q == 1]
        if not a[q == 1].any():
            text = (
                "the true class gets no gradient: only the values [n, t_n] are wrong, and they are 0. The logit of the "
                "true class stands in the loss, too"
            )
            yield "true class forgotten", text, evidence
        elif np.ptp(rest) <= small:
            text = (
                f"only the gradient of the true class is wrong, by {N * rest[0]:.4g} / N in each sample: is the true "
                "class itself counted among the others?"
            )
            yield "true class counted", text, evidence
        else:
            yield "true class wrong", "only the gradient of the true class, the values [n, t_n], is wrong", evidence
    elif not wrong[q == 1].any():
        zero = not a[q == 0].any()
        text = "only the true class gets a gradient: " if zero else "only the true class has the right gradient: "
        yield "other classes forgotten", f"{text}all logits take part in the loss (in the softmax)", evidence


def formulas(point: LossPoint) -> Iterator[tuple[str, str, str]]:
    """Compare the formula that fits the gradient under test with the one that fits the right gradient."""
    terms = (
        class_terms(point)
        if point.classes
        else number_terms(point)
        if point.targets.shape == point.outputs.shape
        else {}
    )
    N = len(point.outputs)
    scale = 1.0 if point.sums else float(N)
    right, given = fitted(scale * point.right, terms), fitted(scale * point.given, terms)
    if given is None:
        return
    over = "" if point.sums else " / N"
    mine = f"({written(given)}){over}"
    name, hint = named_loss(given, right, point)
    theirs = f"; the gradient of this loss is ({written(right)}){over}" if right is not None else ""
    yield name, f"{hint}backward gives {mine}{theirs}", f"error {distance(point.given, point.right):.1e}"


def fitted(values: Array, terms: dict[str, Array]) -> dict[str, float] | None:
    """Return {term: coefficient} of the shortest sum of terms that equals the values, or None."""
    names = list(terms)
    for count in range(1, TERMS + 1):
        for chosen in combinations(names, count):
            columns = np.stack([terms[name].ravel() for name in chosen], axis=1)
            if not np.isfinite(columns).all():
                continue
            solution, _, rank, _ = np.linalg.lstsq(columns, values.ravel(), rcond=None)
            if rank == count and distance(columns @ solution, values.ravel()) < MATCH:
                coefficients = dict(zip(chosen, map(float, solution), strict=True))
                if all(abs(value) > 1e-9 for value in coefficients.values()):
                    return coefficients
    return None


def class_terms(point: LossPoint) -> dict[str, Array]:
    """Return the terms of gradients for classes, the usual ones first."""
    z, t, q = point.outputs, point.targets, point.one_hot
    K, p = z.shape[1], softmax(z, 1)
    s = 1.0 / (1.0 + np.exp(-z))
    return {
        "p": p,
        "onehot(t)": q,
        "1": np.ones_like(z),
        "onehot(t - 1)": np.eye(K)[(t - 1) % K],
        "onehot(t + 1)": np.eye(K)[(t + 1) % K],
        "softmax over the batch": softmax(z, 0),
        "z": z,
        "onehot(t) / p": q / p,
        "sigmoid(z)": s,
        "log p": np.log(p),
        "p onehot(t)": p * q,
        "p^2": p * p,
        "(p - onehot(t)) p (1 - p)": (p - q) * p * (1.0 - p),
        "z onehot(t)": z * q,
    }


def number_terms(point: LossPoint) -> dict[str, Array]:
    """Return the terms of gradients for numbers, the usual ones first."""
    y, t = point.outputs, point.targets.astype(float)
    d, s = y - t, 1.0 / (1.0 + np.exp(-y))
    return {
        "(y - t)": d,
        "sign(y - t)": np.sign(d),
        "(y - t)^2": d * d,
        "|y - t|": np.abs(d),
        "(sigmoid(y) - t)": s - t,
        "(sigmoid(y) - t) sigmoid'(y)": (s - t) * s * (1.0 - s),
        "sigmoid(y)": s,
        "(y - t)^3": d**3,
        "y": y,
        "t": t,
        "1": np.ones_like(y),
        "y t": y * t,
        "t / y": t / y,
        "(1 - t) / (1 - y)": (1.0 - t) / (1.0 - y),
        "sigmoid'(y)": s * (1.0 - s),
        "t / sigmoid(y)": t / s,
        "(1 - t) / (1 - sigmoid(y))": (1.0 - t) / (1.0 - s),
    }


def named_loss(given: dict[str, float], right: dict[str, float] | None, point: LossPoint) -> tuple[str, str]:
    """Return the name of a mistake and the hint that belongs to it, from the two formulas."""
    K = point.outputs.shape[-1]
    if "onehot(t - 1)" in given or "onehot(t + 1)" in given:
        return (
            "off by one",
            "the one-hot targets stand at the class beside the true class (off by one): classes count from 0; ",
        )
    if "softmax over the batch" in given:
        return (
            "softmax over the batch",
            "the softmax runs over the batch (axis 0); it must run over the classes (axis 1); ",
        )
    if "(p - onehot(t)) p (1 - p)" in given:
        return "derivative twice", (
            "the factor p (1 - p) is one too many: that is the derivative of a squared error of probabilities "
            "(softmax); in the "
            "cross-entropy it cancels against the derivative of the logarithm; "
        )
    if "onehot(t) / p" in given:
        return "probabilities, not logits", (
            "it is the gradient for the probabilities p; the outputs are logits, so it must go through the "
            "softmax, too; "
        )
    if right is None or right == given:
        return OTHER, ""
    if "(sigmoid(y) - t) sigmoid'(y)" in given and "(sigmoid(y) - t)" in right:
        return "sigmoid derivative twice", (
            "the factor sigmoid'(y) = p (1 - p) is one too many: it cancels against the derivative of the logarithm; "
        )
    if "1" in right and "1" in given and set(given) == set(right):
        share = given["1"] / right["1"]
        if abs(share - K / (K - 1)) < 1e-4 or abs(share - (K - 1) / K) < 1e-4:
            return (
                "smoothing over K - 1",
                f"label smoothing is shared among K = {K} classes in one place and K - 1 in the other; ",
            )
    special = {
        ("p", "p"): ("one-hot forgotten", "the one-hot targets have to be subtracted; "),
        ("z", "p"): ("softmax forgotten", "the softmax of the logits belongs in place of the logits; "),
        ("sigmoid(z)", "p"): ("sigmoid in place of softmax", "a sigmoid stands where the softmax belongs; "),
        ("y", "(y - t)"): ("targets forgotten", "the targets have to be subtracted; "),
        ("(y - t)", "sign(y - t)"): ("sign forgotten", "the derivative of |d| is its sign, not d; "),
        ("sign(y - t)", "(y - t)"): ("sign of the difference", "it is the sign of the difference; "),
        ("(y - t)", "(sigmoid(y) - t)"): ("sigmoid forgotten", "the sigmoid of the logits belongs there; "),
        ("(y - t)^2", "(y - t)"): ("squared difference", "the derivative of d^2 is 2 d, not d^2; "),
        ("|y - t|", "(y - t)"): ("sign lost", "the difference lost its sign; "),
    }
    for (mine, theirs), answer in special.items():
        if mine in given and theirs in right and (mine not in right or len(given) < len(right)):
            return answer
    if given.get("onehot(t)", 0.0) * right.get("onehot(t)", 0.0) < 0.0:
        return "one-hot added", "the one-hot targets have to be subtracted, not added; "
    if "1" in right and "1" not in given:
        return "smoothing forgotten", "it is the gradient without label smoothing; "
    if set(given) == set(right):
        wrong = [name for name in given if abs(given[name] - right[name]) > 1e-5 * abs(right[name])]
        return "wrong coefficient", f"the coefficient of {' and of '.join(wrong)} is wrong; "
    return OTHER, ""


def written(formula: dict[str, float]) -> str:
    """Return a formula as text: "p - onehot(t)"."""
    text = ""
    for name, value in formula.items():
        size = abs(value)
        factor = "" if abs(size - 1.0) < 1e-6 and name != "1" else f"{size:.4g}" + ("" if name == "1" else " ")
        sign = (" - " if value < 0 else " + ") if text else ("-" if value < 0 else "")
        text += f"{sign}{factor}{'' if name == '1' else name}"
    return text


def per_slice(a: Array, n: Array) -> Iterator[tuple[str, str, str]]:
    """One wrong factor for each sample or class."""
    for axis, word in ((0, "sample"), (1, "class")):
        if n.ndim == 2 and (n * n).sum(1 - axis).all():
            factors = (a * n).sum(1 - axis, keepdims=True) / (n * n).sum(1 - axis, keepdims=True)
            if distance(a, factors * n) < MATCH:
                yield "factor per slice", f"one wrong factor for each {word}: {np.round(factors.ravel(), 4)}", ""


def worst(point: LossPoint) -> tuple[str, str, str]:
    """Return what can be said where nothing is known: the worst value of all."""
    a, n = point.given, point.right
    index = tuple(int(i) for i in np.unravel_index(int(np.abs(a - n).argmax()), n.shape))
    true = f" (the true class is {point.targets[index[0]]})" if point.classes else ""
    text = f"derive it again for one value: at {index}{true} backward gives {a[index]:.5g}, and {n[index]:.5g} is right"
    return "unknown", text, f"error {distance(a, n):.1e}"


def named_factor(f: float, N: int, K: int, *, sums: bool) -> tuple[str, str]:
    """Return the name and the sentence for a gradient that is f times the right one."""
    sign = "with the wrong sign, and " if f < 0 else ""
    size = abs(f)

    def near(value: float) -> bool:
        return abs(size - value) < 1e-5 * value

    if near(1.0):
        return "sign", "the gradient has the wrong sign: it matches when multiplied by -1"
    if near(1.0 / N) and sums:
        text = f"forward adds the losses of the {N} samples, backward divides by N: the mean was forgotten in forward"
        return "mean forgotten in forward", sign + text
    if near(N):
        return "division by N", f"{sign}the gradient is not divided by N = {N}: the loss is a mean over the batch"
    if near(1.0 / N):
        return "mean over the batch", f"{sign}matches when multiplied by N = {N}: divided by N once too often"
    for factor, also in ((1.0, ""), (2.0, ", and a factor of 2 is wrong"), (0.5, ", and a factor of 2 is wrong")):
        if near(factor * K) or near(factor * N * K):
            text = f"{sign}the gradient is not divided by {size / factor:.0f}, the number of values in the mean{also}"
            return "division by the values", text
        if near(factor / K):
            text = (
                f"{sign}matches when multiplied by K = {K}, the number of outputs of a sample (divided once too often)"
            )
            return "mean over the classes", text + also
    if near(0.5) or near(2.0):
        return (
            "factor 2",
            f"{sign}it is {size:.5g} times what it should be: the derivative of d^2 is 2 d, that of d^2/2 is d",
        )
    return "factor", f"the gradient is {f:.5g} times what it should be"


def softmax(z: Array, axis: int) -> Array:
    """Return exp(z) / sum exp(z) along an axis."""
    exps = np.exp(z - z.max(axis=axis, keepdims=True))
    return np.asarray(exps / exps.sum(axis=axis, keepdims=True))
