"""Data sets by name, split and ready for `Batches`."""

import os
from pathlib import Path

from mlp.data.cifar import load_cifar100
from mlp.data.splits import split_indices
from mlp.data.synthetic import synthetic
from mlp.errors import ConfigurationError

# Each loader takes the data folder and returns (train, test).
DATASETS = {
    "cifar100": load_cifar100,
    "synthetic": lambda data_dir: synthetic(),
}


def load_dataset(name, data_dir=None, split="coursework", limit_train=None, limit_valid=None):
    """Load a data set and split its training images.

    Args:
        name: one of `DATASETS`.
        data_dir: the folder with the data; None looks where `find_data_dir` says.
        split: one of `mlp.data.SPLITS`.
        limit_train, limit_valid: keep only so many images, the first of the split; None keeps all.

    Returns:
        (train, valid, test), three `ImageSet`s.

    Raises:
        ConfigurationError: an unknown name or split, or a limit below 1. DataError: the files are not usable.
    """
    if name not in DATASETS:
        raise ConfigurationError(f"dataset must be one of {', '.join(DATASETS)}, got {name!r}")
    for which, limit in (("limit_train", limit_train), ("limit_valid", limit_valid)):
        if limit is not None and limit < 1:
            raise ConfigurationError(f"{which} must be at least 1, got {limit}")
    images, test = DATASETS[name](find_data_dir(data_dir))
    train, valid = split_indices(images.labels, split)
    return images.take(train[:limit_train]), images.take(valid[:limit_valid]), test


def find_data_dir(data_dir=None):
    """Return the data folder: the argument, else the environment variable MLP_DATA_DIR, else "data"."""
    return Path(data_dir or os.environ.get("MLP_DATA_DIR") or "data").expanduser()
