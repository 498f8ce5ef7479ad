"""Networks with something wrong: small training set-ups to practise on, each with one planted mistake.

A `Case` holds what a Trainer needs: model, loss, rule and batches of small synthetic images (20 classes, 16 x 16).

    case = PATHOLOGIES["dead units"](seed=0)
    history = case.trainer(hooks=all_statistics()).fit(case.train_batches, case.valid_batches, epochs=4)

    from the first draw of the weights     vanishing, exploding, dead_filters
    from a layer in the wrong mode         norm_runs_in_training, norm_batch_in_evaluation
    from the settings                      steps_too_large
    from the data                          labels_shuffled, labels_shifted
    nothing                                healthy, healthy_norm, healthy_deep

`mlp.diagnostics.examine` names each of them from its statistics; PATHOLOGIES and HEALTHY hold the functions by name.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlp.data import Batches, synthetic
from mlp.data.image_set import ImageSet
from mlp.initializers import he_normal
from mlp.layers import Affine, BatchNorm, Conv2d, GlobalAvgPool, ReLU, Sequential
from mlp.layers.machinery.base import Layer
from mlp.learning_rules import Adam
from mlp.learning_rules.base import LearningRule
from mlp.losses import Loss, SoftmaxCrossEntropy
from mlp.models import vgg
from mlp.rng import generator
from mlp.training.hooks import Hook
from mlp.training.trainer import Trainer
from mlp.typing import Array

CLASSES, IMAGE_SIZE, BATCH_SIZE, FILTERS = 20, 16, 30, 8
NUM_TRAIN, NUM_VALID = 600, 200
LEARNING_RATE = 3e-3


@dataclass(frozen=True)
class Case:
    """What a Trainer needs, ready to train once."""

    model: Layer
    loss: Loss
    rule: LearningRule
    train_batches: Batches
    valid_batches: Batches

    def trainer(self, hooks: Iterable[Hook] = (), engine: str = "auto") -> Trainer:
        """Return a Trainer for this case, which has taken no step yet."""
        return Trainer(self.model, self.loss, self.rule, hooks=hooks, engine=engine)


def healthy(seed: int = 0) -> Case:
    """Nothing is wrong: a plain VGG08 (batch norm in its input block alone), which learns slowly at first."""
    return make_case(small_vgg(8, seed=seed), seed)


def healthy_norm(seed: int = 0) -> Case:
    """Nothing is wrong: a VGG08 with batch normalization."""
    return make_case(small_vgg(8, "batch", seed=seed), seed)


def healthy_deep(seed: int = 0) -> Case:
    """Nothing is wrong: a VGG14 with batch normalization and residual connections."""
    return make_case(small_vgg(14, "batch", residual=True, seed=seed), seed)


def vanishing(seed: int = 0) -> Case:
    """The gradients vanish: a plain VGG38, whose layers each shrink the signal and the gradient to 0.41 of its size.

    PyTorch's default draw has a sixth of the variance that keeps them, see `mlp.initializers.pytorch_default`; through
    37 convolutions hardly anything of the gradient arrives at the input.
    """
    return make_case(small_vgg(38, seed=seed), seed)


def exploding(seed: int = 0) -> Case:
    """The gradients explode: a plain VGG20 whose weights are drawn three times as wide as He's.

    Each convolution makes the signal about three times as large on its way forward, and the gradient on its way back.
    """
    model = small_vgg(20, seed=seed)
    for layer in convolutions(model):
        layer.initializer = lambda *shape_fans_rng: 3.0 * he_normal(0.01)(*shape_fans_rng)
    return make_case(model.initialize(seed), seed)


def dead_filters(seed: int = 0) -> Case:
    """Units are dead: what arrives at most ReLUs of one layer lies so far below zero that nothing gets above it.

    The batch norm before them gives numbers of size 1, shifted by its beta, which is -20 for 14 of its 16 channels. For
    every image these units give 0, pass no gradient, and so never change. It looks the same if a step that was too
    large has moved beta there.
    """

    def conv(C_in: int, C_out: int, stride: int) -> Conv2d:
        return Conv2d(C_in, C_out, kernel_size=3, stride=stride, padding=1)

    blocks: list[Layer] = []
    for C_in, C_out, stride in ((3, FILTERS, 1), (FILTERS, 16, 2), (16, 16, 2)):
        blocks += [conv(C_in, C_out, stride), BatchNorm(C_out), ReLU()]
    model = Sequential(*blocks, GlobalAvgPool(), Affine(16, CLASSES)).initialize(seed)
    norm: Any = model.layers["4"]
    norm.beta.data[2:] = -20.0
    return make_case(model, seed)


class FixedModeBatchNorm(BatchNorm):
    """Batch normalization that does not ask whether it is training: it always is, or never.

    Args:
        num_features: C. always_training: which of the two.
    """

    def __init__(self, num_features: int, *, always_training: bool) -> None:
        super().__init__(num_features)
        self.always_training = always_training

    def forward(self, x: Array, training: bool = False) -> Array:
        return super().forward(x, training=self.always_training)


def norm_runs_in_training(seed: int = 0) -> Case:
    """Batch norm is in evaluation mode while the network trains: it divides by running statistics, which never move.

    They stay at mean 0 and variance 1, so nothing is normalized, and this VGG20 behaves like a plain one: its gradients
    vanish although it has batch norms, which should prevent that.
    """
    return make_case(with_fixed_mode(small_vgg(20, "batch", seed=seed), always_training=False, seed=seed), seed)


def norm_batch_in_evaluation(seed: int = 0) -> Case:
    """Batch norm is in training mode while the network is evaluated: what an image gets depends on its batch.

    Training looks perfect. The validation images come sorted by class, as folders of images do, so the mean of a batch
    is that of its class, and subtracting it takes away what the network has learned to look at.
    """
    model = with_fixed_mode(small_vgg(8, "batch", seed=seed), always_training=True, seed=seed)
    train, valid = images(seed)
    return make_case(model, seed, train, valid.take(np.argsort(valid.labels, kind="stable")))


def steps_too_large(seed: int = 0) -> Case:
    """The learning rate is a hundred times too large: one step of Adam moves every weight by several times its size."""
    return make_case(small_vgg(8, seed=seed), seed, learning_rate=100 * LEARNING_RATE)


def labels_shuffled(seed: int = 0) -> Case:
    """The training images were shuffled and their labels were not: nothing in an image tells its label.

    Signals, gradients and steps are all in order. The validation labels are right.
    """
    train, valid = images(seed)
    order = generator(seed, "shuffle", "pathology").permutation(len(train))
    return make_case(small_vgg(8, "batch", seed=seed), seed, relabel(train, train.labels[order]), valid)


def labels_shifted(seed: int = 0) -> Case:
    """The training labels count from 1, the validation labels from 0: each class is taught under its neighbour's name.

    (The last class has become the first.) The network learns well, and is worse than chance in validation.
    """
    train, valid = images(seed)
    return make_case(small_vgg(8, "batch", seed=seed), seed, relabel(train, (train.labels + 1) % CLASSES), valid)


HEALTHY: dict[str, Callable[[int], Case]] = {
    "plain VGG08": healthy,
    "VGG08 with BN": healthy_norm,
    "VGG14 with BN and RC": healthy_deep,
}
PATHOLOGIES: dict[str, Callable[[int], Case]] = {
    "vanishing gradients": vanishing,
    "exploding gradients": exploding,
    "dead units": dead_filters,
    "running statistics in training": norm_runs_in_training,
    "batch statistics in evaluation": norm_batch_in_evaluation,
    "learning rate too large": steps_too_large,
    "labels without relation to the images": labels_shuffled,
    "labels off by one": labels_shifted,
}


# --- what the cases are made of ---------------------------------------------------------------------------------------


def images(seed: int) -> tuple[ImageSet, ImageSet]:
    """Return small synthetic images, (train, valid)."""
    return synthetic(NUM_TRAIN, NUM_VALID, IMAGE_SIZE, CLASSES, seed)


def relabel(image_set: ImageSet, labels: Array) -> ImageSet:
    """Return the same images with other labels."""
    return ImageSet(image_set.images, labels, image_set.class_names)


def small_vgg(depth: int, norm: str = "none", *, residual: bool = False, seed: int = 0) -> Layer:
    """Return a VGG network for these images, with few filters."""
    return vgg(depth, norm, residual=residual, num_classes=CLASSES, seed=seed, filters=FILTERS)


def convolutions(model: Layer) -> list[Conv2d]:
    """Return the convolutions of a model, in forward order."""
    return [layer for _, layer in model.named_layers() if isinstance(layer, Conv2d)]


def with_fixed_mode(model: Any, seed: int, *, always_training: bool) -> Sequential:
    """Put a FixedModeBatchNorm in the place of every batch norm, and draw the same weights again."""
    for _, layer in list(model.named_layers()):
        if isinstance(layer, Sequential):
            for name, child in layer.layers.items():
                if isinstance(child, BatchNorm):
                    layer.layers[name] = FixedModeBatchNorm(child.num_features, always_training=always_training)
    return model.initialize(seed)


def make_case(
    model: Layer,
    seed: int,
    train: ImageSet | None = None,
    valid: ImageSet | None = None,
    learning_rate: float = LEARNING_RATE,
) -> Case:
    """Return the case of a model, with the images of the seed or with the given ones."""
    own_train, own_valid = images(seed)
    train_batches = Batches(train or own_train, BATCH_SIZE, shuffle=True, seed=seed)
    valid_batches = Batches(valid or own_valid, BATCH_SIZE)
    return Case(model, SoftmaxCrossEntropy(), Adam(learning_rate), train_batches, valid_batches)
