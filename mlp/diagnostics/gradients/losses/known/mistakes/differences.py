"""The losses of the difference d = y - t, with their usual mistakes."""

import numpy as np

from mlp.diagnostics.gradients.losses.known.mistakes.branches import HUBER, QUANTILE
from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Wrong
from mlp.diagnostics.gradients.losses.known.values.differences import (
    at_d,
    cauchy,
    charbonnier,
    huber,
    insensitive,
    log_cosh,
    logarithms,
    lopsided,
    of_d,
    percentage,
    power,
    pseudo_huber,
    quantile,
    root_by_samples,
    root_mean_square,
    root_of_logarithms,
    sizes,
    smooth_l1,
    squared_insensitive,
    squares,
    symmetric_percentage,
    tukey,
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
    Wrong("c forgotten", "the scale c is missing inside: (d/c)^2", of_d(lambda d, s: cauchy(d, {"c": 1.0}))),
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
    KnownLoss("the smooth L1 loss", of_d(smooth_l1), {"beta": ONES}),
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
