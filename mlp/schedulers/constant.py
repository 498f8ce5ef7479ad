"""The constant schedule: h(t) = h0."""

from mlp.checks import positive
from mlp.made import remembered
from mlp.typing import Schedule


@remembered
def constant(learning_rate: float) -> Schedule:
    """Return the schedule h(t) = h0.

    Raises:
        ConfigurationError: a rate that is not above 0.
    """
    h0 = positive("learning_rate", learning_rate)
    return lambda step: h0
