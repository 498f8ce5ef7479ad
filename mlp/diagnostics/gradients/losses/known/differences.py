"""Losses of the difference d = y - t: squared, absolute, and those between the two."""

from collections.abc import Callable

import numpy as np

from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Options, Parts, Value, Wrong
from mlp.typing import Array

INSIDE = "the mean under the root"


def of_d(function: Callable[[Array, Options], Array]) -> Value:
    """Return the loss function(d, s)."""
    return lambda y, t, s, part: function(y - t, s)


def at_d(function: Callable[[Array, Options], Array]) -> Callable[[Array, Array, Options], Array]:
    """Return the gradient function(d, s)."""
    return lambda y, t, s: function(y - t, s)


def squares(d: Array, s: Options) -> Array:
    return d * d


def sizes(d: Array, s: Options) -> Array:
    return np.abs(d)


def root_mean_square(y: Array, t: Array, s: Options, part: Parts) -> Array:
    return np.sqrt(part(INSIDE, ((y - t) ** 2).mean(axis=(-2, -1), keepdims=True)))


def root_by_samples(y: Array, t: Array, s: Options, part: Parts) -> Array:
    return np.sqrt(part(INSIDE, ((y - t) ** 2).sum(axis=-1, keepdims=True)))


def logarithms(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """(log(1 + y) - log(1 + t))^2."""
    return (part("log(1 + y)", np.log1p(y)) - np.log1p(t)) ** 2


def root_of_logarithms(y: Array, t: Array, s: Options, part: Parts) -> Array:
    return np.sqrt(part(INSIDE, logarithms(y, t, s, part).mean(axis=(-2, -1), keepdims=True)))


def percentage(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """|y - t| / |t|."""
    return np.abs((y - t) / t)


def symmetric_percentage(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """2 |y - t| / (|y| + |t|)."""
    return 2.0 * part("|y - t|", np.abs(y - t)) / part("the denominator |y| + |t|", np.abs(y) + np.abs(t))


def huber(d: Array, s: Options) -> Array:
    a, k = np.abs(d), s["delta"]
    return np.where(a <= k, 0.5 * d * d, k * (a - 0.5 * k))


def log_cosh(d: Array, s: Options) -> Array:
    return np.log(np.cosh(d))


def quantile(d: Array, s: Options) -> Array:
    """max(q (t - y), (q - 1) (t - y))."""
    return np.maximum(-s["q"] * d, (1.0 - s["q"]) * d)


def pseudo_huber(d: Array, s: Options) -> Array:
    return s["delta"] ** 2 * (np.sqrt(1.0 + (d / s["delta"]) ** 2) - 1.0)


def charbonnier(d: Array, s: Options) -> Array:
    return np.sqrt(d * d + s["eps"] ** 2)


def cauchy(d: Array, s: Options) -> Array:
    return np.log1p((d / s["c"]) ** 2)


def insensitive(d: Array, s: Options) -> Array:
    return np.maximum(np.abs(d) - s["epsilon"], 0.0)


def squared_insensitive(d: Array, s: Options) -> Array:
    return insensitive(d, s) ** 2


def tukey(d: Array, s: Options) -> Array:
    u = np.minimum(np.abs(d) / s["c"], 1.0)
    return s["c"] ** 2 / 6.0 * (1.0 - (1.0 - u * u) ** 3)


def power(d: Array, s: Options) -> Array:
    return np.abs(d) ** s["p"]


def lopsided(d: Array, s: Options) -> Array:
    """exp(a d) - a d - 1, LINEX."""
    return np.exp(s["a"] * d) - s["a"] * d - 1.0


HUBER: tuple[Wrong, ...] = (
    Wrong(
        "delta forgotten",
        "in the linear part, |d| > delta, the gradient is delta sign(d): the factor delta is missing",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], d, np.sign(d))),
    ),
    Wrong(
        "limit of 1",
        "it goes over to the linear part at 1, and must do so at delta",
        of_d(lambda d, s: huber(d, {"delta": 1.0})),
    ),
    Wrong(
        "limit of 1",
        "it goes over to the linear part at 1, and must do so at delta",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= 1.0, d, s["delta"] * np.sign(d))),
    ),
    Wrong(
        "sign lost in the linear part",
        "the linear part lost the sign: its gradient is delta sign(d), not delta",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], d, s["delta"])),
    ),
    Wrong(
        "parts exchanged",
        "the two parts are exchanged: d belongs where |d| <= delta, delta sign(d) where |d| > delta",
        gradient=at_d(lambda d, s: np.where(np.abs(d) > s["delta"], d, s["delta"] * np.sign(d))),
    ),
    Wrong(
        "linear part forgotten",
        "it is d everywhere: where |d| > delta the gradient is delta sign(d)",
        gradient=at_d(lambda d, s: d),
    ),
    Wrong(
        "linear part has no gradient",
        "where |d| > delta the gradient is 0, and must be delta sign(d)",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], d, 0.0)),
    ),
    Wrong(
        "factor 2 in the quadratic part",
        "where |d| <= delta it is 2 d: the loss has d^2/2 there, whose derivative is d",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], 2.0 * d, s["delta"] * np.sign(d))),
    ),
    Wrong(
        "factor 1/2 in the quadratic part",
        "where |d| <= delta it is d/2: the loss has d^2/2 there, whose derivative is d",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], 0.5 * d, s["delta"] * np.sign(d))),
    ),
    Wrong(
        "delta times d in the linear part",
        "in the linear part, |d| > delta, the gradient is delta sign(d), not delta d: the sign is missing",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], d, s["delta"] * d)),
    ),
    Wrong(
        "delta twice",
        "in the linear part, |d| > delta, the gradient is delta sign(d), not delta^2 sign(d)",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], d, s["delta"] ** 2 * np.sign(d))),
    ),
    Wrong(
        "delta not divided out",
        "the quadratic part is d^2 / (2 delta): its gradient is d / delta, the division by delta is missing",
        gradient=at_d(lambda d, s: np.where(np.abs(d) <= s["delta"], s["delta"] * d, s["delta"] * np.sign(d))),
    ),
    Wrong(
        "linear part not joined",
        "the linear part is delta |d|, and must be delta (|d| - delta/2), so that both parts meet at |d| = delta",
        of_d(lambda d, s: np.where(np.abs(d) <= s["delta"], 0.5 * d * d, s["delta"] * np.abs(d))),
    ),
    Wrong(
        "linear part not joined",
        "the linear part is |d| - delta/2, and must be delta (|d| - delta/2): the factor delta is missing",
        of_d(lambda d, s: np.where(np.abs(d) <= s["delta"], 0.5 * d * d, np.abs(d) - 0.5 * s["delta"])),
    ),
    Wrong(
        "linear part not joined",
        "the linear part is delta |d| - delta/2, and must be delta (|d| - delta/2) = delta |d| - delta^2/2",
        of_d(lambda d, s: np.where(np.abs(d) <= s["delta"], 0.5 * d * d, s["delta"] * (np.abs(d) - 0.5))),
    ),
    Wrong(
        "half forgotten",
        "the quadratic part is d^2, and must be d^2/2, so that both parts meet at |d| = delta",
        of_d(lambda d, s: np.where(np.abs(d) <= s["delta"], d * d, s["delta"] * (np.abs(d) - 0.5 * s["delta"]))),
    ),
    Wrong(
        "parts exchanged",
        "the two parts are exchanged: d^2/2 belongs where |d| <= delta",
        of_d(lambda d, s: np.where(np.abs(d) > s["delta"], 0.5 * d * d, s["delta"] * (np.abs(d) - 0.5 * s["delta"]))),
    ),
)
QUANTILE: tuple[Wrong, ...] = (
    Wrong(
        "sides exchanged",
        "the two sides are exchanged: where the target is larger the gradient is -q, elsewhere 1 - q",
        of_d(lambda d, s: quantile(d, {"q": 1.0 - s["q"]})),
    ),
    Wrong(
        "sides exchanged",
        "where the target is larger the gradient is -q, elsewhere 1 - q; here it is 1 - q and -q",
        gradient=at_d(lambda d, s: np.where(d < 0.0, 1.0 - s["q"], -s["q"])),
    ),
    Wrong(
        "sign of one side",
        "where the target is larger the gradient is -q, not q: the sign of that side is wrong",
        gradient=at_d(lambda d, s: np.where(d < 0.0, s["q"], 1.0 - s["q"])),
    ),
    Wrong(
        "sign of one side",
        "where the output is larger the gradient is 1 - q, not q - 1: the sign of that side is wrong",
        gradient=at_d(lambda d, s: np.where(d < 0.0, -s["q"], s["q"] - 1.0)),
    ),
    Wrong(
        "q on both sides",
        "both sides have the weight q: where the output is larger it must be 1 - q",
        of_d(lambda d, s: s["q"] * np.abs(d)),
    ),
    Wrong(
        "one side alone",
        "where the output is larger the gradient is 0, and must be 1 - q",
        of_d(lambda d, s: np.maximum(-s["q"] * d, 0.0)),
    ),
    Wrong(
        "one side alone",
        "where the target is larger the gradient is 0, and must be -q",
        of_d(lambda d, s: np.maximum((1.0 - s["q"]) * d, 0.0)),
    ),
    Wrong(
        "sides not asked for",
        "q has no effect: it is the gradient of the absolute error",
        of_d(sizes),
    ),
)
ABSOLUTE: tuple[Wrong, ...] = (
    Wrong("sign forgotten", "the derivative of |d| is its sign, not d", of_d(squares)),
    Wrong(
        "absolute value forgotten", "it averages the differences, not their absolute values |d|", of_d(lambda d, s: d)
    ),
)
SQUARED: tuple[Wrong, ...] = (
    Wrong("square forgotten", "it is the absolute error |d|: the difference must be squared", of_d(sizes)),
    Wrong("square forgotten", "it averages the differences d: they must be squared", of_d(lambda d, s: d)),
    Wrong(
        "square of the mean",
        "it is the square of the mean difference, and must be the mean of the squares",
        lambda y, t, s, part: (y - t).mean(axis=(-2, -1), keepdims=True) ** 2,
    ),
    Wrong("root taken", "it takes the root of the mean", root_mean_square),
)
ROOT: tuple[Wrong, ...] = (
    Wrong("root forgotten", "the square root is missing: it is the mean squared error", of_d(squares)),
    Wrong("square forgotten", "it is the absolute error |d|: square, mean, root", of_d(sizes)),
    Wrong(
        "root of each value",
        "the root is taken of each square, which is |d|, and must be taken of their mean",
        of_d(sizes),
    ),
    Wrong(
        "divided by the square",
        "it divides by the square of the root, and must divide by the root itself: the derivative of sqrt(v) is "
        "1 / (2 sqrt(v))",
        gradient=lambda y, t, s: (y - t) / ((y - t) ** 2).sum(axis=-1, keepdims=True),
    ),
    Wrong(
        "divided by the square",
        "it divides by the mean square, and must divide by its root: the derivative of sqrt(v) is 1 / (2 sqrt(v))",
        gradient=lambda y, t, s: (y - t) / ((y - t) ** 2).mean() / y.size,
    ),
    Wrong(
        "root of each sample", "the root is taken of each sample, and must be taken of the whole mean", root_by_samples
    ),
)
LOGARITHMS: tuple[Wrong, ...] = (
    Wrong(
        "inner derivative forgotten",
        "the derivative of log(1 + y) is missing: 1 / (1 + y)",
        gradient=lambda y, t, s: 2.0 * (np.log1p(y) - np.log1p(t)),
    ),
    Wrong(
        "1 / y in place of 1 / (1 + y)",
        "it divides by y; the derivative of log(1 + y) is 1 / (1 + y)",
        gradient=lambda y, t, s: 2.0 * (np.log1p(y) - np.log1p(t)) / y,
    ),
    Wrong(
        "logarithms forgotten",
        "it takes the difference y - t; it must be that of the logarithms, log(1 + y) - log(1 + t)",
        gradient=lambda y, t, s: 2.0 * (y - t) / (1.0 + y),
    ),
    Wrong(
        "logarithm without 1 +",
        "the logarithms are log y and log t, and must be log(1 + y) and log(1 + t)",
        lambda y, t, s, part: (np.log(y) - np.log(t)) ** 2,
    ),
    Wrong(
        "logarithm of the difference",
        "it is the logarithm of the difference; it must be the difference of the logarithms",
        lambda y, t, s, part: np.log1p(np.abs(y - t)) ** 2,
    ),
)
PERCENTAGE: tuple[Wrong, ...] = (
    Wrong(
        "divided by the output",
        "it divides by the output y, and must divide by the target t",
        gradient=lambda y, t, s: np.sign(y - t) / np.abs(y),
    ),
    Wrong(
        "divided by the output",
        "it divides by the output y, and must divide by the target t",
        lambda y, t, s, part: np.abs((y - t) / y),
    ),
    Wrong("not divided by the target", "the division by |t| is missing", of_d(sizes)),
    Wrong(
        "sign of the target",
        "it divides by t, and must divide by |t|: negative targets turn the sign",
        gradient=lambda y, t, s: np.sign(y - t) / t,
    ),
    Wrong(
        "sign forgotten",
        "the sign of y - t is missing: the derivative of |d| is its sign",
        gradient=lambda y, t, s: 1.0 / np.abs(t) + 0.0 * y,
    ),
)
LOG_COSH: tuple[Wrong, ...] = (
    Wrong("derivative of log cosh", "the derivative of log(cosh(d)) is tanh(d), not d", gradient=at_d(lambda d, s: d)),
    Wrong(
        "derivative of log cosh",
        "the derivative of log(cosh(d)) is sinh(d) / cosh(d) = tanh(d): the division by cosh(d) is missing",
        gradient=at_d(lambda d, s: np.sinh(d)),
    ),
    Wrong(
        "derivative of log cosh",
        "it is 1 / cosh(d): the derivative of the logarithm alone; times sinh(d), so tanh(d)",
        gradient=at_d(lambda d, s: 1.0 / np.cosh(d)),
    ),
    Wrong("cosh without a logarithm", "the logarithm is missing: log(cosh(d))", of_d(lambda d, s: np.cosh(d))),
)
ROOTS: tuple[Wrong, ...] = (
    Wrong("root forgotten", "the division by the root is missing: it gives d alone", gradient=at_d(lambda d, s: d)),
    Wrong(
        "derivative of the root",
        "it divides by the square 1 + (d/delta)^2, not by its root",
        gradient=at_d(lambda d, s: d / (1.0 + (d / s.get("delta", s.get("eps", 1.0))) ** 2)),
    ),
)
INSENSITIVE: tuple[Wrong, ...] = (
    Wrong("epsilon forgotten", "it counts all differences, also those below epsilon, which must get 0", of_d(sizes)),
    Wrong(
        "side of epsilon",
        "the gradient stands where |d| < epsilon; it belongs where |d| > epsilon",
        gradient=at_d(lambda d, s: np.sign(d) * (np.abs(d) < s["epsilon"])),
    ),
    Wrong(
        "sign forgotten",
        "the sign of d is missing where |d| > epsilon",
        gradient=at_d(lambda d, s: 1.0 * (np.abs(d) > s["epsilon"])),
    ),
)
CAUCHY: tuple[Wrong, ...] = (
    Wrong(
        "inner derivative forgotten",
        "it is 1 / (1 + (d/c)^2), the derivative of the logarithm alone: 2 d / c^2, that of the inside, is missing",
        gradient=at_d(lambda d, s: 1.0 / (1.0 + (d / s["c"]) ** 2)),
    ),
    Wrong(
        "c forgotten",
        "the scale c is missing inside: (d/c)^2",
        of_d(lambda d, s: cauchy(d, {"c": 1.0})),
    ),
)
ONES = (1.0, 0.5, 2.0)
DIFFERENCE_LOSSES: tuple[KnownLoss, ...] = (
    KnownLoss("the mean squared error", of_d(squares), {}, SQUARED),
    KnownLoss("the mean absolute error", of_d(sizes), {}, ABSOLUTE),
    KnownLoss("the root mean squared error", root_mean_square, {}, ROOT),
    KnownLoss("the distance |y - t|", root_by_samples, {}, ROOT),
    KnownLoss("the squared error of logarithms", logarithms, {}, LOGARITHMS),
    KnownLoss("the root of the squared error of logarithms", root_of_logarithms, {}, LOGARITHMS),
    KnownLoss("the percentage error", percentage, {}, PERCENTAGE),
    KnownLoss("the symmetric percentage error", symmetric_percentage),
    KnownLoss("the Huber loss", of_d(huber), {"delta": ONES}, HUBER),
    KnownLoss("log-cosh", of_d(log_cosh), {}, LOG_COSH),
    KnownLoss("the quantile loss", of_d(quantile), {"q": (0.9, 0.1, 0.75, 0.25)}, QUANTILE),
    KnownLoss("the pseudo-Huber loss", of_d(pseudo_huber), {"delta": ONES}, ROOTS),
    KnownLoss("the Charbonnier loss", of_d(charbonnier), {"eps": (1.0, 1e-3)}, ROOTS),
    KnownLoss("the Cauchy loss", of_d(cauchy), {"c": ONES}, CAUCHY),
    KnownLoss("the epsilon-insensitive loss", of_d(insensitive), {"epsilon": (0.1, 0.5)}, INSENSITIVE),
    KnownLoss("the squared epsilon-insensitive loss", of_d(squared_insensitive), {"epsilon": (0.1, 0.5)}, INSENSITIVE),
    KnownLoss("Tukey's loss", of_d(tukey), {"c": (4.685, 1.0)}),
    KnownLoss("the power of the difference", of_d(power), {"p": (3.0, 4.0, 1.5)}),
    KnownLoss("LINEX", of_d(lopsided), {"a": (1.0, 0.5)}),
)
