"""What the names of a function hold when it returns, so that a name is replaced only by one that holds the like."""

from collections.abc import Callable, Mapping
from types import CodeType, FrameType, ModuleType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.probes.tracing import traced

Values = Mapping[str, Any]


def values_in(codes: Mapping[str, CodeType], run: Callable[[], Any]) -> dict[str, dict[str, Any]]:
    """Return, by the names of some functions, what their local names and the attributes of self hold at their end.

    Args:
        codes: of the functions. run: calls them.
    """
    seen: dict[str, dict[str, Any]] = {name: {} for name in codes}
    names = {code: name for name, code in codes.items()}

    def inside(frame: FrameType, event: str, _: Any) -> Any:
        if event == "return":
            found = seen[names[frame.f_code]]
            found.update({name: one for name, one in frame.f_locals.items() if not isinstance(one, ModuleType)})
            owner = frame.f_locals.get("self")
            if owner is not None and hasattr(owner, "__dict__"):
                of_class = {name: value for name, value in vars(type(owner)).items() if type(value) in (int, float)}
                found.update({f"self.{name}": value for name, value in {**of_class, **vars(owner)}.items()})
                found.update(arrays_of_parameters(owner))
        return inside

    def watch(frame: FrameType, event: str, _: Any) -> Any:
        if event != "call" or frame.f_code not in names:
            return None
        frame.f_trace_lines = False
        return inside

    with traced(watch):
        run()
    return seen


def arrays_of_parameters(owner: Any) -> dict[str, Any]:
    """Return the arrays that objects hold which an owner has: self.w.data, self.beta.value; w._data by its property."""
    found = {}
    for name, value in vars(owner).items():
        for part, array in getattr(value, "__dict__", {}).items():
            public = part.lstrip("_")
            part = public if isinstance(getattr(type(value), public, None), property) else part
            if isinstance(array, np.ndarray):
                found[f"self.{name}.{part}"] = array
    return found


def alike(one: Any, other: Any) -> bool:
    """Return whether a value may stand in the place of another: two sizes, or arrays that can be broadcast."""
    if is_size(one) or is_size(other):
        return is_size(one) and is_size(other)
    if not (is_numeric(one) and is_numeric(other)):
        return False
    try:
        return len(np.broadcast_shapes(np.shape(one), np.shape(other))) <= max(np.ndim(one), np.ndim(other))
    except ValueError:  # matrices of a product
        return np.ndim(one) == np.ndim(other)


def is_size(value: Any) -> bool:
    """Return whether a value is a whole number, as the sizes of arrays are."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_numeric(value: Any) -> bool:
    """Return whether a value is an array of numbers, or a number."""
    return isinstance(value, float | np.floating) or (isinstance(value, np.ndarray) and value.dtype.kind in "bfiu")


def selects(value: Any) -> bool:
    """Return whether a value is an array of true and false, or of 1 and 0, with both of them."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "bf" or not value.ndim:
        return False
    return bool(np.isin(value, (0, 1)).all() and value.any() and not value.all())
