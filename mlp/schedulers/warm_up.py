"""Linear warm-up, and schedules one after the other.

At first the weights are random and the moments know few gradients, and a large step can do harm that takes long to
repair. Warm-up starts with small steps:

    h(t) = h0 (a + (1 - a) t / T)      for t < T, from a h0 up to h0; h0 afterwards

`join` puts schedules end to end, each counting its steps from its own start.

References: Goyal et al., Accurate, large minibatch SGD, 2017, section 2.2; PyTorch's LinearLR and SequentialLR.
"""

from collections.abc import Sequence

from mlp.checks import at_least_one, positive
from mlp.errors import ConfigurationError
from mlp.made import remembered
from mlp.typing import Schedule


@remembered
def warm_up(learning_rate: float, steps: int, start: float = 0.01) -> Schedule:
    """Return the schedule that rises in a line to `learning_rate` and stays there.

    Args:
        learning_rate: h0. start: a, 0 < a <= 1, the first rate as a fraction of h0.
        steps: T >= 1, until it has risen, in the unit in which the schedule will be called.

    Raises:
        ConfigurationError: a value out of its range.
    """
    h0, a, T = positive("learning_rate", learning_rate), positive("start", start), at_least_one("steps", steps)
    if a > 1:
        raise ConfigurationError(f"start must lie in 0 < start <= 1, got {start}")
    return lambda t: h0 * (a + (1.0 - a) * min(t, T) / T)


@remembered
def join(*schedules: Schedule, at: Sequence[int]) -> Schedule:
    """Return schedules one after the other.

    Args:
        schedules: k schedules.
        at: the k - 1 steps at which the next one begins (at step 0 of its own), ascending.

    Example:
        join(warm_up(1e-3, steps=500), cosine(1e-3, 2e-5, steps=9500), at=[500])

    Raises:
        ConfigurationError: not k - 1 steps, or not ascending.
    """
    borders = [0, *at]
    if len(borders) != len(schedules) or any(a >= b for a, b in zip(borders, borders[1:], strict=False)):
        raise ConfigurationError(
            f"join needs an ascending start for every schedule but the first, got {len(schedules)} schedules "
            f"and at={list(at)}"
        )

    def schedule(t: int) -> float:
        k = max(i for i, border in enumerate(borders) if t >= border)
        return schedules[k](t - borders[k])

    return schedule
