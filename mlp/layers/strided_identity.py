"""Strided identity: every s-th pixel as it is, with zeros for channels that the inputs do not have.

    x  inputs (N, H, W, C)      s  stride      y  outputs (N, OH, OW, F), OH = ceil(H / s), F >= C

    y[n,i,j,c] = x[n, s i, s j, c]     for c < C, else 0                                   (1)

It is the shortcut without parameters around a body that makes images smaller or adds channels (option A of He et al.;
option B is `Conv2d(C, F, kernel_size=1, stride=s, bias=False)`, option C has that around every block).

Backward. Each output is one input or a zero, so dL/dy goes back to the pixel it came from. Pixels that were left out,
and added channels, have no influence:

    dL/dx[n, s i, s j, c] = dL/dy[n,i,j,c]     for c < C, and 0 for all other pixels       (2)

Keeps nothing but the shape. Reference: He et al., Deep residual learning for image recognition, 2016, section 3.3.
"""

from mlp.backend import get_array_module
from mlp.checks import at_least_one
from mlp.errors import ConfigurationError
from mlp.layers.machinery.base import Layer
from mlp.typing import Array


class StridedIdentity(Layer):
    """Every s-th pixel down and right, (N, H, W, C) -> (N, ceil(H / s), ceil(W / s), F); the last F - C channels are 0.

    Args:
        in_channels, out_channels: C and F.
        stride: s.

    Raises:
        ConfigurationError: fewer channels out than in; a size below 1.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 2) -> None:
        self.in_channels = at_least_one("in_channels", in_channels)
        self.out_channels = at_least_one("out_channels", out_channels)
        self.stride = at_least_one("stride", stride)
        if out_channels < in_channels:
            raise ConfigurationError(
                f"out_channels must be at least in_channels {in_channels}, got {out_channels}: zeros can be added, "
                "but no channel taken away; use Conv2d with kernel_size=1 for that"
            )

    def forward(self, x: Array, training: bool = False) -> Array:
        self.check_inputs(x, ("N", "H", "W", self.in_channels))
        self.keep(x.shape)
        pixels = x[:, :: self.stride, :: self.stride]  # (N, OH, OW, C)
        y = get_array_module(x).zeros((*pixels.shape[:3], self.out_channels), x.dtype)  # (N, OH, OW, F)
        y[..., : self.in_channels] = pixels  # (1)
        return y

    def backward(self, grad_outputs: Array) -> Array:
        grad_inputs = get_array_module(grad_outputs).zeros(self.take(), grad_outputs.dtype)  # (N, H, W, C)
        grad_inputs[:, :: self.stride, :: self.stride] = grad_outputs[..., : self.in_channels]  # (2)
        return grad_inputs

    def __repr__(self) -> str:
        return f"StridedIdentity({self.in_channels}, {self.out_channels}, stride={self.stride})"
