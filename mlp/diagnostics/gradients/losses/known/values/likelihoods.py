"""Negative log-likelihoods of means and spreads or of rates, and distances between distributions.

Outputs that are means and spreads have them in the first and the second half of their columns: y is (..., N, 2 K), and
t is (N, K).
"""

from collections.abc import Callable

import numpy as np

from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Options, Parts, Value
from mlp.diagnostics.gradients.losses.known.values.classes import log_softmax
from mlp.diagnostics.gradients.losses.known.values.distributions import entropies
from mlp.diagnostics.gradients.losses.known.values.pairs import softplus
from mlp.typing import Array

Spread = Callable[[Array], Array]  # of the second half of the outputs
HALF_LOG_2_PI = 0.5 * float(np.log(2.0 * np.pi))


SPREADS: dict[str, Spread] = {  # standard deviations
    "the variance": np.sqrt,
    "the logarithm of the variance": lambda s: np.exp(0.5 * s),
    "the standard deviation": lambda s: s,
    "the logarithm of the standard deviation": np.exp,
    "a standard deviation before its softplus": softplus,
    "a variance before its softplus": lambda s: np.sqrt(softplus(s)),
}


def halves(y: Array, t: Array) -> tuple[Array, Array]:
    """Return means and spreads.

    Raises:
        ValueError: the outputs are no means and spreads of the targets.
    """
    K = t.shape[-1]
    if y.shape[-1] != 2 * K:
        raise ValueError(f"outputs {y.shape} for targets {t.shape}")
    return y[..., :K], y[..., K:]


def gaussian_nll(spread: Spread, constant: float) -> Value:
    """Return log sigma + (t - mu)^2 / (2 sigma^2), up to a constant."""

    def value(y: Array, t: Array, s: Options, part: Parts) -> Array:
        mu, sigma = halves(y, t)[0], spread(halves(y, t)[1])
        return np.log(sigma) + 0.5 * ((t - mu) / sigma) ** 2 + constant

    return value


def laplace_nll(scale: Spread, constant: float) -> Value:
    """Return log b + |t - mu| / b, up to a constant."""

    def value(y: Array, t: Array, s: Options, part: Parts) -> Array:
        mu, b = halves(y, t)[0], scale(halves(y, t)[1])
        return np.log(b) + np.abs(t - mu) / b + constant

    return value


def of_means(name: str, formula: Callable[[Spread, float], Value], constant: float) -> list[KnownLoss]:
    """Return a likelihood with all usual spreads, without and with its constant."""
    return [
        KnownLoss(f"the negative log-likelihood of a {name} with {what}", formula(spread, c))
        for what, spread in SPREADS.items()
        for c in (0.0, constant)
    ]


def from_outputs(function: Callable[[Array, Array], Array], outputs: Callable[[Array], Array]) -> Value:
    """Return the loss function(outputs(y), t)."""
    return lambda y, t, s, part: function(outputs(y), t)


def soft(y: Array) -> Array:
    return np.exp(log_softmax(y, Parts()))


def jensen_shannon(p: Array, t: Array) -> Array:
    """(p log(p/m) + t log(t/m)) / 2 with m = (p + t) / 2."""
    m = 0.5 * (p + t)
    return np.asarray(0.5 * (entropies(p) + entropies(t)) - m * np.log(m))


def hellinger(p: Array, t: Array) -> Array:
    """(sqrt p - sqrt t)^2 / 2."""
    return np.asarray(0.5 * (np.sqrt(p) - np.sqrt(t)) ** 2)


def hellinger_distance(p: Array, t: Array) -> Array:
    return np.sqrt(hellinger(p, t).sum(axis=-1, keepdims=True))


def chi_square(p: Array, t: Array) -> Array:
    return (p - t) ** 2 / (p + t)


def bhattacharyya(p: Array, t: Array) -> Array:
    """-log sum sqrt(p t)."""
    return -np.log(np.sqrt(p * t).sum(axis=-1, keepdims=True))


def poisson_with_eps(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """y - t log(y + eps)."""
    return y - t * np.log(y + s["eps"])


def divergence_of_two_logs(y: Array, t: Array, s: Options, part: Parts) -> Array:
    """sum exp(t) (t - y) of log-probabilities y and t."""
    return np.exp(t) * (t - y)


DISTANCES: dict[str, Callable[[Array, Array], Array]] = {
    "the Jensen-Shannon divergence": jensen_shannon,
    "the squared Hellinger distance": hellinger,
    "the Hellinger distance": hellinger_distance,
    "the chi-square distance": chi_square,
    "the Bhattacharyya distance": bhattacharyya,
}
LIKELIHOODS: tuple[KnownLoss, ...] = (
    *(
        KnownLoss(f"{name} of {what}", from_outputs(function, outputs))
        for name, function in DISTANCES.items()
        for what, outputs in (("probabilities", np.asarray), ("logits", soft), ("log-probabilities", np.exp))
    ),
    KnownLoss("the Kullback-Leibler divergence of log-probabilities and their logarithms", divergence_of_two_logs),
    KnownLoss("the Poisson loss of rates with eps", poisson_with_eps, {"eps": (1e-8, 1e-7, 1e-6)}),
    KnownLoss("the exponential likelihood of means", lambda y, t, s, part: np.log(y) + t / y),
    KnownLoss("the exponential likelihood of rates", lambda y, t, s, part: t * y - np.log(y)),
    KnownLoss("the exponential likelihood of logarithms of means", lambda y, t, s, part: y + t * np.exp(-y)),
    KnownLoss("the Itakura-Saito divergence", lambda y, t, s, part: t / y - np.log(t / y) - 1.0),
    KnownLoss("the deviance of Gamma", lambda y, t, s, part: 2.0 * (t / y - np.log(t / y) - 1.0)),
    *of_means("Gaussian", gaussian_nll, HALF_LOG_2_PI),
    *of_means("Laplace", laplace_nll, float(np.log(2.0))),
)
