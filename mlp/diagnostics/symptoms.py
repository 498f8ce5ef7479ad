"""Symptoms: what is measured inside a network that does not train, and what it points to.

    vanishing gradients               |dL/dy| at the first layer is 10^-6 of that at the last or less; no learning
    exploding gradients               it is 10^4 times that, or more
    dead units                        half of a layer's units or more give nothing for any image, and get no gradient
    running statistics in training    the outputs of a batch norm have not the mean beta and the deviation gamma
    batch statistics in evaluation    what an image gets depends on the other images of its batch
    learning rate too large           a step changes the weights by 30 % of their size or more, and the loss leaps up
    labels without relation ...       images with the same label are no more alike than images drawn at random
    labels off by one                 validation images are given the label beside theirs

(L2 norms; dL/dy is the gradient that arrives at the outputs of a layer.) Each symptom is a function of `Observations`
that returns a `Finding`, or None. The numbers are far from what sound networks show, and far from what planted troubles
show: see tests/diagnostics/test_examination.py.
"""

import math
from dataclasses import dataclass
from itertools import islice

import numpy as np

from mlp.backend import device_of, move, to_numpy
from mlp.layers import BatchNorm, frozen_buffers, observed
from mlp.layers.base import Layer
from mlp.rng import generator
from mlp.training.history import History, LayerTable
from mlp.typing import Array, BatchSource

VANISHING, EXPLODING = 1e-6, 1e4  # |dL/dy| at the first layer over that at the last
DEAD = 0.5  # part of a layer's units, and of its gradient's zeros
LARGE_STEP, LEAP = 0.3, 1.5  # |change| / |weights|, and the highest loss over the first
LEARNED = 0.97  # the last losses over those of a network that knows nothing
NORM_ERROR = 0.1  # batch norm's outputs against beta and gamma, over gamma
BATCH_DEPENDENCE = 1e-2  # the change of outputs over their deviation
IMAGES = 1000  # at most, that labels are judged by
DRAWS, DEVIATIONS = 20, 6.0  # label permutations to compare with; how far from chance is not chance

REMEDIES = {
    "running statistics in training": "let every layer know that it is training: forward(x, training=True).",
    "batch statistics in evaluation": "let every layer know that it is not training: forward(x, training=False).",
    "exploding gradients": "draw the weights with mlp.initializers.he_uniform, or add batch normalization.",
    "vanishing gradients": "add batch normalization or residual connections, or draw the weights wider.",
    "learning rate too large": "divide the learning rate by ten until the loss falls from the first steps on.",
    "dead units": "look at the biases, and for a step that was too large; LeakyReLU lets units come back.",
    "labels without relation to the images": "look at some images with their labels, as the batches deliver them.",
    "labels off by one": "compare the class names of some images in both sets: do both count from 0?",
    "no learning": "train for longer; try learning rates ten times as large and ten times as small.",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: its name, a key of REMEDIES, and the evidence in one sentence."""

    name: str
    evidence: str

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return REMEDIES[self.name]

    def __str__(self) -> str:
        return f"{self.name}\n    seen   {self.evidence}\n    to do  {self.remedy}"


@dataclass(frozen=True)
class Observations:
    """What was seen of a network.

    Args:
        untrained, trained: the model before the first step and after the last.
        start: tables of the first batch, by name: activations and gradient_signal before the first step, update_ratio
            of that step.
        history: of the training after it. losses: of all its steps.
        failure: why training ended early; None if it did not. classes: K, the number of logits.
        train_batches, valid_batches: the data; valid_batches may be None.
    """

    untrained: Layer
    trained: Layer
    start: dict[str, LayerTable]
    history: History
    losses: list[float]
    failure: str | None
    classes: int
    train_batches: BatchSource
    valid_batches: BatchSource | None

    @property
    def last_loss(self) -> float:
        """The mean loss of the last tenth of the steps."""
        newest = self.losses[-max(1, len(self.losses) // 10) :]
        return sum(newest) / len(newest)

    @property
    def chance(self) -> float:
        """The loss of a network that knows nothing: log K."""
        return math.log(self.classes)

    @property
    def learns(self) -> bool:
        """Whether the loss fell below chance."""
        return self.failure is None and self.last_loss < LEARNED * self.chance


# --- gradients --------------------------------------------------------------------------------------------------------


def vanishing_gradients(seen: Observations) -> Finding | None:
    """The gradient dies on its way from the last layer to the first, and the network does not learn.

    (Adam makes up for a factor of a million, as long as it is the same in every step.)
    """
    table = seen.start["gradient_signal"]
    signal = table["l2"][0]  # (layers,)
    if seen.learns or not signal[0] <= VANISHING * signal[-1]:
        return None
    return Finding("vanishing gradients", describe_gradient(table.names, signal))


def exploding_gradients(seen: Observations) -> Finding | None:
    """The gradient grows on its way from the last layer to the first, or numbers overflow on the way already."""
    table = seen.start["gradient_signal"]
    signal = table["l2"][0]  # (layers,)
    if not np.isfinite(signal).all():
        evidence = f"already in the first batch numbers overflow: {seen.failure or 'the gradient is not finite.'}"
        return Finding("exploding gradients", evidence)
    if signal[0] < EXPLODING * signal[-1]:
        return None
    return Finding("exploding gradients", describe_gradient(table.names, signal))


def describe_gradient(names: list[str], signal: Array) -> str:
    """Return the size of the gradient at both ends as a sentence."""
    return (
        f"before any step |dL/dy| is {signal[-1]:.1e} at the last layer, {names[-1]!r}, and {signal[0]:.1e} at the "
        f"first, {names[0]!r}."
    )


# --- steps and units --------------------------------------------------------------------------------------------------


def learning_rate_too_large(seen: Observations) -> Finding | None:
    """Steps as large as the weights, and a loss that leaps up."""
    tables = [table for table in (seen.start.get("update_ratio"), seen.history.tables.get("update_ratio")) if table]
    ratios = [np.median(row) for table in tables for row in table["update_ratio"]]  # of the weight tensors
    ratio, first, peak = max(ratios, default=math.inf), seen.losses[0], max(seen.losses)
    if not ratio >= LARGE_STEP or not (peak > LEAP * first or seen.failure):
        return None
    leap = f"the loss leaped from {first:.3g} to {peak:.3g}" + (" and on to infinity" if seen.failure else "")
    evidence = f"a step changed the weights by {ratio:.0%} of their size (0.1 to 1 % is usual), and {leap}."
    return Finding("learning rate too large", evidence)


def dead_units(seen: Observations) -> Finding | None:
    """Units that are below the kink of their activation for every image, and weights that get no gradient at all."""
    activations, flow = seen.history.tables.get("activations"), seen.history.gradient_flow
    if activations is None or flow is None:
        return None
    dead, zeros = activations["dead"][-1], flow["zeros"][-1]  # (layers,), (weight tensors,)
    worst = int(np.nanargmax(dead)) if np.isfinite(dead).any() else 0
    if not dead[worst] >= DEAD or zeros.max() < DEAD:
        return None
    still = flow.names[int(zeros.argmax())]
    evidence = (
        f"{dead[worst]:.0%} of the units of {activations.names[worst]!r} give nothing for any image of a batch, and "
        f"{zeros.max():.0%} of the gradient of {still!r} is exactly zero."
    )
    return Finding("dead units", evidence)


# --- batch norm -------------------------------------------------------------------------------------------------------


def running_statistics_in_training(seen: Observations) -> Finding | None:
    """A batch norm whose outputs in training have not the mean beta and the standard deviation gamma."""
    errors: dict[str, tuple[float, float, float]] = {}

    def see(layer: Layer, x: Array, y: Array) -> None:
        if not isinstance(layer, BatchNorm):
            return
        rows, given = (to_numpy(array).reshape(-1, layer.num_features).astype(np.float64) for array in (y, x))  # (m, C)
        gamma, beta = (to_numpy(p.data).astype(np.float64) for p in (layer.gamma, layer.beta))  # (C,)
        variance = given.var(axis=0)
        wanted = abs(gamma) * np.sqrt(variance / (variance + layer.eps))
        error = abs(rows.mean(axis=0) - beta).mean() + abs(rows.std(axis=0) - wanted).mean()
        errors[layer.path] = error / abs(gamma).mean(), rows.std(axis=0).mean(), wanted.mean()

    model = seen.untrained
    with frozen_buffers(model), observed(model, see):
        model.forward(on_device_of(model, first_images(seen.train_batches)), training=True)
    wrong = [(path, std, wanted) for path, (error, std, wanted) in errors.items() if error > NORM_ERROR]
    if not wrong:
        return None
    path, std, wanted = wrong[-1]
    evidence = (
        f"{len(wrong)} of {len(errors)} batch norms do not normalize the batch in training: the outputs of {path!r} "
        f"have a standard deviation of {std:.2g} where gamma says {wanted:.2g}."
    )
    return Finding("running statistics in training", evidence)


def batch_statistics_in_evaluation(seen: Observations) -> Finding | None:
    """In evaluation, images get other outputs when half of their batch is missing."""
    model, batches = seen.untrained, seen.valid_batches or seen.train_batches
    x = on_device_of(model, first_images(batches))
    half = len(x) // 2
    if not half:
        return None
    with frozen_buffers(model):
        alone, together = (to_numpy(model.forward(images)) for images in (x[:half], x))
    change = abs(together[:half] - alone).mean() / together.std()
    if not change > BATCH_DEPENDENCE:
        return None
    evidence = (
        f"the outputs of the same {half} images, in evaluation, differ by {change:.0%} of their standard deviation "
        f"when {len(x) - half} other images share their batch."
    )
    return Finding("batch statistics in evaluation", evidence)


# --- labels -----------------------------------------------------------------------------------------------------------


def unrelated_labels(seen: Observations) -> Finding | None:
    """Images with the same label have no more in common than images drawn at random.

    A network that learns all the same proves that there is more to the images than their mean; unless the validation
    set shows a relation that the training set has not: then it learns by heart.
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
    """How much labels say about images: the ratio F of `class_relation`, and the same of shuffled labels, (DRAWS,)."""

    ratio: float
    of_draws: Array

    @property
    def beyond_chance(self) -> bool:
        """Whether labels say more than shuffled ones."""
        return self.ratio > self.of_draws.mean() + DEVIATIONS * self.of_draws.std()


def class_relation(batches: BatchSource) -> ClassRelation:
    """Compare the mean images of the classes with those of random groups.

    F is the variance between the means of the K classes over that within the classes, all pixels taken together:

        F = [sum_k n_k |m_k - m|^2 / (K - 1)] / [sum_i |x_i - m_(class of i)|^2 / (N - K)]

    About 1 if labels say nothing about the mean of an image.
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
    """Many validation images are given the label after theirs, or before it, and few their own."""
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


# --- nothing of these -------------------------------------------------------------------------------------------------


def no_learning(seen: Observations) -> Finding:
    """The loss stays at chance, and nothing says why."""
    evidence = (
        f"after {len(seen.losses)} steps the loss is {seen.last_loss:.3f}, where a network that knows nothing has "
        f"log {seen.classes} = {seen.chance:.3f}; signals, gradients, steps and labels look sound."
    )
    return Finding("no learning", evidence)


def first_images(batches: BatchSource) -> Array:
    """Return the images of the first batch."""
    return next(iter(batches.epoch(0)))[0]


def some_images(batches: BatchSource) -> tuple[Array, Array]:
    """Return the first images as rows of float64, (N, D), and their labels (N,); at most IMAGES of them."""
    parts = []
    for x, labels in batches.epoch(0):
        parts.append((x.reshape(len(x), -1).astype(np.float64), labels))
        if sum(len(part) for part, _ in parts) >= IMAGES:
            break
    images, targets = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(targets)


def on_device_of(model: Layer, x: Array) -> Array:
    """Return `x` where the model's weights are."""
    return move(x, device_of(model.parameters()[0].data))
