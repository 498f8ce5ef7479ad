"""Layer, instance and group normalization: every sample by itself, whatever else is in its batch.

Batch norm takes mean and variance of a channel over all samples; small batches make them noisy, and evaluation needs
running averages. The layers here take them over values of one sample only, and differ only in which values form a set.
The channels are cut into G groups of K = C/G neighbours, and a set is one group of one sample:

    InstanceNorm   G = C    each channel by itself
    GroupNorm      G        K channels together
    LayerNorm      G = 1    all channels together

    x      inputs (N, D) or (N, H, W, C), seen as (N, P, G, K): P = H W pixels, or P = 1 and C = D for vectors
    mu, v  mean and variance of a set, of its m = P K values   (N, 1, G, 1)
    x_hat  normalized inputs                                   (N, P, G, K)
    gamma, beta   learned scale and shift of a channel         (G, K), stored as (C,)
    eps    1e-5, keeps the root away from zero

Forward, in training and in evaluation alike (sums run over the P and K of a set):

    mu = (1/m) sum x          v = (1/m) sum (x - mu)^2                                     (1)
    x_hat = (x - mu) / sqrt(v + eps)                                                       (2)
    y = gamma x_hat + beta                                                                 (3)

Backward. Write g = dL/dy, d = gamma g = dL/dx_hat, s = sqrt(v + eps). From (3), gamma and beta being the same for all
samples and pixels:

    dL/dbeta = sum g          dL/dgamma = sum g x_hat          over n and p                (4)

(1) and (2) are those of batch norm, so the derivative is (5) of `mlp.layers.batch_norm`, within each set:

    dL/dx = (1/s) ( d - (1/m) sum d - x_hat (1/m) sum d x_hat )                            (5)

There gamma came before the bracket. Here a set has several channels, each with a gamma of its own, so gamma stays under
the sums, and these are not dL/dbeta and dL/dgamma.

Keeps x_hat (the size of the inputs). PyTorch has the same: nn.GroupNorm(G, C), nn.InstanceNorm2d(C, affine=True), and
for vectors nn.LayerNorm(D). Its nn.LayerNorm((C, H, W)) for images has the statistics of ours but a gamma for every
pixel; ours, with one for every channel, fits images of any size and is its nn.GroupNorm(1, C).

References: Ba et al., Layer normalization, 2016; Ulyanov et al., Instance normalization, 2016; Wu and He, Group
normalization, 2018.
"""

import numpy as np
from numpy.random import Generator

from mlp.backend import get_array_module
from mlp.checks import at_least_one, float_type, not_negative
from mlp.errors import ConfigurationError, ShapeError
from mlp.layers.machinery.base import Layer
from mlp.layers.parameter import Parameter
from mlp.typing import Array, DType


class GroupNorm(Layer):
    """Normalization over the pixels and the channels of a group, (N, D) -> (N, D) or (N, H, W, C) -> (N, H, W, C).

    Args:
        num_groups: G.
        num_features: C (or D), the number of channels.
        eps: added to the variance.
        dtype: of gamma and beta.

    Raises:
        ConfigurationError: num_groups does not divide num_features, or a negative eps.
        ShapeError (forward): one value in a set, whose variance is always zero.
    """

    def __init__(self, num_groups: int, num_features: int, eps: float = 1e-5, dtype: DType = np.float32) -> None:
        self.num_groups = at_least_one("num_groups", num_groups)
        self.num_features, self.eps = at_least_one("num_features", num_features), not_negative("eps", eps)
        if num_features % num_groups:
            fitting = [str(g) for g in range(1, num_features + 1) if num_features % g == 0]
            raise ConfigurationError(
                f"num_groups must divide the {num_features} channels, got {num_groups}: use one of {', '.join(fitting)}"
            )
        dtype = float_type(dtype)
        self.gamma = Parameter(np.ones(num_features, dtype))
        self.beta = Parameter(np.zeros(num_features, dtype))

    def reset_parameters(self, rng: Generator) -> None:
        self.gamma.data[...], self.beta.data[...] = 1.0, 0.0

    def check_sets(self, x: Array) -> None:
        """Raise ShapeError unless x is (N, C) or (N, H, W, C) with two values or more in a set."""
        C, G = self.num_features, self.num_groups
        self.check_inputs(x, ("N", "H", "W", C) if x.ndim == 4 else ("N", C))
        if x.size == len(x) * G:  # one pixel, and groups of one channel
            raise ShapeError(
                f"{self.label()}: got one value per sample and channel {x.shape}; normalization needs two or more: "
                "larger images, or BatchNorm."
            )

    def forward(self, x: Array, training: bool = False) -> Array:
        self.check_sets(x)
        N, G, K = len(x), self.num_groups, self.num_features // self.num_groups
        sets = x.reshape(N, -1, G, K)  # (N, P, G, K)
        x_hat = sets - sets.mean(axis=(1, 3), keepdims=True)  # (N, P, G, K), centred for now
        var = (x_hat * x_hat).mean(axis=(1, 3), keepdims=True)  # (N, 1, G, 1)    (1)
        std = get_array_module(x).sqrt(var + self.eps)  # (N, 1, G, 1)
        x_hat /= std  # (N, P, G, K)    (2)
        self.keep(x_hat, std)
        y = self.gamma.data.reshape(G, K) * x_hat + self.beta.data.reshape(G, K)  # (3)
        return y.reshape(x.shape)

    def backward(self, grad_outputs: Array) -> Array:
        x_hat, std = self.take()  # (N, P, G, K), (N, 1, G, 1)
        G, K = x_hat.shape[2:]
        g = grad_outputs.reshape(x_hat.shape)  # (N, P, G, K)
        self.beta.grad = g.sum(axis=(0, 1)).reshape(-1)  # (C,)    (4)
        self.gamma.grad = (g * x_hat).sum(axis=(0, 1)).reshape(-1)  # (C,)    (4)
        d = self.gamma.data.reshape(G, K) * g  # (N, P, G, K)
        mean_d = d.mean(axis=(1, 3), keepdims=True)  # (N, 1, G, 1)
        mean_d_x_hat = (d * x_hat).mean(axis=(1, 3), keepdims=True)  # (N, 1, G, 1)
        return ((d - mean_d - x_hat * mean_d_x_hat) / std).reshape(grad_outputs.shape)  # (5)

    def __repr__(self) -> str:
        return f"GroupNorm({self.num_groups}, {self.num_features}, eps={self.eps})"


class LayerNorm(GroupNorm):
    """Normalization of each sample over all its values, (N, D) -> (N, D) or (N, H, W, C) -> (N, H, W, C).

    Args:
        num_features: C (or D), the number of channels, each with a gamma and a beta.
        eps, dtype: as for GroupNorm.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, dtype: DType = np.float32) -> None:
        super().__init__(1, num_features, eps, dtype)

    def __repr__(self) -> str:
        return f"LayerNorm({self.num_features}, eps={self.eps})"


class InstanceNorm(GroupNorm):
    """Normalization of each channel of each image over its pixels, (N, H, W, C) -> (N, H, W, C).

    Args:
        num_features: C, the number of channels.
        eps, dtype: as for GroupNorm.
    """

    def __init__(self, num_features: int, eps: float = 1e-5, dtype: DType = np.float32) -> None:
        super().__init__(num_features, num_features, eps, dtype)

    def __repr__(self) -> str:
        return f"InstanceNorm({self.num_features}, eps={self.eps})"
