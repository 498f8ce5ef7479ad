"""One object at several places of forward: its last call overwrites what the calls before have kept.

    relu = ReLU()
    h = relu.forward(fc1.forward(x))
    y = relu.forward(fc2.forward(h))        the mask of h is lost

Forward and backward run again while each such object gets back, before each of its backwards, what it had kept in the
forward that belongs to it. If the gradients are right then, it was this.
"""

import copy
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from itertools import product
from types import FrameType, FunctionType
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import Diagnosis, Point
from mlp.diagnostics.gradients.repairs.search.points import is_right
from mlp.diagnostics.gradients.styles.arrays import leaves_of
from mlp.diagnostics.gradients.styles.calls import NAMES_OF_FORWARD, Calls, calls_of
from mlp.diagnostics.gradients.styles.parts import objects_in
from mlp.own_code import OWN_ERRORS
from mlp.typing import Array

ORDERS: tuple[Callable[[int, int], int], ...] = (lambda turn, calls: calls - 1 - turn, lambda turn, _: turn)
EVIDENCE = "with what each call had kept, all is right"


@dataclass
class Part:
    """An object inside a layer that has a forward and a backward of its own.

    Attributes:
        owner: the object. calls: the names of its methods. paths: where it stands in the layer.
        kept: what it held after each of its forwards. sites: where these were called, lines and places in them.
    """

    owner: Any
    calls: Calls
    paths: list[str]
    kept: list[dict[str, Any]] = field(default_factory=list)
    sites: list[tuple[int, int]] = field(default_factory=list)

    @property
    def lost(self) -> list[str]:
        """The attributes in which a later forward has put something else."""
        first, *later = self.kept or [{}]
        return [name for name, value in first.items() if any(not hold_the_same(value, one.get(name)) for one in later)]

    @contextmanager
    def watched(self, order: Callable[[int, int], int]) -> Iterator[None]:
        """Within this context each backward of the object finds what its own forward kept; they come in an order."""
        kind, lost, turns = type(self.owner), self.lost, iter(range(sys.maxsize))
        self.kept, self.sites = [], []

        def remembering(forward: Callable[..., Any]) -> Callable[..., Any]:
            def remember(part: Any, *given: Any, **named: Any) -> Any:
                result, caller = forward(part, *given, **named), sys._getframe(1)
                if caller.f_locals.get(first_name(caller)) is not part:  # its own methods call each other
                    self.kept.append({name: copy.deepcopy(one) for name, one in vars(part).items() if is_plain(one)})
                    self.sites.append((caller.f_lineno, caller.f_lasti))
                return result

            return remember

        def give_back(part: Any, *given: Any, **named: Any) -> Any:
            kept = self.kept[order(next(turns), len(self.kept))]
            vars(part).update({name: kept[name] for name in lost})
            return getattr(kind, self.calls.backward)(part, *given, **named)

        methods = {name: method for one in reversed(kind.__mro__) for name, method in vars(one).items()}
        changed = {name: remembering(methods[name]) for name in NAMES_OF_FORWARD if name in methods}
        self.owner.__class__ = type(kind.__name__, (kind,), changed | {self.calls.backward: give_back})
        try:
            yield
        finally:
            self.owner.__class__ = kind


def used_twice(points: Sequence[Point]) -> Iterator[Diagnosis]:
    """Yield the diagnosis of an object that forward calls more than once, and that keeps what the last call needs."""
    try:
        shared = shared_parts(points[0])
    except OWN_ERRORS:
        return
    choices = [[part.paths[0]] for part in shared] + [[part.paths[0] for part in shared]]
    for chosen, order in product(choices if shared else (), ORDERS):
        fits = [right_again(point, chosen, order) for point in points]
        if False not in fits and True in fits:
            parts = [part for part in shared if part.paths[0] in chosen]
            arrays = list(dict.fromkeys(name for point in points for name in point.wrong))
            text = "; ".join(map(overwritten, parts))
            modes = ", ".join(point.mode for point in points)
            yield Diagnosis("one object used twice", ", ".join(arrays), modes, text, EVIDENCE)
            return


def shared_parts(point: Point) -> list[Part]:
    """Return the objects that forward calls more than once, and that keep something else each time."""
    parts: dict[int, Part] = {}
    for path, one in objects_in(point.probe.owner, "self"):
        calls = calls_of(one)
        if isinstance(calls, Calls) and one is not point.probe.owner and has_methods(one, calls):
            parts.setdefault(id(one), Part(one, calls, [])).paths.append(path)
    with ExitStack() as stack:
        for part in parts.values():
            stack.enter_context(part.watched(ORDERS[0]))
        point.probe.outputs()
    return [part for part in parts.values() if part.lost]


def has_methods(one: Any, calls: Calls) -> bool:
    """Return whether forward and backward of an object are plain methods of its class."""
    methods = [inspect.getattr_static(type(one), name, None) for name in (calls.forward, calls.backward)]
    return all(isinstance(method, FunctionType) for method in methods)


def right_again(point: Point, chosen: Sequence[str], order: Callable[[int, int], int]) -> bool | None:
    """Return whether all wrong gradients are right if some objects find again what each call had kept.

    Those of the weights of these objects may be overwritten, too: they say nothing. None if no others are wrong.
    """
    try:
        parts = [part for part in shared_parts(point) if part.paths[0] in chosen]
        with ExitStack() as stack:
            for part in parts:
                stack.enter_context(part.watched(order))
            given = point.probe.backward(point.upstream.copy())
    except OWN_ERRORS:
        return False
    own = {id(array) for part in parts for array in leaves_of(part.owner).values()}
    telling = [name for name in point.wrong if id(point.probe.arrays[name]) not in own]
    if not point.complete:
        masked: dict[str, Array] = {
            name: np.ma.array(one, mask=~np.isfinite(one)) for name, one in point.numeric.items()
        }
        point = replace(point, numeric=masked)
    return all(is_right(given[name], point, name) for name in telling) if telling else None


def overwritten(part: Part) -> str:
    """Return what is wrong with an object that is called more than once."""
    kind, lines = type(part.owner).__name__, list(dict.fromkeys(line for line, _ in part.sites))
    code = getattr(getattr(type(part.owner), part.calls.backward), "__code__", None)
    read = () if code is None else code.co_names
    lost = [f"`self.{name}`" for name in part.lost if name in read] or [f"`self.{name}`" for name in part.lost]
    paths, where = " and ".join(f"`{path}`" for path in part.paths), " and ".join(map(str, lines))
    calls = f"which forward calls {len(part.kept)} times, in line{'s' if len(lines) > 1 else ''} {where}"
    what = f"{paths} are one and the same {kind}" if len(part.paths) > 1 else f"{paths} is one {kind}"
    every = "keep one for each call in a list, and let each call of backward take its own from the end"
    if len(part.paths) > 1 or len(set(part.sites)) > 1:
        every = f"make a new {kind} for each place"
        every += ", or add up the gradients if its weights shall be shared" if leaves_with_gradients(part) else ""
    text = f"{what}, {calls}: the last call overwrites what those before have kept ({', '.join(lost)}), and backward"
    return f"{text} finds that of the last one alone; {every}"


def leaves_with_gradients(part: Part) -> bool:
    """Return whether an object has weights: arrays that no forward changes."""
    return any(path.partition(".")[0].partition("[")[0] not in part.lost for path in leaves_of(part.owner))


def first_name(frame: FrameType) -> str:
    """Return the name of the first argument of a function that runs: self."""
    return next(iter(frame.f_code.co_varnames), "")


def is_plain(value: Any) -> bool:
    """Return whether a value is an array, a number, or a container of such."""
    if isinstance(value, Mapping):
        return all(map(is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    return value is None or isinstance(value, np.ndarray | np.generic | float | int | str)


def hold_the_same(one: Any, other: Any) -> bool:
    """Return whether two plain values are equal."""
    if isinstance(one, Mapping):
        return (
            isinstance(other, Mapping)
            and one.keys() == other.keys()
            and all(hold_the_same(one[k], other[k]) for k in one)
        )
    if isinstance(one, list | tuple):
        return type(one) is type(other) and len(one) == len(other) and all(map(hold_the_same, one, other))
    return type(one) is type(other) and np.array_equal(one, other)
