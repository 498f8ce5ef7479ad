"""Averages of the weights that a rule keeps for evaluation: running means (EMA, Polyak) and plain means (SWA).

Each form takes the weights w_0, w_1, ... and the share d of the old average, and yields the average after each step.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from mlp.typing import Array

AverageForm = Callable[[Sequence[Array], float], Iterator[Array]]


def running(start: str, old: Callable[[float], float], new: Callable[[float], float], late: int = 0) -> AverageForm:
    """Return a <- old(d) a + new(d) w, begun at w_0, w_1 or 0, of the weights `late` steps ago."""

    def form(weights: Sequence[Array], d: float) -> Iterator[Array]:
        average = {"w_0": weights[0], "w_1": weights[1], "0": 0.0 * weights[0]}[start]
        for t in range(1, len(weights)):
            if t > 1 or start != "w_1":
                average = old(d) * average + new(d) * weights[t - late]
            yield average

    return form


def mean_from(first: int) -> AverageForm:
    """Return the mean of the weights so far, from w_0 or w_1 on."""

    def form(weights: Sequence[Array], d: float) -> Iterator[Array]:
        for t in range(1, len(weights)):
            yield np.mean(weights[first : t + 1], axis=0)

    return form


def warmed_up(weights: Sequence[Array], d: float) -> Iterator[Array]:
    """The running mean with the share min(d, (1 + t) / (10 + t)), as in TensorFlow."""
    average = weights[0]
    for t in range(1, len(weights)):
        share = min(d, (1.0 + t) / (10.0 + t))
        average = share * average + (1.0 - share) * weights[t]
        yield average


STARTS = ("w_0", "w_1", "0")
RIGHT_AVERAGES: tuple[AverageForm, ...] = (
    *(running(start, lambda d: d, lambda d: 1.0 - d) for start in STARTS),
    *(mean_from(0), mean_from(1), warmed_up),
)
WRONG_AVERAGES: tuple[tuple[str, str, tuple[AverageForm, ...]], ...] = (
    (
        "average is the weights",
        "is no average: it is the weights themselves after each step; keep copies, and average them",
        (lambda weights, d: iter(weights[1:]),),
    ),
    (
        "average never moves",
        "stays as it was at the start: bring it up to date after each step",
        (lambda weights, d: iter([weights[0]] * (len(weights) - 1)),),
    ),
    (
        "shares of the average exchanged",
        "has decay and 1 - decay exchanged: average <- decay average + (1 - decay) w",
        tuple(running(start, lambda d: 1.0 - d, lambda d: d) for start in STARTS),
    ),
    (
        "average of old weights",
        "takes the weights from before the step: bring it up to date after the step",
        tuple(running(start, lambda d: d, lambda d: 1.0 - d, 1) for start in STARTS),
    ),
    (
        "1 - decay forgotten",
        "gets the weights without the factor 1 - decay, so it is a sum: average <- decay average + (1 - decay) w",
        tuple(running(start, lambda d: d, lambda d: 1.0) for start in STARTS),
    ),
    (
        "decay forgotten",
        "does not multiply the old average by decay: average <- decay average + (1 - decay) w",
        tuple(running(start, lambda d: 1.0, lambda d: 1.0 - d) for start in STARTS),
    ),
)
