"""Labels that do not belong to their images."""

import math
from dataclasses import dataclass
from itertools import islice

import numpy as np

from mlp.backend import to_numpy
from mlp.diagnostics.symptoms.findings import Finding, Observations, on_device_of
from mlp.rng import generator
from mlp.typing import Array, BatchSource

IMAGES = 1000  # at most so many images are compared
DRAWS, DEVIATIONS = 20, 6.0  # permutations of the labels to compare with; standard deviations that are not chance


def unrelated_labels(seen: Observations) -> Finding | None:
    """Images with the same label have no more in common than images drawn at random.

    The mean images are not everything: if the network learns, the labels are taken to be right. But if labels and
    images are related in the validation set and not in the training set, the network only learns by heart.
    """
    train = class_relation(seen.train_batches)
    valid = None if seen.valid_batches is None else class_relation(seen.valid_batches)
    if train.beyond_chance or (seen.learns and not (valid and valid.beyond_chance)):
        return None
    evidence = (
        f"the mean images of the classes differ hardly more than those of random groups: a variance ratio of "
        f"{train.ratio:.2f}, where shuffled labels have {train.of_draws.mean():.2f} +- {train.of_draws.std():.2f}"
    )
    if valid is not None:
        evidence += f" (in validation it is {valid.ratio:.2f})"
    return Finding("labels without relation to the images", f"{evidence}.")


@dataclass(frozen=True)
class ClassRelation:
    """How much labels say about images: the ratio F of `class_relation`, and F of shuffled labels, (DRAWS,)."""

    ratio: float
    of_draws: Array

    @property
    def beyond_chance(self) -> bool:
        """Whether labels say more than shuffled labels do."""
        return self.ratio > self.of_draws.mean() + DEVIATIONS * self.of_draws.std()


def class_relation(batches: BatchSource) -> ClassRelation:
    """Compare the mean images of the classes with those of random groups.

    F is the variance between the means of the K classes, divided by the variance within them, over all pixels:

        F = [sum_k n_k |m_k - m|^2 / (K - 1)] / [sum_i |x_i - m_(class of i)|^2 / (N - K)]

    It is about 1 if the classes have the same mean image.
    """
    x, labels = some_images(batches)
    x = x - x.mean(axis=0)
    K, N, total = int(labels.max()) + 1, len(x), float((x * x).sum())

    def ratio(labels: Array) -> float:
        member = np.eye(K)[labels]  # (N, K)
        counts, sums = member.sum(axis=0), member.T @ x  # (K,), (K, D)
        present = counts > 0
        between = float(((sums[present] ** 2).sum(axis=1) / counts[present]).sum())
        groups = int(present.sum())
        return (between / max(groups - 1, 1)) / ((total - between) / max(N - groups, 1))

    rng = generator(0, "probe", "labels")
    return ClassRelation(ratio(labels), np.array([ratio(rng.permutation(labels)) for _ in range(DRAWS)]))


def labels_off_by_one(seen: Observations) -> Finding | None:
    """Many validation images are given the label after theirs (or before theirs), and few their own."""
    if seen.valid_batches is None or not seen.learns:
        return None
    model = seen.trained
    right = {-1: 0, 0: 0, 1: 0}
    N = 0
    for x, labels in islice(seen.valid_batches.epoch(0), 100):
        given = to_numpy(model.forward(on_device_of(model, x))).argmax(axis=1)  # (n,)
        N += len(labels)
        for shift in right:
            right[shift] += int((given == (labels + shift) % seen.classes).sum())
    shift = max(right, key=lambda s: right[s])
    noise = DEVIATIONS * math.sqrt(N / seen.classes)
    if shift == 0 or right[shift] - right[0] < noise or right[0] > 0.5 * right[shift]:
        return None
    beside = "after" if shift == 1 else "before"
    evidence = (
        f"of {N} validation images {right[shift] / N:.0%} are given the label {beside} theirs, and {right[0] / N:.0%} "
        "their own."
    )
    return Finding("labels off by one", evidence)


def some_images(batches: BatchSource) -> tuple[Array, Array]:
    """Return the first images as rows of float64, (N, D), and their labels (N,): whole batches, until N >= IMAGES."""
    parts = []
    for x, labels in batches.epoch(0):
        parts.append((x.reshape(len(x), -1).astype(np.float64), labels))
        if sum(len(part) for part, _ in parts) >= IMAGES:
            break
    images, targets = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(targets)
