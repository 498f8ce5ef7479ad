"""From the settings of a run to its parts: batches, model, loss, learning rule and schedule."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mlp.data import Batches, load_dataset
from mlp.data.image_set import ImageSet
from mlp.errors import ConfigurationError, DataError, in_line
from mlp.experiments.config import VGG_SETTINGS, RunConfig
from mlp.experiments.own_model import build_own_model
from mlp.layers.machinery.base import Layer
from mlp.learning_rules import RULES
from mlp.learning_rules.base import LearningRule
from mlp.losses import Loss, SoftmaxCrossEntropy
from mlp.models import ssrn, vgg
from mlp.models.deep_supervision import DeepSupervision, taps_of
from mlp.models.options import without_effect
from mlp.schedulers import constant, cosine, exponential, join, per_epoch, step, warm_restarts, warm_up
from mlp.typing import Array, PathLike, Schedule

LAST_LEARNING_RATE = 2e-5  # eta_min of the reports' cosine schedule
MEANS_OF_REPORTS = {"cifar100": "batches"}  # data set -> what its metrics are means over; others: images
FEW_STEPS = 10  # an epoch with fewer hardly trains
SMALLEST_BATCH = 4  # unless it was asked for: mean and variance of fewer images are mostly chance
MOST_CLASSES = 20  # of these the terminal shows the numbers of images
NORM_TITLES = {"batch": "BN", "layer": "LN", "instance": "IN", "group": "GN"}
RULE_SETTINGS = ("weight_decay", "decoupled_weight_decay", "no_decay", "clip_norm", "clip_value")


def load_images(
    config: RunConfig, data_dir: PathLike | None, *, download: bool = False
) -> tuple[ImageSet, ImageSet, ImageSet]:
    """Return the images of a run: (train, valid, test).

    Raises:
        DataError: the data are missing or damaged, or all training images are of one class.
    """
    images = load_dataset(
        config.dataset,
        data_dir,
        config.split,
        labels=config.labels,
        limit_classes=config.limit_classes,
        limit_train=config.limit_train,
        limit_valid=config.limit_valid,
        image_size=config.image_size,
        image_fit=config.image_fit,
        download=download,
    )
    there = np.unique(images[0].labels)
    if len(there) == 1 and config.limit_train is None:
        name = images[0].class_names[there[0]]
        raise DataError(
            f"{config.dataset} has training images of one class only, {name!r}: there is nothing to tell apart"
        )
    return images


def with_usual_batch(
    config: RunConfig, asked: Mapping[str, Any], num_images: int, say: Callable[[str], object] = print
) -> RunConfig:
    """Return the configuration, with smaller batches for few images of your own: ten steps an epoch, if possible.

    Args:
        asked: the settings that were asked for; a batch size among them stays. num_images: for training.
        say: is called with a line of text if batches become smaller.
    """
    if ":" not in config.dataset or "batch_size" in asked or num_images > FEW_STEPS * config.batch_size:
        return config
    size = max(SMALLEST_BATCH, num_images // FEW_STEPS)
    say(f"batches of {size} images, as there are only {num_images:,} to train on: --batch-size takes another number")
    return dataclasses.replace(config, batch_size=size)


def mention_images(config: RunConfig, images: Sequence[ImageSet], steps: int, *, usual_batch: bool = False) -> None:
    """Print what you should know before training: the classes of your own images, what metrics mean, very short epochs.

    Args:
        images: for training, validation and test. steps: in an epoch.
        usual_batch: whether `with_usual_batch` has chosen the batch size, and said so: then no note about few steps.
    """
    if ":" in config.dataset:
        names = images[0].class_names
        counts = np.stack([np.bincount(part.labels, minlength=len(names)) for part in images], axis=1)  # (K, 3)
        texts = [f"{in_line(name)} {'+'.join(map(str, row))}" for name, row in zip(names, counts, strict=True)]
        more = f", and {len(texts) - MOST_CLASSES} more classes" if len(texts) > MOST_CLASSES else ""
        print(f"images per class (training+validation+test): {', '.join(texts[:MOST_CLASSES])}{more}")
        mention_missing_classes(config, names, counts)
    size, parts = config.batch_size, zip(("training", "validation", "test"), images, strict=True)
    uneven = [name for name, part in parts if len(part) > size and len(part) % size]
    if uneven and metrics_over(config) == "batches":
        print(
            f"note: as in the reports, losses and accuracies are means over batches; the last batch of {size} is "
            f"shorter among the {' and the '.join(uneven)} images, and its images count more. `mlp evaluate` has means "
            "over images"
        )
    if steps < FEW_STEPS and not usual_batch:
        print(
            f"note: an epoch has only {steps} {'step' if steps == 1 else 'steps'}, and each changes the weights once: "
            f"try a smaller --batch-size than {config.batch_size}, or more --epochs"
        )


def mention_missing_classes(config: RunConfig, names: Sequence[str], counts: Array) -> None:
    """Print notes about classes without images, or without validation images, and what may be the reason.

    Args:
        counts: (K, 3) images of each class for training, validation and test.
    """
    limited = config.limit_train is not None or config.limit_valid is not None
    empty = [name for name, row in zip(names, counts, strict=True) if not row.any()]
    if empty and not limited:
        print(
            f"note: {len(empty)} of {len(names)} classes have no image at all, {in_line(empty[0])} for example: is "
            "there a gap in the labels? They should count 0, 1, 2 ... without one"
        )
    unseen = [name for name, row in zip(names, counts, strict=True) if row.any() and row[1] == 0]
    if unseen:
        if limited:
            advice = "with --limit-train or --limit-valid some classes may be left out"
        elif config.split == "stratified":
            advice = "a class needs two training images, so that one of them can be taken"
        else:
            advice = "--split stratified takes some of each"
        print(
            f"note: {len(unseen)} of {len(names)} classes have no validation image, {in_line(unseen[0])} for example: "
            f"{advice}"
        )


def make_batches(
    config: RunConfig, train: ImageSet, valid: ImageSet, test: ImageSet
) -> tuple[Batches, Batches, Batches]:
    """Return training batches (shuffled, augmented), validation and test batches (neither)."""
    training = batches_of(config, train, augment=config.augment, shuffle=True, seed=config.seed)
    return training, batches_of(config, valid), batches_of(config, test)


def batches_of(config: RunConfig, image_set: ImageSet, **how: Any) -> Batches:
    """Return batches with the settings of a run: no augmentation and no shuffling, unless `how` says so.

    Args:
        how: further arguments of `Batches`.
    """
    options = {"normalization": config.normalization, "dtype": config.dtype, "mean_over": metrics_over(config), **how}
    return Batches(image_set, config.batch_size, **options)


def metrics_over(config: RunConfig) -> str:
    """Return what the metrics of a run are means over, one of `mlp.data.MEANS`."""
    return MEANS_OF_REPORTS.get(config.dataset, "images")


def make_model(config: RunConfig, num_classes: int, image_shape: Sequence[int], *, trust_code: bool = False) -> Layer:
    """Return the network of a configuration, on its device.

    Args:
        num_classes: K. image_shape: (H, W, C).
        trust_code: whether code that the configuration names may be run. (The configuration may come from a folder that
            somebody else has made.)

    Raises:
        ConfigurationError: code that is not trusted, or a network that cannot be built for these images.
    """
    H, W, channels = image_shape
    if config.own_model:
        dtype = np.dtype(config.dtype)
        model = build_own_model(config.model, num_classes, image_shape, config.seed, dtype, trust_code=trust_code)
    elif config.is_vgg:
        settings: dict[str, Any] = {name: getattr(config, name) for name in VGG_SETTINGS}
        settings |= {"num_classes": num_classes, "image_channels": channels, "seed": config.seed}
        model = vgg(config.depth, dtype=config.dtype, **settings)
    elif H != W:
        raise ConfigurationError(f"ssrn needs square patches, got {H} x {W} pixels")
    else:
        model = ssrn(num_classes, channels, H, config.seed, dtype=config.dtype)
    return model.to(config.device)


def make_loss(config: RunConfig, model: Layer | None = None) -> Loss:
    """Return the loss of a configuration; for training, give the model, so that losses of companions are added."""
    loss = SoftmaxCrossEntropy(label_smoothing=config.label_smoothing)
    if model is None or config.companions == "none":
        return loss
    return DeepSupervision(loss, taps_of(model), config.companion_weight, config.companion_threshold)


def make_rule(config: RunConfig) -> LearningRule:
    """Return the learning rule; for settings that are None it has its own defaults (AdamW decays weights by 0.01)."""
    given = {name: getattr(config, name) for name in RULE_SETTINGS if getattr(config, name) is not None}
    return RULES[config.learning_rule](config.learning_rate, **given)


def make_schedule(config: RunConfig, steps_per_epoch: int) -> Schedule:
    """Return step -> learning rate: a linear warm-up of whole epochs, then the schedule from its own step 0.

    The schedule counts epochs, and is constant inside each (schedule E of the reports), or with schedule_unit "step"
    it counts steps. The cosine's horizon is then `epochs` steps (schedule I), so that the rate swings between its two
    ends all through the run.
    """
    schedule = make_main_schedule(config)
    if config.schedule_unit == "epoch":
        schedule = per_epoch(schedule, steps_per_epoch)
    if config.warm_up == 0:
        return schedule
    steps = config.warm_up * steps_per_epoch
    return join(warm_up(config.learning_rate, steps), schedule, at=[steps])


def make_main_schedule(config: RunConfig) -> Schedule:
    """Return the schedule without warm-up, as a function of its own unit."""
    h0, length, factor = config.learning_rate, config.schedule_length, config.schedule_factor
    third = max(1, config.epochs // 3)
    match config.schedule:
        case "constant":
            return constant(h0)
        case "cosine":
            return cosine(h0, LAST_LEARNING_RATE, steps=length or config.epochs - config.warm_up)
        case "step":
            return step(h0, factor or 0.1, steps=length or third)
        case "exponential":
            return exponential(h0, factor or 0.96)
        case _:  # "warm_restarts"
            return warm_restarts(h0, LAST_LEARNING_RATE, steps=length or third, multiply=int(factor or 1))


def idle_settings(config: RunConfig) -> list[str]:
    """Return a sentence for each setting that changes nothing in the network of this run."""
    settings = {name: getattr(config, name) for name in VGG_SETTINGS}
    return without_effect(config.depth, settings) if config.is_vgg else []


def run_title(config: RunConfig) -> str:
    """Return a run's name for people: "VGG38 BN+RC on cifar100"."""
    if not config.is_vgg:
        return f"{config.model if config.own_model else config.model.upper()} on {config.dataset}"
    kinds = {"RC": config.residual, "dense": config.dense, "multi-scale": config.multi_scale}
    kinds["companions"] = config.companions != "none"
    extras = "+".join(filter(None, (NORM_TITLES.get(config.norm), *(kind for kind in kinds if kinds[kind]))))
    return " ".join(filter(None, (f"VGG{config.depth:02d}", extras, "on", config.dataset)))
