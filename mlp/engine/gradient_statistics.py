"""Statistics of the gradient of every weight tensor, accumulated step by step on the device of the gradients.

For a tensor with gradient g of n numbers, in one step:

    mean_abs = (1/n) sum |g|       l2 = sqrt(sum g^2)       max_abs = max |g|       zeros = fraction with g = 0

They are read once an epoch: the mean of each over all steps, and its value in the last step (the reports' figures show
mean_abs of the last batch). All tensors lie in one flat array, so a step makes four passes over it, in segments that
begin at the tensors' offsets. Sums are taken in float64: squares of vanishing gradients would underflow in float32.
"""

import re
from typing import Any

import numpy as np

from mlp.backend import get_array_module, reduce_segments, to_numpy
from mlp.errors import ConfigurationError
from mlp.layers.parameter import FlatParameters
from mlp.typing import Array

STATISTICS = ("mean_abs", "l2", "max_abs", "zeros")
EVERYTHING = "weights and biases"
CHOICES = ("weights", EVERYTHING)


class GradientStatistics:
    """Accumulates the statistics of a model's gradients.

    Args:
        flat: the model's FlatParameters.
        which: the tensors, see `rows_of`.
    """

    def __init__(self, flat: FlatParameters, which: str = "weights") -> None:
        self.flat = flat
        self.rows = rows_of(flat, which)
        self.names = [flat.parameters[row].name for row in self.rows]
        self.sizes = np.array([p.data.size for p in flat.parameters])
        self._start()

    def _start(self) -> None:
        self.steps = 0
        self.sums: dict[str, Any] = dict.fromkeys(STATISTICS, 0.0)
        self.last: dict[str, Any] = {}

    def accumulate(self) -> None:
        """Add the statistics of one step."""
        xp, starts = get_array_module(self.flat.grad), self.flat.offsets
        size = xp.abs(self.flat.grad).astype(np.float64)  # (P,)
        self.last = {
            "mean_abs": reduce_segments("add", size, starts) / xp.asarray(self.sizes),  # one number per tensor
            "l2": xp.sqrt(reduce_segments("add", size * size, starts)),
            "max_abs": reduce_segments("maximum", size, starts),
            "zeros": reduce_segments("add", (size == 0).astype(np.float64), starts) / xp.asarray(self.sizes),
        }
        self.sums = {name: self.sums[name] + self.last[name] for name in STATISTICS}
        self.steps += 1

    def read(self) -> dict[str, Array]:
        """Return {"mean_abs": array, ..., "last_mean_abs": array, ...} and start again from zero.

        Each array has a number for each tensor in `names`. If there was no step since the last call, all are NaN.
        """
        result = {}
        for name in STATISTICS:
            mean: Array = self.sums[name] / self.steps if self.steps else np.full(len(self.sizes), np.nan)
            result[name] = to_numpy(mean)[self.rows]
            result[f"last_{name}"] = to_numpy(self.last.get(name, mean))[self.rows]
        self._start()
        return result


def rows_of(flat: FlatParameters, which: str) -> Array:
    """Return the indices of those parameters in `flat` whose statistics are wanted, in forward order.

    Args:
        which: "weights" leaves out biases (parameters called bias or beta), as the reports do, and the companions of a
            deeply supervised network, which are not part of it; "weights and biases" takes all.

    Raises:
        ConfigurationError: `which` is something else.
    """
    if which not in CHOICES:
        raise ConfigurationError(f"gradient statistics are for {' or '.join(CHOICES)}, got {which!r}")
    names = [p.name for p in flat.parameters]
    return np.flatnonzero(
        [which != "weights" or not re.search(r"(^|\.)(bias|beta)$|^companions\.", name) for name in names]
    )
