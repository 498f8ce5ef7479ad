"""The cosine schedule: from a first learning rate down to a last one along half a wave.

    h(t) = h_min + (h0 - h_min) (1 + cos(pi t / T)) / 2

h(0) = h0 and h(T) = h_min. Beyond T the formula continues unchanged, back up to h0 at 2T, as PyTorch's
CosineAnnealingLR does. The experiments with a horizon of 100 steps (schedule I) swing up and down in this way.
h_min may lie above h0; the rate then rises.

Reference: Loshchilov and Hutter, SGDR, 2017, equation 5, without restarts.
"""

import math

from mlp.checks import at_least_one, not_negative, positive
from mlp.made import remembered
from mlp.typing import Schedule


@remembered
def cosine(learning_rate: float, minimum: float, steps: int) -> Schedule:
    """Return the cosine schedule.

    Args:
        learning_rate: h0. minimum: h_min >= 0.
        steps: T >= 1, half the period, in the unit in which the schedule will be called.

    Raises:
        ConfigurationError: a value out of its range.
    """
    h0, low = positive("learning_rate", learning_rate), not_negative("minimum", minimum)
    T = at_least_one("steps", steps)
    return lambda t: low + (h0 - low) * (1.0 + math.cos(math.pi * t / T)) / 2.0
