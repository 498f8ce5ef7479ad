"""Checks of a Trainer's arguments: another order, a class in place of an object, an object of another kind."""

import inspect
from collections.abc import Iterable
from typing import Any

from mlp.checks import not_negative, shown
from mlp.errors import ConfigurationError
from mlp.layers.machinery.base import Layer
from mlp.learning_rules.base import LearningRule
from mlp.losses import Loss
from mlp.training.hooks import Hook
from mlp.typing import Schedule

PARTS = {  # what they are called -> (class, example)
    "model": (Layer, "mlp.models.vgg(depth=8)"),
    "loss": (Loss, "mlp.losses.SoftmaxCrossEntropy()"),
    "learning rule": (LearningRule, "mlp.learning_rules.Adam()"),
}


def check_parts(*given: Any) -> None:
    """Raise ConfigurationError unless a model, a loss and a learning rule were given, in this order."""
    for (what, (kind, example)), part in zip(PARTS.items(), given, strict=True):
        if isinstance(part, type):
            raise ConfigurationError(f"the {what} must be made first: write {part.__name__}(), not {part.__name__}")
        if not isinstance(part, kind):
            raise ConfigurationError(
                f"expected Trainer(model, loss, rule), and the {what} is an mlp {kind.__name__}, such as {example}; "
                f"got {shown(part)}"
            )


def check_schedule(schedule: Any) -> None:
    """Raise ConfigurationError unless a schedule is None or a function of the step that gives a learning rate."""
    if schedule is None:
        return
    if not callable(schedule):
        raise ConfigurationError(
            f"schedule must be a function of the step, got {schedule!r}: write "
            f"mlp.schedulers.constant({schedule!r}), or leave it out, and the rule keeps its learning rate"
        )
    try:
        inspect.signature(schedule).bind(0)
    except ValueError:  # some functions written in C do not say what they take
        return
    except TypeError as error:
        raise ConfigurationError(
            f"schedule must be a function of the step alone, schedule(step) ({error}): write "
            "mlp.schedulers.cosine(1e-3, 2e-5, steps=1000), say, not mlp.schedulers.cosine"
        ) from None


def rate_at(schedule: Schedule, step: int) -> float:
    """Return the learning rate that a schedule gives for a step; ConfigurationError unless it is 0 or greater."""
    return not_negative(f"schedule({step})", schedule(step))


def check_same_classes(train: Any, valid: Any) -> None:
    """Raise ConfigurationError if both batches know the names of their classes, and the names differ."""
    ours, theirs = (getattr(getattr(one, "image_set", None), "class_names", None) for one in (train, valid))
    if ours is not None and theirs is not None and tuple(ours) != tuple(theirs):
        raise ConfigurationError(
            f"validation images must have the classes of the training images, {shown(ours)}, got {shown(theirs)}"
        )


def checked_hooks(hooks: Any) -> list[Hook]:
    """Return hooks as a list; ConfigurationError unless each is a Hook."""
    if not isinstance(hooks, Iterable):
        raise ConfigurationError(f"hooks are a list: write hooks=[{type(hooks).__name__}(...)]")
    made = list(hooks)
    for hook in made:
        if isinstance(hook, type):
            raise ConfigurationError(f"a hook must be made first: write {hook.__name__}(...), not {hook.__name__}")
        if not isinstance(hook, Hook):
            raise ConfigurationError(
                f"to write a hook, subclass mlp.training.hooks.Hook (after_step, after_epoch ...); got {shown(hook)}"
            )
    return made


def check_batches(name: str, batches: Any) -> None:
    """Raise ConfigurationError unless `batches` has a method `epoch`, as `mlp.data.Batches` has."""
    if isinstance(batches, int):
        raise ConfigurationError(
            f"{name} must be batches, got {batches}: is it a number of epochs? write epochs={batches}"
        )
    if not hasattr(batches, "epoch"):
        raise ConfigurationError(
            f"{name} must be batches, got {shown(batches)}: write mlp.data.Batches(image_set, batch_size=100), with "
            "an image set of mlp.data.ImageSet(images, labels, class_names)"
        )
