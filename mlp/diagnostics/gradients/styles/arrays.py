"""Where a student keeps weights and gradients: attributes, lists, dictionaries, objects inside, however deep.

Each array has a path, "params.layer1.W" or "layers[0].W". A weight and its gradient are told by their names: the
gradient of W is called dW, W_grad or the like beside it, or W in a container called grads. Where the names say nothing,
backward itself does: the only array of W's shape that backward writes is its gradient.
"""

import copy
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from mlp.errors import ConfigurationError
from mlp.typing import Array

GRADIENT_NAMES = ("d{}", "{}_grad", "grad_{}", "d_{}", "grad{}", "grads_wrt_{}", "{}grad", "{}_gradient", "gradient_{}")
HELD = ("data", "value", "val", "array", "tensor")  # names of a weight in an object that also has its grad
RESETS = ("zero_grad", "zero_grads", "zero_gradients", "reset_grad", "reset_grads", "clear_grad", "clear_grads")
CONTAINERS = ("params", "parameters", "weights", "p")  # of weights; the name says nothing about the single array
DEPTH = 6  # objects within objects
# words in the names of arrays that are no weights: constants, and statistics that forward fills for evaluation
CONSTANTS = ("mean", "var", "std", "running", "moving", "mask", "const", "fixed", "buffer", "table", "pos", "freq")


def leaves_of(owner: Any, kinds: str = "fiu") -> dict[str, Array]:
    """Return all arrays of some kinds of numbers that an object holds, by their paths; one in two places has both."""
    found: dict[str, Array] = {}
    top = owner.items() if isinstance(owner, Mapping) else vars_of(owner).items()
    for name, value in list(top):
        found |= dict(walk(value, str(name), (), kinds))
    return found


def single_numbers(owner: Any) -> dict[str, Array]:
    """Return the single numbers of an object and of its dictionaries, by their paths: a gradient may end as one."""
    found = {}
    for name, value in {**vars_of(owner)}.items():
        inside = value.items() if isinstance(value, Mapping) else ()
        for path, one in ((name, value), *((f"{name}.{key}", item) for key, item in inside)):
            if isinstance(one, np.floating):
                found[path] = np.asarray(one)
    return found


def vars_of(owner: Any) -> dict[str, Any]:
    """Return the attributes of an object; none of a class, nor of what has no attributes."""
    return vars(owner) if hasattr(owner, "__dict__") and not isinstance(owner, type) else {}


def walk(value: Any, path: str, within: tuple[int, ...], kinds: str) -> Iterator[tuple[str, Array]]:
    """Yield (path, array) below a value; `within` are the ids of what it stands in."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind in kinds and value.ndim > 0:
            yield path, value
        return
    if len(within) > DEPTH or id(value) in within:
        return
    for step, item in members(value):
        below = path + step if step.startswith("[") else f"{path}.{step}"
        yield from walk(item, below, (*within, id(value)), kinds)


def unique(paths: Sequence[str], arrays: Mapping[str, Array], first: Collection[str]) -> list[str]:
    """Return one path for each array: one in `first` if there is any, else one with few steps."""
    seen: set[int] = set()
    chosen = []
    for path in sorted(paths, key=lambda one: (one not in first, one.count("["), one.count("."))):
        if id(arrays[path]) not in seen:
            seen.add(id(arrays[path]))
            chosen.append(path)
    return [path for path in paths if path in chosen]


def members(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield (step of the path, item) of a container, or of an object of a class that is not a library's."""
    if isinstance(value, Mapping):
        yield from ((str(key), item) for key, item in list(value.items()))
    elif isinstance(value, list | tuple):
        yield from ((f"[{i}]", item) for i, item in enumerate(value))
    elif is_own_object(value):
        yield from list(vars(value).items())


def is_own_object(value: Any) -> bool:
    """Return whether a value is an object of a class that the student wrote."""
    library = type(value).__module__.partition(".")[0] in ("builtins", "numpy", "mlp", "threading", "random", "_thread")
    return not library and hasattr(value, "__dict__") and not isinstance(value, type) and not callable_only(value)


def reset_gradients(value: Any, within: tuple[int, ...] = ()) -> None:
    """Call zero_grad, or what it is called, where gradients add up until then: of an object, or of those inside it.

    An object with data and grad is a weight with its gradient; elsewhere something resets it before each backward.
    `within` are the ids of what the value stands in: a part may know its whole.
    """
    if isinstance(value, type) or len(within) > DEPTH or id(value) in within:
        return
    reset = next((getattr(value, name) for name in RESETS if callable(getattr(value, name, None))), None)
    held = vars_of(value)
    if reset is not None:
        reset()
    elif is_own_object(value) and held.keys() & {*HELD} and isinstance(held.get("grad"), np.ndarray):
        value.grad = np.zeros_like(value.grad)
    elif is_own_object(value) or isinstance(value, Mapping | list | tuple):
        for _, item in members(value):
            reset_gradients(item, (*within, id(value)))


def callable_only(value: Any) -> bool:
    """Return whether a value is a function or a method."""
    return hasattr(value, "__code__") or hasattr(value, "__func__")


def put(owner: Any, path: str, array: Array) -> None:
    """Put an array where a path leads to; in a tuple it stays as it is."""
    steps = path.replace("[", ".[").lstrip(".").split(".")
    for step in steps[:-1]:
        owner = item_of(owner, step)
    last = steps[-1]
    if isinstance(owner, MutableMapping):
        owner[next(key for key in owner if str(key) == last)] = array
    elif last.startswith("["):
        if isinstance(owner, list):
            owner[int(last[1:-1])] = array
    else:
        setattr(owner, last, array)


def put_copy(owner: Any, path: str, array: Array) -> None:
    """Put a copy of an array where a path leads to."""
    put(owner, path, array.copy())


def item_of(owner: Any, step: str) -> Any:
    """Return what one step of a path leads to."""
    if step.startswith("["):
        return owner[int(step[1:-1])]
    if isinstance(owner, Mapping):
        return owner[next(key for key in owner if str(key) == step)]
    return vars(owner)[step]


def split_path(path: str) -> tuple[str, str]:
    """Return what stands around an array, and its own name: ("params.layer1", "W"); an index is a name, too."""
    cut = max(path.rfind("."), path.rfind("["))
    return (path[:cut], path[cut:].lstrip(".")) if cut > 0 else ("", path)


def short_name(path: str) -> str:
    """Return a path without what all weights stand in: "layer1.W" for "params.layer1.W", "gamma" for "gamma.data"."""
    first, _, rest = path.partition(".")
    path = rest if rest and first in CONTAINERS else path
    around, name = split_path(path)
    return around if around and name in HELD else path


def paired(
    weights: Sequence[str], written: Mapping[str, Array], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, str]:
    """Return {path of a weight: path of its gradient} for the weights that have one.

    Args:
        weights: paths. written: the arrays that could be gradients. shapes: of the weights.
    """
    pairs: dict[str, str] = {}
    for weight in weights:
        match = next((path for path in names_of_gradient(weight) if path in written), None)
        match = match or next((path for path in written if is_gradient_of(weight, path)), None)
        if match is not None and match not in pairs.values():
            pairs[weight] = match
    rest = [path for path in written if path not in pairs.values()]
    for weight in weights:  # nameless ones: the only candidate of this shape, for the only weight of this shape
        alike = [path for path in rest if written[path].shape == shapes[weight]]
        rivals = [other for other in weights if other not in pairs and shapes[other] == shapes[weight]]
        if weight not in pairs and len(alike) == 1 and len(rivals) == 1:
            pairs[weight] = alike[0]
    return pairs


def names_of_gradient(weight: str) -> Iterator[str]:
    """Yield the paths beside a weight where its gradient may stand."""
    around, name = split_path(weight)
    if around and name in HELD:
        yield from (f"{around}.grad", f"{around}.gradient", f"{around}.g")
    for form in GRADIENT_NAMES:
        yield f"{around}.{form.format(name)}" if around else form.format(name)


def is_gradient_of(weight: str, path: str) -> bool:
    """Return whether a path reads as the gradient of a weight: "grads.layer1.dW" of "params.layer1.W"."""
    around, name = split_path(path)
    if not any(word in around.lower() for word in ("grad", "d_", "delta")) and around[:1] != "d" and around != "g":
        return False
    inner, own = split_path(weight)
    names = {own, short_name(weight)} | {form.format(own) for form in GRADIENT_NAMES}
    middle = split_containers(inner), split_containers(around)
    return name in names and (middle[0] == middle[1] or not middle[1])


def split_containers(around: str) -> tuple[str, ...]:
    """Return the steps between the outermost container and an array: ("layer1",) for "params.layer1"."""
    steps = tuple(around.replace("[", ".[").split("."))
    return (
        steps[1:] if steps and (steps[0] in CONTAINERS or "grad" in steps[0].lower() or steps[0][:1] in "dg") else steps
    )


def is_constant(path: str) -> bool:
    """Return whether the name of an array says that it is not a weight."""
    return any(word in path.lower() for word in CONSTANTS)


def converted(value: Any, function: Callable[[Array], Array], within: tuple[int, ...] = ()) -> Any:
    """Return `value` with all floating-point arrays in it converted; `within` are the ids of what it stands in."""
    if isinstance(value, np.ndarray):
        return function(value) if value.dtype.kind == "f" else value
    inside = (*within, id(value))
    if isinstance(value, dict):
        return {key: converted(item, function, inside) for key, item in value.items()}
    if type(value) is list:
        return [converted(item, function, inside) for item in value]
    if is_own_object(value) and id(value) not in within:  # a part may know its whole
        for name, item in list(vars(value).items()):
            vars(value)[name] = converted(item, function, inside)
    return value


def copied(student: Any, memo: dict[int, Any]) -> Any:
    """Return a copy of an object; a ConfigurationError names the attribute that cannot be copied."""
    try:
        return copy.deepcopy(student, memo)
    except (TypeError, AttributeError, NotImplementedError) as error:
        for name, value in vars(student).items() if hasattr(student, "__dict__") else ():
            try:
                copy.deepcopy(value)
            except Exception:
                raise ConfigurationError(
                    f"{type(student).__name__} cannot be copied, and a check works on a copy: self.{name} is a "
                    f"{type(value).__name__} ({error}); make it where it is used, or leave it out for the check"
                ) from error
        raise ConfigurationError(f"{type(student).__name__} cannot be copied: {error}") from error
