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

from mlp.diagnostics.gradients.losses.known.values.pairs import (
    Joint,
    both_ways,
    cosine_embedding,
    distilled,
    distilled_with_labels,
    divergence_from_normal,
    gaussian,
    negative_sampling,
    of_like_pairs,
    of_unlike_pairs,
    one_way,
    plain_distance,
    ranking,
    ranknet,
    ranknet_of_targets,
    softplus,
    squared_distance,
    triplet,
    triplet_cosine,
    two_views,
    units,
)
from mlp.typing import Array


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


MEANS = r"(?<![\d.])1\b[^,;.\n\d]{{0,40}}?\b({})"  # what a docstring says of the label 1


def of_two(first: Callable[[Array], Array], second: Callable[[Array], Array]) -> Joint:
    """Return the sum of two means, over two batches that may differ in size."""
    return lambda real, fake: np.mean(first(real)) + np.mean(second(fake))


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
        ("infonce", "clip", "ntxent", "simclr", "npair", "nce"),
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
        ("negsampling", "negativesampling", "skipgramneg", "sgns"),
        "the loss of negative sampling",
        "-log sigmoid(u_o v) - sum_k log sigmoid(-u_k v)",
        (negative_sampling,),
        3,
    ),
    JointLoss(
        ("distill", "knowledge"),
        "the distillation loss with labels",
        "alpha T^2 KL(softmax(t / T) || softmax(z / T)) + (1 - alpha) (cross-entropy of the labels)",
        tuple(
            distilled_with_labels(entropy=one, exchanged=other, scaled=third)
            for one, other, third in product((False, True), (False, True), (True, False))
        ),
        3,
        {**TEMPERATURES, "alpha": (0.5,)},
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
        (of_two(lambda real: np.maximum(0.0, 1.0 - real), lambda fake: np.maximum(0.0, 1.0 + fake)),),
        2,
    ),
    JointLoss(
        ("wasserstein", "critic", "wgan"),
        "the Wasserstein loss of the critic",
        "D(fake) - D(real)",
        (of_two(lambda real: -real, lambda fake: fake),),
        2,
    ),
    JointLoss(
        ("lsgan", "leastsquares"),
        "the least-squares loss of the discriminator",
        "(D(real) - 1)^2 + D(fake)^2",
        (of_two(lambda real: (real - 1.0) ** 2, lambda fake: fake**2),),
        2,
    ),
    JointLoss(
        ("discriminator", "gan"),
        "the loss of the discriminator",
        "-log sigmoid(D(real)) - log(1 - sigmoid(D(fake)))",
        (
            of_two(lambda real: softplus(-real), softplus),
            of_two(lambda real: -np.log(real), lambda fake: -np.log(1.0 - fake)),
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
    meant = [one for one in JOINT if any(word in plain for word in one.words)]
    found = next((one for one in meant if len(arrays) >= one.arrays), None)
    if found is not None:
        yield in_its_words(found, text, arrays[-1])


def in_its_words(loss: JointLoss, text: str, labels: str) -> JointLoss:
    """Return a loss of pairs with the meaning of its labels, if a docstring or their name tells which are alike."""
    if loss.name != "the contrastive loss":
        return loss
    alike = re.search(MEANS.format("same|similar|positive|genuine|match|alike|belong"), text.lower())
    other = re.search(MEANS.format("not|dissimilar|different|negative|other|impostor"), text.lower())
    other = other or re.search("unlike|different|dissimilar", labels.lower())
    alike = alike or re.search("same|similar|alike|match", labels.lower())
    forms = (of_unlike_pairs,) if other else (of_like_pairs,) if alike else loss.forms
    return JointLoss(loss.words, loss.name, loss.formula, forms, loss.arrays, loss.usual)


def sums_in_all_forms(loss: JointLoss, arrays: Sequence[Array], settings: Mapping[str, Any]) -> Iterator[float]:
    """Yield the sum of the losses in all its forms and with all settings, and its mean over those that are not 0.

    The order is the same at each point.
    """
    own = [float(v) for v in settings.values() if isinstance(v, int | float) and not isinstance(v, bool)]
    choices = [
        [float(settings[name])] if name in settings else [*own, *numbers] for name, numbers in loss.usual.items()
    ]
    for form in loss.forms:
        count = form.__code__.co_argcount - len(loss.usual)
        for values in product(*choices):
            try:
                with np.errstate(all="ignore"):
                    losses = form(*arrays[:count], *values)
                total = float(np.sum(losses)) if count <= len(arrays) else float("nan")
            except (ValueError, IndexError, ZeroDivisionError, TypeError):  # arrays of other shapes
                total, losses = float("nan"), np.zeros(1)
            yield from (total, total / max(1, int(np.count_nonzero(losses))))
