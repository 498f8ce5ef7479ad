"""Batch normalization: give every channel mean 0 and variance 1 over the batch, then a learned scale and shift.

    x      inputs (N, D) or (N, H, W, C), seen as m rows of C channels: m = N for vectors, N H W for images
    mu, v  mean and variance of a channel over the m rows      (C,)
    x_hat  normalized inputs                                   (m, C)
    gamma, beta   learned scale and shift                      (C,)
    eps    1e-5, keeps the root away from zero

Forward in training (each channel by itself; sums run over the m rows):

    mu = (1/m) sum x          v = (1/m) sum (x - mu)^2                                     (1)
    x_hat = (x - mu) / sqrt(v + eps)                                                       (2)
    y = gamma x_hat + beta                                                                 (3)

The variance is biased (divided by m). For evaluation, running averages of the statistics are kept, with
momentum r = 0.1 and the unbiased variance, as PyTorch has it:

    running_mean <- (1 - r) running_mean + r mu
    running_var  <- (1 - r) running_var  + r v m/(m - 1)

Backward in training. Write g = dL/dy. From (3):

    dL/dbeta = sum g          dL/dgamma = sum g x_hat          dL/dx_hat = gamma g         (4)

Every x_i moves its own x_hat_i, and through mu and v all the others. From (1) and (2), with s = sqrt(v + eps) and
delta_ij = 1 for i = j, else 0,

    d x_hat_j / d x_i = (1/s) ( delta_ij - 1/m - x_hat_i x_hat_j / m )                     (5)

(the second term is the path through the mean, the third the path through the variance). Summing gamma g_j over j:

    dL/dx = (gamma / s) ( g - (1/m) sum g - x_hat (1/m) sum g x_hat )
          = (gamma / s) ( g - (dL/dbeta + x_hat dL/dgamma) / m )                           (6)

The result has mean zero: moving all inputs together changes nothing. Apart from eps, it has no component along x_hat:
scaling them changes nothing either.

In evaluation the statistics are constants: x_hat = (x - running_mean) / sqrt(running_var + eps), and
dL/dx = gamma g / sqrt(running_var + eps).                                                 (7)

Keeps x_hat (the size of the inputs); backward needs it for the last time and writes dL/dx into its memory.

Reference: Ioffe and Szegedy, Batch normalization, 2015, algorithm 1.
"""

import numpy as np
from numpy.random import Generator

from mlp.backend import get_array_module, sum_rows
from mlp.checks import at_least_one, float_type, fraction, not_negative
from mlp.errors import ShapeError
from mlp.layers.machinery.base import Layer
from mlp.layers.parameter import Parameter
from mlp.typing import Array, DType


class BatchNorm(Layer):
    """Batch normalization over all axes but the last, (N, D) -> (N, D) or (N, H, W, C) -> (N, H, W, C).

    Args:
        num_features: C (or D), the number of channels.
        eps: added to the variance.
        momentum: r, the weight of the newest batch in the running statistics.
        dtype: of gamma, beta and the running statistics.

    Raises:
        ConfigurationError: no channels, a negative eps, or a momentum outside 0 <= r < 1.
        ShapeError (forward in training): one value per channel, whose variance is always zero.
    """

    buffer_names = ("running_mean", "running_var")

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1, dtype: DType = np.float32) -> None:
        self.num_features = at_least_one("num_features", num_features)
        self.eps, self.momentum = not_negative("eps", eps), fraction("momentum", momentum)
        dtype = float_type(dtype)
        self.gamma = Parameter(np.ones(num_features, dtype))
        self.beta = Parameter(np.zeros(num_features, dtype))
        self.running_mean = np.zeros(num_features, dtype)
        self.running_var = np.ones(num_features, dtype)

    def reset_parameters(self, rng: Generator) -> None:
        self.gamma.data[...], self.beta.data[...] = 1.0, 0.0
        self.running_mean[...], self.running_var[...] = 0.0, 1.0

    def check_sets(self, x: Array, *, training: bool) -> None:
        """Raise ShapeError unless x is (N, C) or (N, H, W, C), for training with two values or more in a channel."""
        C = self.num_features
        self.check_inputs(x, ("N", "H", "W", C) if x.ndim == 4 else ("N", C))
        if training and x.size < 2 * C:
            raise ShapeError(
                f"{self.label()}: got one value per channel {x.shape}; training needs two or more: use a batch_size of "
                "at least 2 that leaves no last batch of one sample."
            )

    def forward(self, x: Array, training: bool = False) -> Array:
        self.check_sets(x, training=training)
        rows = x.reshape(-1, self.num_features)  # (m, C)
        if training:
            m = len(rows)
            mean = sum_rows(rows) / m  # (C,)
            x_hat = rows - mean  # (m, C), centred for now
            var = sum_rows(x_hat * x_hat) / m  # (C,)        (1)
            self._update(self.running_mean, mean)
            self._update(self.running_var, var * (m / (m - 1)))
        else:
            mean, var = self.running_mean, self.running_var
            x_hat = rows - mean
        std = get_array_module(x).sqrt(var + self.eps)  # (C,)
        x_hat /= std  # (m, C)      (2)
        self.keep(x_hat, std, training)
        y = self.gamma.data * x_hat
        y += self.beta.data  # (m, C)      (3)
        return y.reshape(x.shape)

    def _update(self, running: Array, batch_value: Array) -> None:
        running *= 1.0 - self.momentum
        running += self.momentum * batch_value

    def backward(self, grad_outputs: Array) -> Array:
        x_hat, std, training = self.take()  # (m, C), (C,)
        g, xp = grad_outputs.reshape(x_hat.shape), get_array_module(x_hat)  # (m, C)
        self.beta.grad = sum_rows(g)  # (C,)        (4)
        self.gamma.grad = sum_rows(g * x_hat)  # (C,)        (4)
        grad_inputs = x_hat  # its memory: from here on it holds the steps to dL/dx
        if training:
            m = len(x_hat)
            grad_inputs *= self.gamma.grad / m
            grad_inputs += self.beta.grad / m  # (dL/dbeta + x_hat dL/dgamma) / m
            g = xp.subtract(g, grad_inputs, out=grad_inputs)  # (m, C)      the bracket of (6)
        return xp.multiply(self.gamma.data / std, g, out=grad_inputs).reshape(grad_outputs.shape)  # (6), (7)

    def __repr__(self) -> str:
        return f"BatchNorm({self.num_features}, eps={self.eps}, momentum={self.momentum})"
