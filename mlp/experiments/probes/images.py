"""The network of a run and the images it is probed with."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mlp.checks import at_least_one, choose
from mlp.data import normalize
from mlp.experiments.build import run_title
from mlp.experiments.config import RunConfig
from mlp.experiments.loading import LoadedRun, load_run, load_splits
from mlp.experiments.run_folder import RunFolder
from mlp.layers.machinery.base import Layer
from mlp.typing import Array, PathLike

PROBE_SPLITS = ("train", "valid")


def probe_images(
    config: RunConfig,
    images: int,
    split: str = "train",
    data_dir: PathLike | None = None,
    run: LoadedRun | None = None,
) -> tuple[Array, Array, int]:
    """Return (x, targets, number of classes): the first images of a split, normalized.

    They are not augmented, and not shuffled: a split is in random order already.

    Args:
        run: see `mlp.experiments.loading.load_splits`.
    """
    choose("split", split, PROBE_SPLITS, "--split")
    image_set = load_splits(config, data_dir, run)[split]
    chosen = slice(0, at_least_one("images", images, "--images"))
    x = normalize(image_set.images[chosen], config.normalization, config.dtype)
    return x, image_set.labels[chosen], image_set.num_classes


def probed_run(
    run: PathLike,
    images: int,
    split: str = "train",
    checkpoint: str = "best",
    data_dir: PathLike | None = None,
    device: str | None = None,
    *,
    trust_code: bool = False,
) -> tuple[RunConfig, Layer, tuple[Array, Array]]:
    """Return (config, model with the weights of a checkpoint, (x, targets)) of a run."""
    loaded = load_run(run, checkpoint, data_dir=data_dir, device=device, trust_code=trust_code)
    x, targets, _ = probe_images(loaded.config, images, split, data_dir, loaded)
    return loaded.config, loaded.model, (x, targets)


def label_of(run: PathLike) -> str:
    """Return the name of a run in figures: its title, and its folder."""
    return f"{run_title(RunFolder(run).load()[0])} ({Path(run).name})"


def fingerprint(arrays: Mapping[str, Array]) -> str:
    """Return a short text that changes if any weight does: it says for which network a probe was computed."""
    code = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        code.update(name.encode() + np.ascontiguousarray(array).tobytes())
    return code.hexdigest()[:16]
