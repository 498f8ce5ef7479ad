"""Continuing a run: the checkpoint must be of this run, on this data, and the best weights must still be there.

All of it is looked at before the first step, so that nobody finds out after the last one.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from mlp.errors import CheckpointError, DamagedError
from mlp.experiments.build import run_title
from mlp.experiments.config import RunConfig
from mlp.experiments.run_folder import Facts, RunFolder
from mlp.training.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint, stored_settings
from mlp.training.state import TrainingState
from mlp.typing import Array

SAME_DATA = ("image_shape", "class_names", "num_images", "data")


def resume_run(folder: RunFolder, trainer: TrainingState, config: RunConfig, facts: Facts) -> None:
    """Put a Trainer into the state of the latest checkpoint of a folder.

    Raises:
        CheckpointError: a checkpoint is missing or damaged, or belongs to other settings or other data.
    """
    try:
        arrays = read_checkpoint(folder.latest)
    except DamagedError as error:
        advice = f"copy {folder.best.name} over it to continue from the best epoch" if folder.best.exists() else ""
        raise DamagedError(f"{error}; {advice}{advice and ', or '}start again with another --out") from None
    check_same_run(folder, arrays, config, facts)
    load_checkpoint(folder.latest, trainer, arrays)
    keep_best(folder, trainer, config, facts)
    print(f"resuming {folder.path} after epoch {trainer.epoch} of {config.epochs}: {run_title(config)}")
    folder.mention_changed_code()


def check_same_run(folder: RunFolder, arrays: Mapping[str, Array], config: RunConfig, facts: Facts) -> None:
    """Check that settings and data are those with which a checkpoint was trained.

    Raises:
        CheckpointError: they are not; it names them.
    """
    saved = stored_settings(folder.latest, arrays)
    in_folder = dataclasses.asdict(folder.load()[1])
    trained = {**in_folder, **(saved.pop("facts", None) or {})}
    lines = differences(saved, config.as_dict())
    if lines:
        raise CheckpointError(
            f"{folder.latest} was trained with other settings than those of config.json; put config.json back as it "
            f"was, or choose another --out: {'; '.join(lines)}"
        )
    now = dataclasses.asdict(facts)
    lines = [
        line
        for facts_then in (trained, in_folder)
        for line in differences({name: facts_then.get(name) for name in SAME_DATA}, now, ignore_none=True)
    ]
    if lines:
        raise CheckpointError(
            f"{config.dataset} is not what {folder.path} was trained on, after epoch {int(arrays['epoch'])} of "
            f"{config.epochs}; bring the data back, or choose another --out: {'; '.join(dict.fromkeys(lines))}"
        )


def differences(then: Mapping[str, Any], now: Mapping[str, Any], *, ignore_none: bool = False) -> list[str]:
    """Return a text for each value that was another one, of those that were kept.

    Args:
        ignore_none: whether None means that nobody kept the value.
    """
    names = [name for name in then if name in now and then[name] != now[name]]
    return [
        f"{name.replace('_', ' ')} {short(then[name])} there, {short(now[name])} here"
        for name in names
        if not (ignore_none and then[name] is None)
    ]


def short(value: Any) -> str:
    """Return a value for a message."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]} ..."


def keep_best(folder: RunFolder, trainer: TrainingState, config: RunConfig, facts: Facts) -> None:
    """Check that the weights of the best epoch are there; those of the latest epoch are saved again if need be.

    Raises:
        CheckpointError: they are not.
    """
    best = trainer.history.best_epoch
    try:
        epoch = int(read_checkpoint(folder.best)["epoch"])
        problem = "" if epoch in (best, trainer.epoch + 1) else f"it is of epoch {epoch}"
    except CheckpointError as error:
        problem = str(error)
    if best is None or not problem:
        return
    if best != trainer.epoch:
        raise CheckpointError(
            f"the weights of epoch {best}, the best one, are needed for the test, and {folder.best} does not have them "
            f"({problem}): put it back, or start again with another --out"
        )
    save_checkpoint(folder.best, trainer, {**config.as_dict(), "facts": dataclasses.asdict(facts)})
