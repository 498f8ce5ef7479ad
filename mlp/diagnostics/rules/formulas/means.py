"""What rules remember: running means, their bias corrections, and the roots that steps are divided by."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mlp.diagnostics.rules.formulas.walks import Memory


def started(how: str, new: Any) -> Any:
    """Return what a memory holds before the first step."""
    return {"0": 0.0 * new, "1": 1.0 + 0.0 * new, "0.1": 0.1 + 0.0 * new, "new": 1.0 * new}[how]


def average(how: str, old: Any, new: Any, b: float) -> Any:
    """Return a running mean brought up to date, in the right way or a wrong one."""
    forms: dict[str, Callable[[], Any]] = {
        "mean": lambda: b * old + (1.0 - b) * new,
        "root stored": lambda: b * old + (1.0 - b) * new,
        "exchanged": lambda: (1.0 - b) * old + b * new,
        "b old + new": lambda: b * old + new,
        "old + (1 - b) new": lambda: old + (1.0 - b) * new,
        "(1 - b) new": lambda: (1.0 - b) * new,
        "largest": lambda: np.maximum(old, b * old + (1.0 - b) * new),
        "largest new": lambda: np.maximum(b * old, new),
        "none": lambda: new,
        "yogi": lambda: old - (1.0 - b) * np.sign(old - new) * new,
        "last": lambda: new,
        "sum": lambda: old + new,
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
        "twice": lambda: (1.0 - b**t) ** 2,
        "b t": lambda: 1.0 - b * t,
        "t + 1": lambda: 1.0 - b ** (t + 1.0),
        "t - 1": lambda: 1.0 - b ** (t - 1.0) if t > 1.0 else 1.0,
        "other": lambda: 1.0 - other**t,
        "root": lambda: np.sqrt(1.0 - b**t),
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
        "v + eps": lambda: square + eps,
        "|v| + eps": lambda: np.abs(square) + eps,
        "sqrt|v| + eps": lambda: np.sqrt(np.abs(square)) + eps,
        "fourth root": lambda: np.sqrt(np.sqrt(square)) + eps,
        "root": lambda: np.sqrt(square),
        "eps-hat": lambda: np.sqrt(square) + eps / np.sqrt(1.0 - b**t),  # the end of section 2 of the paper
        "1 / root": lambda: 1.0 / (np.sqrt(square) + eps),
        "mean root": lambda: np.sqrt(np.mean(square)) + eps,
        "v": lambda: square,
        "1": lambda: 1.0,
    }
    return forms[how]()
