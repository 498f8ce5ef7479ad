"""Clipping of gradients, in its right forms and in wrong ones.

value           g <- max(-c, min(c, g)), each number by itself
norm            g <- g c / |g| where |g| > c, the norm of each array
global norm     the same with one norm of all arrays
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.typing import Array

Gradients = Sequence[Array]
VALUE, NORM, GLOBAL = "value", "norm", "global norm"


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
    factor: Callable[[float, float], float], norm: Callable[[Array], Any] = np.linalg.norm, *, together: bool
) -> Callable[[Gradients, float, float], list[Array]]:
    """Return a clip that multiplies by factor(norm, bound), of each array or of all together."""

    def apply(grads: Gradients, bound: float, rate: float) -> list[Array]:
        if together:
            size = float(norm(np.concatenate([g.ravel() for g in grads])))
            return [g * factor(size, bound) for g in grads]
        return [g * factor(float(norm(g.ravel())), bound) for g in grads]

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
        "only negative values clipped",
        "only negative values are cut, at -limit; positive ones must be cut at limit, too",
        each(lambda g, c: np.maximum(g, -c)),
    ),
    Clip(
        "negative values lost",
        "negative values become 0: the lower limit is -limit",
        each(lambda g, c: np.clip(g, 0.0, c)),
    ),
    Clip(
        "sign lost in clipping",
        "values below -limit become +limit: they lost their sign",
        each(lambda g, c: np.where(np.abs(g) > c, c, g)),
    ),
    Clip(
        "sign lost in clipping",
        "the clipped values lost their sign: min(|g|, limit)",
        each(lambda g, c: np.minimum(np.abs(g), c)),
    ),
    Clip(
        "large values become 0",
        "values beyond the limit become 0; they must become +-limit",
        each(lambda g, c: np.where(np.abs(g) > c, 0.0, g)),
    ),
    Clip(
        "always at the limit",
        "all values become +-limit, small ones, too: only those beyond the limit must be cut",
        each(lambda g, c: c * np.sign(g)),
    ),
    Clip(
        "the wrong side",
        "values within the limit are changed, and those beyond it stay",
        each(lambda g, c: np.where(np.abs(g) < c, c * np.sign(g), g)),
    ),
    Clip("clipped after the rate", "the step h g is clipped, and must be the gradient g", after_the_rate(BY_VALUE)),
    Clip("limit of 1", "the limit is 1, whatever it is set to", each(lambda g, c: np.clip(g, -1.0, 1.0))),
)


def wrong_norms(*, together: bool) -> tuple[Clip, ...]:
    """Return the wrong forms of clipping by the norm of each array, or of all."""

    def form(name: str, sentence: str, factor: Callable[[float, float], float], norm: Any = np.linalg.norm) -> Clip:
        return Clip(name, sentence, scaled(factor, norm, together=together))

    return (
        form(
            "always scaled",
            "the gradient is always scaled to the norm; only where its norm is larger than the bound "
            "it must be scaled down",
            lambda n, c: c / n,
        ),
        form(
            "always scaled",
            "the gradient is always divided by its norm, and the bound is not used",
            lambda n, c: 1.0 / n,
        ),
        form(
            "squared norm",
            "the norm is sqrt(sum g^2); here its square is compared with the bound and divided by: the root is missing",
            shrink_to,
            lambda g: (g * g).sum(),
        ),
        form(
            "squared norm",
            "the square of the norm is compared with the bound: the root is missing there",
            lambda n, c: c / n if n * n > c else 1.0,
        ),
        form(
            "squared norm",
            "it divides by the square of the norm, and must divide by the norm",
            lambda n, c: c / n**2 if n > c else 1.0,
        ),
        form(
            "the wrong side",
            "small gradients are scaled up to the bound, and large ones stay: it must ask where the "
            "norm is larger than the bound",
            lambda n, c: c / n if n < c else 1.0,
        ),
        form(
            "the wrong side",
            "it takes the larger of 1 and bound / norm; it must be the smaller",
            lambda n, c: max(1.0, c / n),
        ),
        form(
            "ratio the wrong way round",
            "the gradient is multiplied by norm / bound, and must be by bound / norm",
            lambda n, c: n / c if n > c else 1.0,
        ),
        form(
            "ratio the wrong way round",
            "the gradient is multiplied by min(1, norm / bound), and must be by min(1, bound / norm)",
            lambda n, c: min(1.0, n / c),
        ),
        form(
            "bound forgotten",
            "a large gradient is divided by its norm, to the length 1; it must keep the length of the bound",
            lambda n, c: 1.0 / n if n > c else 1.0,
        ),
        form(
            "norm forgotten",
            "a large gradient is multiplied by the bound; it must be by bound / norm",
            lambda n, c: c if n > c else 1.0,
        ),
        form(
            "large gradients become 0",
            "a gradient that is too large becomes 0; it must be scaled to the bound",
            lambda n, c: 0.0 if n > c else 1.0,
        ),
        form(
            "mean in place of the sum",
            "the norm is made of the mean of g^2, and must be of their sum",
            shrink_to,
            lambda g: np.sqrt((g * g).mean()),
        ),
        form(
            "another norm", "it takes the sum of |g|; the norm is sqrt(sum g^2)", shrink_to, lambda g: np.abs(g).sum()
        ),
        form(
            "another norm", "it takes the largest |g|; the norm is sqrt(sum g^2)", shrink_to, lambda g: np.abs(g).max()
        ),
        form(
            "another norm",
            "it takes the sum of g, without squares; the norm is sqrt(sum g^2)",
            shrink_to,
            lambda g: g.sum(),
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


def kinds_of(words: str) -> list[str]:
    """Return the right kinds of clipping for the names of a rule and its bound, the likeliest first."""
    plain = words.lower()
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
            found.append(
                Clip("another kind of clipping", f"{one.sentence}; its name speaks of the {kinds[0]}", one.apply)
            )
    return found
