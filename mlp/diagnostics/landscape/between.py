"""The straight line from one network to another of the same architecture: w_a + t (w_b - w_a).

t = 0 is the first, t = 1 the second; the figure shows whether a hill lies between them. Running statistics of batch
norms are interpolated as well: with those of the first network, the losses near the second would be wrong.
"""

from collections.abc import Mapping

import numpy as np

from mlp.layers.machinery.base import Layer
from mlp.layers.machinery.checks import check_state
from mlp.typing import Array


def direction_to(model: Layer, other: Mapping[str, Array]) -> dict[str, Array]:
    """Return the direction from a model to the `state_dict` of another: parameters and buffers, in float64.

    Counters, such as dropout's step, are left out: there is nothing between two of them.

    Raises:
        ShapeError: the other network has parameters of other names or shapes.
    """
    mine = model.state_dict()
    check_state(mine, other)
    return {
        name: np.asarray(other[name], np.float64) - array.astype(np.float64)
        for name, array in mine.items()
        if array.dtype.kind == "f"
    }
