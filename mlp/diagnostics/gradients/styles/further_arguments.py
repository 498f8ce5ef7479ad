"""What the forward of a loss takes besides outputs and targets: labels, a teacher's logits, weights, a temperature.

Each is guessed by its name and tried. It is the same at every call with outputs of one shape: a constant.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.styles.calls import required
from mlp.diagnostics.gradients.styles.left_out import reads_as_constant
from mlp.errors import ConfigurationError
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array, Shape

NAMES_OF_NUMBERS = (
    "t",
    "tau",
    "temperature",
    "alpha",
    "beta",
    "gamma",
    "delta",
    "margin",
    "eps",
    "epsilon",
    "lam",
    "lambda_",
)
ONE_NUMBER = 0.7  # neither 0 nor 1
MOST_TRIES = 64


def made(kind: str, name: str, shape: Shape) -> Any:
    """Return a value of a kind for an argument, beside outputs of a shape."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if kind == "setting":
        return ONE_NUMBER
    if kind == "labels":
        return rng.integers(0, shape[-1], shape[:1])
    if kind == "mask":
        return np.arange(shape[0]) % 3 != 2
    if kind == "per sample":
        return rng.uniform(0.5, 1.5, shape[:1])
    if kind == "per class":
        return rng.uniform(0.5, 1.5, shape[-1:])
    return rng.standard_normal(shape)


def what_it_may_be(name: str) -> Sequence[str]:
    """Return what an argument may be, by its name, most likely first."""
    low = name.lower()
    if low in NAMES_OF_NUMBERS:
        return ("setting", "like outputs")
    if "mask" in low:
        return ("mask", "like outputs")
    if "weight" in low:
        return ("per sample", "per class", "like outputs") if "sample" in low else ("per class", "per sample")
    if "teacher" not in low and "logit" not in low and reads_as_constant(low, loss=True):
        return ("labels", "like outputs")
    return ("like outputs", "labels")


class FurtherArguments:
    """The arguments of a loss's forward after (outputs, targets); none where forward needs no more than two.

    Args:
        forward: the student's function or method. label: the name of the loss, for messages.
    """

    def __init__(self, forward: Callable[..., Any], label: str) -> None:
        self.needed, self.label = required(forward), label
        self.names = self.needed[2:]
        self.kinds: Sequence[str] = ()

    def find(self, call: Callable[..., Any], shape: Shape, targets: Array | None) -> None:
        """Find by trying what the arguments are.

        Args:
            call: forward, with outputs and targets in the order that it takes. shape: of the outputs.
            targets: of the check, or None for any.

        Raises:
            ConfigurationError: nothing fits; with what to type.
        """
        if not self.names:
            return
        outputs, reasons = np.full(shape, 0.5) + 0.1 * made("like outputs", "outputs", shape), []
        for first, kinds in list(self.choices(shape, targets))[:MOST_TRIES]:
            self.kinds = kinds
            try:
                with np.errstate(all="ignore"):
                    value = call(outputs.copy(), first)
                if np.ndim(value[0] if isinstance(value, tuple) else value) == 0:
                    return
                reasons.append(f"it gave an array of shape {np.shape(value)}")
            except OWN_ERRORS as error:
                reasons.append(f"{type(error).__name__}: {error}")
        needs = ", ".join(self.needed)
        raise ConfigurationError(
            f"{self.label} takes ({needs}); what {', '.join(self.names)} may be could not be found ({reasons[0]}): "
            f"write a function with your arrays, def loss(outputs, targets), that returns (value, gradient), and "
            "check_loss(loss, (5, 7), targets)"
        )

    def choices(self, shape: Shape, targets: Array | None) -> Iterator[tuple[Array | None, Sequence[str]]]:
        """Yield (targets, kinds of the further arguments)."""
        second = (
            [targets] if targets is not None else [made(k, "targets", shape) for k in what_it_may_be(self.needed[1])]
        )
        for kinds in product(*map(what_it_may_be, self.names)):
            for one in second:
                yield one, kinds

    def values(self, shape: Shape) -> list[Any]:
        """Return the further arguments beside outputs of a shape."""
        return [made(kind, name, shape) for kind, name in zip(self.kinds, self.names, strict=False)]
