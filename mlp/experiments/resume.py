"""Continuing a run: the checkpoint must be of this run and of the same data, and the best weights must still be there.

All of this is checked before the first step, not after the last one.

A finished run may continue with more epochs. If the learning rate does not depend on their number, the result is the
same as if the run had been started with them. If it does depend on it (a cosine over all epochs), the finished epochs
used another schedule than the new ones. No single run could give that result, so you have to ask for it with
--stretch-schedule. A run that ended early continues with a larger --early-stop.
"""

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlp.data.image_set import ImageSet
from mlp.errors import CheckpointError, ConfigurationError, DamagedError
from mlp.experiments.build import run_title
from mlp.experiments.config import LENGTH_SCHEDULES, VGG_SETTINGS, RunConfig
from mlp.experiments.run_folder import MAY_GROW, RunFolder, is_more
from mlp.experiments.settings.facts import Facts, digest_of_images
from mlp.experiments.settings.fields import flag_of
from mlp.training.checkpoint import load_checkpoint, read_checkpoint, save_checkpoint, stored_settings
from mlp.training.state import TrainingState
from mlp.typing import Array

DECIDE_PREDICTIONS = ("model", *VGG_SETTINGS, "normalization", "labels", "limit_classes", "split")
SAME_DATA = ("image_shape", "class_names", "num_images", "data")


def resume_run(
    folder: RunFolder, trainer: TrainingState, config: RunConfig, facts: Facts, *, stretch_schedule: bool = False
) -> None:
    """Put a Trainer into the state of the latest checkpoint of a folder.

    Args:
        stretch_schedule: whether a schedule that spans all epochs may be stretched over more of them.

    Raises:
        ConfigurationError: there are more epochs for such a schedule, and it may not be stretched.
        CheckpointError: a checkpoint is missing or damaged, or belongs to other settings or other data.
    """
    try:
        arrays = read_checkpoint(folder.latest)
    except DamagedError as error:
        advice = f"copy {folder.best.name} over it to continue from the best epoch" if folder.best.exists() else ""
        raise DamagedError(f"{error}; {advice}{advice and ', or '}start again with another --out") from None
    check_same_run(folder, arrays, config, facts)
    load_checkpoint(folder.latest, trainer, arrays)
    before = folder.load()[0]
    if config.epochs > before.epochs:
        check_schedule(trainer, before, config, may_stretch=stretch_schedule)
    keep_best(folder, trainer, config, facts)
    if length_of(config) != length_of(before):
        # The checkpoint first: if the run is killed between the two, the same command continues it.
        save_checkpoint(folder.latest, trainer, facts.with_settings(config))
        folder.write_longer(config)
    print(f"resuming {folder.path} after epoch {trainer.epoch} of {config.epochs}: {run_title(config)}")
    folder.mention_changed_code()


def length_of(config: RunConfig) -> dict[str, Any]:
    """Return the settings that say how long a run trains."""
    return {name: getattr(config, name) for name in MAY_GROW}


def check_schedule(trainer: TrainingState, before: RunConfig, now: RunConfig, *, may_stretch: bool) -> None:
    """Say how a schedule that spans all epochs changes; raise ConfigurationError if that was not asked for.

    Args:
        before, now: the settings, with another number of epochs.
    """
    what = what_spans_all(now)
    if trainer.schedule is None or not what:
        return
    last_step = now.epochs * (trainer.step // trainer.epoch) - 1
    first, last = float(trainer.schedule(trainer.step)), float(trainer.schedule(last_step))
    change = (
        f"{what} spans all epochs: with {now.epochs} in place of {before.epochs}, the learning rate is {first:.2e} in "
        f"epoch {trainer.epoch + 1} (it was {trainer.history.rows[-1]['learning_rate']:.2e} in epoch {trainer.epoch}) "
        f"and {last:.2e} in epoch {now.epochs}"
    )
    if not may_stretch:
        raise ConfigurationError(f"{change}; add --stretch-schedule if you want this, or start anew with another --out")
    print(f"note: {change}")


def what_spans_all(config: RunConfig) -> str:
    """Return what depends on the number of epochs, so that more need --stretch-schedule; "" if nothing does."""
    if config.schedule in LENGTH_SCHEDULES and config.schedule_length is None:
        return f"the schedule {config.schedule}"
    return "the weight of the companions' losses" if config.companions != "none" else ""


def check_same_run(folder: RunFolder, arrays: Mapping[str, Array], config: RunConfig, facts: Facts) -> None:
    """Check that settings and data are those with which a checkpoint was trained.

    Raises:
        CheckpointError: they are not; the message names the differences.
    """
    saved = stored_settings(folder.latest, arrays)
    before, facts_before = folder.load()
    in_folder = dataclasses.asdict(facts_before)
    trained = {**in_folder, **facts_of(saved)}
    saved |= {name: value for name, value in length_of(config).items() if saved.get(name) == getattr(before, name)}
    lines = differences(saved, config.as_dict())
    if lines:
        longer = {flag_of(name): now for name, now in length_of(config).items() if is_more(now, saved.get(name))}
        more = "".join(f" {flag} {value}" for flag, value in longer.items())
        raise CheckpointError(
            f"{folder.latest} was trained with other settings than those of config.json; put config.json back as it "
            f"was{more and f' and type --resume{more}'}, or choose another --out: {'; '.join(lines)}"
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


def check_predictions(folder: RunFolder, trained: Mapping[str, Any], config: RunConfig, facts: Facts) -> None:
    """Check that the settings on which predictions depend are the same in config.json and in a checkpoint.

    Args:
        trained: the settings and facts that are stored with the checkpoint; {} in older ones.

    Raises:
        CheckpointError: they differ, so predictions would mean nothing; the message names them.
    """
    settings = {name: trained[name] for name in DECIDE_PREDICTIONS if name in trained}
    known = ("image_shape", "class_names")  # None in older folders
    facts_then = {name: facts_of(trained).get(name) for name in known if getattr(facts, name) is not None}
    lines = differences(settings, config.as_dict())
    lines += differences(facts_then, dataclasses.asdict(facts), ignore_none=True)
    if lines:
        raise CheckpointError(
            f"the weights in {folder.path} were trained with other settings than those of config.json; put config.json "
            f"back as it was: {'; '.join(lines)}"
        )


def check_images(
    path: Path, dataset: str, images: Sequence[ImageSet], image_shape: Sequence[int], class_names: Sequence[str]
) -> None:
    """Check that images have the size and the classes that the model of a run knows; print a note if they are others.

    Args:
        images: (train, valid, test).

    Raises:
        CheckpointError: size or classes differ, so numbers about these images would mean nothing.
    """
    then = {"image_shape": list(image_shape), "class_names": list(class_names)}
    now = {"image_shape": list(images[0].images.shape[1:]), "class_names": list(images[0].class_names)}
    if lines := differences(then, now):
        raise CheckpointError(f"{dataset} is not what {path} was trained on; bring the data back: {'; '.join(lines)}")
    if RunFolder(path).load()[1].data not in (None, digest_of_images(images)):
        print(f"note: {dataset} holds other images or labels than when {path} was trained", file=sys.stderr)


def facts_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts among the settings that are stored with a checkpoint; {} if there are none."""
    facts = stored.get("facts")
    return facts if isinstance(facts, dict) else {}


def differences(then: Mapping[str, Any], now: Mapping[str, Any], *, ignore_none: bool = False) -> list[str]:
    """Return a text for each value that is in both and differs.

    Args:
        ignore_none: whether None in `then` means that the value was not stored.
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
    """Check that the weights of the best epoch are there. If the latest epoch is the best, they are saved again.

    Raises:
        CheckpointError: they are missing, and the best epoch is not the latest.
    """
    best = trainer.history.best_epoch
    try:
        arrays = read_checkpoint(folder.best)
        epoch = int(arrays["epoch"])
        other = differences({**stored_settings(folder.best, arrays), **length_of(config)}, config.as_dict())
        problem = "" if epoch in (best, trainer.epoch + 1) else f"it is of epoch {epoch}"
        problem = f"it is of another run: {'; '.join(other)}" if other else problem
    except CheckpointError as error:
        problem = str(error)
    if best is None or not problem:
        return
    if best != trainer.epoch:
        raise CheckpointError(
            f"the weights of epoch {best}, the best one, are needed for the test, and {folder.best} does not have them "
            f"({problem}): put it back, or start again with another --out"
        )
    save_checkpoint(folder.best, trainer, facts.with_settings(config))
