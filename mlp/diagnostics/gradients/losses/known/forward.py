"""The loss itself, compared with the one that its name speaks of."""

import re
from collections.abc import Sequence

import numpy as np

from mlp.diagnostics.gradients.losses.factors import Found
from mlp.diagnostics.gradients.losses.known.forms import fitting
from mlp.diagnostics.gradients.losses.known.identity import (
    ENOUGH,
    SAME_LOSS,
    Identified,
    Place,
    identified,
    multiple,
    places_of,
    ratio_at,
    scales_of,
    settings_tried,
)
from mlp.diagnostics.gradients.losses.known.protocol import KnownLoss, Options, gradient_of
from mlp.diagnostics.gradients.losses.known.table import CROSS_ENTROPY, LOSSES
from mlp.diagnostics.gradients.losses.points import LossPoint
from mlp.typing import Array

FAMILY_OF_NAME: tuple[
    tuple[tuple[str, ...], tuple[str, ...]], ...
] = (  # words in a name; words in the names of its losses
    (("rmsle",), ("root of the squared error of log",)),
    (("msle", "squaredlog"), ("error of logarithms",)),
    (("rmse", "rootmean"), ("root mean",)),
    (("mape", "percentage"), ("the percentage error",)),
    (("smoothl1",), ("the smooth L1",)),
    (("wingloss",), ("the wing",)),
    (("tukey", "biweight"), ("Tukey",)),
    (("geman", "mcclure"), ("Geman-McClure",)),
    (("welsch", "leclerc"), ("the Welsch",)),
    (("cauchyloss", "lorentz"), ("the Cauchy",)),
    (("fairloss",), ("the fair loss",)),
    (("linex",), ("LINEX",)),
    (("expectile",), ("the expectile",)),
    (("insensitive", "svrloss"), ("epsilon-insensitive",)),
    (("gaussiannll", "gaussnll", "normalnll", "nllgauss", "gaussiannegativelog"), ("of a Gaussian",)),
    (("laplacenll", "nlllaplace", "laplacianll"), ("of a Laplace",)),
    (("jensen", "jsdiv", "jsloss"), ("Jensen",)),
    (("hellinger",), ("Hellinger",)),
    (("chisquare", "chi2"), ("chi-square",)),
    (("bhattachar",), ("Bhattacharyya",)),
    (("exponentialnll",), ("exponential likelihood",)),
    (("itakura", "gammadeviance", "gammaloss"), ("Itakura", "of Gamma")),
    (("poly1", "polyloss"), ("first Poly",)),
    (("brier",), ("Brier", "squared error of the sigmoid", "the mean squared error")),
    (("huber",), ("the Huber", "pseudo-Huber", "modified Huber")),
    (("logcosh",), ("log-cosh",)),
    (("quantile", "pinball"), ("quantile",)),
    (("bce", "binarycross", "binary_cross"), ("binary cross-entropy",)),
    (("focal",), ("focal",)),
    (("multilabelsoftmargin",), ("cross-entropy of logits",)),
    (("softmargin", "logisticloss"), ("the logistic loss", "binary cross-entropy of logits")),
    (("exponentialloss", "adaboost"), ("the exponential loss",)),
    (("perceptron",), ("the perceptron",)),
    (("hingeembedding",), ("embedding loss with a margin",)),
    (("svm", "hinge", "multimargin", "multiclassmargin"), ("hinge",)),
    (("kldiv", "kullback", "klloss"), ("Kullback",)),
    (("poisson",), ("Poisson",)),
    (("dice",), ("Dice",)),
    (("iou", "jaccard"), ("Jaccard",)),
    (("tversky",), ("Tversky",)),
    (("cosine",), ("1 - cos", "minus the cosine")),
    (("charbonnier",), ("Charbonnier",)),
    (("distill",), ("distillation",)),
    (("mse", "meansquare", "l2loss"), ("mean squared",)),
    (("mae", "l1loss", "meanabs"), ("mean absolute",)),
    (("crossentropy", "softmaxloss", "softmaxce"), ("cross-entropy of the softmax", "cross-entropy with")),
)
MORE = re.compile(
    "(?<!bi)weight|general|hard|semi|mining|threshold|confiden|pseudo_?label|ohem|symmetric|regular|penal|balanc|adaptive|"
    r"taylor|temper(?!a)|truncat|active|combo|hybrid|unified|arc_?face|cos_?face|poly_?cross|robust|listnet|listmle|"
    r"\bplus\b|variation|clipped|squared log|soft margin|"
    "triplet_?soft|lifted|angular|circle|center|centre"
)  # words of losses that have more in them than the plain ones
OF_SEVERAL = re.compile(r"\bminus\b|\+|\btwo\b|both")  # words of a docstring that names one loss among others
OF_PROBABILITIES = "the cross-entropy of probabilities"
LOGITS = re.compile(r"softmax|logit|score|\bz\b")
LOGARITHMS = {"log10": 1.0 / np.log(10.0), "log2": 1.0 / np.log(2.0)}


def wrong_value(name: str, points: Sequence[LossPoint], takes: str = "") -> Found | None:
    """Return what is wrong with the loss itself: a wrong form of the one that its name speaks of, or None.

    Args:
        takes: the names of the arguments of forward.
    """
    family, places = family_of(name), places_of(points)[:ENOUGH]
    if not family or len(places) < 2:
        return None
    family = [*family, *taking_probabilities(family, places, f"{name} {takes}")]
    for loss in identified(places, by_gradient=False):
        if loss.known in family:
            return badly_scaled(loss, places)
    for known in family:
        for s in settings_tried(known, places[0].point):
            for one in fitting(known, s):
                if one.value is None:
                    continue
                ratios = [ratio_at(place, one.value, s, by_gradient=False) for place in places]
                if None in ratios:
                    continue
                constant, same = scales_of(ratios, places)  # type: ignore[arg-type]
                if same and min(abs(constant - c) for c in (1.0, 0.5, 2.0)) < SAME_LOSS:
                    return one.name, f"in forward: {one.sentence}", f"its values, compared with those of {known.name}"
    return None


def taking_probabilities(family: Sequence[KnownLoss], places: Sequence[Place], told: str) -> list[KnownLoss]:
    """Return the cross-entropy of probabilities if a loss is one by its gradient and no name speaks of logits."""
    if CROSS_ENTROPY not in family or LOGITS.search(told.lower()) or any((place.y <= 0.0).any() for place in places):
        return []
    known = [loss for loss in LOSSES if loss.name == OF_PROBABILITIES]
    return [loss for loss in known if None not in given_ratios(places, loss, {})]


def family_of(name: str, text: str = "") -> list[KnownLoss]:
    """Return the known losses that a name speaks of, or else the first line of a docstring."""
    first = text.partition("\n")[0]
    for told in (name, "" if OF_SEVERAL.search(first.lower()) else first):
        plain = re.sub(r"[_\s-]", "", told.lower())
        found = [(one, of) for words, of in FAMILY_OF_NAME for one in words if one in plain]
        if found and told is name and of_two_families(plain, found):
            return []
        if found:
            return [known for known in LOSSES if any(word in known.name for word in found[0][1])]
    return []


def of_two_families(plain: str, found: Sequence[tuple[str, tuple[str, ...]]]) -> bool:
    """Return whether a name speaks of two losses, as diceandbce does; a cross-entropy may be one of many kinds."""
    rest = plain.replace(found[0][0], "")
    others = [word for word, of in found[1:] if of != found[0][1] and word in rest and "crossentropy" not in word]
    return bool(others) or re.search("^ce|(?<![nai])ce(loss)?$", rest) is not None  # no sequence


def has_more(name: str, text: str) -> bool:
    """Return whether a name or the first line of a docstring speaks of more than a plain loss."""
    first = text.partition("\n")[0]
    return bool(MORE.search(name.lower()) or MORE.search(first.lower()))


def only_gradient_right(name: str, points: Sequence[LossPoint], takes: str = "") -> Found | None:
    """Return that forward is wrong: the gradient is that of the loss its name speaks of, and the values are not."""
    places = places_of(points)[:ENOUGH]
    if len(places) < 2:
        return None
    for known in family_of(name):
        for s in settings_tried(known, places[0].point):
            ratios = given_ratios(places, known, s)
            if None not in ratios and abs(abs(scales_of(ratios, places)[0]) - 1.0) < SAME_LOSS:  # type: ignore[arg-type]
                text = (
                    f"in forward: its values are not those of {known.name}, and the gradient is the right one for it: "
                    "the mistake is in forward"
                )
                return "wrong forward", text, "the gradient, compared with that of the loss that the name speaks of"
    return None


def given_ratios(places: Sequence[Place], known: KnownLoss, s: Options) -> list[float | None]:
    """Return what the gradient under test is times that of a known loss at each place."""
    with np.errstate(all="ignore"):
        return [
            multiple(place.rows(place.point.given), gradient_of(known.value, place.y, place.t, s)) for place in places
        ]


def is_distribution(t: Array) -> bool:
    """Return whether the targets of each sample sum to 1."""
    return t.shape[1] > 1 and np.allclose(t.sum(axis=1), 1.0)


def badly_scaled(loss: Identified, places: Sequence[Place]) -> Found | None:
    """Return the wrong sign, mean or logarithm of a loss that is right otherwise."""
    c = loss.constant
    if c < 0.0:
        return "sign of the loss", "in forward: the loss has the wrong sign: it would be made large", ""
    if "entropy" not in loss.known.name or "binary" in loss.known.name:  # usually a mean over all values
        return None
    for text, number in LOGARITHMS.items():
        if abs(c - number) < SAME_LOSS * number:
            return "logarithm to another base", f"in forward: it takes {text}; take np.log, to the base e", ""
    ratios = given_ratios(places, loss.known, loss.settings)
    if all(
        is_distribution(place.t)
        and f is not None
        and abs(scale * n * k - 1.0) < SAME_LOSS
        and abs(f * n - 1.0) < SAME_LOSS
        for place, f, scale, (n, k) in zip(places, ratios, loss.scales, [place.sizes for place in places], strict=True)
    ):
        text = (
            "in forward: the mean is taken over all N K values, so the loss is K times too small: add up over the K "
            "classes, then take the mean over the N samples. The gradient is right for that"
        )
        return "mean over the classes", text, ""
    return None
