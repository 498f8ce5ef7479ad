"""What is measured of a loss: its gradient by differences, and evidence at further points."""

import copy
import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from types import FunctionType
from typing import Any

import numpy as np
from numpy.random import Generator

from mlp.diagnostics.gradients.finite_differences import STEP, norm
from mlp.diagnostics.gradients.losses.points import LossPoint, settings_of, softmax
from mlp.diagnostics.gradients.random_point import random_classes
from mlp.diagnostics.gradients.styles.losses import StudentLoss, as_number
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array, Shape

LARGER, SMALLER, BRANCHES = 2.5, 0.1, 4  # factors of outputs at which other branches show
BRANCH_SLOPE = 1e-6  # of a loss whose gradient is zero
MORE_POINTS = 4  # of the same shape, so that a pattern in single values shows
SMALL = 1e-2  # positive outputs below are moved as if they were so large: smaller steps are lost in rounding
LEAST_SETTING = 1e-3  # a setting below is an eps
REAL = ("gamma", "beta", "delta", "margin", "alpha", "temperature", "t", "tau", "power", "scale", "k")  # settings that
# may be whole numbers by accident


def differences(loss: Any, outputs: Array, targets: Array) -> Array:
    """Return the gradient of a loss by central differences; with small steps where outputs may be in a logarithm."""
    numeric, moved = np.empty_like(outputs), outputs.copy()
    positive = bool((outputs > 0.0).all())
    for index in np.ndindex(outputs.shape):
        step = min(STEP * min(1.0, max(float(outputs[index]), SMALL)), 0.5 * outputs[index]) if positive else STEP
        moved[index] = above = outputs[index] + step
        loss_above = as_number(loss.forward(moved, targets))
        moved[index] = below = outputs[index] - step
        loss_below = as_number(loss.forward(moved, targets))
        moved[index] = outputs[index]
        numeric[index] = (loss_above - loss_below) / (above - below)
    return numeric


def other_branches(outputs: Array) -> Iterator[Array]:
    """Yield larger and smaller outputs, also against the targets of other samples; no other probabilities."""
    if ((outputs >= 0.0) & (outputs <= 1.0)).all():
        return
    for k in range(BRANCHES):
        yield LARGER * np.roll(outputs, k, axis=0)
    yield SMALLER * outputs


def along(loss: Any, outputs: Array, targets: Array) -> float:
    """Return how far the slope along one direction is from that of the gradient; 0 where the loss is not finite."""
    move = generator(0, "probe", "loss").standard_normal(outputs.shape)
    above, below = (as_number(loss.forward(outputs + step * move, targets.copy())) for step in (STEP, -STEP))
    value = as_number(loss.forward(outputs.copy(), targets.copy()))
    gradient = np.asarray(loss.backward(), float)
    if gradient.shape != outputs.shape or not np.isfinite([above, value, below]).all():
        return 0.0
    slope, told = float(above - below) / (2.0 * STEP), float((gradient * move).sum())
    size = norm(gradient) * norm(move)
    return abs(slope - told) / size if size else float(abs(slope) > BRANCH_SLOPE)


def plausible_targets(loss: Any, outputs: Array, rng: Generator) -> Array:
    """Return random classes, or random numbers if the loss raises an exception or makes no number of classes."""
    column = outputs.ndim > 1 and outputs.shape[-1] == 1  # one output a sample: no classes, but 0 or 1, or a number
    classes = rng.permutation(len(outputs)) % 2 if column else random_classes(outputs.shape, rng)
    try:
        with np.errstate(all="ignore"):
            value = as_number(loss.forward(outputs.copy(), classes))
        if np.ndim(value) == 0 and not is_broadcast(loss, outputs, classes, value):
            return classes
    except OWN_ERRORS:
        pass
    numbers = np.eye(outputs.shape[-1])[classes] if outputs.ndim == 2 and not column else rng.random(outputs.shape)
    numbers = rng.permutation(outputs.size).reshape(outputs.shape) % 2.0 if column else numbers
    try:
        with np.errstate(all="ignore"):
            value = loss.forward(outputs.copy(), numbers)
    except OWN_ERRORS:
        return classes * 0 if column else classes
    if np.isfinite(value).all() or outputs.ndim != 2 or column:
        return numbers
    positive = rng.uniform(0.1, 0.9, outputs.shape)  # it takes their logarithm, or divides by them
    return np.asarray(positive / positive.sum(axis=1, keepdims=True))


def is_broadcast(loss: Any, outputs: Array, classes: Array, value: float) -> bool:
    """Return whether a loss sees classes (N,) as numbers: broadcast with the outputs beforehand they change nothing."""
    try:
        shape = np.broadcast_shapes(outputs.shape, classes.shape)
        if outputs.ndim < 2:
            return False
        wide = np.broadcast_to(outputs, shape).copy(), np.broadcast_to(classes, shape).copy()
        with np.errstate(all="ignore"):
            return bool(np.allclose(as_number(loss.forward(*wide)), value, rtol=1e-9, atol=0.0, equal_nan=True))
    except OWN_ERRORS:  # of shapes that do not fit
        return False


def is_finite(loss: Any, outputs: Array, targets: Array) -> bool:
    """Return whether a loss gives a finite number; also if it raises an exception, which will be reported."""
    try:
        with np.errstate(all="ignore"):
            return bool(np.isfinite(loss.forward(outputs.copy(), targets)).all())
    except OWN_ERRORS:
        return True


def as_probabilities(outputs: Array) -> Array:
    """Return the softmax of outputs, or the sigmoid where a sample has one output alone."""
    several = outputs.ndim > 1 and outputs.shape[1] > 1
    return softmax(outputs, 1) if several else np.asarray(1.0 / (1.0 + np.exp(-outputs)))


def cuts_off(loss: Any, outputs: Array, targets: Array) -> bool:
    """Return whether a loss is large, and the same, for all outputs below 0: it clips them for its logarithm."""
    values = []
    with suppress(*OWN_ERRORS), np.errstate(all="ignore"):
        for moved in (-np.abs(outputs), 0.0 * outputs, as_probabilities(outputs)):
            values.append(float(as_number(copy.deepcopy(loss).forward(moved.copy(), targets.copy()))))
        return values[0] == values[1] > values[2]
    return False


def further(loss: Any, outputs: Array, targets: Array, *, measured: bool) -> list[LossPoint]:
    """Return the evidence at a point with one sample and one output more, if the loss takes that, then others.

    Args:
        measured: whether the right gradients are needed; else they are zeros.
    """
    classes = targets.ndim == 1 and targets.dtype.kind in "iu" and outputs.ndim == 2
    inside = classes and bool((targets >= 0).all() and (targets < outputs.shape[1]).all())  # none is left out
    wider = classes or (outputs.ndim == 2 and targets.shape == outputs.shape)
    same = (len(outputs) + 1, *outputs.shape[1:])
    shapes = [(same[0], same[1] + 1), same] if wider else [same]
    one_hot = (
        outputs.ndim == 2
        and targets.shape == outputs.shape
        and bool((np.sort(targets, axis=1)[:, -2:] == (0, 1)).all())
    )
    distributions = outputs.ndim == 2 and np.allclose(outputs.sum(axis=1), 1.0)
    between = bool(((outputs > 0.0) & (outputs < 1.0)).all())  # probabilities, each by itself
    positive = bool((outputs > 0.0).all())
    spread = float(outputs.std())
    spread = spread if spread > 2.0 or 0.0 < spread < 0.3 else 1.0  # as large as the outputs that are given
    sums_to_one = targets.ndim == 2 and targets.dtype.kind == "f" and np.allclose(targets.sum(axis=1), 1.0)

    def at(number: int, shape: Shape, chosen: Array | None = None) -> LossPoint:
        rng = generator(number, "probe", "loss")
        z = rng.uniform(0.1, 0.9, shape) if between else spread * rng.standard_normal(shape)
        z = rng.uniform(outputs.min(), outputs.max(), shape) if positive and not between else z
        z = softmax(z, 1) if distributions else z
        if chosen is not None:
            other = chosen
        elif classes and inside:
            other = random_classes(shape, rng)
        elif one_hot:
            other = np.eye(shape[1])[random_classes(shape, rng)].astype(targets.dtype)
        else:
            other = rng.choice(
                np.ravel(targets), (len(z), *(shape[1:] if wider and not classes else targets.shape[1:]))
            )
            other = other / other.sum(axis=1, keepdims=True) if sums_to_one else other
        value = float(as_number(loss.forward(z.copy(), other)))
        gradient = np.array(loss.backward())
        sums = sums_over_batch(loss, z, other)
        numeric = differences(loss, z, other) if measured else np.zeros_like(z)
        return LossPoint(gradient, numeric, z, other, sums, settings_of(loss), value)

    found = []
    for number in range(1, 2 + MORE_POINTS):
        for shape in shapes if number == 1 else [outputs.shape]:
            try:
                points = [at(number, shape)]
                if not np.isfinite(points[0].value):  # such targets may not be: a row that is its own partner
                    points.append(at(number, outputs.shape, targets))
                found.append(points[-1] if np.isfinite(points[-1].value) else points[0])
                break
            except OWN_ERRORS:  # it takes the first shape alone
                continue
    return found


def with_other_settings(loss: Any, changed_to: Callable[[str, Any], Any]) -> Any:
    """Return a copy of a loss with its settings changed by a function of name and value; None if none has moved."""
    owner = getattr(loss, "student", loss)
    if inspect.isfunction(owner):
        defaults = owner.__defaults__ or ()
        names = list(inspect.signature(owner).parameters)[-len(defaults) :] if defaults else []
        changed = tuple(changed_to(name, value) for name, value in zip(names, defaults, strict=True))
        twin = FunctionType(owner.__code__, owner.__globals__, owner.__name__, changed, owner.__closure__)
        twin.__kwdefaults__, twin.__module__ = owner.__kwdefaults__, owner.__module__
        return loss.around(twin) if changed != defaults else None
    twin = copy.deepcopy(owner)
    moved = False
    for name in settings_of(loss):
        old = getattr(owner, name)
        with suppress(AttributeError):
            setattr(twin, name, changed_to(name, old))
            moved |= changed_to(name, old) is not old
    return (loss.around(twin) if isinstance(loss, StudentLoss) else twin) if moved else None


def another(name: str, value: Any) -> Any:
    """Return another number for a setting, the same if it should not be changed."""
    real = isinstance(value, float) or (type(value) is int and name.lower().strip("_") in REAL)
    if not real or value < LEAST_SETTING:
        return value
    return 0.8 * value if value < 1.0 else 1.3 * value


def loss_at_other_settings(
    loss: Any, points: Sequence[LossPoint], *, measured: bool = True
) -> list[tuple[Any, LossPoint]]:
    """Return the loss with other settings and what it gives at the same outputs; nothing if it has none.

    Args:
        measured: whether the right gradients are needed; else they are those that it gives.
    """
    found = []
    with suppress(*OWN_ERRORS):
        other = with_other_settings(loss, another)
        for point in points if other is not None else ():
            y, t = point.outputs, point.targets
            value = float(as_number(other.forward(y.copy(), t.copy())))
            given = np.array(other.backward())
            right = differences(other, y, t) if measured else given
            moved = LossPoint(given, right, y, t, point.sums, settings_of(other), value)
            if np.isfinite(moved.right).all() and given.shape == y.shape:
                found.append((other, moved))
    return found


def sums_over_batch(loss: Any, outputs: Array, targets: Array) -> bool:
    """Return whether the loss of a batch that holds every sample twice is twice as large; no if it cannot be made."""
    once = loss.forward(outputs.copy(), targets)
    try:
        twice = loss.forward(np.concatenate([outputs, outputs]), np.concatenate([targets, targets]))
    except OWN_ERRORS:  # its targets are not one per sample
        return False
    return bool(abs(twice - 2.0 * once) < 1e-9 * abs(once))
