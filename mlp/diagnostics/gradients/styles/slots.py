"""Objects with `__slots__`, also of @dataclass(slots=True), as objects whose attributes stand in a dictionary.

A subclass has a dictionary again. In it each slot is hidden by a `Hidden`, so that Python looks into the dictionary.
"""

import inspect
import sys
from typing import Any

LIBRARIES = {"numpy", "mlp", *sys.stdlib_module_names}


class Hidden:
    """An attribute that is in the object's dictionary, or missing."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, kind: type) -> Any:
        if owner is None:
            return self
        raise AttributeError(f"{kind.__name__!r} object has no attribute {self.name!r}")


def slots_of_kind(kind: type) -> dict[str, Any]:
    """Return the slots of a class and of those it derives from, by name; none of a library's class."""
    if kind.__module__.partition(".")[0] in LIBRARIES:
        return {}
    return {n: one for base in kind.__mro__ for n, one in vars(base).items() if inspect.ismemberdescriptor(one)}


def open_kind(kind: type) -> type:
    """Return a subclass of a class with slots whose objects keep all in dictionaries; any other class as it is."""
    slots = slots_of_kind(kind)
    names = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), {**names, **{name: Hidden(name) for name in slots}}) if slots else kind


def without_slots(value: Any, done: dict[int, tuple[Any, Any]] | None = None) -> Any:
    """Return a value in which objects with slots, however deep, have become objects with dictionaries.

    What is not an object with slots is changed in place. `done` has the objects that were met, and what became of them.
    """
    done = {} if done is None else done
    if id(value) in done:
        return done[id(value)][1]
    slots = slots_of_kind(type(value))
    twin: Any = value
    if slots:
        twin = object.__new__(open_kind(type(value)))
        vars(twin).update({name: slot.__get__(value) for name, slot in slots.items() if hasattr(value, name)})
        vars(twin).update(getattr(value, "__dict__", {}))
    done[id(value)] = value, twin
    if type(value) is tuple:
        return tuple(without_slots(one, done) for one in value)
    if type(value) is list:
        value[:] = [without_slots(one, done) for one in value]
    elif type(value) is dict:
        value.update({key: without_slots(one, done) for key, one in value.items()})
    elif hasattr(twin, "__dict__") and type(value).__module__.partition(".")[0] not in LIBRARIES:
        vars(twin).update({name: without_slots(one, done) for name, one in vars(twin).items()})
    return twin
