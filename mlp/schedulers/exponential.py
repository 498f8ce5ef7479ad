"""The exponential schedule: multiply the learning rate by the same factor at every step.

    h(t) = h0 q^t

Reference: PyTorch's ExponentialLR; the reports use q = 0.96 per epoch.
"""

from mlp.checks import positive
from mlp.made import remembered
from mlp.typing import Schedule


@remembered
def exponential(learning_rate: float, factor: float) -> Schedule:
    """Return the exponential schedule.

    Args:
        learning_rate: h0. factor: q > 0, per unit in which the schedule is called.

    Raises:
        ConfigurationError: a value out of its range.
    """
    h0, q = positive("learning_rate", learning_rate), positive("factor", factor)
    return lambda t: h0 * q**t
