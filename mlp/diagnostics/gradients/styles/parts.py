"""The objects inside a layer, however deep: other layers, and objects of classes that the user wrote."""

from collections.abc import Iterator, Mapping
from typing import Any

from mlp.diagnostics.gradients.styles.arrays import DEPTH, is_own_object
from mlp.layers.machinery.base import Layer


def objects_in(value: Any, path: str, within: tuple[int, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Yield (path, object) for all layers and objects of the user's own below a value, with each of their places."""
    if len(within) > DEPTH or id(value) in within:
        return
    items: list[tuple[str, Any]] = []
    if isinstance(value, Layer) or is_own_object(value):
        yield path, value
        items = [(f"{path}.{name}", one) for name, one in vars(value).items()]
    elif isinstance(value, Mapping):
        items = [(f"{path}[{key!r}]", one) for key, one in value.items()]
    elif isinstance(value, list | tuple):
        items = [(f"{path}[{i}]", one) for i, one in enumerate(value)]
    for below, one in items:
        yield from objects_in(one, below, (*within, id(value)))
