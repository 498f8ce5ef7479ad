"""Normalizations and poolings whose forward is not what the name of the class says."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.layers import Layer, Parameter
from mlp.typing import Array


class MyBatchNorm(Layer):
    """A batch norm with running statistics, in parts that can be done wrong."""

    buffer_names = ("running_mean", "running_var")

    def __init__(self, d: int) -> None:
        self.running_mean, self.running_var = np.zeros(d), np.ones(d)

    def forward(self, x: Array, training: bool = False) -> Array:
        if training:
            mean, var = x.mean(axis=0), self.variance(x)
            self.running_mean = 0.9 * self.running_mean + 0.1 * mean
            self.running_var = 0.9 * self.running_var + 0.1 * var
            std = np.sqrt(var + 1e-5)
        else:
            mean, std = self.running_mean, self.evaluated(self.running_var)
        x_hat = (x - mean) / std
        self.keep(x_hat, std, training)
        return np.asarray(x_hat)

    def variance(self, x: Array) -> Array:
        """Return what is taken for the variance of a batch."""
        return np.asarray(x.var(axis=0))

    def evaluated(self, var: Array) -> Array:
        """Return what evaluation divides by."""
        return np.sqrt(var + 1e-5)

    def backward(self, grad_outputs: Array) -> Array:
        x_hat, std, training = self.take()
        d = grad_outputs
        if training:
            d = d - d.mean(axis=0) - x_hat * (d * x_hat).mean(axis=0)
        return np.asarray(d / std)


class MyBatchNormWithoutRoot(MyBatchNorm):
    """Evaluation divides by the running variance, not by its root."""

    def evaluated(self, var: Array) -> Array:
        return var + 1e-5


class MyBatchNormOfSquares(MyBatchNorm):
    """The variance is the mean of x^2: the mean is not subtracted."""

    def variance(self, x: Array) -> Array:
        return np.asarray((x**2).mean(axis=0))


class MyGroupNormOfRows(Layer):
    """Images with their channels last are reshaped to (N, G, -1), which makes groups of rows."""

    def __init__(self, groups: int, c: int) -> None:
        self.groups = groups
        self.gamma = Parameter(np.ones(c))

    def forward(self, x: Array, training: bool = False) -> Array:
        sets = x.reshape(len(x), self.groups, -1)
        std = np.sqrt(sets.var(axis=2, keepdims=True) + 1e-5)
        x_hat = (sets - sets.mean(axis=2, keepdims=True)) / std
        self.keep(x_hat, std)
        return np.asarray(x_hat.reshape(x.shape) * self.gamma.data)

    def backward(self, grad_outputs: Array) -> Array:
        x_hat, std = self.take()
        self.gamma.grad = (grad_outputs * x_hat.reshape(grad_outputs.shape)).sum(axis=(0, 1, 2))
        d = (grad_outputs * self.gamma.data).reshape(x_hat.shape)
        dx = d - d.mean(axis=2, keepdims=True) - x_hat * (d * x_hat).mean(axis=2, keepdims=True)
        return np.asarray((dx / std).reshape(grad_outputs.shape))


class MyMaxPool(Layer):
    """The windows start at i, where they must start at i times the stride."""

    def __init__(self, size: int, stride: int) -> None:
        self.size, self.stride = size, stride

    def windows(self, x: Array) -> list[tuple[int, int, Array]]:
        """Return (row, column, window) of each output."""
        k, s = self.size, self.stride
        rows, columns = ((n - k) // s + 1 for n in x.shape[1:3])
        return [(i, j, x[:, i : i + k, j : j + k]) for i in range(rows) for j in range(columns)]

    def forward(self, x: Array, training: bool = False) -> Array:
        found = self.windows(x)
        y = np.zeros((len(x), found[-1][0] + 1, found[-1][1] + 1, x.shape[3]), x.dtype)
        for i, j, window in found:
            y[:, i, j] = window.max(axis=(1, 2))
        self.keep(x, y)
        return y

    def backward(self, grad_outputs: Array) -> Array:
        x, y = self.take()
        dx = np.zeros_like(x)
        for (i, j, window), (_, _, part) in zip(self.windows(x), self.windows(dx), strict=True):
            part += (window == y[:, i : i + 1, j : j + 1]) * grad_outputs[:, i : i + 1, j : j + 1]
        return dx


BUGS = [
    PlantedBug(MyBatchNormWithoutRoot, "running statistics", lambda: (4,), (6, 4)),
    PlantedBug(MyBatchNormOfSquares, "variance without the mean", lambda: (4,), (6, 4)),
    PlantedBug(MyGroupNormOfRows, "groups of channels", lambda: (2, 4), (2, 4, 3, 4)),
    PlantedBug(MyMaxPool, "forward", lambda: (2, 2), (2, 6, 6, 2)),
]
