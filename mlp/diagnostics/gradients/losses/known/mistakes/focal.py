"""Mistakes in the factor (1 - p_t)^gamma of a focal loss, of two classes or of many."""

from mlp.diagnostics.gradients.losses.known.protocol import Gradient, Options, Parts, Value, Wrong, having
from mlp.typing import Array


def factor_wrong(value: Value, power: Gradient) -> tuple[Wrong, ...]:
    """Return the usual mistakes in the factor.

    Args:
        value: of the right loss. power: its gradient with gamma in place of gamma - 1 in the factor's derivative.
    """

    def one_less(y: Array, t: Array, s: Options, part: Parts) -> Array:
        return value(y, t, {**s, "gamma": s["gamma"] - 1.0}, part)

    return (
        Wrong(
            "power of the inner derivative",
            "the derivative of (1 - p_t)^gamma has the power gamma - 1; here it is gamma",
            gradient=power,
        ),
        Wrong(
            "focal factor forgotten",
            "it is the plain cross-entropy: the factor (1 - p_t)^gamma is missing",
            having(value, gamma=0.0),
        ),
        Wrong("gamma - 1", "the power of (1 - p_t) is gamma - 1, and must be gamma", one_less),
    )
