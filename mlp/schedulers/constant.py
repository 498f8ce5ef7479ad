"""The constant schedule: h(t) = h0."""

from mlp.checks import positive


def constant(learning_rate):
    """Return the schedule h(t) = h0."""
    h0 = positive("learning_rate", learning_rate)
    return lambda step: h0
