"""The losses of samples that several arrays make: pairs, triplets, means and variances, queries and keys, critics."""

from collections.abc import Callable

import numpy as np

from mlp.typing import Array

Joint = Callable[..., Array]  # (arrays ..., settings) -> losses of the samples, (N,) or (N, K)


def squared_distance(a: Array, b: Array) -> Array:
    return np.asarray(((a - b) ** 2).sum(axis=-1))


def plain_distance(a: Array, b: Array) -> Array:
    return np.asarray(np.sqrt(squared_distance(a, b)))


def cosine_of_rows(a: Array, b: Array) -> Array:
    return np.asarray((a * b).sum(axis=-1) / np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1)))


def of_length_one(a: Array) -> Array:
    return np.asarray(a / np.sqrt((a * a).sum(axis=-1, keepdims=True)))


def softplus(x: Array) -> Array:
    return np.asarray(np.logaddexp(0.0, x))


def ranking(x1: Array, x2: Array, y: Array, margin: float) -> Array:
    return np.maximum(0.0, margin - y * (x1 - x2))


def triplet(distance: Joint) -> Joint:
    return lambda a, p, n, margin: np.maximum(0.0, distance(a, p) - distance(a, n) + margin)


def triplet_cosine(a: Array, p: Array, n: Array, margin: float) -> Array:
    return np.maximum(0.0, cosine_of_rows(a, n) - cosine_of_rows(a, p) + margin)


def contrastive_of_distances(same: Array, d: Array, margin: float) -> Array:
    return np.asarray(same * d * d + (1.0 - same) * np.maximum(0.0, margin - d) ** 2)


def of_like_pairs(x1: Array, x2: Array, y: Array, margin: float) -> Array:
    """The contrastive loss with y = 1 for pairs that are alike."""
    return contrastive_of_distances((y > 0) * 1.0, plain_distance(x1, x2), margin)


def of_unlike_pairs(x1: Array, x2: Array, y: Array, margin: float) -> Array:
    """The contrastive loss with y = 0 for pairs that are alike."""
    return contrastive_of_distances((y <= 0) * 1.0, plain_distance(x1, x2), margin)


def cosine_embedding(x1: Array, x2: Array, y: Array, margin: float) -> Array:
    cos = cosine_of_rows(x1, x2)
    return np.where(y > 0, 1.0 - cos, np.maximum(0.0, cos - margin))


def divergence_from_normal(variance: Callable[[Array], Array]) -> Joint:
    """Return KL(N(mu, v) || N(0, 1)) with v = variance(s)."""
    return lambda mu, s: 0.5 * (mu * mu + variance(s) - 1.0 - np.log(variance(s)))


def gaussian(variance: Callable[[Array], Array], constant: float) -> Joint:
    """Return -log N(y; mu, v) up to a constant."""
    return lambda mu, s, y: 0.5 * (np.log(variance(s)) + (y - mu) ** 2 / variance(s)) + constant


def cross_entropy_of_diagonal(scores: Array) -> Array:
    """Return the cross-entropy of each row whose true class is the one on the diagonal."""
    z = scores - scores.max(axis=1, keepdims=True)
    return np.asarray(np.log(np.exp(z).sum(axis=1)) - np.diag(z))


def one_way(q: Array, k: Array, temperature: float) -> Array:
    return cross_entropy_of_diagonal(q @ k.T / temperature)


def both_ways(q: Array, k: Array, temperature: float) -> Array:
    scores = q @ k.T / temperature
    return np.concatenate([cross_entropy_of_diagonal(scores), cross_entropy_of_diagonal(scores.T)])


def two_views(a: Array, b: Array, temperature: float) -> Array:
    """NT-Xent of two views (N, D): of the 2N vectors each finds its other view among all but itself."""
    z = of_length_one(np.concatenate([a, b]))
    scores = z @ z.T / temperature
    np.fill_diagonal(scores, -np.inf)
    other = np.roll(np.arange(len(z)), len(a))
    return np.asarray(np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(z)), other])


def negative_sampling(v: Array, u: Array, negatives: Array) -> Array:
    """-log sigmoid(u v) - sum_k log sigmoid(-u_k v) of one pair."""
    return np.asarray(softplus(-(u @ v)) + softplus(negatives @ v).sum())


def units(form: Joint) -> Joint:
    """Return a loss of vectors of length 1."""
    return lambda a, b, temperature: form(of_length_one(a), of_length_one(b), temperature)


def ranknet(s1: Array, s2: Array, sigma: float) -> Array:
    return softplus(-sigma * (s1 - s2))


def ranknet_of_targets(s1: Array, s2: Array, t: Array, sigma: float) -> Array:
    """t is the probability that s1 comes first; or 1, 0, -1."""
    d = sigma * (s1 - s2)
    t = 0.5 * (1.0 + t) if (t < 0).any() else t
    return np.asarray(softplus(d) - t * d)


def distilled(z: Array, teacher: Array, temperature: float, *, entropy: bool) -> Array:
    """T^2 KL(softmax(t / T) || softmax(z / T)), or the cross-entropy of both."""
    log_p, log_q = (a / temperature for a in (z, teacher))
    log_p, log_q = (a - a.max(1, keepdims=True) for a in (log_p, log_q))
    log_p, log_q = (a - np.log(np.exp(a).sum(1, keepdims=True)) for a in (log_p, log_q))
    q = np.exp(log_q)
    return np.asarray(temperature**2 * (q * ((0.0 if entropy else log_q) - log_p)).sum(axis=1))


def distilled_with_labels(*, entropy: bool, exchanged: bool, scaled: bool) -> Joint:
    """Return a (soft part) + (1 - a) (cross-entropy of the labels), or a and 1 - a exchanged; with its T^2, or not."""

    def form(z: Array, teacher: Array, labels: Array, temperature: float, alpha: float) -> Array:
        soft = distilled(z, teacher, temperature, entropy=entropy) / (1.0 if scaled else temperature**2)
        hard = np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) + z.max(1) - z[np.arange(len(z)), labels]
        share = 1.0 - alpha if exchanged else alpha
        return np.asarray(share * soft + (1.0 - share) * hard)

    return form
