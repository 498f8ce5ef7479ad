"""Checkpoints: everything a run needs to continue as if it had never stopped, in one .npz file without pickle.

    model/<name>      weights and buffers              step, epoch     updates and epochs done
    rule/<name>       moments and step count           config          the run's settings, as JSON
    history/...       metrics and layer statistics     format          of this file, a number
                                                       digest          SHA-256 of all others

There is no random state among them: randomness is a function of (seed, stream, epoch), see `mlp.rng`.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlp.checks import shown
from mlp.errors import CheckpointError, ShapeError
from mlp.files import write_arrays
from mlp.files.stored import as_object, damaged, read_arrays
from mlp.layers.machinery.base import Layer
from mlp.layers.parameter import Parameter
from mlp.training.history import History
from mlp.training.state import TrainingState
from mlp.typing import Array, PathLike

FORMAT = 1  # raised when the contents change in a way that old readers would misread


def save_checkpoint(path: PathLike, trainer: TrainingState, config: Mapping[str, Any] | None = None) -> None:
    """Write the state of a Trainer to `path`, atomically.

    Args:
        config: the run's settings, a dict that JSON can hold.

    Raises:
        CheckpointError: `trainer` is not a Trainer.
    """
    check_trainer("save_checkpoint", trainer)
    if trainer.rule.flat is None:  # before the first step the rule has no moments to save
        trainer.rule.initialize(trained_parameters(trainer))
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


def check_trainer(function: str, trainer: object) -> None:
    """Raise CheckpointError unless `trainer` is a Trainer."""
    if not isinstance(trainer, TrainingState):
        raise CheckpointError(
            f"the file comes first, then the Trainer: {function}(path, trainer); got {shown(trainer)}"
        )


def digest(arrays: Mapping[str, Array]) -> str:
    """Return the SHA-256 of named arrays.

    A zip file has a checksum for each entry, but none for its list of entries: a flipped bit there hides one.
    """
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
        arrays = read_arrays(path)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint {path}") from None
    stored = arrays.pop("digest", None)
    if stored is None or str(stored) != digest(arrays):
        raise damaged(path, "its digest does not match its content")
    if whole_number(path, arrays, "format") != FORMAT:
        raise CheckpointError(f"{path} has format {arrays['format']}, this version reads {FORMAT}")
    for name in ("step", "epoch"):
        whole_number(path, arrays, name)
    return arrays


def whole_number(path: PathLike, arrays: Mapping[str, Array], name: str) -> int:
    """Return a count that a checkpoint holds, such as its step; DamagedError without it."""
    array = arrays.get(name, np.array(-1))
    if array.shape != () or array.dtype.kind != "i" or array < 0:
        raise damaged(path, f"it has no {name}")
    return int(array)


def stored_settings(path: PathLike, arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Return the settings that were saved along with a checkpoint; {} for none.

    Args:
        path: of the checkpoint, for messages. arrays: its content.

    Raises:
        DamagedError: they are not settings.
    """
    try:
        return as_object(json.loads(str(arrays["config"])))
    except (KeyError, ValueError, RecursionError) as error:
        raise damaged(path, error) from None


def load_checkpoint(path: PathLike, trainer: TrainingState, arrays: Mapping[str, Array] | None = None) -> None:
    """Put a Trainer into the state that `save_checkpoint` saved; its model and rule must be of the same kind.

    Args:
        arrays: the content of the checkpoint, if it was read before.

    Raises:
        CheckpointError: as in `read_checkpoint`, or the content does not fit this Trainer, which stays as it was.
    """
    check_trainer("load_checkpoint", trainer)
    arrays, before = arrays or read_checkpoint(path), trainer.model.state_dict()
    try:
        history = History.from_arrays(section(arrays, "history/"))
        if len(history.rows) != arrays["epoch"]:
            raise ValueError(f"it is of epoch {arrays['epoch']} and has {len(history.rows)} rows")
        load_model(path, trainer.model, arrays)
        parameters = trained_parameters(trainer)
        trial = trainer.rule.without_parameters()
        trial.initialize(parameters)
        trial.load_state_dict(section(arrays, "rule/"))  # after an error here the rule has lost nothing
        trainer.rule.initialize(parameters)
        trainer.rule.load_state_dict(section(arrays, "rule/"))
        trainer.step, trainer.epoch, trainer.history = int(arrays["step"]), int(arrays["epoch"]), history
    except (CheckpointError, KeyError, ValueError, TypeError, RecursionError) as error:
        trainer.model.load_state_dict(before)  # the weights fitted, and something after them did not
        raise error if isinstance(error, CheckpointError) else damaged(path, error) from None


def trained_parameters(trainer: TrainingState) -> list[Parameter]:
    """Return the parameters that a Trainer's rule changes: those of the model that it has already, otherwise all."""
    parameters = trainer.model.set_paths().parameters()
    known = {id(parameter) for parameter in parameters}
    held = [] if trainer.rule.flat is None else trainer.rule.flat.parameters
    return [parameter for parameter in held if id(parameter) in known] or parameters


def load_model(path: PathLike, model: Layer, arrays: Mapping[str, Array] | None = None) -> None:
    """Copy only the weights and buffers of the checkpoint `path` into `model`.

    Raises:
        CheckpointError: the file is missing or damaged, or belongs to another model.
    """
    if not isinstance(model, Layer):
        raise CheckpointError(f"the file comes first, then the model: load_model(path, model); got {shown(model)}")
    try:
        model.load_state_dict(section(arrays or read_checkpoint(path), "model/"))
    except ShapeError as error:
        raise CheckpointError(f"{path} belongs to another model: {error}") from None


def section(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    """Return the entries whose names start with `prefix`, without it."""
    return {name[len(prefix) :]: array for name, array in arrays.items() if name.startswith(prefix)}
