"""A setting of a run: a dataclass field with default, explanation and range, and the check of its values."""

from collections.abc import Mapping, Sequence
from dataclasses import field, fields
from difflib import get_close_matches
from typing import Any, get_args

from mlp.checks import choose, shown
from mlp.errors import ConfigurationError

LARGEST_NUMBER = 1 << 63


def setting(
    default: Any, text: str, choices: Sequence[str] = (), unset: str = "none", word: str = "", **ranges: float
) -> Any:
    """Return a dataclass field with what the command line and the checks need to know.

    Args:
        unset: what None stands for, for --help. word: what --help calls the value; "" for its type.
        ranges: minimum, above (the value must be greater) and below.
    """
    return field(default=default, metadata={"text": text, "choices": choices, "unset": unset, "word": word, **ranges})


def check_setting(f: Any, value: Any) -> None:
    """Raise ConfigurationError unless `value` has the type of the field `f` and lies in its range."""
    flag, meta = flag_of(f.name), f.metadata
    if value is None and f.default is None:
        return
    kind = kind_of(f)
    accepted: Any = (int, float) if kind is float else kind
    if not isinstance(value, accepted) or (kind is not bool and isinstance(value, bool)):
        raise ConfigurationError(f"{flag} must be of type {kind.__name__}, got {value!r}")
    if isinstance(value, int) and abs(value) >= LARGEST_NUMBER:
        raise ConfigurationError(f"{flag} must be less than 2^63, got a number of {len(str(abs(value)))} digits")
    if meta["choices"]:
        choose(flag, value, meta["choices"])
    if "minimum" in meta and not meta["minimum"] <= value < float("inf"):
        raise ConfigurationError(f"{flag} must be at least {meta['minimum']}, got {value}")
    if "above" in meta and not meta["above"] < value < float("inf"):
        raise ConfigurationError(f"{flag} must be greater than {meta['above']}, got {value}")
    if "below" in meta and not value < meta["below"]:
        raise ConfigurationError(f"{flag} must be less than {meta['below']}, got {value}")


def check_names(given: object, kind: Any) -> None:
    """Raise ConfigurationError unless `given` is a dict whose keys are fields of the dataclass `kind`."""
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"settings are a dict, {{'model': 'vgg08', 'epochs': 10}}, got {shown(given)}")
    names = [f.name for f in fields(kind)]
    if unknown := [str(name) for name in given if name not in names]:
        close = get_close_matches(unknown[0], names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"
        raise ConfigurationError(f"there is no setting {unknown[0]!r}: {hint}")


def kind_of(f: Any) -> type:
    """Return the type of a field, int, float, bool or str, even if it may also be None."""
    return next(iter(get_args(f.type)), f.type)


def flag_of(name: str) -> str:
    """Return the command-line flag of a setting."""
    return "--" + name.replace("_", "-")
