"""What is measured of a loss: its gradient by differences, and evidence at further points."""

from typing import Any

import numpy as np

from mlp.diagnostics.gradients.finite_differences import STEP
from mlp.diagnostics.gradients.losses.points import LossPoint, settings_of, softmax
from mlp.diagnostics.gradients.random_point import random_classes
from mlp.diagnostics.gradients.styles.losses import as_number
from mlp.own_code import OWN_ERRORS
from mlp.rng import generator
from mlp.typing import Array, Shape

MORE_POINTS = 4  # of the same shape, so that a pattern in single values shows


def differences(loss: Any, outputs: Array, targets: Array) -> Array:
    """Return the gradient of a loss by central differences."""
    numeric, moved = np.empty_like(outputs), outputs.copy()
    for index in np.ndindex(outputs.shape):
        moved[index] = above = outputs[index] + STEP
        loss_above = as_number(loss.forward(moved, targets))
        moved[index] = below = outputs[index] - STEP
        loss_below = as_number(loss.forward(moved, targets))
        moved[index] = outputs[index]
        numeric[index] = (loss_above - loss_below) / (above - below)
    return numeric


def further(loss: Any, outputs: Array, targets: Array, *, measured: bool) -> list[LossPoint]:
    """Return the evidence at a point with one sample and one output more, if the loss takes that, then others.

    Args:
        measured: whether the right gradients are needed; else they are zeros.
    """
    classes = targets.ndim == 1 and targets.dtype.kind in "iu" and outputs.ndim == 2
    wider = classes or (outputs.ndim == 2 and targets.shape == outputs.shape)
    same = (len(outputs) + 1, *outputs.shape[1:])
    shapes = [(same[0], same[1] + 1), same] if wider else [same]
    one_hot = (
        outputs.ndim == 2
        and targets.shape == outputs.shape
        and bool((np.sort(targets, axis=1)[:, -2:] == (0, 1)).all())
    )
    probabilities = outputs.ndim == 2 and np.allclose(outputs.sum(axis=1), 1.0)
    between = bool(((outputs > 0.0) & (outputs < 1.0)).all())  # probabilities, each by itself
    sums_to_one = targets.ndim == 2 and targets.dtype.kind == "f" and np.allclose(targets.sum(axis=1), 1.0)

    def at(number: int, shape: Shape) -> LossPoint:
        rng = generator(number, "probe", "loss")
        z = rng.uniform(0.1, 0.9, shape) if between else rng.standard_normal(shape)
        z = softmax(z, 1) if probabilities else z
        if classes:
            other = random_classes(shape, rng)
        elif one_hot:
            other = np.eye(shape[1])[random_classes(shape, rng)].astype(targets.dtype)
        else:
            other = rng.choice(np.ravel(targets), (len(z), *(shape[1:] if wider else targets.shape[1:])))
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
                found.append(at(number, shape))
                break
            except OWN_ERRORS:  # it takes the first shape alone
                continue
    return found


def sums_over_batch(loss: Any, outputs: Array, targets: Array) -> bool:
    """Return whether the loss of a batch that holds every sample twice is twice as large."""
    once = loss.forward(outputs.copy(), targets)
    twice = loss.forward(np.concatenate([outputs, outputs]), np.concatenate([targets, targets]))
    return bool(abs(twice - 2.0 * once) < 1e-9 * abs(once))
