"""Clipping of gradients, in its right forms and in wrong ones.

value           g <- max(-c, min(c, g)), each number by itself
norm            g <- g c / |g| where |g| > c, the norm of each array
global norm     the same with one norm of all arrays
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mlp.typing import Array

Gradients = Sequence[Array]
VALUE, NORM, GLOBAL = "value", "norm", "global norm"
TOGETHER = re.compile(r"\b(together|total norm|global|globally)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Clip:
    """A way to clip the gradients of one step: function (gradients, bound, learning rate) -> gradients."""

    name: str
    sentence: str
    apply: Callable[[Gradients, float, float], list[Array]]


def each(change: Callable[[Array, float], Array]) -> Callable[[Gradients, float, float], list[Array]]:
    """Return a clip that treats each array by itself."""
    return lambda grads, bound, rate: [change(g, bound) for g in grads]


def scaled(
    factor: Callable[[float, float], float], *, together: bool
) -> Callable[[Gradients, float, float], list[Array]]:
    """Return a clip that multiplies by factor(norm, bound), of each array or of all together."""

    def apply(grads: Gradients, bound: float, rate: float) -> list[Array]:
        if together:
            size = float(np.linalg.norm(np.concatenate([g.ravel() for g in grads])))
            return [g * factor(size, bound) for g in grads]
        return [g * factor(float(np.linalg.norm(g)), bound) for g in grads]

    return apply


def shrink_to(n: float, c: float) -> float:
    """Return min(1, c / n)."""
    return min(1.0, c / n) if n else 1.0


def after_the_rate(right: Callable[[Gradients, float, float], list[Array]]) -> Callable[..., list[Array]]:
    """Return a clip of the step h g, not of g."""
    return lambda grads, bound, rate: [g / rate for g in right([rate * g for g in grads], bound, rate)]


BY_VALUE = each(lambda g, c: np.clip(g, -c, c))
RIGHT_CLIPS: dict[str, Clip] = {
    VALUE: Clip(VALUE, "each value of the gradient is clipped", BY_VALUE),
    NORM: Clip(NORM, "the gradient of each array is clipped by its norm", scaled(shrink_to, together=False)),
    GLOBAL: Clip(GLOBAL, "the gradient is clipped by the norm of all arrays", scaled(shrink_to, together=True)),
}
NOTHING = Clip("clipping forgotten", "the gradient is not clipped at all", lambda grads, bound, rate: list(grads))
WRONG_VALUES: tuple[Clip, ...] = (
    Clip(
        "only positive values clipped",
        "only large positive values are cut; negative ones must be cut at -limit, too",
        each(lambda g, c: np.minimum(g, c)),
    ),
    Clip(
        "large values become 0",
        "values beyond the limit become 0; they must become +-limit",
        each(lambda g, c: np.where(np.abs(g) > c, 0.0, g)),
    ),
    Clip("clipped after the rate", "the step h g is clipped, and must be the gradient g", after_the_rate(BY_VALUE)),
)


def wrong_norms(*, together: bool) -> tuple[Clip, ...]:
    """Return the wrong forms of clipping by the norm of each array, or of all."""
    return (
        Clip(
            "always scaled",
            "the gradient is always scaled to the norm; only where its norm is larger than the bound "
            "it must be scaled down",
            scaled(lambda n, c: c / n, together=together),
        ),
        Clip(
            "squared norm",
            "the norm is sqrt(sum g^2); here its square is compared with the bound and divided by: the root is missing",
            scaled(lambda n, c: shrink_to(n * n, c), together=together),
        ),
        Clip(
            "ratio the wrong way round",
            "the gradient is multiplied by min(1, norm / bound), and must be by min(1, bound / norm)",
            scaled(lambda n, c: min(1.0, n / c), together=together),
        ),
        Clip(
            "clipped after the rate",
            "the step h g is clipped, and must be the gradient g",
            after_the_rate(scaled(shrink_to, together=together)),
        ),
    )


OF_SUMS = Clip(
    "sum of the norms",
    "the norms of the arrays are added up; the global norm is the root of the sum of all squares",
    lambda grads, bound, rate: [g * shrink_to(sum(float(np.linalg.norm(one)) for one in grads), bound) for g in grads],
)
OF_LAST = Clip(
    "norm of the last array",
    "all arrays are scaled with the norm of the last one alone",
    lambda grads, bound, rate: [g * shrink_to(float(np.linalg.norm(grads[-1])), bound) for g in grads],
)


def kinds_of(words: str, documentation: str) -> list[str]:
    """Return the right kinds of clipping for the names of a rule and its bound, the likeliest first."""
    plain = words.lower()
    if "norm" in documentation.lower() and TOGETHER.search(documentation):
        return [GLOBAL]
    if "norm" not in plain and ("value" in plain or "limit" in plain):
        return [VALUE]
    if "global" in plain:
        return [GLOBAL]
    return [GLOBAL, NORM] if "norm" in plain else [VALUE, GLOBAL, NORM]


def wrong_clips(kinds: Sequence[str]) -> list[Clip]:
    """Return the wrong forms of some kinds of clipping, and the kinds that are not among them."""
    found = [NOTHING, *(WRONG_VALUES if VALUE in kinds else ())]
    if GLOBAL in kinds or NORM in kinds:
        found += [*wrong_norms(together=True), *wrong_norms(together=False), OF_SUMS, OF_LAST]
    for kind, one in RIGHT_CLIPS.items():
        if kind not in kinds:
            text = f"{one.sentence}; its name or its text speaks of the {kinds[0]}"
            found.append(Clip("another kind of clipping", text, one.apply))
    return found
