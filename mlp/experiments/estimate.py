"""What a run will cost, before its first step: time and memory.

Time is measured: three steps with real batches, the first of which is not counted. They change nothing, because they
are done to a copy of model and learning rule. Epochs so short that the measurement would be a good part of them go
unmeasured.

Memory is counted, as the textbook needs it; engines that plan their memory need less:

    activations      what the layers keep for backward, and the largest matrix of columns, see `model.summary`
    weights          with their gradients, and the moments of the rule
    images           as the data set holds them, bytes, and three batches of numbers that are prefetched
"""

import copy
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mlp.backend import device_of, get_array_module
from mlp.data import Batches
from mlp.layers.machinery.summary import format_bytes
from mlp.machine.processor import available_memory
from mlp.training.trainer import Trainer
from mlp.typing import Array

MEASURED = 3  # batches; the first one, which allocates, is left out of the mean
SHORT_EPOCH = 40  # steps; in shorter epochs nothing is measured
PREFETCHED = 3  # batches in memory at once: two that wait, and one in use


@dataclass
class Cost:
    """What an epoch needs.

    Attributes:
        seconds: of an epoch with its validation; None if it was not measured.
        activations, weights, images: bytes.
        available: bytes that are free now, with the images already there; None where that is not known.
    """

    activations: int
    weights: int
    images: int
    available: int | None
    seconds: float | None = None

    @property
    def enough(self) -> bool:
        """Whether what is still to be allocated fits into what is free; True where that is not known."""
        return self.available is None or self.activations + self.weights <= self.available

    def report(self, epochs: int) -> None:
        """Print the estimate for so many epochs, and a warning on standard error if the memory will not do."""
        if self.seconds is not None:
            time_text = f"{format_seconds(self.seconds)} an epoch, {format_seconds(self.seconds * epochs)} in all; "
        else:
            time_text = ""
        print(
            f"estimate: {time_text}memory {format_bytes(self.activations + self.weights + self.images)} (activations "
            f"{format_bytes(self.activations)}, weights {format_bytes(self.weights)}, images "
            f"{format_bytes(self.images)})",
            flush=True,
        )
        if self.available is not None and not self.enough:
            print(
                f"warning: the run needs about {format_bytes(self.activations + self.weights)} more memory, and "
                f"{format_bytes(self.available)} are free: try a smaller --batch-size",
                file=sys.stderr,
            )


def estimate_cost(trainer: Trainer, train_batches: Batches, valid_batches: Batches, test_batches: Batches) -> Cost:
    """Return the Cost of an epoch of a Trainer's model and rule, which stay as they are.

    Args:
        trainer: before it fits; its engine is used.
        train_batches, valid_batches, test_batches: those of the run; the images of all three are in memory.
    """
    parameter = trainer.model.parameters()[0].data
    batch_size = min(train_batches.batch_size, train_batches.num_images)
    image_shape = train_batches.image_set.images.shape[1:]
    zeros = get_array_module(parameter).zeros((1, *image_shape), parameter.dtype)
    cards = trainer.model.cards(zeros, batch_size)
    kept = sum(card.kept_bytes for card in cards) * batch_size
    columns = max((card.column_bytes for card in cards), default=0)
    stored = sum(batches.image_set.images.nbytes for batches in (train_batches, valid_batches, test_batches))
    cost = Cost(
        activations=kept + columns,
        weights=(2 + len(trainer.rule.moment_names)) * parameter.itemsize * trainer.model.num_parameters,
        images=stored + PREFETCHED * batch_size * zeros.nbytes,
        available=available_memory() if device_of(parameter) == "cpu" else None,
    )
    if cost.enough and len(train_batches) >= SHORT_EPOCH:
        cost.seconds = measure_epoch(trainer, train_batches, valid_batches)
    return cost


def measure_epoch(trainer: Trainer, train_batches: Batches, valid_batches: Batches) -> float | None:
    """Return the seconds of an epoch, from a few batches with copies of model and rule; None if there is no copy."""
    try:
        model, loss = copy.deepcopy((trainer.model, trainer.loss))  # at once: a loss may hold parts of the model
        rule = trainer.rule.without_parameters()
    except TypeError:  # your own layer may hold something that cannot be copied
        return None
    engine = trainer.engine  # it keeps nothing of the copies: fit binds it again
    engine.bind(model, loss, rule)
    try:
        near = engine.resident(train_batches), engine.resident(valid_batches)
        # float: a GPU may still be computing the loss when its function returns
        training = seconds_per_batch(lambda *batch: float(engine.train_step(*batch)), near[0].epoch(trainer.epoch))
        validation = seconds_per_batch(lambda *batch: float(engine.evaluate(*batch)[0]), near[1].epoch(0))
    finally:
        engine.close()
    return training * len(train_batches) + validation * len(valid_batches)


def seconds_per_batch(function: Callable[[Array, Array], Any], batches: Iterable[tuple[Array, Array]]) -> float:
    """Return the mean seconds of function(x, targets) over the first batches, without the very first if others come."""
    seconds = []
    for x, targets in islice(batches, MEASURED):
        start = time.perf_counter()
        function(x, targets)
        seconds.append(time.perf_counter() - start)
    counted = seconds[1:] or seconds
    return sum(counted) / len(counted)


def format_seconds(seconds: float) -> str:
    """Return a time for people: "48 s", "3 min", "1.5 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
