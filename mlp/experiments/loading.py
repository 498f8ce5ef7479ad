"""Load the model of a run from its folder: `load_run`, also available as `mlp.load_run`.

loaded = mlp.load_run("runs/best")                     best weights; weights="latest" for the newest
loaded.model, loaded.config, loaded.history, loaded.class_names
loaded.predict(["cat.jpg"])[0].classes                 the most likely classes, most likely first
"""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlp.backend import require_device, to_numpy
from mlp.checks import at_least_one, choose
from mlp.data import SCENES, ImageSet, normalize
from mlp.data.formats.sources import MissingDataError
from mlp.engine import make_engine
from mlp.errors import CheckpointError, ConfigurationError, ShapeError
from mlp.experiments.build import load_images, make_loss, make_model, run_title
from mlp.experiments.config import RunConfig
from mlp.experiments.images import Images, Picture, Prediction, Predictions, pictures_of
from mlp.experiments.record import known_history
from mlp.experiments.resume import check_images, check_predictions
from mlp.experiments.run_folder import RunFolder
from mlp.layers import Layer
from mlp.learning_rules import GradientDescent
from mlp.losses import Loss
from mlp.training.checkpoint import load_model, read_checkpoint, stored_settings
from mlp.training.history import History
from mlp.typing import Array, PathLike

CHECKPOINTS = ("best", "latest")


@dataclass(eq=False, repr=False)
class LoadedRun:
    """The model of a run, and what is needed to use it.

    Attributes:
        path: the run's folder. model: with its weights, on the device of `config`. config: all settings.
        history: rows of metrics.csv, and the gradient flow; if a file is damaged, what the checkpoint holds.
        class_names: K names. image_shape: (H, W, C).
    """

    path: Path
    model: Layer
    config: RunConfig
    history: History
    class_names: list[str]
    image_shape: tuple[int, ...]

    def __repr__(self) -> str:
        epochs, best = len(self.history.rows), self.history.best_epoch
        accuracy = f", best validation accuracy {np.nanmax(self.history.column('val_acc')):.2%}" if best else ""
        num = f"{epochs} {'epoch' if epochs == 1 else 'epochs'}{accuracy}, {len(self.class_names)} classes"
        return f"LoadedRun({run_title(self.config)}, {num}, in {self.path})"

    def preprocess(self, images: Array) -> Array:
        """Return images as the model takes them, (N, H, W, C), normalized as in training.

        Args:
            images: bytes (N, H, W, C), or one image (H, W, C).

        Raises:
            ShapeError: another shape or dtype. ConfigurationError: the run classifies the pixels of a scene.
        """
        if self.config.dataset in SCENES:
            raise ConfigurationError(
                f"{self.path} classifies patches of the scene {self.config.dataset}, which are standardized together "
                "with it: `mlp evaluate` shows what it sees"
            )
        images = np.asarray(images)
        images = images[None] if images.ndim == 3 else images
        if images.dtype != np.uint8 or images.shape[1:] != self.image_shape:
            size = ", ".join(map(str, self.image_shape))
            channels_first = images.ndim == 4 and images.shape[1] == self.image_shape[-1]
            hint = ": write np.moveaxis(images, 1, -1) for (N, C, H, W)" if channels_first else ""
            raise ShapeError(
                f"the model of {self.path} takes bytes (uint8, 0 .. 255) of shape (N, {size}), got {images.dtype} of "
                f"shape {images.shape}{hint}"
            )
        return normalize(images, self.config.normalization, self.config.dtype)

    def logits(self, images: Array) -> Array:
        """Return the outputs (N, K) for bytes (N, H, W, C), in evaluation mode."""
        x, size = self.preprocess(images), self.config.batch_size
        chunks = [x[i : i + size] for i in range(0, len(x), size)]
        _, logits = run_forward(self.config, self.model, ((chunk, np.zeros(len(chunk), np.int64)) for chunk in chunks))
        return logits

    def predict(self, images: Images, most: int = 5) -> Predictions:
        """Return a Prediction for each image.

        Args:
            images: bytes (N, H, W, C) or (H, W, C), an ImageSet, or files (PNG, JPEG, .npy; a path or several).
            most: how many classes to name for each image.

        Raises:
            MlpError: there is no such file, an image does not fit, or the model gives NaN.
        """
        return self.classify(pictures_of(images, self.image_shape, self.config.image_fit), most)

    def classify(self, pictures: Sequence[Picture], most: int = 5) -> Predictions:
        """Return a Prediction for each picture that was read already; see `predict`."""
        pixels = np.stack([pixels for _, _, pixels in pictures])
        logits = self.logits(pixels)
        if not np.isfinite(logits).all():
            raise CheckpointError(f"the model of {self.path} gives NaN or infinity: its training has diverged")
        probabilities = softmax(logits)  # (N, K)
        order = np.argsort(-probabilities, axis=1, kind="stable")[:, : at_least_one("most", most)]
        return Predictions(
            Prediction(name, note, shown, [self.class_names[k] for k in chosen], row[chosen])
            for (name, note, shown), row, chosen in zip(pictures, probabilities, order, strict=True)
        )


def load_run(
    path: PathLike,
    weights: str = "best",
    *,
    data_dir: PathLike | None = None,
    device: str | None = None,
    trust_code: bool = False,
) -> LoadedRun:
    """Load the model of a run.

    Args:
        path: the run's folder.
        weights: "best", of the epoch with the highest validation accuracy, or "latest". (Kept results have either
            weights-best.safetensors or no weights.)
        data_dir: where data sets are; needed only for old runs whose config.json does not name the classes.
        device: "cpu" or "cuda:N"; None for the run's own.
        trust_code: run the Python file that defines the run's model, if there is one.

    Raises:
        CheckpointError: there is no run, or no weights, or they do not fit its settings.
        ConfigurationError: the model is code in a file, and trust_code is not set.
    """
    folder = RunFolder(path)
    config, facts = folder.load()
    stored = checkpoint_path(folder, weights)
    if facts.image_shape is None or facts.class_names is None:  # an older version did not write them
        images = load_splits(config, data_dir)["test"]
        image_shape, class_names = images.images.shape[1:], list(images.class_names)
    else:
        image_shape, class_names = tuple(facts.image_shape), facts.class_names
    config = moved(config, device)
    model = make_model(config, len(class_names), image_shape, trust_code=trust_code)
    arrays: dict[str, Array] = {}
    if stored.suffix == ".safetensors":
        from mlp.interop import load_safetensors

        load_safetensors(model, stored)
    else:
        arrays = read_checkpoint(stored)
        load_model(stored, model, arrays)
        check_predictions(folder, stored_settings(stored, arrays), config, facts)
    return LoadedRun(folder.path, model, config, known_history(folder, arrays), list(class_names), tuple(image_shape))


def moved(config: RunConfig, device: str | None) -> RunConfig:
    """Return the configuration for another device, which may need another engine; None leaves it as it is."""
    if device is not None and device != config.device:
        config = dataclasses.replace(config, device=device, engine="auto")
    require_device(config.device)
    return config


def load_splits(config: RunConfig, data_dir: PathLike | None, run: LoadedRun | None = None) -> dict[str, ImageSet]:
    """Return the images of a run, {"train": ..., "valid": ..., "test": ...}.

    Args:
        run: whose model will see them; CheckpointError if its model knows other classes or images of another size.
    """
    try:
        sets = load_images(config, data_dir)
    except MissingDataError as error:
        raise error.of_run() from None
    if run is not None:
        check_images(run.path, config.dataset, sets, run.image_shape, run.class_names)
    return dict(zip(("train", "valid", "test"), sets, strict=True))


def checkpoint_path(folder: RunFolder, checkpoint: str) -> Path:
    """Return the path of a checkpoint of a run, "best" or "latest"; CheckpointError if there is none."""
    choose("weights", checkpoint, CHECKPOINTS, "--checkpoint")
    path = folder.best if checkpoint == "best" else folder.latest
    kept = folder / "weights-best.safetensors"
    if checkpoint == "best" and not path.exists() and kept.exists():
        return kept
    if not path.exists():
        raise CheckpointError(
            f"there is no {path}: the run has not finished an epoch, or is one of the kept results, which are stored "
            "without weights"
        )
    return path


class Logits(Loss):
    """Not a loss to train with: it keeps the outputs of every batch, whichever engine computes them."""

    def __init__(self, loss: Loss) -> None:
        self.loss = loss
        self.outputs: list[Array] = []

    def forward(self, outputs: Array, targets: Array) -> float:
        self.outputs.append(to_numpy(outputs).copy())  # an engine may use the array again
        return self.loss.forward(outputs, targets)


def run_forward(
    config: RunConfig, model: Layer, batches: Iterable[tuple[Array, Array]], threads: int | None = None
) -> tuple[float, Array]:
    """Return (mean loss over the images, logits (N, K)) of a model in evaluation mode, with the run's engine."""
    engine, loss = make_engine(config.engine, threads, config.device), Logits(make_loss(config))
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
