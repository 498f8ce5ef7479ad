"""Finite differences: a gradient from its definition, to hold a hand-written backward pass against.

    f(x)     a layer's outputs, as a function of one of its arrays (the inputs or a parameter)
    u        the upstream gradient dL/dy, random: an all-ones one is blind (batch norm's outputs sum to a constant)
    e_i      the direction in which only coordinate i changes          h  the step

The chain rule says that coordinate i of the gradient is <u, df/dx_i>. The central difference measures it:

    <u, f(x + h e_i) - f(x - h e_i)> / (2h)  =  <u, df/dx_i>  +  h^2/6 <u, d^3f/dx_i^3>  +  rounding            (1)

The two outputs are subtracted value by value before they are summed: the sums would agree in most of their digits.
Rounding leaves about 1e-16 |f| / h, so a large step is exact in rounding and a small one in the formula. h = 1e-5
balances them for values around 1: both errors are about 1e-11.

Kinks. A ReLU's outputs bend where its input changes sign. If that happens between x - h and x + h, (1) measures a
mixture of two slopes and not the derivative. Layers say by `branches` which piece of their formula each value takes;
where the pieces at the two ends differ, there is no measurement.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.random import Generator

from mlp.backend import to_numpy
from mlp.diagnostics.gradients.probes.randomness import rewinders
from mlp.diagnostics.gradients.styles.arrays import leaves_of, put_copy
from mlp.errors import ShapeError
from mlp.layers import frozen_buffers, observed
from mlp.layers.machinery.base import Layer
from mlp.typing import Array

STEP = 1e-5  # times max(1, |x_i|)
STEPS = tuple(1e-6 * 4**k for k in range(11))  # 1e-6 .. 1, for arrays that need another
Measured = dict[str, tuple[list[tuple[int, ...]], Array]]  # by name: coordinates, and the gradient there
FLOOR = 1e-6  # of the largest array's norm: a gradient below it counts as zero


def relative_error(analytic: Array, numeric: Array, largest_norm: float) -> float:
    """Return |analytic - numeric| / max(|numeric|, 1e-6 largest_norm), with norms over the whole array.

    Some gradients are exactly zero (of a bias before batch norm), and their measured values are rounding. The floor
    keeps them from being divided by it.

    Args:
        analytic: the gradient under test.
        numeric: what it should be, of the same shape.
        largest_norm: the largest |numeric| among all arrays that are compared together.

    Returns:
        A float; infinity if `analytic` has values that are not finite.

    Raises:
        ShapeError: the shapes differ (broadcasting could hide it).
    """
    if np.shape(analytic) != np.shape(numeric):
        raise ShapeError(f"gradients of shapes {np.shape(analytic)} and {np.shape(numeric)} cannot be compared.")
    difference = norm(on_host(analytic) - on_host(numeric))
    scale = error_scale(numeric, largest_norm)
    if difference == 0.0:
        return 0.0
    return difference / scale if math.isfinite(difference) and scale > 0.0 else math.inf


def error_scale(numeric: Array, largest_norm: float) -> float:
    """Return the norm that errors of an array are divided by."""
    return max(norm(numeric), FLOOR * largest_norm)


def norm(array: Array) -> float:
    """Return the root of the sum of squares of an array of any shape, as a float."""
    return float(np.linalg.norm(on_host(array)))


def on_host(array: Any) -> Array:
    """Return `array` as float64 on the CPU: squares of small float32 gradients would underflow."""
    return np.asarray(to_numpy(array), dtype=np.float64)


def compare_gradients(mine: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, float]:
    """Return, by name, the `relative_error` of every array of `mine` against its `reference`: dicts of arrays."""
    largest = max((norm(array) for array in reference.values()), default=0.0)
    return {name: relative_error(mine[name], array, largest) for name, array in reference.items()}


@contextmanager
def restoring(arrays: Iterable[Array]) -> Iterator[list[Array]]:
    """Within this context arrays may be changed; afterwards, also after an error, they hold what they held before.

    The context gives copies of what they held.
    """
    arrays = list(arrays)
    held = [array.copy() for array in arrays]
    try:
        yield held
    finally:
        for array, before in zip(arrays, held, strict=True):
            array[...] = before


class Probe:
    """A layer at one point: its inputs and parameters, which finite differences move one coordinate at a time.

    Args:
        layer: in float64; its parameters are moved and put back, its buffers stay.
        x: the inputs, which are moved and put back as well.
        training: the mode of the forward passes.

    Attributes:
        arrays: "inputs" and every parameter by its name: the arrays themselves, no copies.
    """

    def __init__(self, layer: Layer, x: Array, *, training: bool) -> None:
        self.layer, self.x, self.training = layer, x, training
        self.arrays = {"inputs": x, **{name: p.data for name, p in layer.named_parameters()}}
        self.rewinders: list[Callable[[], None]] = []

    @property
    def owner(self) -> Any:
        """Whose code the layer runs: that of the object inside an adapter, else its own."""
        return getattr(self.layer, "student", self.layer)

    def hold_randomness(self) -> None:
        """From now on every forward draws the same random numbers, those that the next one would draw."""
        self.rewinders = rewinders(self.layer)

    def hold_arrays(self, paths: Iterable[str]) -> None:
        """From now on every forward begins with the values that the owner's arrays at these paths have now."""
        there = leaves_of(self.owner)
        self.rewinders += [partial(put_copy, self.owner, path, there[path].copy()) for path in paths]

    def forward(self) -> Array:
        for rewind in self.rewinders:
            rewind()
        return self.layer.forward(self.x, self.training)

    def outputs(self) -> Array:
        """Return a copy of the outputs; a probe is not a training step, so the buffers are put back."""
        with frozen_buffers(self.layer):
            return np.array(self.forward())

    def outputs_and_pieces(self) -> tuple[Array, list[Array]]:
        """Return the outputs, and the list of the pieces that all formulas with pieces took."""
        pieces = []

        def see(layer: Layer, x: Array, _: Array) -> None:
            branches = layer.branches(x)
            if branches is not None:
                pieces.append(branches)

        with observed(self.layer, see):
            return self.outputs(), pieces

    def backward(self, upstream: Array) -> dict[str, Any]:
        """Return what forward and backward give for every array in `arrays`: gradients by name, as copies."""
        with frozen_buffers(self.layer):
            self.forward()
            grad_inputs = self.layer.backward(upstream)
        grad_inputs = grad_inputs.copy() if isinstance(grad_inputs, np.ndarray) else grad_inputs
        return {"inputs": grad_inputs, **{name: p.grad.copy() for name, p in self.layer.named_parameters()}}

    def difference(self, upstream: Array, name: str, index: tuple[int, ...], step: float = STEP) -> float | None:
        """Return formula (1) for one coordinate of one array, or None where a kink lies between the two points."""
        array = self.arrays[name]
        value = array[index]
        h = step * max(1.0, abs(float(value)))
        array[index] = above = value + h
        y_above, pieces_above = self.outputs_and_pieces()
        array[index] = below = value - h
        y_below, pieces_below = self.outputs_and_pieces()
        array[index] = value
        if any(not np.array_equal(a, b) for a, b in zip(pieces_above, pieces_below, strict=True)):
            return None
        return float((upstream * (y_above - y_below)).sum()) / float(above - below)

    def differences(self, upstream: Array, name: str) -> Array:
        """Return formula (1) for every coordinate of one array, with 0 where a kink lies in between."""
        shape = self.arrays[name].shape
        values = [self.difference(upstream, name, index) or 0.0 for index in np.ndindex(shape)]
        return np.array(values).reshape(shape)

    def measure(self, upstream: Array, coordinates: int, required: float, rng: Generator) -> Measured | None:
        """Measure the gradients of all arrays, each in `coordinates` random coordinates (or all it has, if fewer).

        A coordinate that meets a kink is left out, and another one of the array takes its place while there is one.

        Args:
            upstream: dL/dy.
            coordinates: how many to measure.
            required: the fraction of them without which the measurement is useless.
            rng: generator that chooses the coordinates.

        Returns:
            A dict from name to (indices, values): the list of the coordinates, and the array of their measurements.
            None if too many coordinates of an array meet kinks.
        """
        measured = {}
        for name, array in self.arrays.items():
            wanted = min(coordinates, array.size)
            found: dict[tuple[int, ...], float] = {}
            for flat_index in rng.permutation(array.size):
                if len(found) == wanted:
                    break
                index = np.unravel_index(flat_index, array.shape)
                value = self.difference(upstream, name, index)
                if value is not None:
                    found[index] = value
            if len(found) < required * wanted:
                return None
            measured[name] = list(found), np.array(list(found.values()))
        return measured

    def measure_again(
        self, upstream: Array, name: str, indices: Sequence[tuple[int, ...]], first: Array
    ) -> tuple[Array, float]:
        """Measure one array with all of `STEPS`; return the measurement that the steps agree on best, and its error.

        One step is not right for all: of a gradient of 1e-12 (a bias before batch norm), h = 1e-5 shows nothing but the
        rounding of the outputs; of a function that bends sharply (batch norm of few values), it shows the h^2 term
        of (1). Two steps h and 4h remove that term: (16 n(h) - n(4h)) / 15 (Richardson extrapolation). Where two
        neighbours of these agree best, rounding and what is left of (1) are smallest together, and the distance between
        the two says how large they are. The gradient under test has no say in this.
        """
        measurements = []
        for step in STEPS:
            values = [self.difference(upstream, name, index, step) for index in indices]
            if None in values:  # this step reaches a kink, and so will the larger ones
                break
            measurements.append(np.array(values))
        extrapolated = [(16.0 * fine - coarse) / 15.0 for fine, coarse in pairwise(measurements)]
        gaps = [norm(coarse - fine) for fine, coarse in pairwise(extrapolated)]
        if not gaps:
            return first, math.inf
        return extrapolated[1 + gaps.index(min(gaps))], min(gaps)
