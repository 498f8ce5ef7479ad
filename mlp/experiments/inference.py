"""Evaluate a trained model on a split of its data set; `LoadedRun.predict` classifies your own images.

evaluation = evaluate_run("runs/vgg38", split="test")       # loss, top-1, top-5, and a row for each class
"""

import sys
from dataclasses import dataclass

import numpy as np

from mlp.checks import choose
from mlp.experiments.build import batches_of
from mlp.experiments.loading import load_run, load_splits, run_forward
from mlp.progress import announced_bar
from mlp.typing import Array, PathLike

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
        """Return the fraction of images whose class is among the k most likely ones; an image with NaN is wrong."""
        own = self.logits[np.arange(len(self.targets)), self.targets]  # (N,)
        # Of classes with equal logits the one with the lower number comes first, as in argmax.
        ahead = (self.logits > own[:, None]).sum(axis=1)
        lower = np.arange(self.logits.shape[1]) < self.targets[:, None]  # (N, K)
        ahead += ((self.logits == own[:, None]) & lower).sum(axis=1)
        return float(((ahead < k) & ~np.isnan(self.logits).any(axis=1)).mean())

    def confusion(self) -> Array:
        """Return (K, K): how many images of class r were taken for class c."""
        return confusion(self.targets, self.logits.argmax(axis=1), len(self.class_names))

    def classes(self) -> list[tuple[str, int, float, str, int]]:
        """Return the classes that have images, worst first: (name, images, accuracy, usual mistake, how often)."""
        rows = []
        for k, (name, counts) in enumerate(zip(self.class_names, self.confusion(), strict=True)):  # counts (K,)
            images, right = int(counts.sum()), int(counts[k])
            if images:
                counts[k] = 0
                mistake, times = int(counts.argmax()), int(counts.max())
                rows.append((name, images, right / images, self.class_names[mistake] if times else "", times))
        return sorted(rows, key=lambda row: row[2])


def confusion(targets: Array, guesses: Array, num_classes: int) -> Array:
    """Return (K, K): how many images of class r were taken for class c."""
    return np.bincount(targets * num_classes + guesses, minlength=num_classes**2).reshape(num_classes, num_classes)


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

    Means are over images. Those in metrics.csv and test.json are over batches for CIFAR-100, see `mlp.data.Batches`.

    Args:
        path: the run's folder. split: one of `SPLITS`. checkpoint: "best" or "latest".
        data_dir: where data sets are; None for MLP_DATA_DIR or ./data. device: None for the run's own.
        trust_code: run the Python file that defines the run's model, if there is one.

    Returns:
        An Evaluation.

    Raises:
        MlpError: the folder, its checkpoint or the data are missing, or do not fit together.
    """
    choose("split", split, SPLITS, "--split")
    run = load_run(path, checkpoint, data_dir=data_dir, device=device, trust_code=trust_code)
    images = load_splits(run.config, data_dir, run)[split]
    batches = batches_of(run.config, images)
    bar = announced_bar(batches.epoch(0), desc="evaluation", unit="batch", total=len(batches), leave=False)
    loss, logits = run_forward(run.config, run.model, bar)
    if not np.isfinite(logits).all():
        print(f"note: the model of {path} gives NaN or infinity for some images: they count as wrong", file=sys.stderr)
    return Evaluation(loss, images.labels, logits, list(images.class_names))
