"""Checkpoints: everything a run needs to go on as if it had never stopped, in one .npz file without pickle.

    model/<name>      weights and buffers              step, epoch     updates and epochs done
    rule/<name>       moments and step count           config          the run's settings, as JSON
    history/...       metrics and layer statistics               digest          SHA-256 of all of these

There is no random state among them: randomness is a function of (seed, stream, epoch), see `mlp.rng`.
"""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlp.errors import CheckpointError, ShapeError
from mlp.files import write_arrays
from mlp.layers.machinery.base import Layer
from mlp.training.history import History
from mlp.training.state import TrainingState
from mlp.typing import Array, PathLike

FORMAT = 1  # raised when the contents change in a way that old readers would misread


def save_checkpoint(path: PathLike, trainer: TrainingState, config: Mapping[str, Any] | None = None) -> None:
    """Write the state of a Trainer to `path`, atomically.

    Args:
        config: the run's settings, a dict that JSON can hold.
    """
    arrays = {
        "format": np.array(FORMAT),
        "step": np.array(trainer.step),
        "epoch": np.array(trainer.epoch),
        "config": np.array(json.dumps(config or {})),
    }
    arrays.update({f"model/{name}": array for name, array in trainer.model.state_dict().items()})
    arrays.update({f"rule/{name}": np.asarray(value) for name, value in trainer.rule.state_dict().items()})
    arrays.update({f"history/{name}": array for name, array in trainer.history.arrays().items()})
    write_arrays(path, {**arrays, "digest": np.array(digest(arrays))})


def digest(arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 of named arrays: a zip file's own checksums miss entries that a flipped bit hides."""
    code = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        array = np.ascontiguousarray(array)
        code.update(f"{name} {array.dtype} {array.shape}".encode())
        code.update(array.tobytes())
    return code.hexdigest()


def read_checkpoint(path: PathLike) -> dict[str, Array]:
    """Return the arrays of a checkpoint as a dict.

    Raises:
        CheckpointError: the file is missing, damaged, or of another format.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    # What a damaged zip file raises depends on which of its bytes is wrong.
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
        raise damaged(path, error) from None
    except (zipfile.BadZipFile, zlib.error, MemoryError, SyntaxError, OverflowError) as error:
        raise damaged(path, error) from None
    stored = arrays.pop("digest", None)
    if stored is None or str(stored) != digest(arrays):
        raise damaged(path, "its digest does not fit")
    if int(arrays["format"]) != FORMAT:
        raise CheckpointError(f"checkpoint {path} has format {arrays['format']}, this version reads {FORMAT}")
    return arrays


def load_checkpoint(path: PathLike, trainer: TrainingState) -> None:
    """Put a Trainer into the state that `save_checkpoint` saved; its model and rule must be of the same kind.

    Raises:
        CheckpointError: as `read_checkpoint`, or the contents do not fit.
    """
    arrays, before = read_checkpoint(path), trainer.model.state_dict()
    try:
        load_model(path, trainer.model, arrays)
        trainer.rule.initialize(trainer.model.parameters())
        trainer.rule.load_state_dict(section(arrays, "rule/"))
        trainer.step, trainer.epoch = int(arrays["step"]), int(arrays["epoch"])
        trainer.history = History.from_arrays(section(arrays, "history/"))
    except (CheckpointError, KeyError, ValueError, TypeError) as error:
        trainer.model.load_state_dict(before)  # nothing of another rule's checkpoint, say, is kept
        raise error if isinstance(error, CheckpointError) else damaged(path, error) from None


def load_model(path: PathLike, model: Layer, arrays: Mapping[str, Array] | None = None) -> None:
    """Copy only the weights and buffers of the checkpoint `path` into `model`."""
    try:
        model.load_state_dict(section(arrays or read_checkpoint(path), "model/"))
    except ShapeError as error:
        raise CheckpointError(f"checkpoint {path} belongs to another model: {error}") from None


def section(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Return the entries whose names start with `prefix`, without it."""
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}


def damaged(path: PathLike, error: Exception | str) -> CheckpointError:
    """Return the error for a file that is no checkpoint, or no longer one."""
    reason = str(error).partition("\n")[0] or type(error).__name__
    return CheckpointError(f"checkpoint {path} is damaged ({reason}): delete it, and start again without it")
