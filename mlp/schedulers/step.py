"""The step schedule: multiply the learning rate by a factor every so often.

    h(t) = h0 q^floor(t / T)

Reference: PyTorch's StepLR.
"""

from mlp.checks import at_least_one, positive
from mlp.made import remembered
from mlp.typing import Schedule


@remembered
def step(learning_rate: float, factor: float, steps: int) -> Schedule:
    """Return the step schedule.

    Args:
        learning_rate: h0. factor: q > 0, usually 0.1.
        steps: T >= 1, from drop to drop, in the unit in which the schedule will be called.

    Raises:
        ConfigurationError: a value out of its range.
    """
    h0, q, T = positive("learning_rate", learning_rate), positive("factor", factor), at_least_one("steps", steps)
    return lambda t: h0 * q ** (t // T)
