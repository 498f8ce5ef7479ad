"""The images that a model finds hardest: it gives their true class the lowest probability."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlp.data.image_set import ImageSet
from mlp.experiments.build import batches_of
from mlp.experiments.config import RunConfig
from mlp.experiments.loading import run_forward, softmax
from mlp.layers import Layer
from mlp.typing import Array

MOST_IMAGES = 2000  # that are looked at
SHOWN = 12


@dataclass(frozen=True)
class HardImage:
    """An image, what it is, and what the model takes it for.

    Attributes:
        number: among the test images. pixels: (H, W, C), uint8, C 1 or 3. truth, guess: names of classes.
        probability, guess_probability: that the model gives to both.
    """

    number: int
    pixels: Array
    truth: str
    guess: str
    probability: float
    guess_probability: float


def hardest_images(
    config: RunConfig, model: Layer, test: ImageSet, threads: int | None = None
) -> tuple[list[HardImage], int]:
    """Return the images with the largest loss, hardest first, and how many were looked at.

    It is ([], 0) for data that are not pictures, and ([], how many) for a model that is no better than guessing, which
    finds no image harder than others.
    """
    if test.images.shape[-1] not in (1, 3) or len(test) == 0:
        return [], 0
    count = min(len(test), MOST_IMAGES)
    part = test.take(np.arange(count))
    _, logits = run_forward(config, model, batches_of(config, part).epoch(0), threads)
    if no_better_than_guessing(int((logits.argmax(axis=1) == part.labels).sum()), count, test.num_classes):
        return [], count
    return hardest_of(logits, part.labels, part.images, test.class_names), count


def no_better_than_guessing(right: int, count: int, num_classes: int) -> bool:
    """Return whether guessing among K classes could get as many of N images right.

    It gets N / K +- sqrt(N (1 / K) (1 - 1 / K)) right. Up to two standard deviations more are no sign of learning.
    """
    chance = 1.0 / num_classes
    return right <= count * chance + 2.0 * math.sqrt(count * chance * (1.0 - chance))


def hardest_of(logits: Array, labels: Array, images: Array, names: Sequence[str]) -> list[HardImage]:
    """Return the images with the lowest probability of their own class.

    Args:
        logits: (N, K). labels: (N,). images: (N, H, W, C).
    """
    probabilities = softmax(logits)  # (N, K)
    own = probabilities[np.arange(len(labels)), labels]  # (N,)
    guesses = probabilities.argmax(axis=1)
    most = probabilities.max(axis=1)  # (N,)
    return [
        HardImage(i, np.asarray(images[i]), names[labels[i]], names[guesses[i]], float(own[i]), float(most[i]))
        for i in np.argsort(own, kind="stable")[:SHOWN].tolist()
    ]
