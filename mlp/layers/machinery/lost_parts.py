"""Parts that a layer cannot have: used or named twice, no arrays, or in lists, where they would never be trained."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from mlp.checks import check_strings
from mlp.errors import ConfigurationError


def check_first_use(used: dict[int, str], part: Any, name: str) -> None:
    """Add {id of a layer or parameter: its name} to `used`; a ConfigurationError if it has another name already."""
    if used.setdefault(id(part), name) != name:
        kind = type(part).__name__
        raise ConfigurationError(f"the same {kind} is used twice, as {used[id(part)]!r} and {name!r}: make two")


def named_once(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return (name, array) pairs as a dict; a ConfigurationError if two have the same name: one would be lost."""
    arrays: dict[str, Any] = {}
    for name, array in pairs:
        if name in arrays:
            raise ConfigurationError(
                f"two arrays of the model are called {name!r}, and only one of them could be saved: give their layers "
                'different names (in Sequential({...}) the name "" and names that begin with "*" add nothing)'
            )
        arrays[name] = array
    return arrays


def check_nothing_lost(
    label: str, attributes: Mapping[str, Any], kinds: tuple[type, ...], found: Collection[int]
) -> None:
    """Check that all objects of `kinds` in lists, tuples and dicts are among those that were found elsewhere.

    Args:
        label: of the layer, for the message. attributes: of the layer, {name: value}. found: ids of objects.

    Raises:
        ConfigurationError: one is not, with its attribute's name.
    """
    for name, value in attributes.items():
        held = leaves(value) if isinstance(value, dict | list | tuple) else ()
        lost = next((x for x in held if isinstance(x, kinds) and id(x) not in found), None)
        if lost is not None:
            raise ConfigurationError(
                f"{label}: {type(lost).__name__} in the {type(value).__name__} {name!r} is not found there and would "
                f"not be trained: give each a name of its own (self.{name}_0 = ...), or put layers into a Sequential"
            )


def check_buffers(label: str, layer: Any) -> None:
    """Check the buffers of a layer, which are saved with the weights.

    Raises:
        ConfigurationError: their names are no tuple of strings, or an attribute of that name is no array.
    """
    check_strings(f"{label}: buffer_names", layer.buffer_names)
    for name in layer.buffer_names:
        value = getattr(layer, name, None)
        if not hasattr(value, "dtype"):
            given = "missing" if value is None else f"a {type(value).__name__}, not an array"
            raise ConfigurationError(
                f"{label}: {name!r} in buffer_names is {given}: write self.{name} = np.array(...) in __init__"
            )


def leaves(value: Any, within: tuple[int, ...] = ()) -> Iterator[Any]:
    """Yield what stands in lists, tuples and dicts, however deep, or the value itself if it is none of them.

    `within` has the ids of the containers around it, so that one that holds itself does not go on for ever.
    """
    if not isinstance(value, dict | list | tuple):
        yield value
    elif id(value) not in within:
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item, (*within, id(value)))
