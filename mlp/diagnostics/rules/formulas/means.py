"""What rules remember: running means, their bias corrections, and the roots that steps are divided by."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlp.diagnostics.rules.formulas.walks import Memory


def average(how: str, old: Any, new: Any, b: float) -> Any:
    """Return a running mean brought up to date, in the right way or a wrong one."""
    forms: dict[str, Callable[[], Any]] = {
        "mean": lambda: b * old + (1.0 - b) * new,
        "sum": lambda: old + new,
        "largest": lambda: np.maximum(b * old, new),
        "yogi": lambda: old - (1.0 - b) * np.sign(old - new) * new,
        "b old + new": lambda: b * old + new,
        "old + (1 - b) new": lambda: old + (1.0 - b) * new,
        "exchanged": lambda: (1.0 - b) * old + b * new,
    }
    return forms[how]()


def corrected(how: str, mean: Any, betas: tuple[float, float], t: float, m: Memory, name: str) -> Any:
    """Return a mean without its bias towards the zero it started from, in the right way or a wrong one.

    Args:
        betas: the mean's own one, and that of the other mean.
    """
    b, other = betas
    divisors: dict[str, Callable[[], Any]] = {
        "never": lambda: 1.0,
        "multiplied": lambda: 1.0 / (1.0 - b**t),
        "1 - b": lambda: 1.0 - b,
        "other": lambda: 1.0 - other**t,
    }
    mean = mean / (divisors[how]() if how in divisors else 1.0 - b**t)
    if how == "stored":
        m[name] = mean
    return mean


def divisor(how: str, square: Any, eps: float, b: float, t: float) -> Any:
    """Return what the step is divided by."""
    forms: dict[str, Callable[[], Any]] = {
        "root + eps": lambda: np.sqrt(square) + eps,
        "sqrt(v + eps)": lambda: np.sqrt(square + eps),
        "eps-hat": lambda: np.sqrt(square) + eps / np.sqrt(1.0 - b**t),  # the end of section 2 of the paper
        "v + eps": lambda: square + eps,
        "v": lambda: square,
        "|v| + eps": lambda: np.abs(square) + eps,
        "sqrt|v| + eps": lambda: np.sqrt(np.abs(square)) + eps,
    }
    return forms[how]()
