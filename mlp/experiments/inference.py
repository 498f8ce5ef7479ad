"""What a trained model says: about a whole split of its data set, and about images that people give it.

evaluation = evaluate_run("runs/vgg38", split="test")       # loss, top-1, top-5, and how each class fares
predictions = predict_images("runs/vgg38", ["cat.jpg", "own.npy"])
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlp.backend import require_device, to_numpy
from mlp.checks import choose
from mlp.data import ImageSet, normalize
from mlp.engine import make_engine
from mlp.errors import CheckpointError
from mlp.experiments.build import load_images, make_loss, make_model, plain_batches
from mlp.experiments.config import RunConfig
from mlp.experiments.images import read_picture
from mlp.experiments.run_folder import RunFolder
from mlp.layers import Layer
from mlp.learning_rules import GradientDescent
from mlp.losses import Loss
from mlp.training.checkpoint import load_model
from mlp.typing import Array, PathLike

CHECKPOINTS = ("best", "latest")
SPLITS = ("test", "valid", "train")


@dataclass
class Evaluation:
    """How a model does on N images of K classes.

    Attributes:
        loss: mean over the images. targets: (N,) class numbers. logits: (N, K). class_names: K names.
    """

    loss: float
    targets: Array
    logits: Array
    class_names: list[str]

    def top(self, k: int) -> float:
        """Return the fraction of images whose class is among the k that the model finds most likely; NaN is wrong."""
        own = self.logits[np.arange(len(self.targets)), self.targets]  # (N,)
        # Of classes with equal logits the one with the lower number comes first, as argmax has it.
        ahead = (self.logits > own[:, None]).sum(axis=1)
        lower = np.arange(self.logits.shape[1]) < self.targets[:, None]  # (N, K)
        ahead += ((self.logits == own[:, None]) & lower).sum(axis=1)
        return float(((ahead < k) & ~np.isnan(self.logits).any(axis=1)).mean())

    def classes(self) -> list[tuple[str, int, float, str, int]]:
        """Return the classes that have images, worst first: (name, images, accuracy, usual mistake, how often)."""
        guesses = self.logits.argmax(axis=1)  # (N,)
        rows = []
        for k, name in enumerate(self.class_names):
            counts = np.bincount(guesses[self.targets == k], minlength=len(self.class_names))  # (K,)
            images, right = int(counts.sum()), int(counts[k])
            if images:
                counts[k] = 0
                mistake, times = int(counts.argmax()), int(counts.max())
                rows.append((name, images, right / images, self.class_names[mistake] if times else "", times))
        return sorted(rows, key=lambda row: row[2])


@dataclass
class Prediction:
    """What a model sees in one image.

    Attributes:
        path: where it came from. note: what was done to it, "" for nothing. pixels: (H, W, C) uint8, as the model
        sees it. classes: the names of the most likely classes, in order. probabilities: of these, in 0 .. 1.
    """

    path: str
    note: str
    pixels: Array
    classes: list[str]
    probabilities: Array


class Logits(Loss):
    """Not a loss to train with: it keeps the outputs of every batch, whichever engine computes them."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.outputs: list[Array] = []

    def forward(self, outputs: Array, targets: Array) -> float:
        self.outputs.append(to_numpy(outputs).copy())  # an engine may use the array again
        return self.loss.forward(outputs, targets)


def evaluate_run(
    path: PathLike,
    split: str = "test",
    checkpoint: str = "best",
    data_dir: PathLike | None = None,
    device: str | None = None,
    *,
    trust_code: bool = False,
) -> Evaluation:
    """Evaluate the model of a run on one of its splits, without augmentation.

    Means are over images. Those in metrics.csv and test.json are over batches, as in the reports: the same where the
    last batch is no shorter than the others.

    Args:
        path: the run's folder. split: one of `SPLITS`. checkpoint: "best" or "latest".
        data_dir: where data sets are; None for MLP_DATA_DIR or ./data. device: None for the run's own.
        trust_code: run the file that holds the run's model, if that is one of somebody's own.

    Returns:
        An Evaluation.

    Raises:
        MlpError: the folder, its checkpoint or the data are missing or do not fit.
    """
    choose("--split", split, SPLITS)
    folder = RunFolder(path)
    config, _ = folder.load()
    weights = checkpoint_path(folder, checkpoint)
    config = moved(config, device)
    images = load_splits(config, data_dir)[split]
    model = make_model(config, images.num_classes, images.images.shape[1:], trust_code=trust_code)
    load_model(weights, model)
    loss, logits = run_forward(config, model, plain_batches(config, images).epoch(0))
    return Evaluation(loss, images.labels, logits, list(images.class_names))


def predict_images(
    path: PathLike,
    files: Sequence[PathLike],
    checkpoint: str = "best",
    most: int = 5,
    data_dir: PathLike | None = None,
    device: str | None = None,
    *,
    trust_code: bool = False,
) -> list[Prediction]:
    """Say what the model of a run sees in images from files.

    Args:
        path: the run's folder. files: PNG, JPEG, ... or .npy, see `mlp.experiments.images`.
        checkpoint: "best" or "latest". most: how many classes to name.
        data_dir: where data sets are; needed only for runs whose config.json does not name the classes.
        device: None for the run's own. trust_code: run the file of the run's model, if that is one of somebody's own.

    Returns:
        A list with a Prediction for each image; an .npy file may hold several.
    """
    folder = RunFolder(path)
    config, facts = folder.load()
    weights = checkpoint_path(folder, checkpoint)
    if facts.image_shape is None or facts.class_names is None:  # an older version did not write them
        images = load_splits(config, data_dir)["test"]
        image_shape, class_names = images.images.shape[1:], list(images.class_names)
    else:
        image_shape, class_names = tuple(facts.image_shape), facts.class_names
    config = moved(config, device)
    pictures = [picture for file in files for picture in read_picture(file, image_shape)]
    model = make_model(config, len(class_names), image_shape, trust_code=trust_code)
    load_model(weights, model)
    x = normalize(np.stack([pixels for _, _, pixels in pictures]), config.normalization, config.dtype)
    chunks = range(0, len(x), config.batch_size)
    batches = ((x[i : i + config.batch_size], np.zeros(len(x[i : i + config.batch_size]), np.int64)) for i in chunks)
    _, logits = run_forward(config, model, batches)
    probabilities = softmax(logits)  # (N, K)
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :most]
    return [
        Prediction(name, note, pixels, [class_names[k] for k in chosen], row[chosen])
        for (name, note, pixels), row, chosen in zip(pictures, probabilities, order, strict=True)
    ]


def moved(config: RunConfig, device: str | None) -> RunConfig:
    """Return the configuration for another device, which may need another engine; None leaves it as it is."""
    if device is not None and device != config.device:
        config = dataclasses.replace(config, device=device, engine="auto")
    require_device(config.device)
    return config


def load_splits(config: RunConfig, data_dir: PathLike | None) -> dict[str, ImageSet]:
    """Return the images of a run, {"train": ..., "valid": ..., "test": ...}."""
    sets = load_images(config, data_dir)
    return dict(zip(("train", "valid", "test"), sets, strict=True))


def checkpoint_path(folder: RunFolder, checkpoint: str) -> Path:
    """Return the path of a checkpoint of a run, "best" or "latest"; an error if there is none."""
    choose("--checkpoint", checkpoint, CHECKPOINTS)
    path = folder.best if checkpoint == "best" else folder.latest
    if not path.exists():
        raise CheckpointError(
            f"there is no {path}: the run has not finished an epoch, or is one of the kept results, which are stored "
            "without weights"
        )
    return path


def run_forward(config: RunConfig, model: Layer, batches: Iterable[tuple[Array, Array]]) -> tuple[float, Array]:
    """Return (mean loss over the images, logits (N, K)) of a model in evaluation mode, with the run's engine."""
    engine, loss = make_engine(config.engine, device=config.device), Logits(make_loss(config))
    engine.bind(model, loss, GradientDescent())
    try:
        sums = [engine.evaluate(x, targets)[0] * len(x) for x, targets in batches]
    finally:
        engine.close()
    logits = np.concatenate(loss.outputs)
    return sum(sums) / len(logits), logits


def softmax(logits: Array) -> Array:
    """Return the probabilities of logits (N, K), in float64."""
    exps = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return exps / exps.sum(axis=1, keepdims=True)
