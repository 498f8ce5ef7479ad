"""Steps and epochs: conversions between the two units in which people think about schedules."""

from collections.abc import Callable

from mlp.checks import at_least_one
from mlp.made import remembered
from mlp.typing import Schedule


@remembered
def epochs_in(steps_per_epoch: int) -> Callable[[int], int]:
    """Return the function epochs(n) -> number of steps in n epochs.

    Args:
        steps_per_epoch: batches in an epoch, `len(train_batches)`.

    Raises:
        ConfigurationError: steps_per_epoch below 1.
    """
    at_least_one("steps_per_epoch", steps_per_epoch)
    return lambda n: n * steps_per_epoch


@remembered
def per_epoch(schedule: Schedule, steps_per_epoch: int) -> Schedule:
    """Return the schedule that is `schedule(epoch)` throughout epoch = step // steps_per_epoch.

    Raises:
        ConfigurationError: steps_per_epoch below 1.
    """
    at_least_one("steps_per_epoch", steps_per_epoch)
    return lambda step: schedule(step // steps_per_epoch)
