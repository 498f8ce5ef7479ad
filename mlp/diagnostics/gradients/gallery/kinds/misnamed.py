"""Layers whose gradients are right, and whose forward is not what the name of the class says."""

import numpy as np

from mlp.diagnostics.gradients.gallery.planted import PlantedBug
from mlp.layers import Layer
from mlp.typing import Array


class MySigmoid(Layer):
    """The sign in the exponent is wrong."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y = 1.0 / (1.0 + np.exp(x))
        self.keep(y)
        return np.asarray(y)

    def backward(self, grad_outputs: Array) -> Array:
        y = self.take()
        return np.asarray(-grad_outputs * y * (1.0 - y))


class MyELU(Layer):
    """The 1 is not subtracted where x < 0."""

    def forward(self, x: Array, training: bool = False) -> Array:
        y = np.where(x > 0, x, np.exp(np.minimum(x, 0.0)))
        self.keep(x, y)
        return np.asarray(y)

    def backward(self, grad_outputs: Array) -> Array:
        x, y = self.take()
        return np.asarray(grad_outputs * np.where(x > 0, 1.0, y))


class MyGELU(Layer):
    """It is x sigmoid(x), a Swish."""

    def forward(self, x: Array, training: bool = False) -> Array:
        s = 1.0 / (1.0 + np.exp(-x))
        self.keep(x, s)
        return np.asarray(x * s)

    def backward(self, grad_outputs: Array) -> Array:
        x, s = self.take()
        return np.asarray(grad_outputs * (s + x * s * (1.0 - s)))


class MyGroupNorm(Layer):
    """Every other channel makes a group, where neighbours should."""

    def __init__(self, groups: int) -> None:
        self.groups = groups

    def forward(self, x: Array, training: bool = False) -> Array:
        sets = x.reshape(*x.shape[:3], -1, self.groups)
        std = np.sqrt(sets.var(axis=(1, 2, 3), keepdims=True) + 1e-5)
        x_hat = (sets - sets.mean(axis=(1, 2, 3), keepdims=True)) / std
        self.keep(x_hat, std)
        return np.asarray(x_hat.reshape(x.shape))

    def backward(self, grad_outputs: Array) -> Array:
        (x_hat, std), axes = self.take(), (1, 2, 3)
        d = grad_outputs.reshape(x_hat.shape)
        dx = d - d.mean(axes, keepdims=True) - x_hat * (d * x_hat).mean(axes, keepdims=True)
        return np.asarray((dx / std).reshape(grad_outputs.shape))


class MyLayerNorm(Layer):
    """The standard deviation stands where the variance belongs, and a root is taken of it."""

    def forward(self, x: Array, training: bool = False) -> Array:
        c = x - x.mean(axis=1, keepdims=True)
        std = x.std(axis=1, keepdims=True)
        self.keep(c, std)
        return np.asarray(c / np.sqrt(std))

    def backward(self, grad_outputs: Array) -> Array:
        c, std = self.take()
        along = (grad_outputs * c).mean(axis=1, keepdims=True)
        d = grad_outputs / np.sqrt(std) - 0.5 * c * along / std**2.5
        return np.asarray(d - d.mean(axis=1, keepdims=True))


class MyDropout(Layer):
    """p is the probability of being dropped, and values stay with it."""

    def __init__(self, p: float) -> None:
        self.p = p
        self.rng = np.random.default_rng(0)

    def forward(self, x: Array, training: bool = False) -> Array:
        mask = (self.rng.random(x.shape) < self.p) / self.p if training else np.ones(x.shape)
        self.keep(mask.astype(x.dtype))
        return np.asarray(x * mask)

    def backward(self, grad_outputs: Array) -> Array:
        return np.asarray(grad_outputs * self.take())


BUGS = [
    PlantedBug(MySigmoid, "forward", tuple, (4, 5)),
    PlantedBug(MyELU, "forward", tuple, (4, 5)),
    PlantedBug(MyGELU, "forward", tuple, (4, 5)),
    PlantedBug(MyGroupNorm, "groups of channels", lambda: (2,), (2, 3, 3, 4)),
    PlantedBug(MyLayerNorm, "root twice", tuple, (4, 5)),
    PlantedBug(MyDropout, "keeps what it must drop", lambda: (0.2,), (10, 20)),
]
