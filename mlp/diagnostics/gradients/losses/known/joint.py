"""Losses of several arrays by their formulas: pairs, triplets, means and variances, queries and keys, critics.

Each takes its arrays and settings and returns the losses of the samples, (N,) or (N, K); their mean or sum is the loss.
The arrays come in the order in which a function takes them, and are known by their names where that is needed.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.pointwise import sigmoid
from mlp.typing import Array

Joint = Callable[..., Array]  # (arrays ..., settings by name) -> losses of the samples


@dataclass(frozen=True)
class JointLoss:
    """A loss of several arrays.

    Attributes:
        words: in the name of a function, of which one says that it is meant.
        name, formula: as they stand in a sentence.
        forms: functions of the arrays and the settings; all of them are right.
        arrays: how many arrays it takes. usual: the numbers that are tried for each setting, next to the student's.
    """

    words: tuple[str, ...]
    name: str
    formula: str
    forms: tuple[Joint, ...]
    arrays: int
    usual: Mapping[str, tuple[float, ...]] = field(default_factory=dict)


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


MEANS = r"(?<![\d.])1\b[^,;.\n\d]{{0,40}}?\b({})"  # what a docstring says of the label 1
VARIANCES: dict[str, Callable[[Array], Array]] = {
    r"log_?var|lv|log_?v|log_?sigma_?(2|sq)|rho|^s$": np.exp,
    r"log_?(sigma|std|s)": lambda s: np.exp(2.0 * s),
    r"var|v|sigma_?(2|sq)": lambda s: s,
    r"sigma|std|scale": lambda s: s * s,
}
TEMPERATURES = {"temperature": (1.0, 0.5, 0.1, 0.07)}
MARGINS = {"margin": (1.0, 0.0, 0.5)}
JOINT: tuple[JointLoss, ...] = (
    JointLoss(
        ("marginranking", "rankingloss", "rankloss", "pairwisehinge"),
        "the margin ranking loss",
        "max(0, -y (x1 - x2) + margin)",
        (ranking,),
        3,
        MARGINS,
    ),
    JointLoss(
        ("triplet",),
        "the triplet loss",
        "max(0, d(a, p) - d(a, n) + margin), of distances or of their squares",
        (triplet(squared_distance), triplet(plain_distance), triplet_cosine),
        3,
        MARGINS,
    ),
    JointLoss(
        ("cosineembedding",),
        "the cosine embedding loss",
        "1 - cos where y = 1, max(0, cos - margin) elsewhere",
        (cosine_embedding,),
        3,
        MARGINS,
    ),
    JointLoss(
        ("infonce", "clip", "ntxent", "simclr", "nce"),
        "the InfoNCE loss",
        "the cross-entropy of the scores q k^T / temperature, in which the key with the same number is the true class",
        (one_way, both_ways, units(one_way), units(both_ways), two_views),
        2,
        TEMPERATURES,
    ),
    JointLoss(
        ("contrastive",),
        "the contrastive loss",
        "d^2 for pairs that are alike, max(0, margin - d)^2 for others",
        (of_like_pairs, of_unlike_pairs),
        3,
        MARGINS,
    ),
    JointLoss(
        ("ranknet", "pairwiselogistic", "bpr"),
        "the logistic loss of pairs",
        "log(1 + exp(-(s1 - s2)))",
        (ranknet, ranknet_of_targets),
        2,
        {"sigma": (1.0,)},
    ),
    JointLoss(
        ("distill", "knowledge"),
        "the distillation loss",
        "T^2 KL(softmax(t / T) || softmax(z / T))",
        (
            lambda z, t, temperature: distilled(z, t, temperature, entropy=False),
            lambda z, t, temperature: distilled(z, t, temperature, entropy=True),
        ),
        2,
        TEMPERATURES,
    ),
    JointLoss(
        ("hingegan", "ganhinge", "dhinge", "hinged", "discriminatorhinge"),
        "the hinge loss of a critic",
        "max(0, 1 - D(real)) + max(0, 1 + D(fake))",
        (lambda real, fake: np.maximum(0.0, 1.0 - real) + np.maximum(0.0, 1.0 + fake),),
        2,
    ),
    JointLoss(
        ("wasserstein", "critic", "wgan"),
        "the Wasserstein loss of the critic",
        "D(fake) - D(real)",
        (lambda real, fake: fake - real,),
        2,
    ),
    JointLoss(
        ("lsgan", "leastsquares"),
        "the least-squares loss of the discriminator",
        "(D(real) - 1)^2 + D(fake)^2",
        (lambda real, fake: (real - 1.0) ** 2 + fake**2,),
        2,
    ),
    JointLoss(
        ("discriminator", "gan"),
        "the loss of the discriminator",
        "-log sigmoid(D(real)) - log(1 - sigmoid(D(fake)))",
        (
            lambda real, fake: softplus(-real) + softplus(fake),
            lambda real, fake: -np.log(real) - np.log(1.0 - fake),
            lambda real, fake: -np.log(sigmoid(real)) - np.log(1.0 - sigmoid(fake)),
        ),
        2,
    ),
)


def joint_losses(name: str, text: str, arrays: Sequence[str]) -> Iterator[JointLoss]:
    """Yield the losses that a function may mean.

    Args:
        name: of the function. text: its docstring. arrays: the names of its arrays, in order.
    """
    plain = name.lower().replace("_", "")
    if "reversekl" in plain:
        return
    spread = next((one for one in VARIANCES if len(arrays) > 1 and re.search(one, arrays[1].lower())), None)
    mean = len(arrays) > 1 and re.match(r"z?_?m(u|ean|$)", arrays[0].lower()) is not None
    if mean and spread and re.search("kl|vae|latent|elbo", plain) and len(arrays) == 2:
        formula = "-1/2 sum(1 + logvar - mu^2 - exp(logvar))"
        yield JointLoss((), "the divergence from N(0, 1)", formula, (divergence_from_normal(VARIANCES[spread]),), 2)
    elif mean and spread and re.search("nll|gauss|likelihood", plain) and len(arrays) == 3:
        forms = tuple(gaussian(VARIANCES[spread], c) for c in (0.0, 0.5 * float(np.log(2.0 * np.pi))))
        yield JointLoss((), "the negative log-likelihood", "(logvar + (y - mu)^2 exp(-logvar)) / 2", forms, 3)
    found = next((one for one in JOINT if any(word in plain for word in one.words)), None)
    if found is not None and len(arrays) >= found.arrays:
        yield in_its_words(found, text)


def in_its_words(loss: JointLoss, text: str) -> JointLoss:
    """Return a loss of pairs with the meaning of its labels, if a docstring tells which of them are alike."""
    if loss.name != "the contrastive loss":
        return loss
    alike = re.search(MEANS.format("same|similar|positive|genuine|match|alike|belong"), text.lower())
    other = re.search(MEANS.format("not|dissimilar|different|negative|other|impostor"), text.lower())
    forms = (of_unlike_pairs,) if other else (of_like_pairs,) if alike else loss.forms
    return JointLoss(loss.words, loss.name, loss.formula, forms, loss.arrays, loss.usual)


def sums_in_all_forms(loss: JointLoss, arrays: Sequence[Array], settings: Mapping[str, Any]) -> Iterator[float]:
    """Yield the sum of the losses in all its forms and with all settings, in the same order at each point."""
    own = [float(v) for v in settings.values() if isinstance(v, int | float) and not isinstance(v, bool)]
    choices = [[*own, *numbers] for numbers in loss.usual.values()]
    for form in loss.forms:
        count = form.__code__.co_argcount - len(loss.usual)
        for values in product(*choices):
            try:
                with np.errstate(all="ignore"):
                    losses = form(*arrays[:count], *values)
                yield float(np.sum(losses)) if count <= len(arrays) else float("nan")
            except (ValueError, IndexError, ZeroDivisionError, TypeError):  # arrays of other shapes
                yield float("nan")
