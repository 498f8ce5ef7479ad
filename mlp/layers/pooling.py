"""Pooling: every window of an image becomes one number, its mean or its largest value.

    x  inputs (N, H, W, C)      k  window size, s  stride      y  outputs (N, OH, OW, C), OH = (H - k) // s + 1

For a fixed place (u, v) in the window the pixels x[s i + u, s j + v] of all windows form a grid with step s: one slice.
So all formulas are a loop over the k^2 places in a window, each channel by itself.

Average pooling, forward:

    y[n,i,j] = (1/k^2) sum over u,v < k of  x[n, s i + u, s j + v]                                                   (1)

Backward. Each input of a window had weight 1/k^2 in its mean; an input in several windows collects from each:

    dL/dx[n, s i + u, s j + v] += (1/k^2) dL/dy[n,i,j]      for all i, j and u, v < k                                (2)

It keeps nothing but the shape. Global average pooling, (N, H, W, C) -> (N, C), has one window, the whole image: there
1/(H W) stands in place of 1/k^2.

Max pooling, forward, and where the largest value stood (the first of equals, as in PyTorch):

    y[n,i,j] = max over u,v < k of x[n, s i + u, s j + v]      w[n,i,j] = its place (u, v), as the number k u + v    (3)

Backward. Only the winner of a window moves its output, one to one; a pixel that won in several windows collects:

    dL/dx[n, s i + u, s j + v] += dL/dy[n,i,j]     where w[n,i,j] = k u + v                                          (4)

It keeps w, one small integer for each output.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from mlp.backend import get_array_module
from mlp.checks import at_least_one
from mlp.errors import ShapeError
from mlp.layers.machinery.base import Layer
from mlp.typing import Array


class Pool2d(Layer):
    """What average and max pooling share: windows of k x k pixels with step s.

    Pixels that no window covers (when s does not divide H - k) have no influence, as in PyTorch.

    Args:
        kernel_size: k. stride: s, by default k. With k = 1 and s = 2 every other pixel is taken as it is.

    Raises:
        ConfigurationError: k or s below 1. ShapeError (forward): no images, or images smaller than a window.
    """

    def __init__(self, kernel_size: int, stride: int | None = None) -> None:
        self.kernel_size = at_least_one("kernel_size", kernel_size)
        self.stride = self.kernel_size if stride is None else at_least_one("stride", stride)

    def check_images(self, x: Array) -> None:
        """Raise ShapeError unless x is (N, H, W, C) and a window fits into H x W."""
        if x.ndim != 4 or min(x.shape[1:3]) < self.kernel_size:
            raise ShapeError(
                f"{self.label()}: expected (N, H, W, C) with H and W at least {self.kernel_size}, got {x.shape}."
            )

    def places(self, image_shape: Sequence[int]) -> Iterator[tuple[slice, slice, slice]]:
        """Yield, for each place (u, v) of a window, the slice of the images with that pixel of all windows."""
        (_, H, W, _), k, s = image_shape, self.kernel_size, self.stride
        OH, OW = (H - k) // s + 1, (W - k) // s + 1
        for u in range(k):
            for v in range(k):
                yield slice(None), slice(u, u + s * OH, s), slice(v, v + s * OW, s)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.kernel_size}, stride={self.stride})"


class AvgPool2d(Pool2d):
    """Mean over windows of kernel_size x kernel_size pixels, (N, H, W, C) -> (N, OH, OW, C)."""

    def forward(self, x: Array, training: bool = False) -> Array:
        self.check_images(x)
        self.keep(x.shape)
        y: Any = sum(x[place] for place in self.places(x.shape))  # (N, OH, OW, C)
        return y * (1.0 / self.kernel_size**2)  # (1)

    def backward(self, grad_outputs: Array) -> Array:
        shape = self.take()
        share = grad_outputs * (1.0 / self.kernel_size**2)  # (N, OH, OW, C)
        grad_inputs = get_array_module(share).zeros(shape, share.dtype)  # (N, H, W, C)
        for place in self.places(shape):
            grad_inputs[place] += share  # (2)
        return grad_inputs


class GlobalAvgPool(Layer):
    """Mean over all pixels of an image, (N, H, W, C) -> (N, C)."""

    def forward(self, x: Array, training: bool = False) -> Array:
        self.check_inputs(x, ("N", "H", "W", "C"))
        self.keep(x.shape)
        return x.mean(axis=(1, 2))  # (N, C)

    def backward(self, grad_outputs: Array) -> Array:
        N, H, W, C = self.take()
        share = grad_outputs[:, None, None, :] * (1.0 / (H * W))  # (N, 1, 1, C)
        return get_array_module(share).broadcast_to(share, (N, H, W, C))


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
        return y, winners  # (3)

    def backward(self, grad_outputs: Array) -> Array:
        shape, winners = self.take()
        grad_inputs = get_array_module(winners).zeros(shape, grad_outputs.dtype)  # (N, H, W, C)
        for number, place in enumerate(self.places(shape)):
            grad_inputs[place] += grad_outputs * (winners == number)  # (4)
        return grad_inputs

    def branches(self, x: Array) -> Array:
        return self._maximum(x)[1]
