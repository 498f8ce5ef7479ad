"""What is wrong with the gradient of a loss: which combination of the usual terms is it, and which one is right?

Nearly every gradient of a loss is a sum of a few terms. For classes they are the softmax p, the one-hot targets q, the
logits z, ones, and the same with another axis or another class; for numbers they are y - t, its sign, its square, and
so on. Both gradients, the one under test and the right one, are fitted with one to three terms (`formulas`). Where both
fits are exact, the two formulas stand side by side, and the difference names the mistake (`mistakes`). It is said only
if the same fits at a second point, with another batch size and another number of classes.
"""

import re
from collections.abc import Iterator, Sequence

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import MATCH, Diagnosis, distance
from mlp.diagnostics.gradients.diagnoses.factors import constant_factor
from mlp.diagnostics.gradients.losses.factors import Found, named_factors, per_slice
from mlp.diagnostics.gradients.losses.formulas import all_terms, fitted, with_sizes
from mlp.diagnostics.gradients.losses.known.explanations import explain_known
from mlp.diagnostics.gradients.losses.known.mistakes import ON_BOTH
from mlp.diagnostics.gradients.losses.mistakes import BY_COLUMN, OF_TERMS, OTHER, UNIFORM_PART, named
from mlp.diagnostics.gradients.losses.points import LossPoint
from mlp.diagnostics.gradients.losses.regions import wrong_region
from mlp.diagnostics.gradients.probes.float32 import fits_float32

READABLE = 4  # terms of both formulas together
UNSURE = (
    *(OTHER, *OF_TERMS, "factor", "factor per slice"),
    *("wrong coefficient", "wrong sign of a term", "wrong branch"),
)  # names of hypotheses that say less than the line that is wrong
BELOW_A_LINE = (*UNSURE, "sign lost", "true class counted", ON_BOTH)
VAGUE = (*UNSURE, "true class wrong", "derivative twice")  # and less than any wrong form of a known loss
LESS = (
    *("smoothing forgotten", "sign lost", "true class alone", "true class counted", "other classes forgotten"),
)  # that say less than a usual mistake in a known loss


def explain_loss(points: Sequence[LossPoint], others: Sequence[LossPoint] = ()) -> list[Diagnosis]:
    """Return what is likely wrong with a gradient, most likely first; nothing if nothing is known.

    Args:
        points: the one that was checked, a second one of another shape if the loss takes it, and further ones.
        others: points with other settings, at which no explanation may fail.
    """
    a, n = points[0].given, points[0].right
    found = list(one_point(points[0]))
    for other in [*points[1:2], *others]:
        again = {what_is_said(one) for one in one_point(other)}
        found = [one for one in found if what_is_said(one) in again]
    if all(name in (OTHER, "factor per slice", *OF_TERMS) for name, _, _ in found):
        found = [*wrong_region(list(points)), *found]
    if all(name in (*VAGUE, *LESS) for name, _, _ in found):
        usual_alone = not all(name in VAGUE for name, _, _ in found)
        known = explain_known(points, usual_alone=usual_alone)
        if len(others) > 1 and known:
            again = {name for name, _, _ in explain_known(others, usual_alone=usual_alone)}
            known = [one for one in known if one[0] in again]
        found = [*known[:1], *found]
    if distance(a, n) < 1e-5 and fits_float32(a):
        text = "right to seven digits: something is rounded to float32"
        found.append(("float32 noise", text, f"error {distance(a, n):.1e}"))
    if len(found) > 1:
        found = [one for one in found if one[0] != "factor"]
    unique = dict.fromkeys(found)
    return [Diagnosis(name, "outputs", "loss", text, evidence) for name, text, evidence in unique]


def what_is_said(one: Found) -> str:
    """Return what an explanation must say at another point, too: its name, or which number is the wrong one."""
    name, sentence, _ = one
    return re.sub(r"[\d.]+", "", sentence) if name == "division by the wrong number" else name


def one_point(point: LossPoint) -> Iterator[Found]:
    """Yield (name, sentence, evidence) of all hypotheses that fit at one point."""
    a, n = point.given, point.right
    if not np.isfinite(a).all():
        yield "not finite", "subtract the largest logit before exp, and take no logarithm of 0", ""
        return
    if not a.any():
        yield "gradient is zero", "the gradient is zero everywhere", ""
        return
    f = constant_factor(a, n)
    if f is not None:
        yield from ((*found, f"{f:.5g} times the right gradient") for found in named_factors(f, point))
        return
    yield from lost_signs(point)
    yield from not_counted(point)
    written_out = list(formulas(point))
    known = any(name in (BY_COLUMN, UNIFORM_PART) for name, _, _ in written_out)  # so the true class alone is right
    of_classes = list(by_class(point)) if point.classes and not known else []
    yield from (one for one in of_classes if one[0].endswith("forgotten"))
    yield from (one for one in written_out if one[0] not in (OTHER, *OF_TERMS))
    for name, text, evidence in of_classes:
        also = next((f"; {hint}" for general, hint, _ in written_out if general in OF_TERMS), "")
        yield name, text + also, evidence
    yield from (one for one in written_out if one[0] in OF_TERMS)
    yield from per_slice(point)
    yield from written_out


def lost_signs(point: LossPoint) -> Iterator[Found]:
    """Every value has the right size, and some the wrong sign."""
    a, n = point.given, point.right
    small = MATCH * float(np.abs(n).max())
    wrong = np.abs(a - n) > small
    if (np.abs(np.abs(a) - np.abs(n)) <= small).all() and wrong.any():
        below = point.numbers and bool((point.outputs < point.targets)[wrong].all())
        where = ", all of them where y < t" if below else ""
        text = f"some values have the wrong sign{where}: they lost it, as in |y - t|; the derivative of |d| is sign(d)"
        yield "sign lost", text, f"{np.count_nonzero(wrong)} of {n.size} values"


def not_counted(point: LossPoint) -> Iterator[Found]:
    """Right but for samples (or places) that do not count in the loss, and get a gradient; or the reverse."""
    a, n = point.given, point.right
    if n.ndim < 2:
        return
    axis = 1 if point.targets.shape == n.shape[:1] + n.shape[2:] else -1  # of the classes
    a, n = np.moveaxis(a, axis, -1), np.moveaxis(n, axis, -1)
    wrong = (np.abs(a - n) > MATCH * np.abs(n).max()).any(axis=-1)
    if not wrong.any() or wrong.all():
        return
    which, told = wrong, ""
    if point.targets.shape == wrong.shape:
        labels = sorted(set(np.ravel(point.targets[wrong]).tolist()))
        if len(labels) == 1 and not np.isin(point.targets[~wrong], labels).any():
            told = f", those with the target {labels[0]:g}"
    evidence = f"{np.count_nonzero(which)} of {which.size} samples or places"
    if not n[wrong].any():
        text = (
            f"samples that do not count in the loss{told} get a gradient, which must be 0: the mask of forward is "
            "missing in the gradient"
        )
        yield "mask forgotten", text, evidence
    elif not a[wrong].any():
        text = f"samples that count in the loss{told} get no gradient; the others have the right one"
        yield "samples left out", text, evidence


def by_class(point: LossPoint) -> Iterator[Found]:
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
        if not n[q == 0].any():
            text = "the other classes get a gradient, and must get 0: only the output of the true class is in the loss"
            yield "true class alone", text, evidence
            return
        zero = not a[q == 0].any()
        text = "only the true class gets a gradient: " if zero else "only the true class has the right gradient: "
        yield "other classes forgotten", f"{text}all logits take part in the loss (in the softmax)", evidence


def formulas(point: LossPoint) -> Iterator[Found]:
    """Compare the formula that fits the gradient under test with the one that fits the right gradient."""
    terms = all_terms(point)
    right, given = fitted(point.right, terms), fitted(point.given, terms)
    if given is None:
        return
    mine = with_sizes(given, point)
    name, hint = named(given, right, point.outputs.shape[-1])
    theirs = f"; the gradient of this loss is {with_sizes(right, point)}" if right is not None else ""
    evidence = f"error {distance(point.given, point.right):.1e}"
    if name in ("wrong coefficient", *OF_TERMS) and len(given) + len(right or {}) > READABLE:
        name = OTHER
    yield name, f"{hint}{hint and '; '}backward gives {mine}{theirs}", evidence
