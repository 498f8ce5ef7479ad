"""What a run will cost, before its first step: time and memory.

Time is measured: three steps with real batches, the first of which is not counted. They use a copy of model and
learning rule, so they change nothing. If an epoch is so short that the measurement would be a good part of it, nothing
is measured.

Memory is computed: the most that the process will hold at one time.

    already there    Python, its libraries and the data set; the system says how much
    activations      what a training step needs: the arrays of the engine's plans, or what the textbook's layers keep
    weights          with their gradients and the moments of the rule, and a copy for the checkpoint
    batches          the images of batches that wait, and of the one that is being made
    figures          Matplotlib, and pictures that grow with the number of layers

The figures and the page of the run are drawn while the engine still holds its memory. The test images are evaluated
after that. Reading the data may have taken more than all of this.
"""

import copy
import math
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mlp.backend import device_of
from mlp.data import Batches
from mlp.engine.base import textbook_memory
from mlp.layers.machinery.summary import format_bytes
from mlp.machine.processor import available_memory, peak_memory_mb, resident_memory
from mlp.training.trainer import Trainer
from mlp.typing import Array

MEASURED = 3  # batches; the first one, which allocates, is left out of the mean
SHORT_EPOCH = 40  # steps; in shorter epochs nothing is measured
PREFETCHED = 4  # batches in memory at once: two that wait, one in use, and one that is being made
COPIES = 1  # of weights and moments, for the checkpoint
# Bytes that the figures of a run take, measured: 46 million for VGG08, 58 for VGG20, 73 for VGG38.
MATPLOTLIB, DRAWN_LAYER = 38_000_000, 900_000


@dataclass
class Cost:
    """What an epoch needs.

    Attributes:
        held: bytes that the process has already; None if the system does not say.
        activations, weights, batches, figures: bytes that the run will take.
        available: bytes that are free now, after the images were read; None if that is not known.
        peak: the most bytes that the process has held so far.
        seconds: of an epoch with its validation; None if it was not measured.
    """

    held: int | None
    activations: int
    weights: int
    batches: int
    figures: int
    available: int | None
    peak: int = 0
    seconds: float | None = None

    @property
    def parts(self) -> dict[str, int]:
        """What training will hold when it holds the most: {name for people: bytes}."""
        already = {} if self.held is None else {"Python and data": self.held}
        training = {"activations": self.activations, "weights": self.weights, "batches": self.batches}
        return already | training | ({} if self.held is None else {"figures": self.figures})

    @property
    def more(self) -> int:
        """How many more bytes the run will take."""
        return sum(self.parts.values()) - (self.held or 0)

    @property
    def total(self) -> int:
        """The most bytes that the process holds at any time; that may have been when it read the data."""
        return max(sum(self.parts.values()), self.peak)

    @property
    def memory_text(self) -> str:
        """The memory as text for people: a sum and its terms."""
        terms = " + ".join(f"{name} {count / 1e6:,.1f}" for name, count in self.parts.items())
        training = f"{sum(self.parts.values()) / 1e6:,.1f} MB = {terms}"
        if self.total > sum(self.parts.values()):
            return f"memory {training}; reading the data took {format_bytes(self.total)}"
        return f"memory {training}" if self.held is not None else f"memory beside Python and data {training}"

    @property
    def enough(self) -> bool:
        """Whether what the run will take fits into what is free; True if that is not known."""
        return self.available is None or self.more <= self.available

    def report(self, epochs: int) -> None:
        """Print the estimate for so many epochs, and a warning on standard error if there is not enough memory."""
        each = self.seconds
        times = "" if each is None else f"{format_seconds(each)} an epoch, {format_seconds(each * epochs)} in all; "
        print(f"estimate: {times}{self.memory_text}", flush=True)
        if self.available is not None and not self.enough:
            print(
                f"warning: the run needs about {format_bytes(self.more)} more memory, and "
                f"{format_bytes(self.available)} are free: try a smaller --batch-size",
                file=sys.stderr,
            )


def estimate_cost(trainer: Trainer, train_batches: Batches, valid_batches: Batches) -> Cost:
    """Return the Cost of an epoch; the Trainer's model and rule stay as they are.

    Args:
        trainer: before it fits; its engine is used.
        train_batches, valid_batches: of the run.
    """
    parameters, moments = trainer.model.parameters(), len(trainer.rule.moment_names)
    parameter, drawn = parameters[0].data, sum(p.data.ndim > 1 for p in parameters)
    shape = (min(train_batches.batch_size, train_batches.num_images), *train_batches.image_set.images.shape[1:])
    on_cpu = device_of(parameter) == "cpu"
    held, available = (resident_memory(), available_memory()) if on_cpu else (None, None)
    peak = peak_memory_mb() if held is not None else 0.0
    bound = bind_copies(trainer)
    cost = Cost(
        held=held,
        activations=trainer.engine.memory_needed(shape) if bound else textbook_memory(trainer.model, shape),
        weights=(2 + moments + COPIES * (1 + moments)) * parameter.itemsize * trainer.model.num_parameters,
        batches=PREFETCHED * math.prod(shape) * parameter.itemsize,
        figures=MATPLOTLIB + DRAWN_LAYER * drawn,
        available=available,
        peak=int(1e6 * peak),
    )
    try:
        if bound and cost.enough and len(train_batches) >= SHORT_EPOCH:
            cost.seconds = measure_epoch(trainer, train_batches, valid_batches)
    finally:
        trainer.engine.close()
    return cost


def bind_copies(trainer: Trainer) -> bool:
    """Bind a Trainer's engine to copies of its model, loss and rule; return whether they can be copied.

    A closed engine keeps nothing of them, and fit binds it again.
    """
    try:
        model, loss = copy.deepcopy((trainer.model, trainer.loss))  # together: a loss may hold parts of the model
        rule = trainer.rule.without_parameters()
    except TypeError:  # your own layer may hold something that cannot be copied
        return False
    trainer.engine.bind(model, loss, rule)
    return True


def measure_epoch(trainer: Trainer, train_batches: Batches, valid_batches: Batches) -> float:
    """Return the seconds of an epoch, from a few batches with the copies that the engine is bound to."""
    engine = trainer.engine
    near = engine.resident(train_batches), engine.resident(valid_batches)
    # float: a GPU may still be computing the loss when its function returns
    training = seconds_per_batch(lambda *batch: float(engine.train_step(*batch)), near[0].epoch(trainer.epoch))
    validation = seconds_per_batch(lambda *batch: float(engine.evaluate(*batch)[0]), near[1].epoch(0))
    return training * len(train_batches) + validation * len(valid_batches)


def seconds_per_batch(
    function: Callable[[Array, Array], Any],
    batches: Iterable[tuple[Array, Array]],
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """Return the mean seconds of function(x, targets) over a few batches, without the first if there are others."""
    seconds = []
    for x, targets in islice(batches, MEASURED):
        start = clock()
        function(x, targets)
        seconds.append(clock() - start)
    counted = seconds[1:] or seconds
    return sum(counted) / len(counted)


def format_seconds(seconds: float) -> str:
    """Return a time for people: "48 s", "3 min", "1.5 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
