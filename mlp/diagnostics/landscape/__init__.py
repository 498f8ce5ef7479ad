"""The loss around a network: what it becomes when the weights move along a line, or in a plane.

    directions   where to go: random directions that respect the size of every filter
    plane        the loss at a point of a plane through the weights
    surface      the loss on a whole grid, in an order that soon shows a rough picture
    between      the straight line from one network to another
    trajectory   the plane in which a training path lies best

Reference: Li, Xu, Taylor, Studer and Goldstein, Visualizing the loss landscape of neural nets, 2018.
"""

from mlp.diagnostics.landscape.between import direction_to
from mlp.diagnostics.landscape.directions import cosine, filter_normalized, random_direction
from mlp.diagnostics.landscape.plane import STATISTICS, Direction, loss_in_plane
from mlp.diagnostics.landscape.surface import Landscape, explore, landscape, refining_order
from mlp.diagnostics.landscape.trajectory import Trajectory, trajectory

__all__ = [
    "STATISTICS",
    "Direction",
    "Landscape",
    "Trajectory",
    "cosine",
    "direction_to",
    "explore",
    "filter_normalized",
    "landscape",
    "loss_in_plane",
    "random_direction",
    "refining_order",
    "trajectory",
]
