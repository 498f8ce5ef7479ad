"""Layers and parameters in lists and dicts, where a layer does not look for its parts: they would never be trained."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from mlp.errors import ConfigurationError


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
        lost = next((x for x in contents(value) if isinstance(x, kinds) and id(x) not in found), None)
        if lost is not None:
            raise ConfigurationError(
                f"{label}: {type(lost).__name__} in the {type(value).__name__} {name!r} is not found there and would "
                f"not be trained: give each a name of its own (self.{name}_0 = ...), or put layers into a Sequential"
            )


def contents(value: Any) -> Iterator[Any]:
    """Yield what a list, tuple or dict holds, and what those in it hold; nothing for any other value."""
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
        yield item
        yield from contents(item)
