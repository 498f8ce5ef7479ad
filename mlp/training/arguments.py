"""Checks of a Trainer's arguments: another order, a class in place of an object, an object of another kind."""

import inspect
import re
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


MOMENT = re.compile(r"(on|before|after)_\w*(batch|step|epoch|train|fit)")  # what hooks of other libraries have


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
        example = "GradientFlow()" if hooks is None else f"{type(hooks).__name__}(...)"
        raise ConfigurationError(f"hooks are a list: write hooks=[{example}], got {shown(hooks)}")
    made = list(hooks)
    for hook in made:
        if isinstance(hook, type):
            raise ConfigurationError(f"a hook must be made first: write {hook.__name__}(...), not {hook.__name__}")
        if not isinstance(hook, Hook):
            raise ConfigurationError(
                f"to write a hook, subclass mlp.training.hooks.Hook (after_step, after_epoch ...); got {shown(hook)}"
            )
        unknown = [name for name in dir(type(hook)) if MOMENT.match(name) and not hasattr(Hook, name)]
        if unknown:
            known = ", ".join(name for name in dir(Hook) if not name.startswith("_"))
            raise ConfigurationError(f"{type(hook).__name__}.{unknown[0]} would never be called: a hook has {known}")
    return made


def check_batches(name: str, batches: Any) -> None:
    """Raise ConfigurationError unless `batches` has a length above 0 and a method `epoch`, as in `mlp.data.Batches`."""
    if isinstance(batches, int):
        raise ConfigurationError(
            f"{name} must be batches, got {batches}: is it a number of epochs? write epochs={batches}"
        )
    if not hasattr(batches, "epoch") or not hasattr(batches, "__len__"):
        raise ConfigurationError(
            f"{name} must be batches, got {shown(batches)}: write mlp.data.Batches(image_set, batch_size=100), with "
            "an image set of mlp.data.ImageSet(images, labels, class_names)"
        )
    if len(batches) == 0:
        raise ConfigurationError(f"{name} must have at least one batch, and len({name}) is 0")


def check_trainable(model: Layer, rule: LearningRule) -> None:
    """Raise ConfigurationError if the rule has weights of a layer with `trainable = False`, as Keras freezes them."""
    for path, layer in model.named_layers():
        if vars(layer).get("trainable") is False and any(p.flat is rule.flat for p in layer.parameters()):
            raise ConfigurationError(
                f"{path or 'the model'} has trainable = False, and would be trained all the same: give a new rule the "
                "parameters that train, rule.initialize([...]), before fit"
            )


def check_length(name: str, batches: Any, given: int) -> None:
    """Raise ConfigurationError unless an epoch has given len(batches) batches: schedules and resumes count on that."""
    if given != len(batches):
        raise ConfigurationError(
            f"an epoch of {name} gave {given} batches, and len({name}) is {len(batches)}: __len__ must return the "
            "number of batches, and epoch(e) must begin anew each time"
        )
