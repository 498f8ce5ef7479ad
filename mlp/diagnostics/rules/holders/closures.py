"""Functions that remember things in the function around them, as rules may: fresh copies, and their settings."""

import copy
from contextlib import suppress
from types import CellType, FunctionType
from typing import Any

from mlp.own_code import OWN_ERRORS


class Closure:
    """The variables around a function, read and written as attributes; no others can be set."""

    def __init__(self, function: FunctionType) -> None:
        vars(self)["cells"] = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))

    def __getattr__(self, name: str) -> Any:
        with suppress(KeyError, ValueError):  # it may be empty yet
            return vars(self)["cells"][name].cell_contents
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in vars(self)["cells"]:
            vars(self)["cells"][name].cell_contents = value


def numbers_around(function: FunctionType) -> dict[str, Any]:
    """Return the variables around a function that are numbers."""
    held = ((name, getattr(Closure(function), name, None)) for name in function.__code__.co_freevars)
    return {name: value for name, value in held if type(value) in (int, float)}


def fresh_function(function: Any, memo: dict[int, Any] | None = None) -> Any:
    """Return a function that remembers nothing of the calls of another: what is around it is copied, and its defaults.

    Args:
        memo: what was copied already, as of `copy.deepcopy`.
    """
    memo = {} if memo is None else memo
    for cell in function.__closure__ or ():
        if id(cell) in memo:
            continue
        new = memo[id(cell)] = CellType()
        with suppress(ValueError):  # it is empty
            held = new.cell_contents = cell.cell_contents
            with suppress(*OWN_ERRORS):  # what cannot be copied is shared
                inner = isinstance(held, FunctionType)
                new.cell_contents = fresh_function(held, memo) if inner else copy.deepcopy(held, memo)
    around = tuple(memo[id(cell)] for cell in function.__closure__ or ())
    fresh = FunctionType(function.__code__, function.__globals__, function.__name__, None, around)
    for name in ("__defaults__", "__kwdefaults__", "__module__", "__qualname__", "__dict__"):
        setattr(fresh, name, copy.deepcopy(getattr(function, name), memo))
    return fresh
