"""What is wrong with the gradient of a loss: which combination of the usual terms is it, and which one is right?

Nearly every gradient of a loss is a sum of a few terms. For classes they are the softmax p, the one-hot targets q, the
logits z, ones, and the same with another axis or another class; for numbers they are y - t, its sign, its square, and
so on. Both gradients, the one under test and the right one, are fitted with one to three terms (`fitted`). Where both
fits are exact, the two formulas stand side by side, and the difference names the mistake. It is said only if the same
formula fits at a second point, with another batch size and another number of classes.
"""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import MATCH, Diagnosis, distance
from mlp.diagnostics.gradients.diagnoses.factors import constant_factor
from mlp.diagnostics.gradients.losses.names import OTHER, named_factor, named_formula
from mlp.diagnostics.gradients.losses.point import LossPoint
from mlp.diagnostics.gradients.losses.terms import class_terms, fitted, number_terms, written
from mlp.diagnostics.gradients.probes.float32 import fits_float32
from mlp.typing import Array


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
    name, hint = named_formula(given, right, point)
    theirs = f"; the gradient of this loss is ({written(right)}){over}" if right is not None else ""
    yield name, f"{hint}backward gives {mine}{theirs}", f"error {distance(point.given, point.right):.1e}"


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
