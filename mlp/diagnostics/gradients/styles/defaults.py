"""A loss or a rule that is a function, with other settings than its defaults."""

import inspect
from collections.abc import Mapping
from types import FunctionType
from typing import Any

from mlp.errors import ConfigurationError

NO_DEFAULT = inspect.Parameter.empty


def with_defaults(function: FunctionType, named: Mapping[str, Any]) -> FunctionType:
    """Return rule(w, dw, lr) with another default: rule(w, dw, lr=0.1) for {"lr": 0.1}.

    Raises:
        ConfigurationError: no such setting, or one without a value before one that has one.
    """
    if not named:
        return function
    parameters = list(inspect.signature(function).parameters.values())[2:]  # the first two are arrays
    unknown = [name for name in named if name not in [p.name for p in parameters]]
    label = f"{function.__name__}{inspect.signature(function)}"
    if unknown:
        there = ", ".join(p.name for p in parameters) or "none"
        raise ConfigurationError(f"{label} has no setting {unknown[0]!r} for --args: its settings are {there}")
    values = [named.get(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    defaults = [value for value in values if value is not NO_DEFAULT]
    if values[len(values) - len(defaults) :] != defaults:
        raise ConfigurationError(f"{label} needs values for all its settings: give them with --args")
    changed = FunctionType(
        function.__code__, function.__globals__, function.__name__, tuple(defaults), function.__closure__
    )
    changed.__kwdefaults__ = (function.__kwdefaults__ or {}) | {
        p.name: named[p.name] for p in parameters if p.kind is p.KEYWORD_ONLY and p.name in named
    }
    changed.__module__, changed.__doc__ = function.__module__, function.__doc__
    return changed
