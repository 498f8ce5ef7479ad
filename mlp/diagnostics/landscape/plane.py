"""The loss at points of a line or plane through the weights of a network:

L(w + t_1 d_1 + t_2 d_2 + ...)

The loss is the mean over all images, however they are cut into batches. Batch norm can work in two ways:

    running   as in evaluation, with the running statistics from training, which stay the same when the weights move
    batch     as in training: all images are one batch, with its statistics; the running statistics do not change
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy

import numpy as np

from mlp.backend import device_of, move, to_numpy
from mlp.checks import at_least_one, choose
from mlp.diagnostics.untouched import untouched
from mlp.engine import Engine, make_engine
from mlp.errors import ConfigurationError, ShapeError
from mlp.layers.machinery.base import Layer
from mlp.learning_rules import GradientDescent
from mlp.losses import Loss
from mlp.typing import Array

STATISTICS = ("running", "batch")
Direction = Mapping[str, Array]  # {name of a parameter or buffer: how it moves}
PointLoss = Callable[..., tuple[float, float]]  # (t_1, t_2, ...) -> (loss, accuracy)


@contextmanager
def loss_in_plane(
    model: Layer,
    loss: Loss,
    images: tuple[Array, Array],
    directions: Sequence[Direction],
    statistics: str = "running",
    batch_size: int = 100,
    *,
    engine: Engine | None = None,
) -> Iterator[PointLoss]:
    """Yield a function (t_1, t_2, ...) -> (loss, accuracy) of the network moved that far along each direction.

    At the end the model is put back, see `untouched`.

    Args:
        images: (x, targets). directions: what they do not name stays where it is.
        statistics: one of `STATISTICS`. batch_size: images at once, in mode "running".
        engine: what computes; None for the fastest one. It is bound to the model, and closed at the end.

    Raises:
        ConfigurationError: a direction has an array that the model does not have, or of another shape.
    """
    choose("statistics", statistics, STATISTICS)
    at_least_one("batch_size", batch_size)
    arrays = moving_arrays(model, directions)
    device = device_of(model.parameters()[0].data)
    engine = make_engine("auto", device=device) if engine is None else engine
    engine.bind(model, copy(loss), GradientDescent())  # a copy, because a loss remembers its last outputs
    try:
        with untouched(model), np.errstate(all="ignore"):
            arrays = moving_arrays(model, directions)  # again: binding may have gathered them into other arrays
            start = {name: to_numpy(array).astype(np.float64) for name, array in arrays.items()}
            batches = cut(*images, batch_size if statistics == "running" else len(images[0]), device)

            def at(*t: float) -> tuple[float, float]:
                for name, array in arrays.items():
                    array[...] = move(point(start[name], name, directions, t).astype(array.dtype), device)
                return mean_loss(engine, batches, training=statistics == "batch")

            yield at
    finally:
        engine.close()


def moving_arrays(model: Layer, directions: Sequence[Direction]) -> dict[str, Array]:
    """Return {name: array} of the parameters and buffers that some direction moves."""
    own = {name: parameter.data for name, parameter in model.named_parameters()} | dict(model.named_buffers())
    for name, values in ((name, values) for direction in directions for name, values in direction.items()):
        if name not in own or own[name].shape != values.shape:
            there = f"{own[name].shape} there" if name in own else "no such parameter or buffer"
            raise ConfigurationError(f"a direction has {name!r} of shape {values.shape}, and the model has {there}")
    moved = {name for direction in directions for name, values in direction.items() if np.any(values)}
    return {name: array for name, array in own.items() if name in moved}


def point(start: Array, name: str, directions: Sequence[Direction], t: Sequence[float]) -> Array:
    """Return the values of one array after the steps t along the directions; a variance does not fall below 0."""
    values = start
    for step, direction in zip(t, directions, strict=False):
        if name in direction:
            values = values + step * direction[name].astype(np.float64)
    return np.maximum(values, 0.0) if name.endswith("running_var") else values


def cut(x: Array, targets: Array, batch_size: int, device: str) -> list[tuple[Array, Array]]:
    """Return images and targets in batches, on a device; a ShapeError if there is not one image."""
    if len(x) == 0:
        raise ShapeError("the loss is a mean over images, and x has none")
    x, targets = move(x, device), move(targets, device)
    return [(x[i : i + batch_size], targets[i : i + batch_size]) for i in range(0, len(x), batch_size)]


def mean_loss(engine: Engine, batches: Sequence[tuple[Array, Array]], *, training: bool) -> tuple[float, float]:
    """Return (loss, accuracy) as means over all images of the batches, not over the batches."""
    metrics = [(len(x), *engine.evaluate(x, targets, training=training)) for x, targets in batches]
    images = sum(n for n, _, _ in metrics)
    return sum(n * loss for n, loss, _ in metrics) / images, sum(n * accuracy for n, _, accuracy in metrics) / images
