"""The loss on a grid around a network: Z[j, i] = L(w + x_i d_x + y_j d_y), rows are y, columns are x.

A grid of 25 x 25 points costs as much as 25 x 25 evaluations. The middle is visited first, then the points of finer and
finer grids around it, so that there is soon a rough picture.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from mlp.backend import device_of
from mlp.checks import within
from mlp.diagnostics.landscape.directions import random_direction
from mlp.diagnostics.landscape.plane import Direction, PointLoss, loss_in_plane
from mlp.engine import make_engine
from mlp.errors import ConfigurationError
from mlp.layers.machinery.base import Layer
from mlp.losses import Loss
from mlp.typing import Array

MOST_POINTS = 10_001  # on an axis
FARTHEST = 1e6  # times the norms of the weights: losses overflow long before

GridPoint = tuple[int, int]  # (row, column)


@dataclass
class Landscape:
    """Loss and accuracy on a grid; NaN at points that were not visited yet.

    Attributes:
        x, y: how far along each direction, (columns,) and (rows,); y is [0.] for a line.
        loss, accuracy: (rows, columns). visited: bools of that shape.
        directions: of x and y, see `mlp.diagnostics.landscape.directions`.
    """

    x: Array
    y: Array
    directions: list[Direction] = field(default_factory=list)
    loss: Array = field(init=False)
    accuracy: Array = field(init=False)
    visited: Array = field(init=False)

    def __post_init__(self) -> None:
        shape = len(self.y), len(self.x)
        self.loss, self.accuracy = np.full(shape, np.nan), np.full(shape, np.nan)
        self.visited = np.zeros(shape, bool)

    @property
    def centre(self) -> float:
        """The loss of the network itself, at (0, 0); NaN if that is not on the grid, or was not visited yet."""
        return self.value_at(self.loss)

    @property
    def centre_accuracy(self) -> float:
        """The accuracy of the network itself, as `centre`."""
        return self.value_at(self.accuracy)

    def value_at(self, values: Array) -> float:
        """Return the one of `values` (rows, columns) that belongs to (0, 0); NaN if that is not on the grid."""
        rows, columns = np.flatnonzero(self.y == 0.0), np.flatnonzero(self.x == 0.0)
        return float(values[rows[0], columns[0]]) if len(rows) and len(columns) else math.nan

    @property
    def row(self) -> Array:
        """The losses along x, at y = 0, (columns,); NaN if the grid has no such row."""
        rows = np.flatnonzero(self.y == 0.0)
        return self.loss[rows[0]] if len(rows) else np.full(len(self.x), np.nan)

    @property
    def half_width(self) -> float:
        """How far along x the loss is one nat above that of the network: the mean of both sides.

        Between two points of the grid the loss is taken to be linear. The width is infinite if the loss does not rise
        so far.
        """
        sides = self.x >= 0.0, self.x <= 0.0
        return sum(first_crossing(np.abs(self.x[side]), self.row[side], self.centre + 1.0) for side in sides) / 2

    def rough(self) -> tuple[Array, Array, Array]:
        """Return (x, y, loss) of the finest regular grid on which all points were visited."""
        step = 1
        while True:
            rows, columns = (every(len(axis), step) for axis in (self.y, self.x))
            if self.visited[np.ix_(rows, columns)].all() or len(columns) == 1:
                return self.x[columns], self.y[rows], self.loss[np.ix_(rows, columns)]
            step *= 2


def first_crossing(distance: Array, loss: Array, level: float) -> float:
    """Return the smallest distance at which the loss reaches `level`, by linear interpolation; infinity if nowhere."""
    order = np.argsort(distance)
    distance, loss = distance[order], loss[order]
    above = np.flatnonzero(~(loss < level))  # NaN counts as above: such a loss has exploded
    if not len(above) or above[0] == 0:
        return math.inf
    i = above[0]
    if not np.isfinite(loss[i]):
        return float(distance[i])
    part = (level - loss[i - 1]) / (loss[i] - loss[i - 1])
    return float(distance[i - 1] + part * (distance[i] - distance[i - 1]))


def every(n: int, step: int) -> Array:
    """Return every `step`-th index of n, counted from the middle one, (m,)."""
    middle = n // 2
    return np.arange(middle % step, n, step)


def refining_order(rows: int, columns: int) -> list[GridPoint]:
    """Return all points of a grid, the middle one first, then those of finer and finer grids around it."""

    def fineness(index: int, n: int) -> int:
        offset = abs(index - n // 2)
        return offset & -offset if offset else 1 << 30  # the largest power of two that divides the offset

    points = [(j, i) for j in range(rows) for i in range(columns)]
    coarse = {(j, i): min(fineness(j, rows), fineness(i, columns)) for j, i in points}
    return sorted(points, key=lambda point: (-coarse[point], point))


def grid(points: int, limits: tuple[float, float]) -> Array:
    """Return evenly spaced numbers, (points,); if the limits are symmetric, the middle one is exactly 0.

    Raises:
        ConfigurationError: an even number of points, or limits that are not in order.
    """
    if not (isinstance(points, int) and points >= 3 and points % 2):
        raise ConfigurationError(f"points must be an odd number of at least 3, so that the middle is one: got {points}")
    within("points", points, 3, MOST_POINTS)
    low, high = float(limits[0]), float(limits[1])
    if not -math.inf < low < high < math.inf:
        raise ConfigurationError(f"the range must be two numbers, the lower one first, got {limits[0]:g} {limits[1]:g}")
    if max(-low, high) > FARTHEST:
        raise ConfigurationError(
            f"the range must lie within {-FARTHEST:g} .. {FARTHEST:g}, got {limits[0]:g} {limits[1]:g}"
        )
    axis = np.linspace(low, high, points)
    if low == -high:
        axis[points // 2] = 0.0
    return axis


def landscape(
    model: Layer,
    loss: Loss,
    x: Array,
    targets: Array,
    directions: Sequence[Direction] | None = None,
    *,
    points: int = 25,
    limits: tuple[float, float] = (-1.0, 1.0),
    statistics: str = "running",
    seed: int = 0,
    line: bool = False,
    batch_size: int = 100,
    engine: str = "auto",
    threads: int | None = None,
    tell: Callable[[Landscape], object] | None = None,
) -> Landscape:
    """Return the loss around a model, which is left as it was.

    Args:
        x, targets: images and their classes. directions: of x and y; None draws filter-normalized ones with `seed`.
        points: on each axis, an odd number. limits: how far, along both axes.
        statistics: "running" or "batch", what batch norm normalizes with, see `mlp.diagnostics.landscape.plane`.
        line: whether to compute only the row y = 0. batch_size: images at once. engine, threads: see `mlp.engine`.
        tell: called with the Landscape after each point.
    """
    if directions is None:
        directions = [random_direction(model, k, seed) for k in (0, 1)]
    axis = grid(points, limits)
    flat = line or len(directions) == 1
    found = Landscape(axis, np.zeros(1) if flat else axis.copy(), list(directions))
    machine = make_engine(engine, threads, device_of(model.parameters()[0].data))
    with loss_in_plane(model, loss, (x, targets), directions, statistics, batch_size, engine=machine) as at:
        for _ in explore(at, found):
            if tell is not None:
                tell(found)
    return found


def explore(at: PointLoss, found: Landscape) -> Iterator[GridPoint]:
    """Visit the points of a Landscape that were not visited yet, in refining order; yield each."""
    for j, i in refining_order(len(found.y), len(found.x)):
        if not found.visited[j, i]:
            found.loss[j, i], found.accuracy[j, i] = at(float(found.x[i]), float(found.y[j]))
            found.visited[j, i] = True
            yield j, i
