"""The same layer with other settings: two of them that are equal by accident are told apart there."""

import copy
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.styles.functions import FunctionPair
from mlp.diagnostics.gradients.styles.student_layer import StudentLayer
from mlp.layers.machinery.base import Layer
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array, Shape

MOST_TWINS = 4
TINY = 0.01


def other_settings(layer: Layer, x: Array) -> Iterator[Layer]:
    """Yield copies of a layer with one number of its settings changed, which give other outputs for x."""
    before = [outputs_of(layer, x, training=mode) for mode in (False, True)]
    yielded = 0
    held = held_settings(layer)
    for path in [*numbers_in(int, held), *numbers_in(float, held)]:
        for step in changes_of(held[path[0]] if len(path) == 1 else held[path[0]][path[1]]):
            twin = copy.deepcopy(layer)
            change(held_settings(twin), path, step)
            after = [outputs_of(twin, x, training=mode) for mode in (False, True)]
            if any(
                a is not None and b is not None and not np.array_equal(a, b) for a, b in zip(after, before, strict=True)
            ):
                yield twin
                yielded += 1
                break
        if yielded == MOST_TWINS:
            return


def of_other_sizes(layer: Layer, shape: Shape) -> Iterator[tuple[Layer, Shape]]:
    """Yield an object with arrays, or two functions of several, with all axes longer by 1, and the shape of x.

    Axes that are equal stay equal.
    """
    student: Any = copy.deepcopy(getattr(layer, "student", None))
    pair = isinstance(student, FunctionPair)
    alone = pair and (len(student.arrays) == 0 or student.whole is not None)
    if alone or not hasattr(student, "__dict__"):
        return
    for held in (student.params, student.settings) if pair else (vars(student),):
        arrays = {name: array for name, array in held.items() if isinstance(array, np.ndarray)}
        held |= {name: np.resize(array, longer(array.shape)) for name, array in arrays.items()}
    with suppress(*OWN_ERRORS):
        yield StudentLayer(student).learn(longer(shape)), longer(shape)


def longer(shape: Shape) -> Shape:
    """Return a shape with all axes longer by 1, but for those of length 1."""
    return tuple(n + (n > 1) for n in shape)


def held_settings(layer: Layer) -> dict[str, Any]:
    """Return the dictionary that holds the settings of a layer; two functions get those that they have by default."""
    owner = getattr(layer, "student", layer)
    if isinstance(owner, FunctionPair):
        owner.settings = owner.options()
        return owner.settings
    return vars(owner)


def outputs_of(layer: Layer, x: Array, *, training: bool) -> Array | None:
    """Return the outputs of a copy of a layer; None if it does not take the inputs."""
    try:
        with np.errstate(all="ignore"):
            return np.array(copy.deepcopy(layer).forward(x.copy(), training=training))
    except OWN_ERRORS:
        return None


def numbers_in(kind: type, held: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return where numbers of one kind stand: ("stride",), ("kernel", 0), ("conv_param", "pad")."""
    places: list[tuple[Any, ...]] = []
    for name, value in held.items():
        inner = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, tuple | list) else ()
        )
        of_kind = isinstance(value, kind) and not isinstance(value, bool)  # np.float64 is a float
        places += [(name,)] if of_kind else [(name, key) for key, item in inner if type(item) is kind]
    return places


def changes_of(value: float) -> tuple[float, ...]:
    """Return by what a setting may be changed: an odd window stays odd, and a small number, as epsilon, what it is."""
    if isinstance(value, int):
        return (2, 1, -1) if value > 2 and value % 2 else (1, -1)
    return (0.25 * value,) if abs(value) > TINY else ()


def change(held: dict[str, Any], path: tuple[Any, ...], step: float) -> None:
    """Add a number to one of the settings."""
    name, *rest = path
    if not rest:
        held[name] += step
    elif isinstance(held[name], tuple):
        held[name] = tuple(item + step * (i == rest[0]) for i, item in enumerate(held[name]))
    else:
        held[name][rest[0]] += step
