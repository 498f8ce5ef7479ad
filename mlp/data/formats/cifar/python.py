"""The python version of CIFAR: pickled dictionaries, written by Python 2.

a batch         data               (N, 3072) uint8, one image in each row
                labels             N class numbers (CIFAR-10), or
                fine_labels        N class numbers, and
                coarse_labels      N group numbers (CIFAR-100)
meta            label_names, or fine_label_names and coarse_label_names

cifar-10-batches-py     data_batch_1 .. data_batch_5, test_batch, batches.meta
cifar-100-python        train, test, meta
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlp.data.formats.cifar.binary import PIXELS
from mlp.data.formats.safe_pickle import as_text, load_pickle
from mlp.errors import DataError, excerpt
from mlp.typing import Array


def read_batch(content: bytes, source: str, label_keys: Sequence[str]) -> tuple[Array, ...]:
    """Return the rows (N, 3072) of a batch, then the labels (N,) under each of `label_keys`.

    Args:
        content: the bytes of the file.
        source: the file's name, for messages.
        label_keys: entries of the dictionary.
    """
    batch = load_pickle(content, source)
    return read_rows(batch, source), *(read_labels(batch, key, source) for key in label_keys)


def read_rows(batch: Mapping[str, Any], source: str) -> Array:
    """Return the pixels of a batch dictionary, (N, 3072)."""
    data = entry(batch, "data", source)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.ndim != 2 or data.shape[1] != PIXELS:
        given = f"{data.shape} of {data.dtype}" if isinstance(data, np.ndarray) else f"a {type(data).__name__}"
        raise DataError(f"{source}: 'data' must be an array (N, {PIXELS}) of uint8, got {given}")
    if len(data) == 0:
        raise DataError(f"{source}: 'data' holds no image")
    return data


def read_labels(batch: Mapping[str, Any], key: str, source: str) -> Array:
    """Return the labels under `key`, stored as a list or as an array, as (N,) int64."""
    labels = entry(batch, key, source)
    if isinstance(labels, list) and all(type(label) is int and abs(label) < 2**31 for label in labels):
        labels = np.array(labels, dtype=np.int64)
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise DataError(f"{source}: {key!r} must be a list of class numbers")
    return labels.astype(np.int64)


def read_names(content: bytes, source: str, key: str) -> tuple[str, ...]:
    """Return the names under `key` of a meta file as a tuple of strings."""
    names = entry(load_pickle(content, source), key, source)
    if not isinstance(names, list) or not all(isinstance(name, bytes | str) for name in names):
        raise DataError(f"{source}: {key!r} must be a list of names")
    return tuple(as_text(name) for name in names)


def entry(dictionary: Mapping[str, Any], key: str, source: str) -> Any:
    """Return dictionary[key]; DataError says which keys there are instead."""
    if key not in dictionary:
        there = excerpt(", ".join(sorted(dictionary)))
        raise DataError(f"{source}: no entry {key!r}, only {there}: is this another data set?")
    return dictionary[key]
