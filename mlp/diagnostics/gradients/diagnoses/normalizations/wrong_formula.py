"""Names and sentences for the formula of a normalization that is wrong."""

from collections.abc import Iterator

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Evidence, distance
from mlp.diagnostics.gradients.diagnoses.normalizations.formula import (
    EXACT,
    NEARLY,
    Normalization,
    choices,
    recognized,
    sigma_count,
)
from mlp.diagnostics.gradients.probes.sizes import in_sizes, sizes_of
from mlp.typing import Array


def wrong_normalization(e: Evidence) -> Iterator[Diagnosis]:
    """Yield which choice of (2) the gradient under test is, if the right one is (1)."""
    if not e.elementwise_shapes or e.numeric.ndim < 2 or not e.point.complete:
        return
    norm = recognized(e)
    if norm is None:
        return
    x, u, a = (array.reshape(norm.view) for array in (e.point.x, e.point.upstream, e.analytic))
    for words, prediction in choices(norm, x, u):
        A = np.stack([term.ravel() for term in prediction], axis=1)
        keep = np.abs(A).max(axis=0) > 0
        solution, *_ = np.linalg.lstsq(A[:, keep], a.ravel(), rcond=None)
        if not np.isfinite(A).all() or distance(A[:, keep] @ solution, a.ravel()) > EXACT:
            continue
        p = np.zeros(3)
        p[keep] = solution
        yield from described(e, norm, words, p)
        return


def described(e: Evidence, norm: Normalization, words: dict[str, str], p: Array) -> Iterator[Diagnosis]:
    """Yield the diagnosis of a choice and its three numbers."""
    what = "x_hat = (x - mean) / std" if norm.centred else "the length of x"
    numbers = f"fitted: {p[0]:.5g} v {p[1]:+.5g} mean(v) {p[2]:+.5g} x_hat mean(v x_hat), where 1, -1, -1 is right"
    if not norm.centred:
        numbers = f"fitted: {p[0]:.5g} v {p[2]:+.5g} y mean(v y)"
    if words["gamma"] == "outside":
        text = (
            "gamma is multiplied outside, after the means: gamma differs along the axes that they run over "
            f"({norm.where}), so it must be multiplied with grad_outputs first, before the means are taken; outside is "
            "right for batch norm alone"
        )
        yield e.found("gamma outside the means", text, numbers)
    elif words["gamma"]:
        text = f"matches when gamma is {words['gamma']}: gamma multiplies grad_outputs once, before the means are taken"
        yield e.found(f"gamma {words['gamma']}", text, numbers)
    elif words["axes"] == "None":
        text = (
            "keepdims is forgotten: the means lose their axis and are broadcast along the wrong one (which fits, "
            "because both axes have the same size); write mean(axis, keepdims=True)"
        )
        yield e.found("keepdims", text, numbers)
    elif words["axes"] and (abs(p[1]) > EXACT or abs(p[2]) > EXACT):
        text = (
            f"the means of backward run over other axes ({words['axes']}) than those of forward ({norm.where}, axes "
            f"{norm.axes}): use the same axis= in both"
        )
        yield e.found("other axes", text, numbers)
    elif "eps" in words["hat"] + words["divisor"]:
        yield e.found(*of_divisor("eps", norm), numbers)
    elif words["hat"]:
        text = (
            f"{words['hat']} stands in backward where the normalized {what} belongs, in the term through the variance: "
            "d var has the power -3/2 of (var + eps), which divides x - mean three times by the root in all"
        )
        yield e.found("raw inputs in place of normalized", text, numbers)
    elif words["divisor"]:
        yield e.found(*of_divisor(words["divisor"], norm), numbers)
    else:
        yield from of_numbers(e, norm, p, numbers)


def of_divisor(which: str, norm: Normalization) -> tuple[str, str]:
    """Return name and sentence for another divisor."""
    what = "standard deviation" if norm.centred else "length (or root mean square) of x"
    if which == "eps":
        return "eps missing", (
            f"backward divides by the {what} without eps, forward by the root with eps: keep the root of forward"
        )
    if which == "squared":
        return "divided twice", f"backward divides by the square of the {what}, where it must divide by it once"
    if which == "missing":
        return "standard deviation forgotten", f"the division by the {what} is missing in backward"
    return "root twice", f"backward divides by the root of the {what}"


def of_numbers(e: Evidence, norm: Normalization, p: Array, numbers: str) -> Iterator[Diagnosis]:
    """Yield what the three numbers say, where nothing else differs."""
    m = sigma_count(e.point.x.reshape(norm.view), norm.axes)
    first = norm.axes in ((0, 2, 3), (2, 3), (2, 3, 4))
    sizes = {"m": m, **sizes_of(e.point.x.shape, channels_first=first)}
    if not norm.centred:
        yield from of_length(e, norm, p, sizes, numbers)
        return
    mean, variance = -p[1] / p[0], -p[2] / p[0]
    parts = [("mean", mean), ("variance", variance)]
    wrong = [(name, value) for name, value in parts if abs(value - 1.0) > NEARLY]
    if not wrong:
        return
    same = len(wrong) == 2 and abs(mean - variance) < NEARLY
    if all(abs(value) < NEARLY for _, value in wrong):
        missing = " and ".join(name for name, _ in wrong)
        name = "statistics as constants" if len(wrong) == 2 else f"no term through the {missing}"
        text = (
            f"matches without the term through the {missing} ({norm.where}): it is missing, every x moves the {missing}"
        )
        yield e.found(name, text, numbers)
        return
    which = "terms through mean and variance are" if same else f"term through the {wrong[0][0]} is"
    path, value = wrong[0]
    own = {key: size for key, size in sizes.items() if size != m or key == "m"}
    tolds = [in_sizes(abs(value), {key: size}) for key, size in own.items()] + [in_sizes(abs(value), own)]
    for told in dict.fromkeys((*filter(None, tolds), "")):  # the one that holds at another shape, too, is said
        also, sure = meaning_of(value, told, m)
        sign = " with the wrong sign, and" if value < 0 else ""
        name = f"{'wrong' if sure else 'another'} term through the {path}"
        name = "m - 1 in place of m" if "m - 1" in told and same else name
        text = f"the {which}{sign} {abs(value):.5g}{told} times what it should be ({norm.where}, m = {m:.0f} values)"
        yield e.found(name, f"{text}{also}", numbers)


def meaning_of(value: float, told: str, m: float) -> tuple[str, bool]:
    """Return what a factor of a term says, and whether it says anything."""
    if abs(abs(value) - m) < NEARLY * m:
        return ": it is a sum where the mean belongs (divide by the number of values)", True
    if "m - 1" in told:
        return ": N - 1 in place of N (ddof=1 in one place, N in the other)", True
    if told:
        text = f": divided by another number of values than the m = {m:.0f} that are normalized together"
        return f"{text}, N H W for images", True
    if abs(abs(value) - 0.5) < NEARLY or abs(abs(value) - 2.0) < NEARLY:
        return ": the 2 of a square, or the 1/2 of a root, is missing or there twice", True
    return "", abs(abs(value) - 1.0) < NEARLY


def of_length(e: Evidence, norm: Normalization, p: Array, sizes: dict[str, float], numbers: str) -> Iterator[Diagnosis]:
    """Yield what is wrong where x is divided by its length or root mean square, without a mean."""
    m, x = sizes["m"], e.point.x.reshape(norm.view)
    of_length = distance(norm.s**2, (x * x).sum(norm.axes, keepdims=True)) < 1e-3
    right = (
        "with y = x / |x| the gradient is dx = (g - y (g . y)) / |x|, g being grad_outputs"
        if of_length
        else "with y = x / rms the gradient is dx = (v - y mean(v y)) / rms, v being grad_outputs times the gain"
    )
    if abs(p[2]) < NEARLY:
        what = "length |x|" if of_length else "root mean square"
        text = f"the {what} depends on x, too, and the term that comes through it is missing: {right}"
        yield e.found("no path through the norm", text, numbers)
        return
    ratio = -p[2] / p[0] / (m if of_length else 1.0)
    told = in_sizes(abs(ratio), sizes)
    if abs(ratio + 1.0) < NEARLY:
        text = f"the term of the path through the norm has the wrong sign, and needs a minus: {right}"
        yield e.found("wrong path through the norm", text, numbers)
    elif told or abs(ratio) in (0.5, 2.0):
        text = (
            f"the term of the path through the norm is {ratio:.5g}{told} times what it should be: a sum in place of a "
            f"mean over the {m:.0f} values, or the reverse"
        )
        yield e.found("wrong path through the norm", text, numbers)
