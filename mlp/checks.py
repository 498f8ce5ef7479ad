"""Checks of settings: each returns the value, or raises a ConfigurationError with the name, the range and the value."""

import re
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np

from mlp.errors import ConfigurationError, MlpError, OtherAttributeError, OtherNameError
from mlp.typing import DType, Shape

LONGEST_SHOWN = 80  # characters of a value in a message
FLOAT_TYPES = (np.dtype(np.float32), np.dtype(np.float64))


class NoShallowCopy:
    """Base class of what holds arrays. A shallow copy would share them: training one would change the other."""

    def __copy__(self) -> NoReturn:
        raise MlpError(
            f"copy.copy would give a second {type(self).__name__} with the arrays of the first: write copy.deepcopy"
        )


def shown(value: object) -> str:
    """Return a value for a message: as Python writes it, or only its type if that is long."""
    text = repr(value)
    return (
        text
        if len(text) <= LONGEST_SHOWN and "\n" not in text and " at 0x" not in text
        else f"a {type(value).__name__}"
    )


def counted_from_one(what: str, lowest: int) -> str:
    """Return what to do about class numbers, such as "labels", that begin with 1; "" if the lowest is another."""
    return f": of {what} that begin with 1, take {what} - 1" if lowest == 1 else ""


def one_number_each(name: str, shape: Shape) -> str:
    """Return what to write for class numbers, such as "labels", whose array `shape` has two axes; "" for others."""
    if len(shape) != 2:
        return ""
    one_column = shape[1] == 1  # as Keras has them: argmax would be 0 for all
    return f": write {name}[:, 0]" if one_column else f": of rows with a 1 for the class, take {name}.argmax(axis=1)"


def number(name: str, value: float) -> float:
    """Return `value` as a float; an error unless it is a number."""
    if not isinstance(value, int | float | np.number) and getattr(value, "shape", None) != ():
        raise ConfigurationError(f"{name} must be a number, got {shown(value)}")
    return float(value)


def positive(name: str, value: float) -> float:
    """Return `value` as a float; an error unless it is greater than 0 and finite."""
    if not 0 < number(name, value) < float("inf"):
        raise ConfigurationError(f"{name} must be greater than 0, got {value}")
    return float(value)


def not_negative(name: str, value: float) -> float:
    """Return `value` as a float; an error unless it is 0 or greater, and finite."""
    if not 0 <= number(name, value) < float("inf"):
        raise ConfigurationError(f"{name} must be 0 or greater, got {value}")
    return float(value)


def fraction(name: str, value: float) -> float:
    """Return `value` as a float; an error unless 0 <= value < 1."""
    if not 0 <= number(name, value) < 1:
        raise ConfigurationError(f"{name} must lie in 0 <= {name} < 1, got {value}")
    return float(value)


def wrong(name: str, rest: str, flag: str = "") -> ConfigurationError:
    """Return the error about a setting. People who type commands know it as `flag`; "" for the same name."""
    return ConfigurationError("", f"{name} {rest}", f"{flag or name} {rest}")


def at_least(name: str, value: int, least: int, flag: str = "") -> int:
    """Return `value` as an int; an error unless it is a whole number of at least `least`."""
    if not (isinstance(value, int | np.integer) and value >= least):
        raise wrong(name, f"must be a whole number of at least {least}, got {shown(value)}", flag)
    return int(value)


def within(name: str, value: int, least: int, most: int) -> int:
    """Return `value` as an int; an error unless it is a whole number of `least` .. `most`: more would take for ever."""
    if at_least(name, value, least) > most:
        raise ConfigurationError(f"{name} must be at most {most:,}, got {shown_number(value)}")
    return int(value)


def shown_number(value: int) -> str:
    """Return a whole number for a message; of a very long one, how long it is."""
    text = f"{value:,}"
    return text if len(text) <= LONGEST_SHOWN else f"a number of {len(str(value))} digits"


def at_least_one(name: str, value: int, flag: str = "") -> int:
    """Return `value` as an int; an error unless it is a whole number of at least 1."""
    return at_least(name, value, 1, flag)


def choose(name: str, value: str, choices: Collection[str], flag: str = "") -> str:
    """Return `value`; an error unless it is one of `choices`."""
    if value not in choices:
        rest = f"must be one of {', '.join(choices)}, got {value!r}{similar_choice(value, choices)}"
        raise wrong(name, rest, flag)
    return value


def check_strings(what: str, names: object) -> None:
    """Raise ConfigurationError unless `names` is a list or tuple of strings, and not one string: ("a") is no tuple."""
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ConfigurationError(f"{what} must be strings in a tuple or list, such as ('mean',), got {shown(names)}")


def float_type(dtype: DType) -> np.dtype:
    """Return the argument `dtype` as NumPy's; an error unless it is float32 or float64."""
    try:
        found = None if dtype is None else np.dtype(dtype)  # NumPy takes None for float64
    except (TypeError, ValueError, SyntaxError):
        found = None
    if found is None or found not in FLOAT_TYPES:
        raise ConfigurationError(f"dtype must be np.float32 or np.float64 (floating-point numbers), got {shown(dtype)}")
    return found


def similar_choice(value: object, choices: Iterable[str]) -> str:
    """Return ": did you mean cosine?" for the choice that "cos", "COSINE" or "cosinus" resembles; "" for none."""
    plain = {re.sub(r"[\W_]", "", choice).lower(): choice for choice in choices}
    word = re.sub(r"[\W_]", "", str(value)).lower()
    near = [one for one in plain if len(word) > 2 and one.startswith(word)] or get_close_matches(
        word, plain, n=1, cutoff=0.7
    )
    return f": did you mean {plain[near[0]]}?" if near else ""


def quick_pattern(name: str, value: str) -> str:
    """Return `value`; an error unless it is a regular expression that is found, or not found, in an instant.

    Python tries all ways in which an expression may fit a text: (a+)+$ takes a second for aaaaaaaaaaaaaaaaaaaaaaab, and
    a year for a text twice as long. Nothing grows like that with few groups, none of them repeated, and few repeats.
    """
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be a regular expression, such as 'gamma|beta|bias', got {shown(value)}")
    given = f"got {value[:LONGEST_SHOWN]!r}"
    try:
        re.compile(value)
    except (re.error, RecursionError, OverflowError, MemoryError) as error:
        raise ConfigurationError(f"{name} must be a regular expression, {given}: {error}") from None
    if value.count("(") > 4 or len(re.findall(r"[*+?{]", value)) > 2 or re.search(r"\)[*+?{]", value):
        raise ConfigurationError(
            f"{name} may have at most four groups (...), at most two of * + ? {{n}}, none of these after a group: "
            f"finding it in a name could take for ever; {given}: write, for example, '(gamma|beta|bias)$'"
        )
    return value


def names_elsewhere(module: str, ours: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a module that tells people who know another library our name for a thing.

    Args:
        module: "mlp.layers". ours: {name in other libraries: what to write here}.
    """

    def missing(name: str) -> Any:
        if name in ours:
            raise OtherNameError(f"{module} has no {name}: write {ours[name]} (docs/glossary.md has all our words)")
        raise AttributeError(no_attribute(module, name, vars(sys.modules[module]).get("__all__", ())))

    return missing


class NamesElsewhere:
    """Base of classes whose objects, asked for an attribute by its name in another library, tell our name for it.

    Attributes:
        names_elsewhere: {name in other libraries: what to write here}, of the class and the classes above it.
    """

    names_elsewhere: ClassVar[dict[str, str]] = {}

    if not TYPE_CHECKING:  # type checkers would believe that all attributes exist

        def __getattr__(self, name: str) -> NoReturn:
            if name in self.names_elsewhere:
                raise OtherAttributeError(f"{type(self).__name__} has no {name}: {self.names_elsewhere[name]}")
            object.__getattribute__(self, name)  # raises Python's own error, also that from inside a property


def no_attribute(module: str, name: str, known: Iterable[str]) -> str:
    """Return Python's sentence about a name that a module lacks, followed by the known name that is most like it."""
    names = {} if name.startswith("_") else {one.lower(): one for one in known}
    close = get_close_matches(name.lower(), names, n=1)
    return f"module {module!r} has no attribute {name!r}{f': did you mean {names[close[0]]}?' if close else ''}"


def as_pair(name: str, value: int | Sequence[int], minimum: int) -> tuple[int, int]:
    """Return (down, right) for an int or a pair of ints of at least `minimum`."""
    pair = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(pair) != 2 or not all(isinstance(v, int | np.integer) and v >= minimum for v in pair):
        raise ConfigurationError(f"{name} must be an int >= {minimum} or a pair of them, got {value!r}")
    return int(pair[0]), int(pair[1])
