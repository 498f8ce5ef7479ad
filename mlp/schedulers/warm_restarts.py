"""Cosine with warm restarts: fall along half a wave, jump back up, and take longer each time.

Cycle i lasts T_i = T_0 m^i steps. With s steps since its start,

    h = h_min + (h0 - h_min) (1 + cos(pi s / T_i)) / 2

so h0 comes again at the first step of every cycle: a warm restart. To find the cycle in which a step lies, the code
adds up the lengths of the cycles, T_0 + T_0 m + T_0 m^2 + ..., until they reach beyond it. For m = 1 all cycles are
alike, and one division is enough.

References: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, 2017, equation 5; PyTorch's
CosineAnnealingWarmRestarts.
"""

import math

from mlp.checks import at_least_one, not_negative, positive
from mlp.made import remembered
from mlp.typing import Schedule


@remembered
def warm_restarts(learning_rate: float, minimum: float, steps: int, multiply: int = 1) -> Schedule:
    """Return the cosine schedule with warm restarts.

    Args:
        learning_rate: h0. minimum: h_min >= 0.
        steps: T_0 >= 1, the length of the first cycle, in the unit in which the schedule will be called.
        multiply: m, a whole number >= 1, by which each cycle is longer than the one before.

    Raises:
        ConfigurationError: a value out of its range.
    """
    h0, low = positive("learning_rate", learning_rate), not_negative("minimum", minimum)
    first, m = at_least_one("steps", steps), at_least_one("multiply", multiply)

    def schedule(t: int) -> float:
        start, length = (t // first * first, first) if m == 1 else (0, first)
        while t >= start + length:  # not a logarithm: rounding would put the first step of a cycle into another one
            start, length = start + length, length * m
        return low + (h0 - low) * (1.0 + math.cos(math.pi * (t - start) / length)) / 2.0

    return schedule
