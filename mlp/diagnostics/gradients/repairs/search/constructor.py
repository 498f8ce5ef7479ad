"""A constructor as code that may be wrong: with a change of it, the constants that it makes are made again.

How the object was made is not known. The arguments are looked for among its attributes and sizes: those with which the
class gives an object of the same numbers and shapes.
"""

import copy
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice, product
from types import FunctionType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.repairs.sources import Source, tree_of
from mlp.layers.machinery.base import Layer
from mlp.own_code import OWN_ERRORS

TRIES = 40  # sets of arguments


@dataclass(frozen=True)
class Constructor(Source):
    """The constructor of an object: its arguments, and the names of the constants that it makes."""

    arguments: tuple[Any, ...] = ()
    constants: tuple[str, ...] = ()

    def of(self, layer: Layer) -> Source:
        """Return the same for a copy of the layer."""
        return replace(self, owner=getattr(layer, "student", layer))

    @contextmanager
    def replaced(self, function: FunctionType) -> Iterator[None]:
        """Within this context the owner has the constants that another constructor makes."""
        before = {name: vars(self.owner)[name] for name in self.constants}
        made = made_with(type(self.owner), function, self.arguments)
        vars(self.owner).update({name: vars(made)[name] for name in self.constants if name in vars(made)})
        try:
            yield
        finally:
            vars(self.owner).update(before)


def constructor_of(owner: Any) -> Constructor | None:
    """Return the constructor of an object of the user's own that makes arrays which are no weights."""
    written: Any = vars(type(owner)).get("__init__")
    tree = tree_of(written) if isinstance(written, FunctionType) else None
    if tree is None:
        return None
    for arguments in islice(possible_arguments(owner, written), TRIES):
        try:
            made = made_with(type(owner), written, arguments)
        except OWN_ERRORS:
            continue
        if same_kind(vars(made), vars(owner)):
            same = tuple(name for name, value in vars(made).items() if still_the_same(value, vars(owner)[name]))
            arrays = any(isinstance(vars(made)[name], np.ndarray) for name in same)
            return Constructor(owner, "__init__", written, tree, arguments, same) if arrays else None
    return None


def made_with(kind: type, function: Callable[..., None], arguments: tuple[Any, ...]) -> Any:
    """Return an object of a class, made by a constructor."""
    made: Any = object.__new__(kind)
    function(made, *copy.deepcopy(arguments))
    return made


def possible_arguments(owner: Any, function: Callable[..., None]) -> Iterator[tuple[Any, ...]]:
    """Yield arguments of a constructor: what has the same name, else a default, else any number that is there."""
    held = {name.lower().strip("_"): value for name, value in vars(owner).items()}
    numbers = [value for value in held.values() if type(value) in (int, float)]
    numbers += [size for value in held.values() if isinstance(value, np.ndarray) for size in value.shape]
    choices = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        name = parameter.name.lower().strip("_")
        default = [] if parameter.default is parameter.empty else [parameter.default]
        choices.append(default + [held[name]] if name in held else default + list(dict.fromkeys(numbers))[:6])
    yield from product(*choices)


def same_kind(made: dict[str, Any], owner: dict[str, Any]) -> bool:
    """Return whether an object has all that was made, in the same shapes and numbers."""
    for name, value in made.items():
        other = owner.get(name)
        if isinstance(value, np.ndarray):
            if not isinstance(other, np.ndarray) or other.shape != value.shape:
                return False
        elif type(value) in (int, float, str, bool) and other != value:
            return False
    return True


def still_the_same(one: Any, other: Any) -> bool:
    """Return whether an attribute is still what the constructor made."""
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and one.shape == other.shape and np.allclose(one, other, 1e-6)
    return type(one) in (int, float) and one == other
