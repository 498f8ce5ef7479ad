"""Max pooling: every window of an image becomes its largest value.

    x  inputs (N, H, W, C)      k  window size, s  stride      y  outputs (N, OH, OW, C), OH = (H - k) // s + 1

Forward, each channel by itself, and where the largest value stood (the first of equals, as in PyTorch):

    y[n,i,j] = max over u,v < k of x[n, s i + u, s j + v]      w[n,i,j] = its place (u, v), as the number k u + v    (1)

Backward. Only the winner of a window moves its output, one to one; a pixel that won in several windows collects:

    dL/dx[n, s i + u, s j + v] += dL/dy[n,i,j]     where w[n,i,j] = k u + v                                          (2)

Keeps w, one small integer for each output.
"""

from mlp.backend import get_array_module
from mlp.layers.pooling import Pool2d
from mlp.typing import Array


class MaxPool2d(Pool2d):
    """Maximum over windows of kernel_size x kernel_size pixels, (N, H, W, C) -> (N, OH, OW, C)."""

    def forward(self, x: Array, training: bool = False) -> Array:
        self.check_images(x)
        y, winners = self._maximum(x)  # both (N, OH, OW, C)
        self.keep(x.shape, winners)
        return y

    def _maximum(self, x: Array) -> tuple[Array, Array]:
        """Return the largest value of every window and the place where it stands."""
        xp = get_array_module(x)
        places = list(self.places(x.shape))
        y = x[places[0]]
        winners = xp.zeros(y.shape, xp.uint16)
        for number, place in enumerate(places[1:], start=1):
            wins = x[place] > y  # strictly: the first of equals stays
            winners[wins] = number
            y = xp.maximum(y, x[place])
        return y, winners  # (1)

    def backward(self, grad_outputs: Array) -> Array:
        shape, winners = self.take()
        grad_inputs = get_array_module(winners).zeros(shape, grad_outputs.dtype)  # (N, H, W, C)
        for number, place in enumerate(self.places(shape)):
            grad_inputs[place] += grad_outputs * (winners == number)  # (2)
        return grad_inputs

    def branches(self, x: Array) -> Array:
        return self._maximum(x)[1]
