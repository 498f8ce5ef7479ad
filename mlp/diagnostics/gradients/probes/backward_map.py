"""Backward as what it has to be, a linear map of the upstream gradient, taken apart.

    backward(0) = 0,   backward(2 u) = 2 backward(u),   backward(-u) = -backward(u)
    backward(u) = sum over outputs o of u_o B_o         with B_o = backward(e_o)

B_o is what backward makes of the gradient of one output, and has to be the row J_o of the Jacobian, dy_o/dx. Comparing
them row by row shows what one vector cannot: which outputs are forgotten, which window belongs to which output.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlp.diagnostics.gradients.budget import affordable
from mlp.diagnostics.gradients.finite_differences import Probe
from mlp.typing import Array

MOST_OUTPUTS = 600  # forward and backward run once for each output


@dataclass
class BackwardMap:
    """What backward gives for special upstream gradients at one point, by the names of the arrays."""

    probe: Probe
    upstream: Array

    def response(self, upstream: Array) -> dict[str, Array]:
        """Return the gradients for an upstream gradient."""
        return {name: np.asarray(array) for name, array in self.probe.backward(upstream.copy()).items()}

    @cached_property
    def of_zero(self) -> dict[str, Array]:
        return self.response(np.zeros_like(self.upstream))

    @cached_property
    def of_double(self) -> dict[str, Array]:
        return self.response(2.0 * self.upstream)

    @cached_property
    def of_negative(self) -> dict[str, Array]:
        return self.response(-self.upstream)

    @cached_property
    def rows(self) -> dict[str, Array] | None:
        """Return B by the names of the arrays, (outputs, *array.shape); None if the outputs are too many."""
        if self.upstream.size > MOST_OUTPUTS:
            return None
        if not affordable(lambda: self.response(self.upstream), self.upstream.size):
            return None
        found: dict[str, list[Array]] = {}
        for index in np.ndindex(self.upstream.shape):
            one = np.zeros_like(self.upstream)
            one[index] = 1.0
            for name, array in self.response(one).items():
                found.setdefault(name, []).append(array - self.of_zero[name])
        return {name: np.stack(arrays) for name, arrays in found.items()}
