"""The plane that shows most of a training path.

Random directions show nothing of a path: in a space of P weights it is nearly at a right angle to each of them. The
plane that shows most of it is spanned by its principal components. With the weights w_t after epoch t = 0 .. T:

    rows of A      w_t - w_T, minus their mean                     (T + 1, P)
    A = U S V^T    v_1, v_2: the first two rows of V^T             the directions, of length 1
    s_k^2 / sum s^2                                                the share of the path's spread that v_k explains
    (w_t - w_T) . v_k                                              the coordinates of epoch t; those of epoch T are 0
"""

from dataclasses import dataclass

import numpy as np

from mlp.errors import ConfigurationError
from mlp.typing import Array


@dataclass(frozen=True)
class Trajectory:
    """A path in its principal plane.

    Attributes:
        coordinates: (T + 1, 2), relative to the last point, which is (0, 0).
        directions: (2, P), orthonormal. explained: (2,), their shares of the path's spread, in 0 .. 1.
    """

    coordinates: Array
    directions: Array
    explained: Array


def trajectory(weights: Array) -> Trajectory:
    """Return the Trajectory of weights (T + 1, P): a row for each epoch, of which the last is the end of training.

    Raises:
        ConfigurationError: there are fewer than three points, which many planes contain, the path does not move, or a
            weight is infinite or NaN.
    """
    weights = np.asarray(weights, np.float64)
    if weights.ndim != 2 or len(weights) < 3:
        raise ConfigurationError(
            f"a trajectory needs the weights of three epochs or more, as (T + 1, P), got {weights.shape}"
        )
    if not np.isfinite(weights).all() or (weights == weights[-1]).all():
        raise ConfigurationError("the weights do not move, or are not finite: there is no plane to draw their path in")
    rows = weights - weights[-1]  # (T + 1, P)
    _, sizes, directions = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    largest = np.abs(directions[:2]).argmax(axis=1)  # of v and -v, take the one whose largest number is positive
    directions = directions[:2] * np.sign(directions[[0, 1], largest])[:, None]  # (2, P)
    return Trajectory(rows @ directions.T, directions, sizes[:2] ** 2 / (sizes**2).sum())
