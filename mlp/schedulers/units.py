"""Steps and epochs: conversions between the two units in which people think about schedules."""

from mlp.errors import ConfigurationError


def epochs_in(steps_per_epoch):
    """Return the function epochs(n) -> number of steps in n epochs.

    Args:
        steps_per_epoch: batches in an epoch, `len(train_batches)`.
    """
    check(steps_per_epoch)
    return lambda n: n * steps_per_epoch


def per_epoch(schedule, steps_per_epoch):
    """Return the schedule that is `schedule(epoch)` throughout epoch = step // steps_per_epoch."""
    check(steps_per_epoch)
    return lambda step: schedule(step // steps_per_epoch)


def check(steps_per_epoch):
    """Raise ConfigurationError unless there is at least one step in an epoch."""
    if not (isinstance(steps_per_epoch, int) and steps_per_epoch >= 1):
        raise ConfigurationError(f"steps_per_epoch must be a whole number of at least 1, got {steps_per_epoch!r}")
