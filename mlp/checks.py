"""Checks of settings: each returns the value, or raises a ConfigurationError with the name, the range and the value."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from mlp.errors import ConfigurationError, OtherNameError


def positive(name: str, value: float) -> float:
    """Return `value` as a float; an error unless it is greater than 0 and finite."""
    if not 0 < value < float("inf"):
        raise ConfigurationError(f"{name} must be greater than 0, got {value}")
    return float(value)


def not_negative(name: str, value: float) -> float:
    """Return `value` as a float; an error unless it is 0 or greater, and finite."""
    if not 0 <= value < float("inf"):
        raise ConfigurationError(f"{name} must be 0 or greater, got {value}")
    return float(value)


def fraction(name: str, value: float) -> float:
    """Return `value` as a float; an error unless 0 <= value < 1."""
    if not 0 <= value < 1:
        raise ConfigurationError(f"{name} must lie in 0 <= {name} < 1, got {value}")
    return float(value)


def at_least_one(name: str, value: int) -> int:
    """Return `value`; an error unless it is a whole number of at least 1."""
    if not (isinstance(value, int | np.integer) and value >= 1):
        raise ConfigurationError(f"{name} must be a whole number of at least 1, got {value!r}")
    return int(value)


def choose(name: str, value: str, choices: Collection[str]) -> str:
    """Return `value`; an error unless it is one of `choices`."""
    if value not in choices:
        raise ConfigurationError(f"{name} must be one of {', '.join(choices)}, got {value!r}")
    return value


def names_elsewhere(module: str, ours: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module that tells people who know another library our name for a thing.

    Args:
        module: "mlp.layers". ours: {name in other libraries: what to write here}.
    """

    def missing(name: str) -> Any:
        if name in ours:
            raise OtherNameError(f"{module} has no {name}: write {ours[name]} (docs/glossary.md has all our words)")
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return missing
