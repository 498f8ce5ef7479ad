"""Faults that one gradient does not show: what a layer keeps from earlier calls, and which of its parts is wrong."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from mlp.diagnostics.gradients.diagnoses.evidence import MATCH, Diagnosis, Evidence, Point, distance, jacobian
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.layers.machinery.base import Layer
from mlp.rng import generator
from mlp.typing import Array, Shape

CHILDREN = 40  # kinds of layers inside a model that are checked, at most


def stale_cache(e: Evidence) -> Iterator[Diagnosis]:
    """Backward that uses what an earlier forward kept: two forwards with other inputs, then backward.

    A fresh copy of the layer sees x_1, then x_2. If backward gives the right gradient of x_1, it holds on to the first.
    """
    point = e.point
    if not point.complete:
        return
    earlier = generator(point.seed, "probe", "stale").standard_normal(point.x.shape)
    fresh, other = at_point(point, earlier), at_point(point, earlier)
    fresh.outputs()
    fresh.x[...] = point.x
    kept = fresh.backward(point.upstream)[e.array]
    of_earlier = np.tensordot(jacobian(other, e.array), point.upstream, point.upstream.ndim)
    if distance(kept, of_earlier) < MATCH and distance(kept, e.numeric) > 100.0 * MATCH:
        yield e.found(
            "stale cache",
            "it is the gradient at the inputs of an earlier forward: backward uses what an old call kept (a cache that "
            "is filled once and not renewed)",
            f"error {distance(kept, e.numeric):.1e} at the last inputs, {distance(kept, of_earlier):.0e} at the first",
        )


def at_point(point: Point, x: Array) -> Probe:
    """Return a probe of a layer that has seen no inputs yet, with the parameters and buffers of the point."""
    layer = copy.deepcopy(point.layer).to("cpu").astype(np.float64)
    layer.load_state_dict(point.probe.layer.state_dict())
    return Probe(layer, x.copy(), training=point.probe.training)


def wrong_inside(point: Point, check: Callable[[Layer, Shape], list[Diagnosis]]) -> tuple[list[Diagnosis], bool]:
    """Check each layer inside a model by itself, the innermost first.

    Args:
        point: of the whole.
        check: function (layer, input_shape) -> diagnoses, empty if the layer is right.

    Returns:
        What is wrong inside, and whether there is anything inside.
    """
    shapes = input_shapes(point.probe)
    inside = [(path, layer) for path, layer in point.probe.layer.named_layers() if id(layer) in shapes]
    inside.sort(key=lambda pair: len(list(pair[1].named_layers())))  # what a wrong layer stands in is wrong, too
    checked: dict[str, list[Diagnosis]] = {}  # layers of one kind are checked once
    found: list[Diagnosis] = []
    wrong: set[int] = set()
    for path, layer in inside:
        if wrong & {id(part) for _, part in layer.named_layers()}:
            continue
        key = f"{type(layer).__qualname__} {layer!r} {shapes[id(layer)]}"
        if key not in checked and len(checked) < CHILDREN:
            checked[key] = check(layer, shapes[id(layer)])
        if checked.get(key):
            wrong.add(id(layer))
            found += [replace(diagnosis, subject=path) for diagnosis in checked[key]]
    return found, bool(inside)


def input_shapes(probe: Probe) -> dict[int, Shape]:
    """Return the shape of the inputs of each layer inside a model, by the id of the layer."""
    shapes: dict[int, Shape] = {}
    layers = [layer for _, layer in probe.layer.named_layers() if layer is not probe.layer]

    def watch(layer: Layer) -> None:
        plain = layer.forward

        def watching(x: Array, *others: Any, **named: Any) -> Array:
            shapes[id(layer)] = x.shape
            return plain(x, *others, **named)

        layer.forward = watching  # type: ignore[method-assign]

    for layer in layers:
        watch(layer)
    try:
        probe.outputs()
    finally:
        for layer in layers:
            del layer.forward
    return shapes


def wiring(point: Point) -> Diagnosis:
    """Return the diagnosis for a model that is wrong while each layer inside is right."""
    return Diagnosis(
        "wiring",
        ", ".join(point.wrong),
        point.mode,
        "each layer inside is right by itself: what hands gradients from one to the next is wrong (backward must go "
        "through them in reverse order, and add the gradients of paths that part)",
    )
